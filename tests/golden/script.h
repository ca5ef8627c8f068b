/* Captures made of readable scripts. A line of a script is one of
 *   tcp CLIENT:PORT SERVER:PORT     a connection begins, with its handshake
 *   udp CLIENT:PORT SERVER:PORT
 *   > bytes   < bytes               the client or the server sends; \r \n \\ \xHH are
 * decoded fin   rst                       the connection ends, the client first mss N
 * bytes of a segment from here on wait MS                         time passes pipelined
 * a packet may hold parts of several exchanges and # begins a comment. Packets are a
 * millisecond apart. */
#pragma once
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kfl/base/buf.h"
#include "kfl/base/clock.h"

#define PACKETS_MAX  256
#define FRAME_MAX    2048
#define SCRIPT_START (INT64_C(1700000000) * NS_PER_S)

enum { FLAG_FIN = 1, FLAG_SYN = 2, FLAG_RST = 4, FLAG_PSH = 8, FLAG_ACK = 16 };

struct made_packet {
    uint8_t bytes[FRAME_MAX];
    size_t len;
    int64_t at;
    unsigned stream; /* place of its line in the script */
    int dir;
    size_t data; /* bytes of payload */
};

struct script {
    struct made_packet packets[PACKETS_MAX];
    size_t count;
    bool pipelined;
    /* The stream that is written. */
    struct {
        uint32_t ip;
        uint16_t port;
        uint32_t seq;
    } ends[2];
    bool udp;
    unsigned stream;
    size_t mss;
    int64_t at;
};

static inline void script_put(struct made_packet *p, uint64_t value, size_t bytes)
{
    assert_true(p->len + bytes <= FRAME_MAX);
    for (size_t i = bytes; i-- > 0;)
        p->bytes[p->len++] = (uint8_t)(value >> (8 * i));
}

static inline void script_packet(struct script *s, int dir, unsigned flags,
                                 const void *data, size_t len)
{
    assert_true(s->count < PACKETS_MAX);
    struct made_packet *p = &s->packets[s->count++];
    *p =
        (struct made_packet){.at = s->at, .stream = s->stream, .dir = dir, .data = len};
    s->at += NS_PER_MS;
    script_put(p, 0x020000000001 + (uint64_t)!dir, 6);
    script_put(p, 0x020000000001 + (uint64_t)dir, 6);
    script_put(p, 0x0800, 2);
    script_put(p, 0x4500, 2);
    script_put(p, 20 + (s->udp ? 8u : 20u) + len, 2);
    script_put(p, s->count, 2);
    script_put(p, 0x4000, 2);
    script_put(p, s->udp ? 0x4011 : 0x4006, 2);
    script_put(p, 0, 2);
    script_put(p, s->ends[dir].ip, 4);
    script_put(p, s->ends[!dir].ip, 4);
    script_put(p, s->ends[dir].port, 2);
    script_put(p, s->ends[!dir].port, 2);
    if (s->udp) {
        script_put(p, 8 + len, 2);
        script_put(p, 0, 2);
    } else {
        script_put(p, s->ends[dir].seq, 4);
        script_put(p, flags & FLAG_ACK ? s->ends[!dir].seq : 0, 4);
        script_put(p, 0x5000 | flags, 2);
        script_put(p, 0xffff, 2);
        script_put(p, 0, 4);
    }
    assert_true(p->len + len <= FRAME_MAX);
    memcpy(p->bytes + p->len, data, len);
    p->len += len;
    s->ends[dir].seq += (uint32_t)len + (flags & (FLAG_SYN | FLAG_FIN) ? 1 : 0);
}

static inline void script_send(struct script *s, int dir, const char *text)
{
    uint8_t bytes[8192];
    size_t len = 0;
    for (const char *p = text; *p; p++) {
        assert_true(len < sizeof bytes);
        unsigned hex = 0;
        if (*p != '\\') {
            bytes[len++] = (uint8_t)*p;
        } else if (*++p == 'x') {
            assert_int_equal(sscanf(p + 1, "%2x", &hex), 1);
            bytes[len++] = (uint8_t)hex;
            p += 2;
        } else {
            bytes[len++] = (uint8_t)(*p == 'r' ? '\r' : *p == 'n' ? '\n' : *p);
        }
    }
    size_t step = s->udp ? len : s->mss;
    for (size_t at = 0; at < len; at += step)
        script_packet(s, dir, FLAG_PSH | FLAG_ACK, bytes + at,
                      len - at < step ? len - at : step);
}

static inline void script_open(struct script *s, const char *ends, bool udp)
{
    char ip[2][16];
    unsigned port[2];
    assert_int_equal(
        sscanf(ends, "%15[0-9.]:%u %15[0-9.]:%u", ip[0], &port[0], ip[1], &port[1]), 4);
    s->udp = udp;
    s->stream++;
    for (int i = 0; i < 2; i++) {
        s->ends[i].ip = ntohl(inet_addr(ip[i]));
        s->ends[i].port = (uint16_t)port[i];
        s->ends[i].seq = 0xfffffff0u + (uint32_t)i * 1000; /* numbers wrap early */
    }
    if (udp)
        return;
    script_packet(s, 0, FLAG_SYN, "", 0);
    script_packet(s, 1, FLAG_SYN | FLAG_ACK, "", 0);
    script_packet(s, 0, FLAG_ACK, "", 0);
}

static inline void script_line(struct script *s, char *line)
{
    char *text = strchr(line, ' ');
    text = text ? text + 1 : line + strlen(line);
    if (line[0] == '#' || line[0] == 0) {
        return;
    } else if (line[0] == '>' || line[0] == '<') {
        script_send(s, line[0] == '<', text);
    } else if (!strncmp(line, "tcp ", 4) || !strncmp(line, "udp ", 4)) {
        script_open(s, text, line[0] == 'u');
    } else if (!strcmp(line, "fin")) {
        script_packet(s, 0, FLAG_FIN | FLAG_ACK, "", 0);
        script_packet(s, 1, FLAG_FIN | FLAG_ACK, "", 0);
        script_packet(s, 0, FLAG_ACK, "", 0);
    } else if (!strcmp(line, "rst")) {
        script_packet(s, 1, FLAG_RST | FLAG_ACK, "", 0);
    } else if (!strncmp(line, "mss ", 4)) {
        s->mss = (size_t)strtoul(text, NULL, 10);
    } else if (!strncmp(line, "wait ", 5)) {
        s->at += strtol(text, NULL, 10) * NS_PER_MS;
    } else if (!strcmp(line, "pipelined")) {
        s->pipelined = true;
    } else {
        fail_msg("a script says: %s", line);
    }
}

/* The text is changed. */
static inline void script_read(struct script *s, char *text)
{
    *s = (struct script){.mss = 1400, .at = SCRIPT_START};
    for (char *line = text, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        script_line(s, line);
    }
}

/* A PCAP file (nanosecond, host's byte order) of the packets that `order` lists. */
static inline void script_pcap(struct buf *out, const struct script *s,
                               const size_t *order, size_t count)
{
    const uint32_t header[] = {0xa1b23c4d, 2 | 4 << 16, 0, 0, 262144, 1};
    buf_add(out, header, sizeof header);
    for (size_t i = 0; i < count; i++) {
        const struct made_packet *p = &s->packets[order[i]];
        /* Time goes on, whatever the order is; what is left out leaves its time. */
        int64_t at = count == s->count ? s->packets[i].at : p->at;
        const uint32_t record[] = {(uint32_t)(at / NS_PER_S), (uint32_t)(at % NS_PER_S),
                                   (uint32_t)p->len, (uint32_t)p->len};
        buf_add(out, record, sizeof record);
        buf_add(out, p->bytes, p->len);
    }
}
