/* Requests on open files that may have to wait, and their answers. */
#pragma once
#include <fuse3/fuse_lowlevel.h>

struct file;
struct mount;
struct stat;

void request_read(struct mount *mount, fuse_req_t req, struct file *file, size_t size,
                  off_t offset);
void request_flush(struct mount *mount, fuse_req_t req, struct file *file);
/* The attributes, with the file's size in place of st_size. */
void request_attr(struct mount *mount, fuse_req_t req, struct file *file,
                  const struct stat *st);
