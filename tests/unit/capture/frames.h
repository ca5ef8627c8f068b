/* Headers of frames for tests, put on layer by layer from the inside out. */
#pragma once
#include <stdint.h>

#include "capture/decode.h"
#include "tests/unit/capture/wire.h"

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
