#include "capture/source.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <pcap/sll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "capture/block.h"
#include "capture/decode.h"
#include "capture/rd.h"
#include "capture/source_socket.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/mem.h"

/* TPACKET_V3 hands over a block when it is full or this old; longer, and the last
 * packets of a quiet link come late. */
#define BLOCK_TIMEOUT_MS 50
#define RING_MIN         (2u << 20)

struct source {
    struct source_options options;
    pcap_t *pcap; /* NULL: the interface is away */
    uint32_t index;
    uint16_t linktype;
    bool is_any;
    uint64_t drops_before, ifdrops_before; /* of handles that are closed */
    uint64_t drops, ifdrops;
};

/* DLT_ values differ between systems, LINKTYPE_ values do not. */
static int linktype_of(uint16_t *linktype, int dlt, const char *iface, struct err *err)
{
    switch (dlt) {
    case DLT_EN10MB:
        *linktype = LINK_ETHERNET;
        return 0;
    case DLT_LINUX_SLL:
        *linktype = LINK_LINUX_SLL;
        return 0;
    case DLT_LINUX_SLL2:
        *linktype = LINK_LINUX_SLL2;
        return 0;
    case DLT_RAW:
        *linktype = LINK_RAW;
        return 0;
    case DLT_NULL:
        *linktype = LINK_NULL;
        return 0;
    case DLT_LOOP:
        *linktype = LINK_LOOP;
        return 0;
    case DLT_PPP:
        *linktype = LINK_PPP;
        return 0;
    case DLT_IPV4:
        *linktype = LINK_IPV4;
        return 0;
    case DLT_IPV6:
        *linktype = LINK_IPV6;
        return 0;
    default:
        return err_set(err, -EPROTONOSUPPORT,
                       "interface %s has link type %s, which is not known", iface,
                       pcap_datalink_val_to_name(dlt));
    }
}

static int code_of(int status)
{
    switch (status) {
    case PCAP_ERROR_NO_SUCH_DEVICE:
    case PCAP_ERROR_IFACE_NOT_UP:
        return -ENODEV;
    case PCAP_ERROR_PERM_DENIED:
    case PCAP_ERROR_PROMISC_PERM_DENIED:
        return -EPERM;
    default:
        return -EIO;
    }
}

static int fail(const struct source *source, pcap_t *pcap, int status, struct err *err)
{
    const char *words = pcap_geterr(pcap);
    return err_set(err, code_of(status), "cannot capture on %s: %s",
                   source->options.iface, words[0] ? words : pcap_statustostr(status));
}

/* Options first, then a socket by way of whoever may open one. */
static int activate(struct source *source, pcap_t *pcap, struct err *err)
{
    const struct source_options *options = &source->options;
    uint64_t ring = options->ring_bytes < RING_MIN ? RING_MIN : options->ring_bytes;
    const struct socket_opener opener = {options->open_socket, options->open_context};
    pcap_set_snaplen(pcap, (int)options->snaplen);
    pcap_set_promisc(pcap, !source->is_any);
    pcap_set_immediate_mode(pcap, 0);
    pcap_set_timeout(pcap, BLOCK_TIMEOUT_MS);
    pcap_set_buffer_size(pcap, ring > INT_MAX ? INT_MAX : (int)ring);
    if (pcap_set_tstamp_precision(pcap, PCAP_TSTAMP_PRECISION_NANO) != 0)
        return err_set(err, -ENOTSUP, "cannot capture on %s: no nanosecond stamps",
                       options->iface);
    source_socket_use(options->open_socket ? &opener : NULL);
    int status = pcap_activate(pcap);
    source_socket_use(NULL);
    return status < 0 ? fail(source, pcap, status, err) : 0;
}

/* A filter is compiled for one link type, so that must be settled before. */
static int set_filter(const struct source *source, pcap_t *pcap, struct err *err)
{
    struct bpf_program program;
    if (!source->options.bpf || !source->options.bpf[0])
        return 0;
    if (pcap_compile(pcap, &program, source->options.bpf, 1, PCAP_NETMASK_UNKNOWN) < 0)
        return err_set(err, -EINVAL, "bad capture filter: %s", pcap_geterr(pcap));
    int rc = pcap_setfilter(pcap, &program);
    pcap_freecode(&program);
    return rc < 0 ? fail(source, pcap, rc, err) : 0;
}

static int open_pcap(struct source *source, struct err *err)
{
    char words[PCAP_ERRBUF_SIZE];
    const char *iface = source->options.iface;
    pcap_t *pcap = pcap_create(iface, words);
    if (!pcap)
        return err_set(err, -ENODEV, "cannot capture on %s: %s", iface, words);
    int rc = activate(source, pcap, err);
    if (rc < 0)
        goto out;
    /* Version 2 of the cooked header names the interface. */
    if (source->is_any && pcap_datalink(pcap) == DLT_LINUX_SLL)
        (void)pcap_set_datalink(pcap, DLT_LINUX_SLL2);
    rc = linktype_of(&source->linktype, pcap_datalink(pcap), iface, err);
    if (rc == 0)
        rc = set_filter(source, pcap, err);
    if (rc == 0 && pcap_setnonblock(pcap, 1, words) < 0)
        rc = err_set(err, -EIO, "cannot capture on %s: %s", iface, words);
out:
    if (rc < 0) {
        pcap_close(pcap);
        return rc;
    }
    source->pcap = pcap;
    source->index = source->is_any ? 0 : if_nametoindex(iface);
    return 0;
}

int source_open(struct source **out, const struct source_options *options,
                struct err *err)
{
    struct source *source = mem_zalloc(sizeof *source);
    source->options = *options;
    source->is_any = strcmp(options->iface, "any") == 0;
    int rc = open_pcap(source, err);
    if (rc < 0) {
        free(source);
        return rc;
    }
    *out = source;
    return 0;
}

static void close_pcap(struct source *source)
{
    source_drops(source, &source->drops, &source->ifdrops);
    source->drops_before = source->drops;
    source->ifdrops_before = source->ifdrops;
    pcap_close(source->pcap);
    source->pcap = NULL;
}

void source_close(struct source *source)
{
    if (!source)
        return;
    if (source->pcap)
        pcap_close(source->pcap);
    free(source);
}

int source_fd(const struct source *source)
{
    return source->pcap ? pcap_get_selectable_fd(source->pcap) : -1;
}

const char *source_iface(const struct source *source)
{
    return source->options.iface;
}

struct reading {
    const struct source *source;
    void (*each)(void *context, const struct packet *packet);
    void *context;
};

static void on_packet(u_char *user, const struct pcap_pkthdr *header,
                      const u_char *bytes)
{
    const struct reading *reading = (const struct reading *)(const void *)user;
    const struct source *source = reading->source;
    struct packet packet = {
        .at = (int64_t)header->ts.tv_sec * NS_PER_S + (int64_t)header->ts.tv_usec,
        .data = bytes,
        .caplen = header->caplen,
        .len = header->len,
        .iface = source->index,
        .linktype = source->linktype,
    };
    if (source->linktype == LINK_LINUX_SLL2) {
        struct rd rd;
        rd_init(&rd, bytes, header->caplen);
        rd_skip(&rd, 4);
        packet.iface = rd_be32(&rd);
    }
    reading->each(reading->context, &packet);
}

int source_read(struct source *source, int limit,
                void (*each)(void *context, const struct packet *packet), void *context,
                struct err *err)
{
    struct reading reading = {source, each, context};
    if (!source->pcap)
        return -ENODEV;
    int count =
        pcap_dispatch(source->pcap, limit, on_packet, (u_char *)(void *)&reading);
    if (count >= 0)
        return count;
    int rc = err_set(err, -ENODEV, "capture on %s ended: %s", source->options.iface,
                     pcap_geterr(source->pcap));
    close_pcap(source);
    return rc;
}

int source_reopen(struct source *source, struct err *err)
{
    return source->pcap ? 0 : open_pcap(source, err);
}

void source_drops(struct source *source, uint64_t *kernel, uint64_t *interface)
{
    struct pcap_stat stat;
    if (source->pcap && pcap_stats(source->pcap, &stat) == 0) {
        source->drops = source->drops_before + stat.ps_drop;
        source->ifdrops = source->ifdrops_before + stat.ps_ifdrop;
    }
    *kernel = source->drops;
    *interface = source->ifdrops;
}
