/* Facts of a stream: one L4 conversation as packets, entries and files name it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stream_kind { STREAM_TCP, STREAM_UDP, STREAM_ICMP, STREAM_SCTP };

#define STREAM_NAME 40

/* An IPv4 address is the 4 first bytes. */
struct address {
    uint8_t bytes[16];
    uint8_t family; /* 4 or 6 */
};

struct endpoint {
    struct address address;
    uint16_t port;
};

/* DIR_FORWARD is the direction of the stream's first packet, or of the SYN where one
 * was seen. */
enum direction { DIR_FORWARD, DIR_REVERSE };

struct stream {
    uint64_t number; /* of its first packet; never given twice in a store */
    enum stream_kind kind;
    struct endpoint ends[2]; /* [DIR_FORWARD] sends in that direction */
    const char
        *iface;    /* name of the interface, "" unknown; lives as long as the engine */
    uint32_t vlan; /* outermost id, 0: none */
    const char *tunnel; /* "vxlan", "gre", … a constant; NULL: none */
    bool outgoing;      /* the first packet left this host */
};

/* "000000000017.pcap", "000000000017_udp.pcap", "…_icmp.pcap", "…_sctp.pcap". */
char *stream_file(char out[STREAM_NAME], uint64_t number, enum stream_kind kind);
/* Back again: 0 or -EINVAL. */
int stream_parse(uint64_t *number, enum stream_kind *kind, const char *file);
/* Text form of an address (RFC 5952 for IPv6); returns `out`. */
#define ADDRESS_TEXT 46
char *address_text(char out[ADDRESS_TEXT], const struct address *address);
bool address_equal(const struct address *a, const struct address *b);
