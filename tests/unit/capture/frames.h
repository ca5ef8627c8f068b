/* Frames for tests, built layer by layer from the inside out. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "capture/block.h"
#include "capture/decode.h"

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

static inline void wire_udp(struct wire *wire, uint16_t src, uint16_t dst)
{
    uint16_t len = (uint16_t)(wire_len(wire) + 8);
    wire_be(wire, 0, 2);
    wire_be(wire, len, 2);
    wire_be(wire, dst, 2);
    wire_be(wire, src, 2);
}

static inline void wire_tcp(struct wire *wire, uint16_t src, uint16_t dst, uint32_t seq,
                            uint32_t ack, uint8_t flags)
{
    wire_be(wire, 0, 4);
    wire_be(wire, 65535, 2);
    wire_be(wire, flags, 1);
    wire_be(wire, 5 << 4, 1);
    wire_be(wire, ack, 4);
    wire_be(wire, seq, 4);
    wire_be(wire, dst, 2);
    wire_be(wire, src, 2);
}

/* Addresses are 10.0.0.<host>. `fragment` is flags and offset as in the header. */
static inline void wire_ipv4_fragment(struct wire *wire, uint8_t protocol, uint8_t src,
                                      uint8_t dst, uint16_t id, uint16_t fragment)
{
    uint32_t len = wire_len(wire) + 20;
    wire_be(wire, 0x0a000000u | dst, 4);
    wire_be(wire, 0x0a000000u | src, 4);
    wire_be(wire, 0, 2);
    wire_be(wire, protocol, 1);
    wire_be(wire, 64, 1);
    wire_be(wire, fragment, 2);
    wire_be(wire, id, 2);
    wire_be(wire, len, 2);
    wire_be(wire, 0x4500, 2);
}

static inline void wire_ipv4(struct wire *wire, uint8_t protocol, uint8_t src,
                             uint8_t dst)
{
    wire_ipv4_fragment(wire, protocol, src, dst, 1, 0);
}

/* Addresses are fd00::<host>. */
static inline void wire_ipv6(struct wire *wire, uint8_t next, uint8_t src, uint8_t dst)
{
    uint32_t len = wire_len(wire);
    const uint8_t hosts[2] = {dst, src};
    for (int i = 0; i < 2; i++) {
        wire_be(wire, hosts[i], 8);
        wire_be(wire, 0xfd00000000000000u, 8);
    }
    wire_be(wire, 64, 1);
    wire_be(wire, next, 1);
    wire_be(wire, len, 2);
    wire_be(wire, 0x60000000u, 4);
}

static inline void wire_ethernet(struct wire *wire, uint16_t type)
{
    wire_be(wire, type, 2);
    wire_be(wire, 0x020000000001u, 6);
    wire_be(wire, 0x020000000002u, 6);
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
