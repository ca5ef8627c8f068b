/* A source: live packets of one interface, or of "any", by libpcap. One thread's. */
#pragma once
#include <stdint.h>

struct err;
struct packet;
struct source;

/* A packet can be read at most so long after it was captured. */
#define SOURCE_LATENCY_MS 100

struct source_options {
    const char *iface;
    const char *bpf; /* NULL: none */
    uint32_t snaplen;
    uint64_t ring_bytes;
    /* As engine_options: NULL is socket(2). */
    int (*open_socket)(void *context, int domain, int type, int protocol);
    void *open_context;
};
/* -ENODEV no such interface, -EPERM, -EINVAL bad filter, or another, with words. The
 * options must stay valid: an interface that went away is opened again. */
int source_open(struct source **out, const struct source_options *options,
                struct err *err);
void source_close(struct source *source);
/* To wait on; changes when the source is opened again, -1 while the interface is away.
 */
int source_fd(const struct source *source);
/* Calls `each` for what is there, at most `limit` packets; packet->data is valid within
 * the call and only what the capture knows is set. Never waits. Count, or a negative
 * errno: the interface is away. */
int source_read(struct source *source, int limit,
                void (*each)(void *context, const struct packet *packet), void *context,
                struct err *err);
/* Tries to open an interface that is away: 0, or why not. */
int source_reopen(struct source *source, struct err *err);
/* Reads the kernel's counters: totals since the first open. */
void source_drops(struct source *source, uint64_t *kernel, uint64_t *interface);
const char *source_iface(const struct source *source);
