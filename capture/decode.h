/* Decoding: from a captured frame to addresses, ports and payload. Nothing is allocated
 * and nothing is remembered; every length is bounded by what was captured and by what
 * IP says. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "capture/stream.h"

struct packet;

/* Link types, as in pcap-savefile(5). */
enum linktype {
    LINK_NULL = 0,
    LINK_ETHERNET = 1,
    LINK_PPP = 9,
    LINK_RAW_BSD = 12, /* what some systems write for LINK_RAW */
    LINK_RAW_OPENBSD = 14,
    LINK_PPP_HDLC = 50,
    LINK_RAW = 101,
    LINK_C_HDLC = 104,
    LINK_LOOP = 108,
    LINK_LINUX_SLL = 113,
    LINK_IPV4 = 228,
    LINK_IPV6 = 229,
    LINK_NFLOG = 239,
    LINK_LINUX_SLL2 = 276,
};

enum tcp_flag { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16 };

enum decoded {
    DECODED_IP,       /* addresses and `upper`; go on with decode_transport() */
    DECODED_FRAGMENT, /* the same of an IP fragment */
    DECODED_OTHER,    /* no IP (ARP, …), or a link type that is not known */
    DECODED_BAD,      /* cut or malformed before the addresses were complete */
};

struct frame {
    struct endpoint src, dst;
    uint32_t iface;     /* of the link header where that has one, else the packet's */
    uint32_t vlan;      /* outermost id, 0: none */
    const char *tunnel; /* the innermost it came in, a constant; NULL: none */
    bool outgoing;      /* the link header says that this host sent it */
    uint8_t protocol;   /* IPPROTO_ */

    /* Bytes behind the IP header: those held, and how many there were on the wire. */
    const uint8_t *upper;
    uint32_t upper_len, upper_wire;

    struct {
        uint32_t id, offset; /* offset in bytes */
        bool more;
    } fragment;

    /* By decode_transport(). */
    enum stream_kind kind;
    const uint8_t *payload;
    uint32_t payload_len, payload_wire;
    uint32_t seq, ack; /* TCP */
    uint16_t window;
    uint8_t flags;    /* enum tcp_flag */
    uint16_t icmp_id; /* of an echo, else 0 */
};

/* Goes into tunnels as far as they lead to IP. */
enum decoded decode_frame(struct frame *frame, const struct packet *packet);
/* The same from frame->upper on, where that was put together from fragments. */
enum decoded decode_inside(struct frame *frame);
/* The transport header in frame->upper: 0, -ENOTSUP another protocol, -EBADMSG cut or
 * malformed. */
int decode_transport(struct frame *frame);
/* The same number for both directions of all traffic between two addresses, fragments
 * too; 0 for what is no IP. */
uint32_t decode_shard(const struct packet *packet, unsigned shards);
