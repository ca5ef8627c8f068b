/* Intake: the thread that takes packets from the sources, numbers them, and gives them
 * to the workers. It never waits for anything but packets: what has no room is dropped
 * and counted. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "capture/source.h"

struct block_pool;
struct err;
struct intake;
struct numbers;
struct worker;

struct intake_counters {
    _Atomic uint64_t packets, bytes;
    _Atomic uint64_t dropped_kernel, dropped_interface, dropped_memory;
};

/* Opens the sources of the NULL-terminated `ifaces`; `like` says how, but for the
 * interface. The strings must stay valid. */
int intake_open(struct intake **out, const char *const *ifaces,
                const struct source_options *like, struct err *err);
struct intake_target {
    struct worker *const *workers;
    unsigned worker_count;
    struct numbers *numbers;
    struct block_pool *pool;
    size_t pool_limit; /* bytes of blocks, beyond which packets are dropped */
    /* What was captured until SOURCE_LATENCY_MS ago has been given; returns when to be
     * called again at the latest; all by the monotonic clock. From intake's thread,
     * must not wait. May be NULL. */
    int64_t (*given)(void *context, int64_t now);
    void *context;
};
int intake_start(struct intake *intake, const struct intake_target *target,
                 struct err *err);
/* given() is called soon. */
void intake_wake(struct intake *intake);
/* Ends the thread, if there is one; all packets have been given. */
void intake_stop(struct intake *intake);
/* The same, closes the sources, and frees. */
void intake_close(struct intake *intake);
const struct intake_counters *intake_counters(const struct intake *intake);
