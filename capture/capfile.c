/* pcap: a header of 24 bytes, then for each packet seconds, fraction, held and real
 * length, bytes. pcapng: blocks, each of type, total length, body, total length again:
 *
 *    section header | interface description … | enhanced packet …  | section header …
 *
 * A section sets the byte order; interfaces are numbered from 0 within it. */
#include "capture/capfile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "capture/block.h"
#include "capture/rd.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/mem.h"

#define PCAP_MICRO 0xa1b2c3d4u
#define PCAP_NANO  0xa1b23c4du
#define PCAP_PATCHED                                                                   \
    0xa1b2cd34u /* 8 bytes more a packet, as once written by a patched libpcap */
#define NG_SECTION           0x0a0d0d0au
#define NG_INTERFACE         1u
#define NG_PACKET_OLD        2u
#define NG_PACKET_SIMPLE     3u
#define NG_PACKET            6u
#define NG_ORDER             0x1a2b3c4du
#define NG_OPTION_RESOLUTION 9
#define NG_OPTION_OFFSET     14

#define PACKET_MAX                                                                     \
    (16u << 20) /* bytes of one packet, and of a block that is looked into */
#define INTERFACES_MAX 65536u          /* of a section */
#define AT_MAX         (INT64_MAX / 2) /* so that differences of times never overflow */

struct interface {
    uint16_t linktype;
    uint32_t snaplen;
    uint64_t units; /* of a stamp in a second */
    int64_t offset_s;
};

struct capfile {
    FILE *in;
    bool is_ng, swapped, patched, over;
    uint64_t number;
    struct interface *interfaces; /* pcap: one */
    uint32_t interface_count, interface_cap;
    uint8_t *bytes; /* of the packet or block that was read last */
    size_t cap;
};

bool capfile_is(const uint8_t *head, size_t len)
{
    struct rd rd;
    rd_init(&rd, head, len);
    uint32_t magic = rd_be32(&rd), other = __builtin_bswap32(magic);
    return !rd.bad &&
           (magic == NG_SECTION || magic == PCAP_MICRO || other == PCAP_MICRO ||
            magic == PCAP_NANO || other == PCAP_NANO || magic == PCAP_PATCHED ||
            other == PCAP_PATCHED);
}

/* `swapped` says that the file is little endian. */
static uint32_t get32(const struct capfile *file, struct rd *rd)
{
    return (uint32_t)(file->swapped ? rd_le(rd, 4) : rd_be(rd, 4));
}

static uint16_t get16(const struct capfile *file, struct rd *rd)
{
    return (uint16_t)(file->swapped ? rd_le(rd, 2) : rd_be(rd, 2));
}

static int damaged(const struct capfile *file, struct err *err, const char *what)
{
    return err_set(err, -EBADMSG, "the capture is %s after packet %" PRIu64, what,
                   file->number);
}

static uint8_t *room(struct capfile *file, size_t size)
{
    if (size > file->cap) {
        free(file->bytes);
        file->cap = size < 65536 ? 65536 : size;
        file->bytes = mem_alloc(file->cap);
    }
    return file->bytes;
}

/* 1; 0 at the end of the file, if that is before the first byte; else as
 * capfile_next(). */
static int get_bytes(struct capfile *file, void *out, size_t size, struct err *err)
{
    size_t got = size ? fread(out, 1, size, file->in) : 0;
    if (got == size)
        return 1;
    if (ferror(file->in))
        return err_set(err, errno ? -errno : -EIO, "cannot read the capture: %s",
                       strerror(errno));
    return got == 0 ? 0 : damaged(file, err, "cut");
}

/* The same where bytes must be there. */
static int need_bytes(struct capfile *file, void *out, size_t size, struct err *err)
{
    int rc = get_bytes(file, out, size, err);
    return rc == 0 && size > 0 ? damaged(file, err, "cut") : rc;
}

static int skip_bytes(struct capfile *file, uint64_t size, struct err *err)
{
    uint8_t *bytes = room(file, 65536);
    int rc = 1;
    while (size > 0 && rc == 1) {
        size_t part = size < 65536 ? (size_t)size : 65536;
        rc = need_bytes(file, bytes, part, err);
        size -= part;
    }
    return rc;
}

static int64_t stamp(const struct interface *interface, uint64_t units)
{
    uint64_t per_s = interface->units, rest = units % per_s, ns;
    uint64_t since_s = units / per_s;
    if (since_s > (uint64_t)(AT_MAX / NS_PER_S) * 2)
        return AT_MAX;
    if (per_s % (uint64_t)NS_PER_S == 0) {
        ns = rest / (per_s / (uint64_t)NS_PER_S);
    } else {
        for (; per_s > UINT64_MAX / (uint64_t)NS_PER_S; per_s >>= 1)
            rest >>= 1;
        ns = rest * (uint64_t)NS_PER_S / per_s;
    }
    int64_t seconds = (int64_t)since_s + interface->offset_s;
    if (seconds < 0)
        return 0;
    return seconds < AT_MAX / NS_PER_S ? seconds * NS_PER_S + (int64_t)ns : AT_MAX;
}

static struct interface *add_interface(struct capfile *file)
{
    if (file->interface_count == file->interface_cap) {
        file->interface_cap = file->interface_cap ? file->interface_cap * 2 : 4;
        file->interfaces = mem_realloc(file->interfaces,
                                       file->interface_cap * sizeof *file->interfaces);
    }
    struct interface *interface = &file->interfaces[file->interface_count++];
    *interface = (struct interface){.units = 1000000};
    return interface;
}

static int emit(struct capfile *file, struct packet *packet, uint32_t id,
                uint32_t caplen, uint32_t len, int64_t at, const uint8_t *data)
{
    *packet = (struct packet){
        .number = ++file->number,
        .at = at,
        .data = data,
        .caplen = caplen,
        .len = len > caplen ? len : caplen,
        .iface = id,
        .linktype = file->interfaces[id].linktype,
    };
    return 1;
}

/* ---- pcap */

static int pcap_open(struct capfile *file, uint32_t magic, struct err *err)
{
    uint8_t header[20];
    struct rd rd;
    file->swapped = magic != PCAP_MICRO && magic != PCAP_NANO && magic != PCAP_PATCHED;
    uint32_t order = file->swapped ? __builtin_bswap32(magic) : magic;
    file->patched = order == PCAP_PATCHED;
    int rc = get_bytes(file, header, sizeof header, err);
    if (rc != 1)
        return rc < 0 && rc != -EBADMSG
                   ? rc
                   : err_set(err, -EINVAL, "no capture: its header is cut");
    rd_init(&rd, header, sizeof header);
    rd_skip(&rd, 16);
    struct interface *interface = add_interface(file);
    interface->linktype = (uint16_t)get32(file, &rd); /* above: length of a checksum */
    interface->units = order == PCAP_NANO ? 1000000000 : 1000000;
    return 0;
}

static int pcap_next(struct capfile *file, struct packet *packet, struct err *err)
{
    uint8_t header[24];
    struct rd rd;
    int rc = get_bytes(file, header, file->patched ? 24 : 16, err);
    if (rc != 1)
        return rc;
    rd_init(&rd, header, 16);
    uint32_t seconds = get32(file, &rd), fraction = get32(file, &rd);
    uint32_t caplen = get32(file, &rd), len = get32(file, &rd);
    if (caplen > PACKET_MAX)
        return damaged(file, err, "damaged");
    uint8_t *bytes = room(file, caplen);
    rc = need_bytes(file, bytes, caplen, err);
    if (rc < 0)
        return rc;
    int64_t unit = file->interfaces[0].units == 1000000000 ? 1 : 1000;
    int64_t at = (int64_t)seconds * NS_PER_S + (int64_t)fraction * unit;
    return emit(file, packet, 0, caplen, len, at, bytes);
}

/* ---- pcapng */

static void read_options(struct capfile *file, struct interface *interface,
                         struct rd *rd)
{
    while (rd_left(rd) >= 4) {
        uint16_t code = get16(file, rd), len = get16(file, rd);
        if (code == 0)
            return;
        struct rd value = rd_sub(rd, len);
        rd_skip(rd, -(size_t)len & 3);
        if (code == NG_OPTION_RESOLUTION && len == 1) {
            uint8_t power = rd_u8(&value);
            uint64_t units = 1;
            bool binary = power & 0x80;
            for (int i = power & 0x7f; i > 0 && units <= UINT64_MAX / 10; i--)
                units *= binary ? 2 : 10;
            interface->units = units;
        } else if (code == NG_OPTION_OFFSET && len == 8) {
            uint64_t offset = file->swapped ? rd_le(&value, 8) : rd_be(&value, 8);
            int64_t seconds = (int64_t)offset;
            /* Whatever is beyond thousands of years is no time. */
            interface->offset_s =
                seconds > (1LL << 40) || seconds < -(1LL << 40) ? 0 : seconds;
        }
    }
}

static int read_interface(struct capfile *file, struct rd *rd, struct err *err)
{
    if (file->interface_count == INTERFACES_MAX)
        return damaged(file, err, "damaged (too many interfaces)");
    struct interface *interface = add_interface(file);
    interface->linktype = get16(file, rd);
    rd_skip(rd, 2);
    interface->snaplen = get32(file, rd);
    if (rd->bad)
        return damaged(file, err, "damaged");
    read_options(file, interface, rd);
    return 0;
}

static int read_packet(struct capfile *file, struct packet *packet, uint32_t type,
                       struct rd *rd, struct err *err)
{
    uint32_t id = 0, caplen, len;
    uint64_t units = 0;
    if (type == NG_PACKET_SIMPLE) {
        len = get32(file, rd);
        caplen = len < rd_left(rd) ? len : (uint32_t)rd_left(rd);
        uint32_t snaplen = file->interface_count ? file->interfaces[0].snaplen : 0;
        if (snaplen && caplen > snaplen)
            caplen = snaplen;
    } else {
        if (type == NG_PACKET) {
            id = get32(file, rd);
        } else {
            id = get16(file, rd);
            rd_skip(rd, 2);
        }
        units = (uint64_t)get32(file, rd) << 32;
        units |= get32(file, rd);
        caplen = get32(file, rd);
        len = get32(file, rd);
    }
    const uint8_t *data = rd_bytes(rd, caplen);
    if (!data || rd->bad || id >= file->interface_count)
        return damaged(file, err, "damaged");
    return emit(file, packet, id, caplen, len, stamp(&file->interfaces[id], units),
                data);
}

/* Behind the type of a section header block: its length in an order that is only known
 * now. */
static int read_section(struct capfile *file, struct err *err)
{
    uint8_t head[8];
    struct rd rd;
    int rc = need_bytes(file, head, sizeof head, err);
    if (rc < 0)
        return rc;
    rd_init(&rd, head, sizeof head);
    rd_skip(&rd, 4);
    uint32_t order = rd_be32(&rd);
    if (order != NG_ORDER && order != __builtin_bswap32(NG_ORDER))
        return damaged(file, err, "damaged");
    file->swapped = order != NG_ORDER;
    file->interface_count = 0;
    rd_init(&rd, head, sizeof head);
    uint32_t total = get32(file, &rd);
    if (total < 28 || total % 4)
        return damaged(file, err, "damaged");
    return skip_bytes(file, total - 12, err);
}

/* Reads one block: 1 it was a packet, 2 another one, 0 the end. */
static int ng_block(struct capfile *file, struct packet *packet, struct err *err)
{
    uint8_t head[8];
    struct rd rd;
    int rc = get_bytes(file, head, 4, err);
    if (rc != 1)
        return rc;
    rd_init(&rd, head, 4);
    uint32_t type = get32(file, &rd);
    if (type == NG_SECTION)
        return read_section(file, err) < 0 ? err->code : 2;
    rc = need_bytes(file, head + 4, 4, err);
    if (rc < 0)
        return rc;
    rd_init(&rd, head + 4, 4);
    uint32_t total = get32(file, &rd);
    if (total < 12)
        return damaged(file, err, "damaged");
    /* Writers that forget to pad a block leave total % 4: the next one still follows.
     */
    uint32_t size = total - 12;
    if (type != NG_INTERFACE && type != NG_PACKET && type != NG_PACKET_OLD &&
        type != NG_PACKET_SIMPLE)
        return skip_bytes(file, (uint64_t)size + 4, err) < 0 ? err->code : 2;
    if (size > PACKET_MAX)
        return damaged(file, err, "damaged");
    uint8_t *bytes = room(file, (size_t)size + 4);
    rc = need_bytes(file, bytes, (size_t)size + 4, err);
    if (rc < 0)
        return rc;
    rd_init(&rd, bytes, size);
    if (type != NG_INTERFACE)
        return read_packet(file, packet, type, &rd, err);
    rc = read_interface(file, &rd, err);
    return rc < 0 ? rc : 2;
}

/* ---- both */

int capfile_open(struct capfile **out, FILE *in, struct err *err)
{
    struct capfile *file = mem_zalloc(sizeof *file);
    uint8_t head[4];
    struct rd rd;
    struct err words = {0};
    file->in = in;
    int rc = get_bytes(file, head, sizeof head, &words);
    if (rc == 1 && capfile_is(head, sizeof head)) {
        rd_init(&rd, head, sizeof head);
        uint32_t magic = rd_be32(&rd);
        file->is_ng = magic == NG_SECTION;
        rc = file->is_ng ? read_section(file, &words) : pcap_open(file, magic, &words);
    } else if (rc >= 0) {
        rc = -EBADMSG;
    }
    if (rc == -EBADMSG || rc == -EINVAL)
        rc = err_set(err, -EINVAL, "this is no pcap or pcapng capture");
    else if (rc < 0)
        rc = err_set(err, rc, "%s", words.msg);
    if (rc < 0) {
        capfile_close(file);
        return rc;
    }
    *out = file;
    return 0;
}

void capfile_close(struct capfile *file)
{
    if (!file)
        return;
    free(file->interfaces);
    free(file->bytes);
    free(file);
}

int capfile_next(struct capfile *file, struct packet *packet, struct err *err)
{
    struct err words = {0};
    int rc = file->over ? 0 : 2;
    while (rc == 2)
        rc = file->is_ng ? ng_block(file, packet, &words)
                         : pcap_next(file, packet, &words);
    if (rc != 1)
        file->over = true;
    if (rc < 0 && err)
        *err = words;
    return rc;
}
