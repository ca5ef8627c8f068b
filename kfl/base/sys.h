/* System calls that finish what they start. Each returns 0 or a negative errno unless
 * it says more. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct buf;

int sys_write_all(int fd, const void *bytes, size_t size);
int sys_pwrite_all(int fd, const void *bytes, size_t size, off_t offset);
/* Bytes read, fewer than `size` only at the end of the file. */
ssize_t sys_pread_all(int fd, void *bytes, size_t size, off_t offset);
/* The whole file appended to `out`; -EFBIG where it is larger than `limit`. */
int sys_read_file(int dirfd, const char *name, size_t limit, struct buf *out);
/* Replaces a file as a whole: ".name.tmp", fsync, rename, fsync of the folder. Mode
 * 0600. Not for two threads at once on one name. */
int sys_replace_file(int dirfd, const char *name, const void *bytes, size_t size);
/* mkdir -p below dirfd (AT_FDCWD too), mode 0700. */
int sys_make_dirs(int dirfd, const char *path);
/* rm -rf of one name below dirfd; follows no symbolic link; absent is 0. */
int sys_remove_tree(int dirfd, const char *name);
int sys_sync_dir(int dirfd);
