/* Privileges: the daemon keeps none of them once it serves. */
#pragma once
#include <sys/types.h>

struct err;

struct identity {
    uid_t uid;
    gid_t gid;
};
/* Whom to run as: the user of that name, or (NULL) the one we are. -EINVAL: no such
 * user. */
int privs_find(struct identity *identity, const char *user, struct err *err);
/* Gives the folder, and what is in it, to the identity. */
int privs_own(int dirfd, const struct identity *identity, struct err *err);
/* Becomes the identity, without capabilities and without a way to get any back. */
int privs_drop(const struct identity *identity, struct err *err);
