/* Deterministic captures for measuring: make_load http|dns EXCHANGES FILE. The same
 * arguments give the same bytes: HTTP/1.1 over some two hundred interleaved connections
 * of 1 to 20 requests (one answer in a hundred is 500, nine are 404), or DNS questions
 * with their answers. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS 200
#define PAYLOAD     2048

enum { FIN = 1, SYN = 2, PSH = 8, ACK = 16 };

struct connection {
    uint32_t client, seq[2];
    uint16_t port;
    unsigned requests; /* still to be made; 0: not open */
};

struct load {
    FILE *out;
    uint64_t random, at_us, packets;
    struct connection open[CONNECTIONS];
};

static uint32_t load_random(struct load *load, uint32_t below)
{
    load->random ^= load->random << 13;
    load->random ^= load->random >> 7;
    load->random ^= load->random << 17;
    return (uint32_t)(load->random >> 33) % below;
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value & 0xffff);
}

static void load_frame(struct load *load, const uint8_t *frame, size_t len)
{
    load->at_us += 5 + load_random(load, 20);
    uint32_t record[4] = {(uint32_t)(1700000000 + load->at_us / 1000000),
                          (uint32_t)(load->at_us % 1000000), (uint32_t)len,
                          (uint32_t)len};

    fwrite(record, sizeof(record), 1, load->out);
    fwrite(frame, len, 1, load->out);
    load->packets++;
}

/* Ethernet and IPv4 heads; returns where the transport head goes. */
static uint8_t *load_head(uint8_t *frame, const struct connection *conn, bool answer,
                          uint8_t proto, size_t len)
{
    const uint32_t server = 0x0a000001;

    memset(frame, 0, 34);
    frame[5] = frame[11] = (uint8_t)(answer ? 1 : 2);
    put16(frame + 12, 0x0800);
    frame[14] = 0x45;
    put16(frame + 16, (uint32_t)(20 + len));
    frame[22] = 64;
    frame[23] = proto;
    put32(frame + 26, answer ? server : conn->client);
    put32(frame + 30, answer ? conn->client : server);
    return frame + 34;
}

static void load_tcp(struct load *load, struct connection *conn, bool answer,
                     unsigned flags, const char *payload, size_t len)
{
    uint8_t frame[54 + PAYLOAD];
    uint8_t *tcp = load_head(frame, conn, answer, 6, 20 + len);

    memset(tcp, 0, 20);
    put16(tcp, answer ? 80 : conn->port);
    put16(tcp + 2, answer ? conn->port : 80);
    put32(tcp + 4, conn->seq[answer]);
    put32(tcp + 8, flags & ACK ? conn->seq[!answer] : 0);
    tcp[12] = 0x50;
    tcp[13] = (uint8_t)flags;
    put16(tcp + 14, 64240);
    memcpy(tcp + 20, payload, len);
    load_frame(load, frame, 54 + len);
    conn->seq[answer] += (uint32_t)len + ((flags & (SYN | FIN)) != 0);
}

static void load_open(struct load *load, struct connection *conn)
{
    conn->client = 0x0a010000 + load_random(load, 60000);
    conn->port = (uint16_t)(1024 + load_random(load, 60000));
    conn->seq[0] = load_random(load, 1u << 30);
    conn->seq[1] = load_random(load, 1u << 30);
    conn->requests = 1 + load_random(load, 20);
    load_tcp(load, conn, false, SYN, "", 0);
    load_tcp(load, conn, true, SYN | ACK, "", 0);
    load_tcp(load, conn, false, ACK, "", 0);
}

static void load_request(struct load *load, struct connection *conn)
{
    static const char *const methods[] = {"GET", "GET", "GET", "POST", "DELETE"};
    char text[PAYLOAD];
    uint32_t luck = load_random(load, 100);
    unsigned status = luck == 0 ? 500 : luck < 10 ? 404 : 200;
    size_t body = 50 + load_random(load, 1000);

    int len = snprintf(
        text, sizeof(text),
        "%s /api/v1/users/%u?page=%u HTTP/1.1\r\nHost: shop.example\r\n"
        "User-Agent: load/1.0\r\nAccept: */*\r\nX-Request-Id: %08x%08x\r\n"
        "Content-Length: 0\r\n\r\n",
        methods[load_random(load, 5)], load_random(load, 5000), load_random(load, 50),
        load_random(load, 1u << 30), load_random(load, 1u << 30));
    load_tcp(load, conn, false, PSH | ACK, text, (size_t)len);
    load_tcp(load, conn, true, ACK, "", 0);
    len =
        snprintf(text, sizeof(text),
                 "HTTP/1.1 %u %s\r\nServer: load\r\nContent-Type: application/json\r\n"
                 "Content-Length: %zu\r\n\r\n",
                 status, status == 200 ? "OK" : "Not OK", body);
    for (size_t i = 0; i < body; i++)
        text[(size_t)len + i] = (char)('a' + i % 26);
    load_tcp(load, conn, true, PSH | ACK, text, (size_t)len + body);
    load_tcp(load, conn, false, ACK, "", 0);
    if (--conn->requests > 0)
        return;
    load_tcp(load, conn, false, FIN | ACK, "", 0);
    load_tcp(load, conn, true, FIN | ACK, "", 0);
    load_tcp(load, conn, false, ACK, "", 0);
}

static void load_lookup(struct load *load)
{
    struct connection conn = {.client = 0x0a010000 + load_random(load, 60000),
                              .port = (uint16_t)(1024 + load_random(load, 60000))};
    uint8_t frame[512];
    char name[32];
    uint32_t id = load_random(load, 65536);
    int label = snprintf(name, sizeof(name), "host%u", load_random(load, 10000));
    size_t question =
        (size_t)label + 7 + 4 + 2; /* labels, `.test`, root, type and class */

    for (int answer = 0; answer < 2; answer++) {
        size_t len = 8 + 12 + question + (answer ? 16 : 0);
        uint8_t *udp = load_head(frame, &conn, answer, 17, len);
        uint8_t *dns = udp + 8, *at = dns + 12;

        memset(udp, 0, len);
        put16(udp, answer ? 53 : conn.port);
        put16(udp + 2, answer ? conn.port : 53);
        put16(udp + 4, (uint32_t)len);
        put16(dns, id);
        put16(dns + 2, answer ? 0x8180 : 0x0100);
        put16(dns + 4, 1);
        put16(dns + 6, (uint32_t)answer);
        *at++ = (uint8_t)label;
        memcpy(at, name, (size_t)label);
        at += label;
        memcpy(at, "\4test\0\0\1\0\1", 10);
        at += 10;
        if (answer) {
            memcpy(at, "\300\14\0\1\0\1\0\0\1\54\0\4", 12);
            put32(at + 12, 0x0a020000 + load_random(load, 65536));
        }
        load_frame(load, frame, 34 + len);
    }
}

static void load_http(struct load *load, uint64_t exchanges)
{
    for (uint64_t i = 0; i < exchanges; i++) {
        struct connection *conn = &load->open[load_random(load, CONNECTIONS)];

        if (conn->requests == 0)
            load_open(load, conn);
        load_request(load, conn);
    }
}

int main(int argc, char **argv)
{
    static const uint32_t file_head[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 262144, 1};
    struct load load = {.random = 88172645463325252u};
    bool http = argc == 4 && strcmp(argv[1], "http") == 0;
    uint64_t exchanges = argc == 4 ? strtoull(argv[2], NULL, 10) : 0;

    if (exchanges == 0 || (!http && strcmp(argv[1], "dns") != 0)) {
        fprintf(stderr, "usage: make_load http|dns EXCHANGES FILE\n");
        return 2;
    }
    load.out = fopen(argv[3], "wb");
    if (!load.out) {
        fprintf(stderr, "make_load: %s: %s\n", argv[3], strerror(errno));
        return 1;
    }
    fwrite(file_head, sizeof(file_head), 1, load.out);
    if (http)
        load_http(&load, exchanges);
    else
        for (uint64_t i = 0; i < exchanges; i++)
            load_lookup(&load);
    if (ferror(load.out) || fclose(load.out) != 0) {
        fprintf(stderr, "make_load: %s: %s\n", argv[3], strerror(errno));
        return 1;
    }
    printf("%llu\n", (unsigned long long)load.packets);
    return 0;
}
