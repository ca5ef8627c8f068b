#include "kfl/base/sys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kfl/base/buf.h"
#include "kfl/base/mem.h"

#define READ_STEP      ((size_t)64 * 1024)
#define TREE_DEPTH_MAX 64 /* each level holds a descriptor */

int sys_write_all(int fd, const void *bytes, size_t size)
{
    const char *p = bytes;
    while (size > 0) {
        ssize_t n = write(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

int sys_pwrite_all(int fd, const void *bytes, size_t size, off_t offset)
{
    const char *p = bytes;
    while (size > 0) {
        ssize_t n = pwrite(fd, p, size, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        p += n;
        size -= (size_t)n;
        offset += n;
    }
    return 0;
}

ssize_t sys_pread_all(int fd, void *bytes, size_t size, off_t offset)
{
    char *p = bytes;
    size_t done = 0;
    while (done < size) {
        ssize_t n = pread(fd, p + done, size - done, offset + (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

/* Sizes of files in /proc are 0, so the end is where read says it is. */
static int read_to_end(int fd, size_t limit, struct buf *out)
{
    size_t start = out->len;
    for (;;) {
        size_t done = out->len - start;
        size_t want = limit - done < READ_STEP ? limit - done + 1 : READ_STEP;
        char *to = buf_reserve(out, want);
        /* The buffer's own limit may leave room for the file but not for the step. */
        if (!to && out->limit > out->len) {
            want = out->limit - out->len;
            to = buf_reserve(out, want);
        }
        char past;
        ssize_t n = to ? read(fd, to, want) : read(fd, &past, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        if (!to)
            return -E2BIG;
        if ((size_t)n > limit - done)
            return -EFBIG;
        out->len += (size_t)n;
        out->data[out->len] = 0;
    }
}

int sys_read_file(int dirfd, const char *name, size_t limit, struct buf *out)
{
    int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    size_t start = out->len;
    bool full = out->full;
    int rc = read_to_end(fd, limit, out);
    if (rc < 0) {
        out->len = start;
        if (out->data)
            out->data[start] = 0;
    }
    out->full = full || rc == -E2BIG;
    close(fd);
    return rc;
}

/* Opens the folder of `path` and points *name behind the last slash. */
static int open_parent(const char **name, int dirfd, const char *path)
{
    const char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    char *folder = !slash          ? mem_strdup(".")
                   : slash == path ? mem_strdup("/")
                                   : mem_dup(path, (size_t)(slash - path));
    int fd = openat(dirfd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -errno : fd;
    free(folder);
    return rc;
}

static int write_file(int dirfd, const char *name, const void *bytes, size_t size)
{
    int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW;
    int fd = openat(dirfd, name, flags, 0600);
    if (fd < 0)
        return -errno;
    int rc = sys_write_all(fd, bytes, size);
    if (rc == 0 && fsync(fd) < 0)
        rc = -errno;
    if (close(fd) < 0 && rc == 0)
        rc = -errno;
    return rc;
}

int sys_replace_file(int dirfd, const char *name, const void *bytes, size_t size)
{
    struct buf tmp = {0};
    int folder = open_parent(&name, dirfd, name);
    if (folder < 0)
        return folder;
    buf_addf(&tmp, ".%s.tmp", name);
    int rc = write_file(folder, tmp.data, bytes, size);
    if (rc == 0 && renameat(folder, tmp.data, folder, name) < 0)
        rc = -errno;
    if (rc < 0)
        unlinkat(folder, tmp.data, 0);
    else
        rc = sys_sync_dir(folder);
    buf_fini(&tmp);
    close(folder);
    return rc;
}

static int make_dir(int dirfd, const char *path)
{
    if (mkdirat(dirfd, path, 0700) == 0)
        return 0;
    if (errno != EEXIST)
        return -errno;
    struct stat st;
    if (fstatat(dirfd, path, &st, 0) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int sys_make_dirs(int dirfd, const char *path)
{
    char *copy = mem_strdup(path);
    int rc = 0;
    for (char *slash = copy; rc == 0 && (slash = strchr(slash, '/')); slash++) {
        if (slash == copy)
            continue;
        *slash = 0;
        rc = make_dir(dirfd, copy);
        *slash = '/';
    }
    if (rc == 0)
        rc = make_dir(dirfd, copy);
    free(copy);
    return rc;
}

static int remove_below(int dirfd, const char *name, int depth);

static int remove_entries(DIR *dir, int depth)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry)
            return -errno;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        int rc = remove_below(dirfd(dir), entry->d_name, depth + 1);
        if (rc < 0)
            return rc;
    }
}

static int remove_below(int dirfd, const char *name, int depth)
{
    if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
        return 0;
    /* Linux says EISDIR for a folder, POSIX EPERM. */
    if (errno != EISDIR && errno != EPERM)
        return -errno;
    if (depth > TREE_DEPTH_MAX)
        return -ELOOP;
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOTDIR ? -EPERM : -errno;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    int rc = remove_entries(dir, depth);
    closedir(dir);
    if (rc == 0 && unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        rc = -errno;
    return rc;
}

int sys_remove_tree(int dirfd, const char *name)
{
    return remove_below(dirfd, name, 0);
}

int sys_sync_dir(int dirfd)
{
    /* Some filesystems cannot sync a folder and need not. */
    if (fsync(dirfd) < 0 && errno != EINVAL)
        return -errno;
    return 0;
}
