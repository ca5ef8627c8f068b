/* IP in IP: RFC 2003, RFC 4213; GRE: RFC 2784, RFC 2890; VXLAN: RFC 7348; Geneve: RFC
 * 8926; GTP-U: 3GPP TS 29.281; Teredo: RFC 4380. */
#include "capture/tunnel.h"

#include <netinet/in.h>

#include "capture/decode.h"
#include "capture/rd.h"

#define PORT_GTP      2152
#define PORT_TEREDO   3544
#define PORT_VXLAN    4789
#define PORT_GENEVE   6081
#define TYPE_ETHERNET 0x6558

static void find_gre(struct inner *inner, struct rd *rd)
{
    uint16_t flags = rd_be16(rd);
    uint16_t type = rd_be16(rd);
    rd_skip(rd,
            flags & 0xc000 ? 4 : 0); /* checksum and offset, of both if one is there */
    rd_skip(rd, flags & 0x2000 ? 4 : 0); /* key */
    rd_skip(rd, flags & 0x1000 ? 4 : 0); /* sequence number */
    if (rd->bad || flags & 0x4007)       /* routing, or another version */
        return;
    *inner =
        (struct inner){.name = "gre", .is_link = type == TYPE_ETHERNET, .type = type};
}

static void find_vxlan(struct inner *inner, struct rd *rd)
{
    uint8_t flags = rd_u8(rd);
    rd_skip(rd, 7);
    if (!rd->bad && flags & 0x08)
        *inner = (struct inner){.name = "vxlan", .is_link = true};
}

static void find_geneve(struct inner *inner, struct rd *rd)
{
    uint8_t first = rd_u8(rd);
    rd_skip(rd, 1);
    uint16_t type = rd_be16(rd);
    rd_skip(rd, 4 + (size_t)(first & 0x3f) * 4);
    if (!rd->bad && first >> 6 == 0)
        *inner = (struct inner){
            .name = "geneve", .is_link = type == TYPE_ETHERNET, .type = type};
}

static void find_gtp(struct inner *inner, struct rd *rd)
{
    uint8_t flags = rd_u8(rd);
    uint8_t message = rd_u8(rd);
    rd_skip(rd, 6);
    if (flags >> 4 != 3 || message != 255) /* version 1, a packet of a user */
        return;
    if (flags & 7) {
        rd_skip(rd, 3);
        uint8_t next = rd_u8(rd);
        /* Extension headers, each with its length in words and what follows it. */
        for (int i = 0; next != 0 && i < 8; i++) {
            size_t words = rd_u8(rd);
            if (words == 0)
                return;
            rd_skip(rd, words * 4 - 2);
            next = rd_u8(rd);
        }
    }
    if (!rd->bad)
        *inner = (struct inner){.name = "gtp"};
}

/* Authentication and origin may stand in front of the IPv6 packet. */
static void find_teredo(struct inner *inner, struct rd *rd)
{
    struct rd head = *rd;
    uint16_t kind = rd_be16(&head);
    if (kind == 1) {
        size_t client = rd_u8(&head), value = rd_u8(&head);
        rd_skip(&head, client + value + 9);
        *rd = head;
        kind = rd_be16(&head);
    }
    if (kind == 0 && !head.bad)
        rd_skip(rd, 8);
    if (!rd->bad && rd_left(rd) >= 40 && rd_peek(rd) >> 4 == 6)
        *inner = (struct inner){.name = "teredo"};
}

static void find_in_udp(struct inner *inner, struct rd *rd)
{
    uint16_t src = rd_be16(rd), dst = rd_be16(rd);
    rd_skip(rd, 4);
    if (rd->bad)
        return;
    if (dst == PORT_VXLAN)
        find_vxlan(inner, rd);
    else if (dst == PORT_GENEVE)
        find_geneve(inner, rd);
    else if (src == PORT_GTP || dst == PORT_GTP)
        find_gtp(inner, rd);
    else if (src == PORT_TEREDO || dst == PORT_TEREDO)
        find_teredo(inner, rd);
}

void tunnel_find(struct inner *inner, struct rd *rd, const struct frame *frame)
{
    *inner = (struct inner){0};
    rd_init(rd, frame->upper, frame->upper_len);
    switch (frame->protocol) {
    case IPPROTO_IPIP:
    case IPPROTO_IPV6:
        *inner = (struct inner){.name = "ipip"};
        break;
    case IPPROTO_GRE:
        find_gre(inner, rd);
        break;
    case IPPROTO_UDP:
        find_in_udp(inner, rd);
        break;
    default:
        break;
    }
}
