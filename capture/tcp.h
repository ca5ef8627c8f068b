/* TCP reassembly of one connection: bytes in order, once each, and where some are
 * missing. Works on captures that begin in the middle, see one side only, or lost
 * segments. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/stream.h"

struct frame;

/* What reassembly finds, and what the connections of one shard share. */
struct tcp_env {
    void (*data)(void *context, enum direction dir, const uint8_t *bytes, size_t len,
                 int64_t at);
    void (*gap)(void *context, enum direction dir, uint64_t missing, int64_t at);
    /* `dir` is complete. */
    void (*fin)(void *context, enum direction dir, int64_t at);
    size_t limit;      /* bytes all of them may buffer */
    size_t flow_limit; /* bytes one direction may buffer */
    size_t buffered;   /* bytes they do */
    _Atomic uint64_t *gaps, *gap_bytes;
    _Atomic uint64_t *dropped; /* segments that could not belong, or had no room */
};

struct tcp_segment;

/* One direction. Zero-initialised is valid. */
struct tcp_half {
    uint32_t next;  /* the sequence number that is delivered next */
    uint32_t first; /* where `next` began */
    uint32_t acked; /* highest acknowledgement the other side sent for it */
    uint32_t
        answered; /* the same of what came with bytes: the other side had read so far */
    uint32_t fin; /* behind the last byte, where a FIN was seen */
    bool has_next, has_syn, has_ack, has_answer, has_fin, ended;
    int64_t hole_at; /* since when bytes at `next` are missing; 0: none are */
    size_t buffered;
    unsigned count;
    struct tcp_segment *segments, *last; /* beyond `next`, by sequence number */
};

struct tcp {
    struct tcp_half halves[2]; /* by enum direction of who sends */
    bool reset;                /* a RST that belongs was seen */
};

void tcp_fini(struct tcp *tcp, struct tcp_env *env);
/* Does this SYN open another connection than the one that is followed? */
bool tcp_is_new(const struct tcp *tcp, const struct frame *frame, enum direction dir);
/* Takes a segment; calls env->data and the others with `context`. */
void tcp_add(struct tcp *tcp, struct tcp_env *env, void *context,
             const struct frame *frame, enum direction dir, int64_t at);
/* Gives up on bytes that will not come; call about once a second while
 * tcp_is_waiting(). */
void tcp_tick(struct tcp *tcp, struct tcp_env *env, void *context, int64_t now);
bool tcp_is_waiting(const struct tcp *tcp);
/* Delivers what is buffered, holes as gaps. */
void tcp_flush(struct tcp *tcp, struct tcp_env *env, void *context);
/* Both directions ended, or reset. */
bool tcp_is_closed(const struct tcp *tcp);
