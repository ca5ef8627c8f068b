#include "capture/store/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/store/inside.h"
#include "kfl/base/clock.h"
#include "kfl/base/log.h"
#include "kfl/base/sys.h"

#define FILE_NAME   "reserve"
#define BYTES       (512 * 1024)
#define STEP        (64 * 1024) /* is given at once: others may take of it, too */
#define RENEW_EVERY (10 * NS_PER_S)

static int set_aside(struct store *store)
{
    int fd = openat(store->dir, FILE_NAME, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                    0600);
    if (fd < 0)
        return -errno;
    int result = -posix_fallocate(fd, 0, BYTES);
    close(fd);
    return result;
}

void reserve_make(struct store *store)
{
    int result = set_aside(store);
    atomic_store(&store->reserve_used, result < 0);
    if (result < 0)
        log_warn("cannot set room for manifests aside: %s", strerror(-result));
}

void reserve_renew(struct store *store, int64_t now)
{
    int64_t since = now - store->reserve_at;
    if (!atomic_load(&store->reserve_used) || (since >= 0 && since < RENEW_EVERY))
        return;
    store->reserve_at = now;
    /* As long as the disk is full there is nothing to be had. */
    if (set_aside(store) == 0)
        atomic_store(&store->reserve_used, false);
}

bool reserve_use(struct store *store)
{
    struct stat st;
    int fd = openat(store->dir, FILE_NAME, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    bool used = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
                ftruncate(fd, st.st_size > STEP ? st.st_size - STEP : 0) == 0;
    close(fd);
    if (used)
        atomic_store(&store->reserve_used, true);
    return used;
}

int reserve_replace_file(struct store *store, int dir, const char *name,
                         const void *bytes, size_t size)
{
    int result = sys_replace_file(dir, name, bytes, size);
    while (result == -ENOSPC && reserve_use(store))
        result = sys_replace_file(dir, name, bytes, size);
    return result;
}

int store_replace_file(struct store *store, const char *path, const void *bytes,
                       size_t size)
{
    return reserve_replace_file(store, store->dir, path, bytes, size);
}
