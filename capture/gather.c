#include "capture/gather.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture/block.h"
#include "capture/decode.h"
#include "capture/store/log.h"
#include "capture/store/sll2.h"
#include "kfl/base/mem.h"

struct kept {
    struct packet packet; /* its data behind it */
    uint64_t order;
};

struct gather {
    uint8_t *chosen; /* a bit for each stream */
    size_t chosen_size;
    struct kept **kept;
    size_t count, cap;
    bool mixed; /* more than one link type */
};

struct gather *gather_new(void)
{
    return mem_zalloc(sizeof(struct gather));
}

void gather_free(struct gather *gather)
{
    if (!gather)
        return;
    for (size_t i = 0; i < gather->count; i++)
        free(gather->kept[i]);
    free(gather->kept);
    free(gather->chosen);
    free(gather);
}

void gather_next_capture(struct gather *gather)
{
    if (gather->chosen)
        memset(gather->chosen, 0, gather->chosen_size);
}

void gather_choose(struct gather *gather, uint64_t stream)
{
    size_t byte = (size_t)(stream / 8);
    if (byte >= gather->chosen_size) {
        size_t size = byte * 2 + 64;
        gather->chosen = mem_realloc(gather->chosen, size);
        memset(gather->chosen + gather->chosen_size, 0, size - gather->chosen_size);
        gather->chosen_size = size;
    }
    gather->chosen[byte] |= (uint8_t)(1 << stream % 8);
}

bool gather_chosen(const struct gather *gather, uint64_t stream)
{
    size_t byte = (size_t)(stream / 8);
    return byte < gather->chosen_size && gather->chosen[byte] & (1 << stream % 8);
}

void gather_add(struct gather *gather, const struct packet *packet)
{
    if (gather->count == gather->cap) {
        gather->cap = gather->cap ? gather->cap * 2 : 256;
        gather->kept = mem_realloc(gather->kept, gather->cap * sizeof(*gather->kept));
    }
    struct kept *kept = mem_alloc(sizeof *kept + packet->caplen);
    kept->packet = *packet;
    kept->packet.data = (const uint8_t *)(kept + 1);
    kept->order = gather->count;
    memcpy(kept + 1, packet->data, packet->caplen);
    if (gather->count > 0 && packet->linktype != gather->kept[0]->packet.linktype)
        gather->mixed = true;
    gather->kept[gather->count++] = kept;
}

static int by_time(const void *a, const void *b)
{
    const struct kept *x = *(struct kept *const *)a, *y = *(struct kept *const *)b;
    if (x->packet.at != y->packet.at)
        return x->packet.at < y->packet.at ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

static bool write_packet(const struct gather *gather, FILE *out,
                         const struct packet *packet)
{
    uint8_t record[PCAP_RECORD], link[SLL2_HEADER];
    uint32_t replaced = 0, link_len = 0;
    if (gather->mixed) {
        if (!sll2_header(link, &replaced, packet->linktype, packet->data,
                         packet->caplen))
            return false;
        link_len = SLL2_HEADER;
    }
    uint32_t change = link_len - replaced;
    pcap_put_record(record, packet->at, packet->caplen + change, packet->len + change);
    fwrite(record, 1, sizeof record, out);
    fwrite(link, 1, link_len, out);
    fwrite(packet->data + replaced, 1, packet->caplen - replaced, out);
    return true;
}

int gather_write(struct gather *gather, FILE *out, uint64_t *left_out)
{
    uint8_t header[PCAP_HEADER];
    uint32_t linktype = LINK_ETHERNET;
    if (gather->mixed)
        linktype = LINK_LINUX_SLL2;
    else if (gather->count > 0)
        linktype = gather->kept[0]->packet.linktype;
    if (gather->count > 0)
        qsort(gather->kept, gather->count, sizeof(*gather->kept), by_time);
    pcap_put_header(header, linktype);
    fwrite(header, 1, sizeof header, out);
    *left_out = 0;
    for (size_t i = 0; i < gather->count; i++)
        *left_out += !write_packet(gather, out, &gather->kept[i]->packet);
    return ferror(out) ? -EIO : 0;
}
