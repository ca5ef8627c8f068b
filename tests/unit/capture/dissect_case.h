/* Drives one dissection by hand. */
#pragma once
#include "tests/unit/capture/dissect_entries.h"

static inline void case_open(struct dissect_case *c, enum stream_kind kind,
                             uint16_t port)
{
    *c = (struct dissect_case){.at = CASE_START};
    c->env.emit = case_emit;
    c->env.context = c;
    c->env.node_ip = "10.0.0.9";
    c->env.node_name = "n1";
    c->env.wants = WANT_ALL;
    c->env.body_limit = 1 << 20;
    c->env.memory_limit = 16 << 20;
    c->env.counters = &c->counters;
    c->stream.number = 17;
    c->stream.kind = kind;
    c->stream.ends[0] = (struct endpoint){{{10, 0, 0, 1}, 4}, 40312};
    c->stream.ends[1] = (struct endpoint){{{10, 0, 0, 2}, 4}, port};
    c->stream.iface = "eth0";
    c->dissection = dissection_new(&c->env, &c->stream);
}

static inline void case_close(struct dissect_case *c)
{
    dissection_free(c->dissection);
    for (size_t i = 0; i < c->count; i++)
        buf_fini(&c->json[i]);
    arena_fini(&c->arena);
}

static inline void case_bytes(struct dissect_case *c, enum direction dir,
                              const void *bytes, size_t len)
{
    /* A copy of its own size, so that a read past its end is seen. */
    uint8_t *copy = malloc(len);
    memcpy(copy, bytes, len);
    dissection_data(c->dissection, dir, copy, len, c->at);
    free(copy);
    c->at += NS_PER_MS;
}

#define case_text(c, dir, text) case_bytes(c, dir, text, strlen(text))
#define case_request(c, text)   case_text(c, DIR_FORWARD, text)
#define case_response(c, text)  case_text(c, DIR_REVERSE, text)

static inline void case_end(struct dissect_case *c, enum stream_end why)
{
    dissection_end(c->dissection, DIR_FORWARD, why, c->at);
    if (why == END_FIN)
        dissection_end(c->dissection, DIR_REVERSE, why, c->at);
}
