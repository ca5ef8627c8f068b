/* Entries: the dissection of one stream, from ordered bytes to entry documents. A
 * dissection finds its protocol, pairs requests with responses and emits a document for
 * each exchange. It belongs to one thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/stream.h"
#include "kfl/doc.h"

struct names;
struct dissection;

/* A finished entry; everything in it lives until emit() returns. */
struct entry {
    struct doc_value doc; /* SPEC's keys in SPEC's order, without "record" */
    const struct stream *stream;
    const char *abbr; /* protocol.abbr, a constant */
    uint32_t index;   /* order of its request in the stream */
    int64_t start_at; /* the request's (or only message's) first byte */
    int64_t done_at;  /* completion: start_at + elapsed; what entries are ordered by */
};

/* Parts of an entry that cost work and may be left out. */
enum want {
    WANT_HEADERS = 1 << 0,
    WANT_BODY = 1 << 1,    /* bodies, decoded and as base64 */
    WANT_PARAMS = 1 << 2,  /* cookies, query strings, forms, path segments */
    WANT_RECORDS = 1 << 3, /* DNS records beyond the questions */
    WANT_ALL = (1 << 4) - 1,
};

/* What dissections of one worker share. */
struct dissect_env {
    void (*emit)(void *context, const struct entry *entry);
    void *context;
    struct names *names; /* may be NULL: names are "" */
    const char *node_ip, *node_name;
    unsigned wants;    /* enum want, or-ed; may change between two calls */
    size_t body_limit; /* bytes of a decoded body that are kept; more is `truncated` */
    size_t memory_limit; /* bytes one dissection may hold */
    struct dissect_counters *counters;
};

struct dissect_counters {
    _Atomic uint64_t entries, errors, truncated, gaps, given_up, unknown_streams;
};

enum stream_end {
    END_FIN, /* this direction was closed in order */
    END_RESET,
    END_TIMEOUT,
    END_EVICTED, /* for room */
    END_STOP,    /* capture ended */
};

/* `stream` is the caller's and outlives the dissection. */
struct dissection *dissection_new(struct dissect_env *env, const struct stream *stream);
void dissection_free(struct dissection *dissection);
/* TCP: the next bytes in order. UDP: one datagram. */
void dissection_data(struct dissection *dissection, enum direction dir,
                     const uint8_t *data, size_t len, int64_t at);
/* TCP: `missing` bytes were lost before the next data. */
void dissection_gap(struct dissection *dissection, enum direction dir, uint64_t missing,
                    int64_t at);
/* One direction ended (FIN), or the whole stream (any other): half exchanges are
 * emitted. */
void dissection_end(struct dissection *dissection, enum direction dir,
                    enum stream_end why, int64_t at);
/* Time passed: emits exchanges that nobody will answer (DNS). Call about once a second.
 */
void dissection_tick(struct dissection *dissection, int64_t now);
/* Start of the oldest exchange that is not emitted yet, so that its packets are kept;
 * INT64_MAX: none. */
int64_t dissection_waiting_since(const struct dissection *dissection);
/* Bytes of messages that are not complete or not answered, for whoever bounds the
 * memory of all dissections. */
size_t dissection_held(const struct dissection *dissection);
/* The protocol found; NULL: none yet, or none at all. */
const char *dissection_protocol(const struct dissection *dissection);
