/* FUSE passthrough: the kernel reads an open file from the file on disk that it is byte
 * for byte, without asking here. Where the kernel or the broker will not, nothing of it
 * is seen. Thread safe. */
#pragma once
#include <fuse3/fuse_lowlevel.h>
#include <stdbool.h>
#include <stdint.h>

struct broker;
struct err;
struct file;
struct mount;
struct opened;
struct passthrough;

/* For a session that is mounted but does not serve yet. The broker and the session must
 * outlive the service. */
int passthrough_start(struct mount *mount, struct fuse_session *session,
                      struct broker *broker, struct err *err);
/* After the last passthrough_leave. NULL is fine, here and below. */
void passthrough_free(struct passthrough *passthrough);

/* An open of the inode `node`. The kernel wants all that are open at a time to be of
 * one way, so that *file (a reference) may become the one that the inode is open with.
 * NULL: there is nothing to leave. */
struct opened *passthrough_enter(struct passthrough *passthrough, uint64_t node,
                                 struct file **file);
/* The end of one of them: false if the file is still open by another. */
bool passthrough_leave(struct passthrough *passthrough, struct opened *opened);
/* As fuse_reply_open(), whichever way it is. */
int passthrough_reply(fuse_req_t req, const struct fuse_file_info *fi,
                      const struct opened *opened);
