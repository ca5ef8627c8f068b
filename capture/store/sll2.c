/* LINUX_SLL2 (pcap-linktype(7)), big endian:
 *
 *    0          2          4           8        10            11       12
 *   | protocol | reserved | interface | ARPHRD | packet type | length | address, 8
 * bytes |
 *
 * A VLAN tag stays in the payload behind its own ethertype, as Linux writes it. */
#include "capture/store/sll2.h"

#include <string.h>

#include "capture/rd.h"

#define LINKTYPE_NULL  0
#define LINKTYPE_RAW   101
#define LINKTYPE_LOOP  108
#define LINKTYPE_SLL   113
#define LINKTYPE_IPV4  228
#define LINKTYPE_IPV6  229
#define ETHERTYPE_MIN  0x600 /* below it is a length */
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define ARPHRD_ETHER   1
#define ARPHRD_LOOP    772
#define ARPHRD_NONE    0xfffe

struct link {
    uint16_t protocol, arphrd;
    uint8_t packet_type, address_len;
    uint8_t address[8];
};

static uint16_t ethernet(struct link *link, struct rd *rd)
{
    const uint8_t *to = rd_bytes(rd, 6), *from = rd_bytes(rd, 6);
    if (!to || !from)
        return 0;
    static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    link->arphrd = ARPHRD_ETHER;
    link->packet_type = memcmp(to, all, 6) == 0 ? 1 : to[0] & 1 ? 2 : 0;
    link->address_len = 6;
    memcpy(link->address, from, 6);
    return rd_be16(rd);
}

static uint16_t cooked(struct link *link, struct rd *rd)
{
    link->packet_type = (uint8_t)rd_be16(rd);
    link->arphrd = rd_be16(rd);
    link->address_len = (uint8_t)rd_be16(rd);
    const uint8_t *address = rd_bytes(rd, sizeof(link->address));
    if (address)
        memcpy(link->address, address, sizeof(link->address));
    return rd_be16(rd);
}

/* The family is in the byte order of whoever captured; all of them fit in one byte. */
static uint16_t loopback(struct link *link, struct rd *rd)
{
    const uint8_t *family = rd_bytes(rd, 4);
    link->arphrd = ARPHRD_LOOP;
    switch (family ? family[0] | family[3] : 0) {
    case 2:
        return ETHERTYPE_IPV4;
    case 10: /* Linux, then NetBSD and OpenBSD, FreeBSD, macOS */
    case 24:
    case 28:
    case 30:
        return ETHERTYPE_IPV6;
    default:
        return 0;
    }
}

static uint16_t raw(struct link *link, const struct rd *rd)
{
    unsigned version = rd_left(rd) > 0 ? rd->at[0] >> 4 : 0;
    link->arphrd = ARPHRD_NONE;
    return version == 4 ? ETHERTYPE_IPV4 : version == 6 ? ETHERTYPE_IPV6 : 0;
}

static uint16_t read_link(struct link *link, struct rd *rd, uint32_t linktype)
{
    switch (linktype) {
    case LINKTYPE_ETHERNET:
        return ethernet(link, rd);
    case LINKTYPE_SLL:
        return cooked(link, rd);
    case LINKTYPE_NULL:
    case LINKTYPE_LOOP:
        return loopback(link, rd);
    case LINKTYPE_RAW:
    case LINKTYPE_IPV4:
    case LINKTYPE_IPV6:
        return raw(link, rd);
    default:
        return 0;
    }
}

bool sll2_header(uint8_t out[SLL2_HEADER], uint32_t *skip, uint32_t linktype,
                 const uint8_t *data, uint32_t caplen)
{
    struct link link = {0};
    struct rd rd;
    if (linktype == LINKTYPE_SLL2) {
        *skip = SLL2_HEADER;
        if (caplen < SLL2_HEADER)
            return false;
        memcpy(out, data, SLL2_HEADER);
        return true;
    }
    rd_init(&rd, data, caplen);
    uint16_t protocol = read_link(&link, &rd, linktype);
    if (rd.bad || protocol < ETHERTYPE_MIN)
        return false;
    *skip = caplen - (uint32_t)rd_left(&rd);
    memset(out, 0, SLL2_HEADER);
    out[0] = (uint8_t)(protocol >> 8);
    out[1] = (uint8_t)protocol;
    out[8] = (uint8_t)(link.arphrd >> 8);
    out[9] = (uint8_t)link.arphrd;
    out[10] = link.packet_type;
    out[11] = link.address_len;
    memcpy(out + 12, link.address, sizeof(link.address));
    return true;
}
