/* The writer: the one thread that appends. Workers hand it batches of events. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "capture/stream.h"

struct clock;
struct err;
struct iteration;
struct packet;
struct writer;

enum event_type { EVENT_PACKET, EVENT_ENTRY, EVENT_LOSS };

struct event {
    enum event_type type;
    enum stream_kind kind;
    struct iteration *to; /* a reference, let go by the writer */
    uint64_t stream;
    union {
        struct packet *packet; /* a reference */
        struct {
            size_t line;
            uint32_t len, index;
            int64_t done_at;
        } entry; /* text at batch->text + line */
        struct {
            const char *cause;
            uint64_t count;
        } loss; /* cause: a constant */
    };
};

/* Made by batch_new, filled by one worker, owned by the writer once submitted. */
struct batch {
    unsigned worker;
    size_t count, cap;
    struct event *events;
    char *text;
    size_t text_len, text_cap;
    size_t bytes; /* that it keeps alive, for the backlog limit */
};
struct batch *batch_new(unsigned worker);
void batch_free(struct batch *batch);           /* lets go of all references */
struct event *batch_event(struct batch *batch); /* one more, zeroed */
size_t batch_text(struct batch *batch, const char *text, size_t len); /* its offset */

struct writer_options {
    unsigned workers;     /* entries that several race are put in order of completion */
    size_t backlog_limit; /* bytes of batches waiting */
    const struct clock *clock;
    /* What is committed grew: called from the writer's thread, must not wait. May be
     * NULL. */
    void (*committed)(void *context);
    void *context;
};
struct writer *writer_start(const struct writer_options *options,
                            struct iteration *live_packets,
                            struct iteration *live_entries, struct err *err);
/* Takes the batch, or leaves it to the caller with -EAGAIN (backlog) to free and count.
 */
int writer_submit(struct writer *writer, struct batch *batch);
/* After everything submitted so far: commit, then iteration_end(state), then
 * done(context, result) on the writer's thread. Takes over the caller's reference. */
void writer_end(struct writer *writer, struct iteration *iteration, const char *state,
                int64_t at, void (*done)(void *context, int result), void *context);
/* Everything submitted so far is written and committed when this returns. */
void writer_flush(struct writer *writer);
void writer_stop(struct writer *writer);
