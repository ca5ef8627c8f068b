#include "fs/daemon.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "capture/capture.h"
#include "capture/store/store.h"
#include "fs/broker.h"
#include "fs/errorlog.h"
#include "fs/hidden.h"
#include "fs/options.h"
#include "fs/pool.h"
#include "fs/query.h"
#include "fs/saved.h"
#include "fs/scratch.h"
#include "fs/shelf.h"
#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/log.h"
#include "sched/sched.h"

#define POOL_THREADS 4

/* A daemon that was just unmounted may still be closing the store. */
#define LOCK_TRIES 60
#define LOCK_PAUSE (50 * NS_PER_MS)

/* Not socket(2): libpcap's calls of that come here. */
static int open_socket(void *context, int domain, int type, int protocol)
{
    struct daemon *daemon = context;
    int fd = broker_open_socket(daemon->broker, domain, type, protocol);
    if (fd < 0) {
        errno = -fd;
        return -1;
    }
    return fd;
}

static void committed(void *context)
{
    struct daemon *daemon = context;
    queries_committed(daemon->fs.queries);
}

static int open_store(struct daemon *daemon, const struct options *options,
                      struct err *err)
{
    struct store_options store = {
        .path = options->store,
        .storage_limit = options->storage_limit,
        .sync = options->sync,
        .live_limit = options->live_limit,
        .live_packets_ttl = options->pcap_ttl,
        .live_entries_ttl = options->json_ttl,
        .clock = daemon->fs.clock,
    };
    int r = store_open(&daemon->fs.store, &store, err);
    for (int tries = 0; r == -EBUSY && tries < LOCK_TRIES; tries++) {
        nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE}, NULL);
        r = store_open(&daemon->fs.store, &store, err);
    }
    if (!r)
        r = saved_open(&daemon->fs.saved, store_dir(daemon->fs.store), err);
    if (!r)
        r = privs_own(store_dir(daemon->fs.store), &daemon->identity, err);
    return r;
}

static int open_engine(struct daemon *daemon, const struct options *options,
                       struct err *err)
{
    struct engine_options engine = {
        .ifaces = (const char *const *)options->ifaces,
        .bpf = options->bpf,
        .names_file = options->names_file,
        .snaplen = options->snaplen,
        .ring_bytes = options->buffer,
        .workers = options->workers,
        .live_limit = options->live_limit,
        .packets_ttl = options->pcap_ttl,
        .no_capture = options->no_capture,
        .clock = daemon->fs.clock,
        .open_socket = open_socket,
        .open_context = daemon,
        .committed = committed,
        .context = daemon,
    };
    return engine_open(&daemon->fs.engine, &engine, daemon->fs.store, err);
}

/* Each recording job has three files open; the usual limit is made for select(2). */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        log_warn("cannot raise the limit of descriptors: %s", strerror(errno));
}

int daemon_open(struct daemon *daemon, const struct options *options, struct err *err)
{
    struct fs *fs = &daemon->fs;
    raise_descriptors();
    fs->clock = clock_system();
    fs->started_at = fs_now(fs);
    fs->names_file = options->names_file;
    int r = privs_find(&daemon->identity, options->user, err);
    if (r)
        return r;
    fs->uid = daemon->identity.uid;
    fs->gid = daemon->identity.gid;
    fs->errors = errorlog_new();
    fs->hidden = hidden_new();
    fs->scratch = scratch_new();
    fs->shelf = shelf_new();
    r = open_store(daemon, options, err);
    if (!r)
        r = open_engine(daemon, options, err);
    if (r)
        daemon_close(daemon);
    return r;
}

/* ---- the scheduler records with the engine */

static int record(void *context, uint64_t *id, struct kfl *kfl,
                  struct iteration *iteration, bool entries_only, struct err *err)
{
    struct fs *fs = context;
    struct tap_options options = {
        .kfl = kfl, .iteration = iteration, .entries_only = entries_only};
    return engine_record(fs->engine, &options, id, err);
}

static int rewrite(void *context, uint64_t id, struct kfl *kfl, struct err *err)
{
    struct fs *fs = context;
    return engine_rewrite(fs->engine, id, kfl, err);
}

static void unrecord(void *context, uint64_t id, const char *state, int64_t at,
                     void (*done)(void *done_context, int result), void *done_context)
{
    struct fs *fs = context;
    engine_unrecord(fs->engine, id, state, at, done, done_context);
}

static void spec_refused(void *context, const char *job, const char *text,
                         const struct err *err)
{
    struct fs *fs = context;
    struct buf where = {0};
    buf_addf(&where, "jobs/%s/spec.yaml", job);
    errorlog_add(fs->errors, fs_now(fs), where.data, text, err);
    buf_fini(&where);
}

static int start_sched(struct fs *fs, struct err *err)
{
    struct sched_options options = {
        .store = fs->store,
        .clock = fs->clock,
        .recorder = {.record = record,
                     .rewrite = rewrite,
                     .unrecord = unrecord,
                     .context = fs},
        .saved = saved_text,
        .saved_context = fs->saved,
        .refused = spec_refused,
        .context = fs,
    };
    int r = sched_open(&fs->sched, &options, err);
    return r ? r : sched_start(fs->sched, err);
}

int daemon_start(struct daemon *daemon, const struct options *options, struct err *err)
{
    struct fs *fs = &daemon->fs;
    int r = pool_start(&fs->pool, options->workers + POOL_THREADS, err);
    if (r)
        return r;
    fs->queries = queries_new(fs);
    r = engine_start(fs->engine, err);
    return r ? r : start_sched(fs, err);
}

void daemon_stop(struct daemon *daemon)
{
    struct fs *fs = &daemon->fs;
    /* The engine's last callbacks still reach the scheduler. */
    if (fs->sched)
        sched_stop(fs->sched);
    if (fs->engine)
        engine_close(fs->engine);
    if (fs->sched)
        sched_close(fs->sched);
    if (fs->queries)
        queries_end(fs->queries);
    fs->sched = NULL;
    fs->engine = NULL;
}

void daemon_close(struct daemon *daemon)
{
    struct fs *fs = &daemon->fs;
    daemon_stop(daemon);
    if (fs->queries)
        queries_free(fs->queries);
    pool_stop(fs->pool);
    shelf_free(fs->shelf);
    scratch_free(fs->scratch);
    hidden_free(fs->hidden);
    errorlog_free(fs->errors);
    if (fs->saved)
        saved_close(fs->saved);
    if (fs->store)
        store_close(fs->store);
}
