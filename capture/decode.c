/* Link layers: LINKTYPE_ documents of tcpdump.org; VLAN: IEEE 802.1Q; PPPoE: RFC 2516;
 * MPLS: RFC 3032; IPv4: RFC 791; IPv6 and its extension headers: RFC 8200; UDP: RFC
 * 768; TCP: RFC 9293; SCTP: RFC 9260. */
#include "capture/decode.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "capture/block.h"
#include "capture/rd.h"
#include "capture/tunnel.h"

#define TYPE_IPV4       0x0800
#define TYPE_IPV6       0x86dd
#define TYPE_VLAN       0x8100
#define TYPE_QINQ       0x88a8
#define TYPE_QINQ_OLD   0x9100
#define TYPE_QINQ_OLDER 0x9200
#define TYPE_MPLS       0x8847
#define TYPE_MPLS_UP    0x8848
#define TYPE_PPPOE      0x8864
#define TYPE_MIN        0x0600 /* less is an 802.3 length */
#define PPP_IPV4        0x0021
#define PPP_IPV6        0x0057
#define NFLOG_PAYLOAD   9
#define SLL_OUTGOING    4
#define TUNNELS_MAX     4
#define HEADERS_MAX     16 /* tags, labels or extension headers in a row */

static enum decoded decode_ipv4(struct frame *frame, struct rd *rd, uint32_t cut)
{
    size_t held = rd_left(rd);
    uint8_t first = rd_u8(rd);
    size_t header = (size_t)(first & 15) * 4;
    rd_skip(rd, 1);
    uint32_t total = rd_be16(rd);
    uint32_t id = rd_be16(rd);
    uint16_t offset = rd_be16(rd);
    rd_skip(rd, 1);
    uint8_t protocol = rd_u8(rd);
    rd_skip(rd, 2);
    const uint8_t *src = rd_bytes(rd, 4);
    const uint8_t *dst = rd_bytes(rd, 4);
    if (!src || !dst || first >> 4 != 4 || header < 20)
        return DECODED_BAD;
    rd_skip(rd, header - 20);
    if (rd->bad)
        return DECODED_BAD;
    /* 0: the card was to cut the segment and write the lengths (TSO). */
    if (total == 0)
        total = (uint32_t)held + cut;
    if (total < header)
        return DECODED_BAD;
    frame->src.address.family = frame->dst.address.family = 4;
    memcpy(frame->src.address.bytes, src, 4);
    memcpy(frame->dst.address.bytes, dst, 4);
    frame->protocol = protocol;
    frame->upper_wire = total - (uint32_t)header;
    frame->upper_len = (uint32_t)rd_left(rd);
    if (frame->upper_len > frame->upper_wire)
        frame->upper_len = frame->upper_wire;
    frame->upper = rd->at;
    frame->fragment.id = id;
    frame->fragment.offset = (uint32_t)(offset & 0x1fff) * 8;
    frame->fragment.more = (offset & 0x2000) != 0;
    return frame->fragment.offset || frame->fragment.more ? DECODED_FRAGMENT
                                                          : DECODED_IP;
}

/* Goes over extension headers; stops behind a fragment header that means something. */
static enum decoded skip_extensions(struct frame *frame)
{
    struct rd rd;
    rd_init(&rd, frame->upper, frame->upper_len);
    uint8_t next = frame->protocol;
    enum decoded result = DECODED_IP;
    for (int i = 0; i < HEADERS_MAX && result == DECODED_IP; i++) {
        const uint8_t *start = rd.at;
        size_t size;
        uint8_t following = rd_peek(&rd);
        if (next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING ||
            next == IPPROTO_DSTOPTS || next == IPPROTO_MH || next == 139 ||
            next == 140) {
            rd_skip(&rd, 1);
            size = ((size_t)rd_u8(&rd) + 1) * 8;
        } else if (next == IPPROTO_AH) {
            rd_skip(&rd, 1);
            size = ((size_t)rd_u8(&rd) + 2) * 4;
        } else if (next == IPPROTO_FRAGMENT) {
            rd_skip(&rd, 2);
            uint16_t offset = rd_be16(&rd);
            frame->fragment.id = rd_be32(&rd);
            frame->fragment.offset = offset & 0xfff8u;
            frame->fragment.more = offset & 1;
            size = 8;
            if (frame->fragment.offset || frame->fragment.more)
                result = DECODED_FRAGMENT;
        } else {
            break;
        }
        size_t done = (size_t)(rd.at - start);
        rd_skip(&rd, size > done ? size - done : 0);
        if (rd.bad || size > frame->upper_wire)
            return DECODED_BAD;
        frame->upper_wire -= (uint32_t)size;
        next = following;
    }
    frame->protocol = next;
    frame->upper = rd.at;
    frame->upper_len = (uint32_t)rd_left(&rd);
    return result;
}

static enum decoded decode_ipv6(struct frame *frame, struct rd *rd, uint32_t cut)
{
    uint8_t first = rd_u8(rd);
    rd_skip(rd, 3);
    uint32_t length = rd_be16(rd);
    frame->protocol = rd_u8(rd);
    rd_skip(rd, 1);
    const uint8_t *src = rd_bytes(rd, 16);
    const uint8_t *dst = rd_bytes(rd, 16);
    if (!src || !dst || first >> 4 != 6)
        return DECODED_BAD;
    frame->src.address.family = frame->dst.address.family = 6;
    memcpy(frame->src.address.bytes, src, 16);
    memcpy(frame->dst.address.bytes, dst, 16);
    /* 0: a jumbogram, or TSO as above. */
    frame->upper_wire = length ? length : (uint32_t)rd_left(rd) + cut;
    frame->upper_len = (uint32_t)rd_left(rd);
    if (frame->upper_len > frame->upper_wire)
        frame->upper_len = frame->upper_wire;
    frame->upper = rd->at;
    return skip_extensions(frame);
}

static enum decoded decode_ip(struct frame *frame, struct rd *rd, uint32_t cut)
{
    if (rd_left(rd) == 0)
        return DECODED_BAD;
    if (rd_peek(rd) >> 4 == 4)
        return decode_ipv4(frame, rd, cut);
    if (rd_peek(rd) >> 4 == 6)
        return decode_ipv6(frame, rd, cut);
    return DECODED_OTHER;
}

static enum decoded decode_ppp(struct frame *frame, struct rd *rd, uint32_t cut)
{
    uint16_t protocol = rd_be16(rd);
    if (rd->bad)
        return DECODED_BAD;
    if (protocol != PPP_IPV4 && protocol != PPP_IPV6)
        return DECODED_OTHER;
    return decode_ip(frame, rd, cut);
}

static enum decoded decode_mpls(struct frame *frame, struct rd *rd, uint32_t cut)
{
    for (int i = 0; i < HEADERS_MAX; i++) {
        bool bottom = rd_be32(rd) & 0x100;
        if (rd->bad)
            return DECODED_BAD;
        if (bottom)
            return decode_ip(frame, rd, cut);
    }
    return DECODED_OTHER;
}

/* What an ethertype announces; tags are gone over. */
static enum decoded decode_type(struct frame *frame, struct rd *rd, uint16_t type,
                                uint32_t cut)
{
    for (int i = 0; i < HEADERS_MAX; i++) {
        switch (type) {
        case TYPE_IPV4:
        case TYPE_IPV6:
            return decode_ip(frame, rd, cut);
        case TYPE_VLAN:
        case TYPE_QINQ:
        case TYPE_QINQ_OLD:
        case TYPE_QINQ_OLDER:
            if (frame->vlan == 0)
                frame->vlan = rd_be16(rd) & 0xfff;
            else
                rd_skip(rd, 2);
            type = rd_be16(rd);
            break;
        case TYPE_MPLS:
        case TYPE_MPLS_UP:
            return decode_mpls(frame, rd, cut);
        case TYPE_PPPOE:
            rd_skip(rd, 6);
            return decode_ppp(frame, rd, cut);
        default:
            if (type >= TYPE_MIN || rd_left(rd) < 8)
                return rd->bad ? DECODED_BAD : DECODED_OTHER;
            /* 802.2 LLC with SNAP and no organisation: an ethertype follows. */
            if (rd_be24(rd) != 0xaaaa03 || rd_be24(rd) != 0)
                return DECODED_OTHER;
            type = rd_be16(rd);
            break;
        }
    }
    return DECODED_OTHER;
}

static enum decoded decode_null(struct frame *frame, struct rd *rd, uint32_t cut)
{
    uint32_t family = rd_be32(rd);
    if (rd->bad)
        return DECODED_BAD;
    /* The family of the host that captured, in its byte order; 2 is IPv4 everywhere. */
    uint16_t low = family & 0xffff;
    if (family > 0xffff)
        family = __builtin_bswap32(family);
    if (family > 0xffff &&
        low >= TYPE_MIN) /* some tunnels' devices write an ethertype */
        return decode_type(frame, rd, low, cut);
    if (family != 2 && family != 10 && family != 24 && family != 28 && family != 30)
        return DECODED_OTHER;
    return decode_ip(frame, rd, cut);
}

/* Attributes, each with its length and type in the byte order of the host that
 * captured. */
static enum decoded decode_nflog(struct frame *frame, struct rd *rd, uint32_t cut)
{
    rd_skip(rd, 4);
    while (rd_left(rd) >= 4) {
        struct rd head = *rd;
        uint32_t little = (uint32_t)rd_le(&head, 4), big = rd_be32(rd);
        bool is_little = (little & 0xffff) >= 4 && (little & 0xffff) <= rd_left(rd) + 4;
        size_t length = is_little ? little & 0xffff : big >> 16;
        uint32_t type = is_little ? little >> 16 : big & 0xffff;
        if (length < 4)
            return DECODED_BAD;
        if ((type & 0x7fff) == NFLOG_PAYLOAD) {
            struct rd payload =
                rd_sub(rd, length - 4 < rd_left(rd) ? length - 4 : rd_left(rd));
            return decode_ip(frame, &payload, cut);
        }
        rd_skip(rd, ((length + 3) & ~(size_t)3) - 4);
    }
    return rd->bad ? DECODED_BAD : DECODED_OTHER;
}

static enum decoded decode_sll(struct frame *frame, struct rd *rd, uint32_t cut)
{
    uint16_t how = rd_be16(rd);
    rd_skip(rd, 12);
    uint16_t type = rd_be16(rd);
    frame->outgoing = how == SLL_OUTGOING;
    return decode_type(frame, rd, type, cut);
}

static enum decoded decode_sll2(struct frame *frame, struct rd *rd, uint32_t cut)
{
    uint16_t type = rd_be16(rd);
    rd_skip(rd, 2);
    frame->iface = rd_be32(rd);
    rd_skip(rd, 2);
    uint8_t how = rd_u8(rd);
    rd_skip(rd, 9);
    frame->outgoing = how == SLL_OUTGOING;
    return decode_type(frame, rd, type, cut);
}

static enum decoded decode_link(struct frame *frame, const struct packet *packet)
{
    struct rd rd;
    uint32_t cut = packet->len > packet->caplen ? packet->len - packet->caplen : 0;
    rd_init(&rd, packet->data, packet->caplen);
    switch ((enum linktype)packet->linktype) {
    case LINK_ETHERNET:
        rd_skip(&rd, 12);
        return decode_type(frame, &rd, rd_be16(&rd), cut);
    case LINK_NFLOG:
        return decode_nflog(frame, &rd, cut);
    case LINK_LINUX_SLL:
        return decode_sll(frame, &rd, cut);
    case LINK_LINUX_SLL2:
        return decode_sll2(frame, &rd, cut);
    case LINK_NULL:
    case LINK_LOOP:
        return decode_null(frame, &rd, cut);
    case LINK_RAW:
    case LINK_RAW_BSD:
    case LINK_RAW_OPENBSD:
    case LINK_IPV4:
    case LINK_IPV6:
        return decode_ip(frame, &rd, cut);
    case LINK_PPP:
    case LINK_PPP_HDLC:
        if (rd_peek(&rd) == 0xff) /* address and control may be left out */
            rd_skip(&rd, 2);
        return decode_ppp(frame, &rd, cut);
    case LINK_C_HDLC:
        rd_skip(&rd, 2);
        return decode_type(frame, &rd, rd_be16(&rd), cut);
    }
    return DECODED_OTHER;
}

/* Once into a tunnel; what does not lead to IP leaves the frame as it is. */
static enum decoded enter(struct frame *frame, bool *entered)
{
    struct frame inside = {
        .iface = frame->iface, .vlan = frame->vlan, .outgoing = frame->outgoing};
    struct inner inner;
    struct rd rd;
    uint32_t cut = frame->upper_wire - frame->upper_len;
    enum decoded what = DECODED_OTHER;
    tunnel_find(&inner, &rd, frame);
    if (inner.name && inner.is_link) {
        rd_skip(&rd, 12);
        what = decode_type(&inside, &rd, rd_be16(&rd), cut);
    } else if (inner.name) {
        what = inner.type ? decode_type(&inside, &rd, inner.type, cut)
                          : decode_ip(&inside, &rd, cut);
    }
    *entered = what == DECODED_IP || what == DECODED_FRAGMENT;
    if (!*entered)
        return DECODED_IP;
    inside.tunnel = inner.name;
    *frame = inside;
    return what;
}

enum decoded decode_inside(struct frame *frame)
{
    enum decoded what = DECODED_IP;
    bool entered = true;
    for (int i = 0; i < TUNNELS_MAX && entered && what == DECODED_IP; i++)
        what = enter(frame, &entered);
    return what;
}

enum decoded decode_frame(struct frame *frame, const struct packet *packet)
{
    *frame = (struct frame){.iface = packet->iface};
    enum decoded what = decode_link(frame, packet);
    return what == DECODED_IP ? decode_inside(frame) : what;
}

/* ---- transport */

static int decode_tcp(struct frame *frame, struct rd *rd)
{
    frame->kind = STREAM_TCP;
    frame->src.port = rd_be16(rd);
    frame->dst.port = rd_be16(rd);
    frame->seq = rd_be32(rd);
    frame->ack = rd_be32(rd);
    uint32_t header = (uint32_t)(rd_u8(rd) >> 4) * 4;
    frame->flags = rd_u8(rd) & (TCP_FIN | TCP_SYN | TCP_RST | TCP_PSH | TCP_ACK);
    frame->window = rd_be16(rd);
    rd_skip(rd, 4);
    if (rd->bad || header < 20 || header > frame->upper_wire)
        return -EBADMSG;
    /* Options beyond the snap length: the payload was not held, but there was one. */
    size_t options = header - 20;
    rd_skip(rd, options < rd_left(rd) ? options : rd_left(rd));
    frame->payload_wire = frame->upper_wire - header;
    return 0;
}

static int decode_udp(struct frame *frame, struct rd *rd)
{
    frame->kind = STREAM_UDP;
    frame->src.port = rd_be16(rd);
    frame->dst.port = rd_be16(rd);
    uint32_t length = rd_be16(rd);
    rd_skip(rd, 2);
    if (rd->bad || (length != 0 && length < 8))
        return -EBADMSG;
    frame->payload_wire = frame->upper_wire - 8;
    if (length != 0 && length - 8 < frame->payload_wire)
        frame->payload_wire = length - 8;
    return 0;
}

static int decode_sctp(struct frame *frame, struct rd *rd)
{
    frame->kind = STREAM_SCTP;
    frame->src.port = rd_be16(rd);
    frame->dst.port = rd_be16(rd);
    rd_skip(rd, 8);
    if (rd->bad)
        return -EBADMSG;
    frame->payload_wire = frame->upper_wire - 12;
    return 0;
}

/* The whole message is the payload. */
static int decode_icmp(struct frame *frame, const struct rd *at)
{
    struct rd rd = *at;
    uint8_t type = rd_u8(&rd);
    rd_skip(&rd, 3);
    if (rd.bad)
        return -EBADMSG;
    bool echo = frame->protocol == IPPROTO_ICMP ? type == 8 || type == 0
                                                : type == 128 || type == 129;
    frame->kind = STREAM_ICMP;
    frame->icmp_id = echo ? rd_be16(&rd) : 0;
    frame->payload_wire = frame->upper_wire;
    return 0;
}

int decode_transport(struct frame *frame)
{
    /* Behind a fragment header there may be more of them. */
    if (frame->src.address.family == 6 && skip_extensions(frame) != DECODED_IP)
        return -EBADMSG;
    struct rd rd;
    rd_init(&rd, frame->upper, frame->upper_len);
    int rc = -ENOTSUP;
    switch (frame->protocol) {
    case IPPROTO_TCP:
        rc = decode_tcp(frame, &rd);
        break;
    case IPPROTO_UDP:
        rc = decode_udp(frame, &rd);
        break;
    case IPPROTO_SCTP:
        rc = decode_sctp(frame, &rd);
        break;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        rc = decode_icmp(frame, &rd);
        break;
    default:
        break;
    }
    if (rc < 0)
        return rc;
    frame->payload = rd.at;
    frame->payload_len = (uint32_t)rd_left(&rd);
    if (frame->payload_len > frame->payload_wire)
        frame->payload_len = frame->payload_wire;
    return 0;
}

/* FNV-1a: spread is all that is asked of it here, the flow tables have a seed. */
static uint32_t mix(uint32_t hash, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * 16777619u;
    return hash;
}

uint32_t decode_shard(const struct packet *packet, unsigned shards)
{
    struct frame frame;
    enum decoded what = shards > 1 ? decode_frame(&frame, packet) : DECODED_OTHER;
    if (what != DECODED_IP && what != DECODED_FRAGMENT)
        return 0;
    size_t len = frame.src.address.family == 6 ? 16 : 4;
    uint32_t a = mix(2166136261u, frame.src.address.bytes, len);
    uint32_t b = mix(2166136261u, frame.dst.address.bytes, len);
    uint32_t both = (a ^ b) + (a & b) * 2654435761u;
    return (both ^ both >> 15) % shards;
}
