/* The mounted filesystem: what the modules of this floor share. */
#pragma once
#include <stdint.h>
#include <sys/types.h>

struct clock;
struct engine;
struct err;
struct errorlog;
struct hidden;
struct pool;
struct queries;
struct saved;
struct sched;
struct scratch;
struct shelf;
struct store;

/* Filled before the first request, then unchanged but for the counter. */
struct fs {
    struct store *store;
    struct engine *engine;
    struct sched *sched;
    const struct clock *clock;
    struct errorlog *errors;
    struct hidden *hidden;
    struct saved *saved;
    struct scratch *scratch;
    struct pool *pool;
    struct queries *queries;
    struct shelf *shelf;
    uid_t uid;
    gid_t gid;
    int64_t started_at;
    const char *names_file;    /* NULL: none */
    _Atomic uint64_t left_out; /* packets that no mixed capture had a place for */
};

/* Now, on the filesystem's clock. */
int64_t fs_now(const struct fs *fs);
