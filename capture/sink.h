/* The sink of a dissection: exchanges that are under way, and their way out as entries.
 */
#pragma once
#include "capture/entry.h"
#include "capture/proto/proto.h"

struct exchange;

struct sink {
    struct dissect_env *env;
    const struct stream *stream;
    struct exchange *first, *last; /* in order of their start */
    size_t count, held;            /* exchanges; bytes of their finished messages */
    uint32_t next_index;
    int64_t at;                   /* time of the newest bytes */
    int64_t first_at;             /* time of the first byte that is given now */
    int64_t answer_ns;            /* of the dissector */
    bool switched;                /* sink_switch() was called */
    const struct dissector *next; /* with this */
};

void sink_init(struct sink *sink, struct dissect_env *env, const struct stream *stream);
void sink_fini(struct sink *sink);
/* No response will come in this direction any more. */
void sink_close_direction(struct sink *sink, enum direction dir, enum stream_end why);
/* Emits all that is under way. */
void sink_flush(struct sink *sink, enum stream_end why);
void sink_tick(struct sink *sink, int64_t now);
/* Start of the oldest exchange; INT64_MAX: none. */
int64_t sink_since(const struct sink *sink);
