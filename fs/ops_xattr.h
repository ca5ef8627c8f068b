/* Extended attributes: user.kfl, the statement of a query or a recording. */
#pragma once
#include <fuse3/fuse_lowlevel.h>

void xattr_get(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void xattr_list(fuse_req_t req, fuse_ino_t ino, size_t size);
