/* LINKTYPE_LINUX_SLL2 (tcpdump.org/linktypes):
 *   ethertype 16 | 0 16 | interface 32 | ARPHRD 16 | packet type 8 | address length 8 |
 * address 64 */
#include "capture/sll2.h"

#include <string.h>

#include "capture/block.h"
#include "capture/decode.h"
#include "capture/rd.h"

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86DD
#define ARPHRD_ETHER   1
#define ARPHRD_NONE    0xFFFE
#define PACKET_HOST    0
#define PACKET_GROUP   2
#define SLL2_ADDRESS   8
#define SLL_ADDRESS    8

struct link {
    uint16_t ethertype, arphrd;
    uint8_t kind, address_len;
    uint8_t address[SLL2_ADDRESS];
};

static void take_address(struct link *link, struct rd *rd, size_t len)
{
    const uint8_t *bytes = rd_bytes(rd, len);
    if (bytes)
        memcpy(link->address, bytes, len);
}

static void ethernet(struct link *link, struct rd *rd)
{
    const uint8_t *to = rd_bytes(rd, 6);
    link->kind = to && to[0] & 1 ? PACKET_GROUP : PACKET_HOST;
    link->arphrd = ARPHRD_ETHER;
    link->address_len = 6;
    take_address(link, rd, 6);
    link->ethertype = rd_be16(rd);
}

static void sll(struct link *link, struct rd *rd)
{
    link->kind = (uint8_t)rd_be16(rd);
    link->arphrd = rd_be16(rd);
    link->address_len = (uint8_t)rd_be16(rd);
    take_address(link, rd, SLL_ADDRESS);
    link->ethertype = rd_be16(rd);
}

/* The version of the IP header that begins here. */
static void ip(struct link *link, const struct rd *rd)
{
    uint8_t version = rd_peek(rd) >> 4;
    link->ethertype = version == 4 ? ETHERTYPE_IPV4 : version == 6 ? ETHERTYPE_IPV6 : 0;
}

bool sll2_rewrite(uint8_t header[SLL2_HEADER], size_t *replaced,
                  const struct packet *packet)
{
    struct link link = {.arphrd = ARPHRD_NONE};
    struct rd rd;
    rd_init(&rd, packet->data, packet->caplen);
    switch (packet->linktype) {
    case LINK_LINUX_SLL2: {
        const uint8_t *same = rd_bytes(&rd, SLL2_HEADER);
        if (!same)
            return false;
        memcpy(header, same, SLL2_HEADER);
        *replaced = SLL2_HEADER;
        return true;
    }
    case LINK_ETHERNET:
        ethernet(&link, &rd);
        break;
    case LINK_LINUX_SLL:
        sll(&link, &rd);
        break;
    case LINK_NULL:
    case LINK_LOOP:
        rd_skip(&rd, 4);
        ip(&link, &rd);
        break;
    case LINK_RAW:
    case LINK_RAW_BSD:
    case LINK_RAW_OPENBSD:
    case LINK_IPV4:
    case LINK_IPV6:
        ip(&link, &rd);
        break;
    default:
        return false;
    }
    /* Below 1536 it is the length of an IEEE 802.3 frame. */
    if (rd.bad || link.ethertype < 1536)
        return false;
    *replaced = packet->caplen - rd_left(&rd);
    memset(header, 0, SLL2_HEADER);
    header[0] = (uint8_t)(link.ethertype >> 8);
    header[1] = (uint8_t)link.ethertype;
    for (int i = 0; i < 4; i++)
        header[4 + i] = (uint8_t)(packet->iface >> (24 - 8 * i));
    header[8] = (uint8_t)(link.arphrd >> 8);
    header[9] = (uint8_t)link.arphrd;
    header[10] = link.kind;
    header[11] = link.address_len > SLL2_ADDRESS ? SLL2_ADDRESS : link.address_len;
    memcpy(header + 12, link.address, SLL2_ADDRESS);
    return true;
}
