/* Capture: the door of the floor. The engine takes packets off the wire, follows
 * streams, dissects them, runs the statements of all recordings that are running, and
 * hands the writer what they want. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct clock;
struct engine;
struct err;
struct iteration;
struct kfl;
struct store;

struct engine_options {
    const char *const *ifaces; /* NULL-terminated; "any" */
    const char *bpf;           /* NULL: none */
    const char *names_file;    /* NULL: none */
    uint32_t snaplen;
    uint64_t ring_bytes; /* of each interface's ring (`buffer=`) */
    unsigned workers;
    uint64_t live_limit; /* memory that streams may hold, a quarter of it for their
                            packets */
    int64_t packets_ttl; /* how long a stream's packets are held */
    bool no_capture;
    const struct clock *clock;
    /* Opens a capture socket for libpcap where this process may not (see source.h);
     * NULL: socket(2). */
    int (*open_socket)(void *context, int domain, int type, int protocol);
    void *open_context;
    /* New entries can be read in the store; from the writer's thread, must not wait. */
    void (*committed)(void *context);
    void *context;
};

/* Two steps, so that a bad interface or filter is told while the terminal is there and
 * before privileges are dropped: open the sources, then start the threads. */
int engine_open(struct engine **out, const struct engine_options *options,
                struct store *store, struct err *err);
int engine_start(struct engine *engine, struct err *err);
/* Ends all recordings as they are (they resume at the next start), stops the threads,
 * frees. */
void engine_close(struct engine *engine);

struct tap_options {
    struct kfl *kfl;             /* a reference is taken */
    struct iteration *iteration; /* a reference is taken */
    bool entries_only;           /* redact: no packets */
};
/* A statement joins the running set; `id` names it. */
int engine_record(struct engine *engine, const struct tap_options *options,
                  uint64_t *id, struct err *err);
/* The statement changes in place; streams that are pinned stay so. */
int engine_rewrite(struct engine *engine, uint64_t id, struct kfl *kfl,
                   struct err *err);
/* Leaves the set; when all it was owed is written, the iteration is ended with `state`
 * and done() is called from the writer's thread. done may be NULL. */
void engine_unrecord(struct engine *engine, uint64_t id, const char *state, int64_t at,
                     void (*done)(void *context, int result), void *context);

/* Totals since the start, for metrics and status. */
struct engine_counters {
    uint64_t packets, bytes, duplicates;
    uint64_t dropped_kernel, dropped_interface, dropped_queue, dropped_writer,
        dropped_memory;
    uint64_t undecoded, fragments_dropped, flows, flows_total, flows_evicted;
    uint64_t tcp_gaps, tcp_gap_bytes, tcp_dropped_segments;
    uint64_t held_bytes, block_bytes;
    uint64_t names;
};
void engine_counters(struct engine *engine, struct engine_counters *counters);
/* `each(abbr, count)` for the entries of each protocol. */
void engine_each_protocol(struct engine *engine,
                          void (*each)(void *context, const char *abbr, uint64_t count),
                          void *context);
