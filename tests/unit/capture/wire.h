/* Bytes of a packet that a test puts together. */
#pragma once
#include <stdint.h>
#include <string.h>

#include "capture/block.h"

#define WIRE_MAX 70000

/* Bytes grow to the front, so that each layer is put before what it carries. */
struct wire {
    uint8_t room[WIRE_MAX];
    size_t start;
};

static inline void wire_init(struct wire *wire, const void *payload, size_t len)
{
    wire->start = WIRE_MAX - len;
    if (len > 0)
        memcpy(wire->room + wire->start, payload, len);
}

static inline const uint8_t *wire_data(const struct wire *wire)
{
    return wire->room + wire->start;
}

static inline uint32_t wire_len(const struct wire *wire)
{
    return (uint32_t)(WIRE_MAX - wire->start);
}

static inline void wire_bytes(struct wire *wire, const void *bytes, size_t len)
{
    wire->start -= len;
    memcpy(wire->room + wire->start, bytes, len);
}

static inline void wire_be(struct wire *wire, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++, value >>= 8)
        wire->room[--wire->start] = (uint8_t)value;
}

/* Points into `wire`. */
static inline struct packet wire_packet(const struct wire *wire, uint16_t linktype)
{
    return (struct packet){.number = 1,
                           .data = wire_data(wire),
                           .caplen = wire_len(wire),
                           .len = wire_len(wire),
                           .linktype = linktype};
}
