#include "capture/store/segment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "capture/block.h"
#include "capture/store/folder.h"
#include "kfl/base/mem.h"

#define LINE_MAX_BYTES ((size_t)64 * 1024 * 1024)

static void span_init(struct span *span)
{
    span->min = (struct key){INT64_MAX, UINT64_MAX};
    span->max = (struct key){INT64_MIN, 0};
    span->sorted = true;
}

static void span_add(struct span *span, struct key key, bool strictly)
{
    int order = key_compare(key, span->max);
    if (order < 0 || (order == 0 && strictly))
        span->sorted = false;
    if (order > 0)
        span->max = key;
    if (key_compare(key, span->min) < 0)
        span->min = key;
}

void segment_stats_init(struct segment_stats *stats)
{
    *stats = (struct segment_stats){.linktype = -1, .stream_min = UINT64_MAX};
    span_init(&stats->packet_span);
    span_init(&stats->line_span);
}

void segment_stats_add(struct segment_stats *stats, const struct record *record)
{
    stats->records++;
    if (record->kind == RECORD_PACKET) {
        struct key key = {record->at, record->order};
        stats->packets++;
        stats->pcap_end =
            (stats->pcap_end ? stats->pcap_end : PCAP_HEADER) + record->length;
        stats->caplen += record->length - PCAP_RECORD;
        span_add(&stats->packet_span, key, !(record->flags & RECORD_REBUILT));
        if (record->order > stats->number_max)
            stats->number_max = record->order;
    } else {
        struct key key = {record->at, record->stream};
        stats->lines++;
        stats->jsonl_end = (uint64_t)record->offset + record->length;
        stats->line_bytes += record->length;
        span_add(&stats->line_span, key, false);
    }
    if (record->stream < stats->stream_min)
        stats->stream_min = record->stream;
    if (record->stream > stats->stream_max)
        stats->stream_max = record->stream;
    if (record->stream > stats->number_max)
        stats->number_max = record->stream;
}

char *segment_file(char out[SEGMENT_FILE], uint32_t n, const char *suffix)
{
    snprintf(out, SEGMENT_FILE, "%06u.%s", n, suffix);
    return out;
}

static struct segment *segment_new(const struct medium *medium, struct folder *folder,
                                   uint32_t n)
{
    struct segment *segment = mem_zalloc(sizeof(*segment));
    atomic_init(&segment->refs, 1);
    segment->medium = medium;
    segment->folder = folder ? folder_ref(folder) : NULL;
    segment->n = n;
    segment_stats_init(&segment->stats);
    segment->next = segment->stats;
    return segment;
}

int segment_create(struct segment **out, const struct medium *medium,
                   struct folder *folder, uint32_t n, int64_t now)
{
    struct segment *segment = segment_new(medium, folder, n);
    segment->opened_at = segment->touched_at = now;
    int result = medium->flush(segment);
    if (result < 0) {
        segment_unref(segment);
        return result;
    }
    *out = segment;
    return 0;
}

struct segment *segment_known(struct folder *folder, uint32_t n,
                              const struct segment_stats *stats)
{
    struct segment *segment = segment_new(&medium_disk, folder, n);
    segment->stats = segment->next = *stats;
    segment->sealed = true;
    return segment;
}

struct segment *segment_ref(struct segment *segment)
{
    atomic_fetch_add_explicit(&segment->refs, 1, memory_order_relaxed);
    return segment;
}

void segment_unref(struct segment *segment)
{
    if (!segment ||
        atomic_fetch_sub_explicit(&segment->refs, 1, memory_order_acq_rel) > 1)
        return;
    segment->medium->free(segment);
    folder_unref(segment->trash);
    folder_unref(segment->folder);
    free(segment);
}

int segment_add_packet(struct segment *segment, struct packet *packet, uint64_t stream,
                       enum stream_kind kind)
{
    struct record record = {
        .kind = RECORD_PACKET,
        .stream_kind = (uint8_t)kind,
        .offset =
            (uint32_t)(segment->next.pcap_end ? segment->next.pcap_end : PCAP_HEADER),
        .length = PCAP_RECORD + packet->caplen,
        .at = packet->at,
        .stream = stream,
        .order = packet->number,
    };
    if (packet->caplen > PCAP_SNAPLEN || packet->at < 0 ||
        packet->at / 1000000000 > UINT32_MAX)
        return -EINVAL;
    int result = segment->medium->add_packet(segment, &record, packet);
    if (result < 0)
        return result;
    segment_stats_add(&segment->next, &record);
    segment->next.linktype = packet->linktype;
    return 0;
}

int segment_add_line(struct segment *segment, const char *line, size_t len,
                     uint64_t stream, enum stream_kind kind, uint32_t index,
                     int64_t done_at)
{
    /* Sizes of views count on `"record"` being put in behind at least one key. */
    if (len < 3 || line[0] != '{' || line[len - 1] != '}')
        return -EINVAL;
    if (len >= LINE_MAX_BYTES)
        return -E2BIG;
    struct record record = {
        .kind = RECORD_LINE,
        .stream_kind = (uint8_t)kind,
        .offset = (uint32_t)segment->next.jsonl_end,
        .length = (uint32_t)len + 1,
        .at = done_at,
        .stream = stream,
        .order = index,
    };
    int result = segment->medium->add_line(segment, &record, line);
    if (result < 0)
        return result;
    segment_stats_add(&segment->next, &record);
    return 0;
}

void segment_seal(struct segment *segment)
{
    if (!segment->sealed)
        segment->medium->seal(segment);
    segment->sealed = true;
}
