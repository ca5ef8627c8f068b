/* A PCAP file made of the packets of many segments. Segments that are in order and do
 * not overlap are copied as they are; the others need an index, of 24 bytes a packet.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/store/cursor.h"
#include "capture/store/folder.h"
#include "capture/store/order.h"
#include "capture/store/reader.h"
#include "capture/store/sll2.h"
#include "capture/store/snapshot.h"
#include "kfl/base/mem.h"
#include "kfl/base/sys.h"

struct source {
    const struct snapshot_segment *from;
    size_t snapshot;
};

/* A place holds number and length of its packet until it is measured: 45 bits last for
 * a year of a million packets a second. */
#define LENGTH_BITS 19
#define LENGTH_MASK ((UINT64_C(1) << LENGTH_BITS) - 1)

/* Consecutive sources that overlap in time. The places of its index, once measured,
 * hold where the packet begins in the group (key.at) and its length (key.tie). */
struct group {
    size_t first, count;
    uint64_t start, size; /* in the file */
    bool direct;          /* one source, copied */
    bool kept;            /* the index was needed for the size, and stays */
    struct places index;
};

struct pcap_view {
    struct snapshot **snapshots;
    size_t snapshot_count;
    uint64_t *streams;
    size_t stream_count;
    bool filtered, mixed;
    uint32_t linktype;
    struct source *sources;
    size_t source_count;
    struct readers readers; /* of the sources */
    struct group *groups;
    size_t group_count;
    struct group *indexed; /* the one that is not kept */
    uint64_t size, left_out;
};

static int compare_sources(const void *a, const void *b)
{
    const struct source *x = a, *y = b;
    int order =
        key_compare(x->from->stats.packet_span.min, y->from->stats.packet_span.min);
    if (order != 0)
        return order;
    return x->snapshot < y->snapshot ? -1 : x->snapshot > y->snapshot;
}

static int compare_streams(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x < y ? -1 : x > y;
}

static bool wants_stream(const struct pcap_view *view, uint64_t stream)
{
    return !view->filtered || bsearch(&stream, view->streams, view->stream_count,
                                      sizeof(*view->streams), compare_streams);
}

/* Could any of the wanted streams be in it? */
static bool wants_segment(const struct pcap_view *view,
                          const struct segment_stats *stats)
{
    if (stats->packets == 0)
        return false;
    for (size_t low = 0, high = view->stream_count; low < high;) {
        size_t mid = low + (high - low) / 2;
        if (view->streams[mid] < stats->stream_min)
            low = mid + 1;
        else if (view->streams[mid] > stats->stream_max)
            high = mid;
        else
            return true;
    }
    return !view->filtered;
}

static void find_sources(struct pcap_view *view)
{
    size_t most = 0;
    for (size_t i = 0; i < view->snapshot_count; i++)
        most += view->snapshots[i]->count;
    view->sources = mem_alloc((most + 1) * sizeof(*view->sources));
    for (size_t i = 0; i < view->snapshot_count; i++) {
        const struct snapshot *snapshot = view->snapshots[i];
        for (size_t j = 0; j < snapshot->count; j++) {
            if (wants_segment(view, &snapshot->segments[j].stats))
                view->sources[view->source_count++] =
                    (struct source){&snapshot->segments[j], i};
        }
    }
    if (view->source_count > 1)
        qsort(view->sources, view->source_count, sizeof(*view->sources),
              compare_sources);
    readers_init(&view->readers, view->source_count);
    for (size_t i = 0; i < view->source_count; i++) {
        const struct snapshot_segment *from = view->sources[i].from;
        reader_init(&view->readers.items[i], from->segment, &from->stats);
    }
}

static void find_groups(struct pcap_view *view)
{
    view->groups = mem_zalloc((view->source_count + 1) * sizeof(*view->groups));
    for (size_t i = 0; i < view->source_count;) {
        struct group *group = &view->groups[view->group_count++];
        struct key max = view->sources[i].from->stats.packet_span.max;
        group->first = i++;
        for (; i < view->source_count; i++) {
            const struct span *span = &view->sources[i].from->stats.packet_span;
            if (key_compare(span->min, max) > 0)
                break;
            if (key_compare(span->max, max) > 0)
                max = span->max;
        }
        group->count = i - group->first;
    }
}

/* The packets of a group that are wanted, in order, each number once. */
static int index_group(struct pcap_view *view, struct group *group)
{
    struct places *index = &group->index;
    size_t most = 0;
    for (size_t i = group->first; !view->filtered && i < group->first + group->count;
         i++)
        most += view->sources[i].from->stats.packets;
    places_init(index, most);
    for (size_t i = group->first; i < group->first + group->count; i++) {
        struct reader *reader = readers_get(&view->readers, i);
        for (uint32_t r = 0; r < reader->stats.records; r++) {
            struct record record;
            int result = reader_record(reader, r, &record);
            if (result < 0) {
                places_fini(index);
                return result;
            }
            if (record.kind == RECORD_PACKET && wants_stream(view, record.stream))
                places_add(index, (struct place){
                                      {record.at, record.order << LENGTH_BITS |
                                                      (record.length & LENGTH_MASK)},
                                      (uint32_t)i,
                                      reader_locator(reader, &record, r)});
        }
    }
    places_sort(index->items, index->count);
    size_t kept = 0;
    for (size_t i = 0; i < index->count; i++) {
        const struct key *key = &index->items[i].key;
        const struct key *last = &index->items[kept > 0 ? kept - 1 : 0].key;
        uint64_t number = key->tie >> LENGTH_BITS;
        /* Number 0: its log was lost. */
        if (kept == 0 || number == 0 || key->at != last->at ||
            number != last->tie >> LENGTH_BITS)
            index->items[kept++] = index->items[i];
    }
    index->count = kept;
    return 0;
}

static uint32_t source_linktype(const struct pcap_view *view, size_t i)
{
    return (uint32_t)view->sources[i].from->stats.linktype;
}

/* The packet as the file has it: `head` are the record's header and the link header
 * that takes the place of the first *skip bytes of its data. False: it is left out. */
static bool convert(const struct pcap_view *view,
                    uint8_t head[PCAP_RECORD + SLL2_HEADER], size_t *head_len,
                    uint32_t *skip, const struct stored_packet *packet, size_t source)
{
    uint32_t link = 0;
    *skip = 0;
    if (view->mixed) {
        if (!sll2_header(head + PCAP_RECORD, skip, source_linktype(view, source),
                         packet->data, packet->caplen))
            return false;
        link = SLL2_HEADER;
    }
    uint32_t len = packet->len > *skip ? packet->len - *skip : 0;
    pcap_put_record(head, packet->at, packet->caplen - *skip + link, len + link);
    *head_len = PCAP_RECORD + link;
    return true;
}

/* The length that the packet will have in the file; 0: it can't be converted. */
static int converted_length(uint64_t *length, struct pcap_view *view,
                            const struct place *place)
{
    struct stored_packet packet;
    uint8_t head[PCAP_RECORD + SLL2_HEADER];
    size_t head_len;
    uint32_t skip;
    int result = reader_packet(readers_get(&view->readers, place->source),
                               place->locator, &packet);
    *length = 0;
    if (result == 0 && convert(view, head, &head_len, &skip, &packet, place->source))
        *length = head_len + packet.caplen - skip;
    return result;
}

/* Where each packet begins; what can't be converted goes. */
static int measure_group(struct pcap_view *view, struct group *group)
{
    struct places *index = &group->index;
    uint64_t at = 0;
    size_t kept = 0;
    for (size_t i = 0; i < index->count; i++) {
        struct place place = index->items[i];
        uint64_t length = place.key.tie & LENGTH_MASK;
        int result = view->mixed ? converted_length(&length, view, &place) : 0;
        if (result < 0)
            return result;
        if (length == 0) {
            view->left_out++;
            continue;
        }
        place.key = (struct key){(int64_t)at, length};
        at += length;
        index->items[kept++] = place;
    }
    index->count = kept;
    group->size = at;
    return 0;
}

static bool has_several(const struct pcap_view *view, const struct group *group)
{
    for (size_t i = group->first + 1; i < group->first + group->count; i++) {
        if (view->sources[i].snapshot != view->sources[group->first].snapshot)
            return true;
    }
    return false;
}

/* Without conversion, and where no packet can be there twice, the sizes of files say it
 * all. */
static int size_group(struct pcap_view *view, struct group *group)
{
    const struct snapshot_segment *first = view->sources[group->first].from;
    if (view->mixed || view->filtered || has_several(view, group)) {
        int result = view->filtered ? 0 : index_group(view, group);
        if (result == 0)
            result = measure_group(view, group);
        group->kept = true;
        return result;
    }
    for (size_t i = group->first; i < group->first + group->count; i++)
        group->size += view->sources[i].from->stats.pcap_end - PCAP_HEADER;
    group->direct = group->count == 1 && first->stats.packet_span.sorted &&
                    first->segment->medium->memory == 0;
    return 0;
}

/* Which link types the file has. With a filter only the packets themselves can tell. */
static int find_linktype(struct pcap_view *view)
{
    bool any = false;
    for (size_t i = 0; i < view->group_count; i++) {
        struct group *group = &view->groups[i];
        int result = view->filtered ? index_group(view, group) : 0;
        if (result < 0)
            return result;
        size_t count = view->filtered ? group->index.count : group->count;
        for (size_t j = 0; j < count; j++) {
            size_t source =
                view->filtered ? group->index.items[j].source : group->first + j;
            uint32_t linktype = source_linktype(view, source);
            view->mixed |= any && linktype != view->linktype;
            view->linktype = linktype;
            any = true;
        }
    }
    if (!any)
        view->linktype = LINKTYPE_ETHERNET;
    if (view->mixed)
        view->linktype = LINKTYPE_SLL2;
    return 0;
}

int pcap_view_open(struct pcap_view **out, struct snapshot *const *snapshots,
                   size_t count, const uint64_t *streams, size_t stream_count)
{
    struct pcap_view *view = mem_zalloc(sizeof(*view));
    view->snapshots = mem_alloc((count + 1) * sizeof(*view->snapshots));
    for (size_t i = 0; i < count; i++)
        view->snapshots[i] = snapshot_ref(snapshots[i]);
    view->snapshot_count = count;
    view->filtered = streams != NULL;
    if (stream_count > 0)
        view->streams = mem_dup(streams, stream_count * sizeof(*streams));
    view->stream_count = stream_count;
    find_sources(view);
    find_groups(view);
    int result = find_linktype(view);
    view->size = PCAP_HEADER;
    for (size_t i = 0; result == 0 && i < view->group_count; i++) {
        struct group *group = &view->groups[i];
        group->start = view->size;
        result = size_group(view, group);
        view->size += group->size;
    }
    if (result < 0) {
        pcap_view_close(view);
        return result;
    }
    *out = view;
    return 0;
}

void pcap_view_close(struct pcap_view *view)
{
    if (!view)
        return;
    for (size_t i = 0; i < view->group_count; i++)
        places_fini(&view->groups[i].index);
    readers_fini(&view->readers);
    for (size_t i = 0; i < view->snapshot_count; i++)
        snapshot_unref(view->snapshots[i]);
    free(view->snapshots);
    free(view->streams);
    free(view->sources);
    free(view->groups);
    free(view);
}

uint64_t pcap_view_size(const struct pcap_view *view)
{
    return view->size;
}

uint64_t pcap_view_left_out(const struct pcap_view *view)
{
    return view->left_out;
}

/* One index that is not kept at a time. */
static int need_index(struct pcap_view *view, struct group *group)
{
    if (group->kept || view->indexed == group)
        return 0;
    if (view->indexed)
        places_fini(&view->indexed->index);
    view->indexed = NULL;
    uint64_t size = group->size;
    int result = index_group(view, group);
    if (result == 0)
        result = measure_group(view, group);
    if (result == 0 && group->size != size)
        result = -EIO;
    group->size = size;
    if (result < 0) {
        places_fini(&group->index);
        return result;
    }
    view->indexed = group;
    return 0;
}

/* Copies what of `from` lies behind `skip`, up to `size`; returns how much. */
static size_t copy_part(uint8_t *out, size_t size, const uint8_t *from, size_t len,
                        uint64_t skip)
{
    if (skip >= len)
        return 0;
    size_t part = len - (size_t)skip < size ? len - (size_t)skip : size;
    memcpy(out, from + skip, part);
    return part;
}

/* Part of one packet: how much, or a negative errno. */
static ssize_t read_packet(struct pcap_view *view, const struct place *place,
                           uint8_t *out, size_t size, uint64_t skip)
{
    struct stored_packet packet;
    uint8_t head[PCAP_RECORD + SLL2_HEADER];
    size_t head_len;
    uint32_t data_skip;
    int result = reader_packet(readers_get(&view->readers, place->source),
                               place->locator, &packet);
    if (result < 0)
        return result;
    if (!convert(view, head, &head_len, &data_skip, &packet, place->source) ||
        head_len + packet.caplen - data_skip != place->key.tie)
        return -EIO;
    size_t done = copy_part(out, size, head, head_len, skip);
    skip = skip > head_len ? skip - head_len : 0;
    return (ssize_t)(done + copy_part(out + done, size - done, packet.data + data_skip,
                                      packet.caplen - data_skip, skip));
}

/* Up to `size` bytes of a group from `offset` in it. */
static ssize_t read_group(struct pcap_view *view, struct group *group, uint8_t *out,
                          size_t size, uint64_t offset)
{
    if (size > group->size - offset)
        size = (size_t)(group->size - offset);
    if (group->direct) {
        struct reader *reader = readers_get(&view->readers, group->first);
        int result = reader_raw(reader, out, size, PCAP_HEADER + offset);
        return result < 0 ? result : (ssize_t)size;
    }
    int result = need_index(view, group);
    if (result < 0)
        return result;
    const struct place *items = group->index.items;
    size_t low = 0, high = group->index.count;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if ((uint64_t)items[mid].key.at <= offset)
            low = mid;
        else
            high = mid;
    }
    size_t done = 0;
    for (; done < size && low < group->index.count; low++) {
        uint64_t skip = offset + done - (uint64_t)items[low].key.at;
        ssize_t got = read_packet(view, &items[low], out + done, size - done, skip);
        if (got < 0)
            return done > 0 ? (ssize_t)done : got;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

static struct group *group_at(struct pcap_view *view, uint64_t offset)
{
    size_t low = 0, high = view->group_count;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (view->groups[mid].start <= offset)
            low = mid;
        else
            high = mid;
    }
    return &view->groups[low];
}

ssize_t pcap_view_read(struct pcap_view *view, void *out, size_t size, uint64_t offset)
{
    uint8_t header[PCAP_HEADER];
    if (offset >= view->size)
        return 0;
    if (size > view->size - offset)
        size = (size_t)(view->size - offset);
    pcap_put_header(header, view->linktype);
    size_t done = copy_part(out, size, header, sizeof(header), offset);
    while (done < size) {
        /* An empty group starts where the next does: the last one of them is found. */
        struct group *group = group_at(view, offset + done);
        ssize_t got = read_group(view, group, (uint8_t *)out + done, size - done,
                                 offset + done - group->start);
        if (got <= 0)
            return done > 0 ? (ssize_t)done : got < 0 ? got : -EIO;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

/* Behind the packets that were published there may be more, and in front of them what
 * another program has put there. */
static bool is_whole(const struct pcap_view *view, int fd)
{
    uint8_t want[PCAP_HEADER], header[PCAP_HEADER];
    struct stat st;
    pcap_put_header(want, view->linktype);
    return !fstat(fd, &st) && (uint64_t)st.st_size == view->size &&
           sys_pread_all(fd, header, sizeof(header), 0) == (ssize_t)sizeof(header) &&
           !memcmp(header, want, sizeof(header));
}

int pcap_view_file(struct pcap_view *view)
{
    if (view->group_count != 1 || !view->groups[0].direct)
        return -ENOTSUP;
    struct segment *segment = view->sources[0].from->segment;
    if (!segment->sealed)
        return -ENOTSUP;
    int fd = folder_open_segment(segment, "pcap", O_RDONLY);
    if (fd >= 0 && is_whole(view, fd))
        return fd;
    if (fd >= 0)
        close(fd);
    return -ENOTSUP;
}
