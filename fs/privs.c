#include "fs/privs.h"

#include <cap-ng.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kfl/base/err.h"

#define DEPTH_MAX 16

int privs_find(struct identity *identity, const char *user, struct err *err)
{
    *identity = (struct identity){geteuid(), getegid()};
    if (!user)
        return 0;
    const struct passwd *entry = getpwnam(user);
    if (!entry)
        return err_set(err, -EINVAL, "there is no user %s", user);
    identity->uid = entry->pw_uid;
    identity->gid = entry->pw_gid;
    if (identity->uid != geteuid() && geteuid() != 0)
        return err_set(err, -EPERM, "only root can run it as another user");
    return 0;
}

/* Owns what is below, then the folder itself; takes over `fd`. */
static int own_tree(int fd, const struct identity *identity, int depth)
{
    DIR *dir = depth < DEPTH_MAX ? fdopendir(fd) : NULL;
    int r = 0;
    if (!dir) {
        r = depth < DEPTH_MAX ? -errno : -ELOOP;
        close(fd);
        return r;
    }
    for (struct dirent *entry; !r && (entry = readdir(dir));) {
        struct stat st;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW))
            continue;
        if (!S_ISDIR(st.st_mode)) {
            if (fchownat(fd, entry->d_name, identity->uid, identity->gid,
                         AT_SYMLINK_NOFOLLOW))
                r = -errno;
            continue;
        }
        int child =
            openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        r = child < 0 ? -errno : own_tree(child, identity, depth + 1);
    }
    if (!r && fchown(fd, identity->uid, identity->gid))
        r = -errno;
    closedir(dir);
    return r;
}

int privs_own(int dirfd, const struct identity *identity, struct err *err)
{
    struct stat st;
    if (fstat(dirfd, &st))
        return err_set(err, -errno, "can't look at the store: errno=%d", errno);
    if (st.st_uid == identity->uid)
        return 0;
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 ? -errno : own_tree(fd, identity, 0);
    if (r)
        return err_set(err, r, "can't give the store to its user: errno=%d", -r);
    return 0;
}

static int become(const struct identity *identity, struct err *err)
{
    if (identity->uid == geteuid())
        return 0;
    if (setgroups(0, NULL) || setresgid(identity->gid, identity->gid, identity->gid) ||
        setresuid(identity->uid, identity->uid, identity->uid))
        return err_set(err, -errno, "can't become the user: errno=%d", errno);
    return 0;
}

int privs_drop(const struct identity *identity, struct err *err)
{
    capng_clear(CAPNG_SELECT_BOTH);
    if (geteuid() == 0 && capng_apply(CAPNG_SELECT_BOUNDS))
        return err_set(err, -EPERM, "can't drop the bounding set of capabilities");
    int r = become(identity, err);
    if (r)
        return r;
    if (capng_apply(CAPNG_SELECT_CAPS))
        return err_set(err, -EPERM, "can't drop capabilities");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return err_set(err, -errno, "can't give up new privileges: errno=%d", errno);
    return 0;
}
