/* The dissector contract. A dissector is a function of bytes: it sees a reader, its own
 * state and a sink, and can reach no flow, file, clock or lock. One file and one line
 * in protos.def each. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/entry.h"
#include "capture/rd.h"
#include "kfl/doc.h"

struct exchange;
struct sink;

/* What an entry says in `protocol`; constants. */
struct protocol {
    const char *name, *version, *abbr, *longname, *macro;
};

enum side { SIDE_REQUEST, SIDE_RESPONSE };

/* One message while it is read, its memory and its document. */
struct message {
    struct exchange *exchange; /* the sink's */
    struct arena arena;   /* freed with the exchange; where `doc` and its texts lie */
    struct doc_value doc; /* an object; what `request` or `response` will be */
    enum side side;
    enum direction dir;
    uint64_t bytes; /* on the wire; the dissector's to add */
    uint64_t key;   /* the dissector's own, to find the request of a response */
    int64_t start_at, end_at; /* set by the sink */
    const char *error;        /* type of the first error, a constant; NULL: none */
    char error_msg[96];
    bool done;
};

struct dissector {
    const char *name;
    unsigned kinds;        /* 1 << enum stream_kind, or-ed */
    const uint16_t *ports; /* hints, ended by 0 */
    size_t state_size;     /* zeroed when the protocol was found */
    int64_t answer_ns;     /* a request waits so long; 0: while the stream lasts */
    /* 0..100 that these first bytes of a direction are this protocol; PROBE_MORE: too
     * few to say. */
    int (*probe)(struct rd bytes, enum stream_kind kind);
    /* Bytes eaten; 0: more are needed (those given come again, in front of them);
     * -EBADMSG: not this protocol after all. Datagrams are eaten whole. */
    long (*feed)(void *state, struct sink *sink, enum direction dir, struct rd bytes);
    /* That many bytes were lost, with what was not eaten before. May be NULL. */
    void (*gap)(void *state, struct sink *sink, enum direction dir, uint64_t missing);
    /* Nothing more comes in this direction; `rest` was not eaten. May be NULL. */
    void (*done)(void *state, struct sink *sink, enum direction dir,
                 enum stream_end why, struct rd rest);
    void (*free)(void *state);         /* what the state points to; may be NULL */
    size_t (*held)(const void *state); /* bytes of that; may be NULL */
};

#define PROBE_MORE (-1)

/* ---- what a dissector may ask and say */

bool sink_wants(const struct sink *sink, enum want want);
size_t sink_body_limit(const struct sink *sink);
bool sink_has_port(const struct sink *sink, uint16_t port); /* at either end */
enum stream_kind sink_kind(const struct sink *sink);
/* A request begins an exchange. */
struct message *sink_request(struct sink *sink, enum direction dir,
                             const struct protocol *protocol);
/* A response to `request`; NULL: to one that was not seen. */
struct message *sink_response(struct sink *sink, enum direction dir,
                              const struct protocol *protocol, struct message *request);
/* Requests that were sent in direction `dir` and have no response yet, oldest first;
 * NULL: no more. */
struct message *sink_pending(struct sink *sink, enum direction dir,
                             const struct message *after);
/* The message is whole; with both sides whole the entry is emitted, and they are gone.
 */
void sink_done(struct sink *sink, struct message *message);
/* The same for a message that has no other side and needs none. */
void sink_alone(struct sink *sink, struct message *message);
/* A request that will have no response after all is emitted with that error. */
void sink_abandon(struct sink *sink, struct message *request, const char *type,
                  const char *msg);
/* Takes an unfinished response away: its request is emitted with that error. False: it
 * has none. */
bool sink_retract(struct sink *sink, struct message *response, const char *type,
                  const char *msg);
/* The entry's protocol, where it shows only later. */
void message_protocol(struct message *message, const struct protocol *protocol);
/* The first error of a message stays; `type` is a constant. */
__attribute__((format(printf, 3, 4))) void
message_fail(struct message *message, const char *type, const char *format, ...);
/* An address was called that in an answer. */
void sink_learn(struct sink *sink, const struct address *address, const char *name,
                size_t len, uint32_t ttl_s);
/* From here on the stream speaks another protocol; NULL: one that is not known. */
void sink_switch(struct sink *sink, const char *name);
