/* The operations of the kernel's filesystem, on the places and files of this floor. */
#pragma once
#include <fuse3/fuse_lowlevel.h>
#include <pthread.h>

struct fs;
struct handle;
struct lot;
struct passthrough;
struct tree;

/* What every request finds in fuse_req_userdata(). */
struct mount {
    struct fs *fs;
    struct tree *tree;
    struct lot *lot;
    struct passthrough *passthrough; /* NULL: none */
    pthread_mutex_t lock;
    struct handle *handles;         /* all that are open */
    void (*serving)(void *context); /* the kernel has said hello */
    void *context;
};

extern const struct fuse_lowlevel_ops mount_ops;

int mount_init(struct mount *mount, struct fs *fs);
/* After the session's loop: closes what is still open. */
void mount_fini(struct mount *mount);
