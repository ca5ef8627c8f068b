/* The streams and entries of a snapshot, found by reading its logs once. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "capture/store/cursor.h"
#include "capture/store/order.h"
#include "capture/store/reader.h"
#include "capture/store/snapshot.h"
#include "kfl/base/buf.h"
#include "kfl/base/mem.h"

#define LINKTYPE_MIXED INT32_MIN

struct stream_row {
    struct stream_summary summary;
    int32_t linktype;
};

struct catalog {
    struct stream_row *streams; /* by number */
    size_t count, cap;
    uint32_t *slots; /* while it is made: open addressing, index + 1 */
    size_t slot_cap;
    /* by stream, then index; key.at is the stream, key.tie the index */
    struct places entries;
};

void catalog_free(struct catalog *catalog)
{
    if (!catalog)
        return;
    free(catalog->streams);
    free(catalog->slots);
    places_fini(&catalog->entries);
    free(catalog);
}

static size_t slot_of(const struct catalog *catalog, uint64_t number)
{
    size_t mask = catalog->slot_cap - 1;
    size_t i = (size_t)(number * UINT64_C(0x9e3779b97f4a7c15) >> 20) & mask;
    while (catalog->slots[i] != 0 &&
           catalog->streams[catalog->slots[i] - 1].summary.number != number)
        i = (i + 1) & mask;
    return i;
}

static void grow(struct catalog *catalog)
{
    free(catalog->slots);
    catalog->cap = catalog->cap ? catalog->cap * 2 : 256;
    catalog->slot_cap = catalog->cap * 2;
    catalog->slots = mem_zalloc(catalog->slot_cap * sizeof(*catalog->slots));
    catalog->streams =
        mem_realloc(catalog->streams, catalog->cap * sizeof(*catalog->streams));
    for (size_t i = 0; i < catalog->count; i++)
        catalog->slots[slot_of(catalog, catalog->streams[i].summary.number)] =
            (uint32_t)i + 1;
}

static struct stream_row *row_of(struct catalog *catalog, const struct record *record)
{
    if (catalog->count == catalog->cap)
        grow(catalog);
    size_t slot = slot_of(catalog, record->stream);
    if (catalog->slots[slot] == 0) {
        catalog->streams[catalog->count] = (struct stream_row){
            .summary = {.number = record->stream,
                        .kind = record->stream_kind,
                        .bytes = PCAP_HEADER},
            .linktype = -1,
        };
        catalog->slots[slot] = (uint32_t)++catalog->count;
    }
    return &catalog->streams[catalog->slots[slot] - 1];
}

static void add_record(struct catalog *catalog, const struct record *record,
                       int32_t linktype, uint32_t source, uint32_t i)
{
    /* A stream that was lost with its log has no name. */
    if (record->flags & RECORD_REBUILT)
        return;
    struct stream_row *row = row_of(catalog, record);
    if (record->at > row->summary.last_at)
        row->summary.last_at = record->at;
    if (record->kind == RECORD_LINE) {
        row->summary.entries++;
        places_add(&catalog->entries,
                   (struct place){{(int64_t)record->stream, record->order}, source, i});
        return;
    }
    row->summary.packets++;
    row->summary.bytes += record->length;
    row->linktype =
        row->linktype == -1 || row->linktype == linktype ? linktype : LINKTYPE_MIXED;
}

static int compare_rows(const void *a, const void *b)
{
    const struct stream_row *x = a, *y = b;
    return x->summary.number < y->summary.number   ? -1
           : x->summary.number > y->summary.number ? 1
                                                   : 0;
}

/* One on several link types is a converted file, which has another size. */
static int size_mixed(struct snapshot *snapshot, struct stream_row *row)
{
    struct pcap_view *view;
    int result = pcap_view_open(&view, &snapshot, 1, &row->summary.number, 1);
    if (result < 0)
        return result;
    row->summary.bytes = pcap_view_size(view);
    pcap_view_close(view);
    return 0;
}

static int fill(struct catalog *catalog, struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct snapshot_segment *from = &snapshot->segments[i];
        struct reader reader;
        int result = 0;
        reader_init(&reader, from->segment, &from->stats);
        for (uint32_t r = 0; r < from->stats.records && result == 0; r++) {
            struct record record;
            result = reader_record(&reader, r, &record);
            if (result == 0)
                add_record(catalog, &record, from->stats.linktype, (uint32_t)i, r);
        }
        reader_fini(&reader);
        if (result < 0)
            return result;
    }
    free(catalog->slots);
    catalog->slots = NULL;
    if (catalog->count > 1)
        qsort(catalog->streams, catalog->count, sizeof(*catalog->streams),
              compare_rows);
    places_sort(catalog->entries.items, catalog->entries.count);
    for (size_t i = 0; i < catalog->count; i++) {
        struct stream_row *row = &catalog->streams[i];
        int result = row->linktype == LINKTYPE_MIXED ? size_mixed(snapshot, row) : 0;
        if (result < 0)
            return result;
    }
    return 0;
}

/* Made once; it lives as long as the snapshot. */
static int need_catalog(struct snapshot *snapshot, const struct catalog **out)
{
    int result = 0;
    pthread_mutex_lock(&snapshot->lock);
    if (!snapshot->catalog) {
        struct catalog *catalog = mem_zalloc(sizeof(*catalog));
        result = fill(catalog, snapshot);
        if (result == 0)
            snapshot->catalog = catalog;
        else
            catalog_free(catalog);
    }
    *out = snapshot->catalog;
    pthread_mutex_unlock(&snapshot->lock);
    return result;
}

int snapshot_each_stream(struct snapshot *snapshot,
                         int (*each)(void *context,
                                     const struct stream_summary *stream),
                         void *context)
{
    const struct catalog *catalog;
    int result = need_catalog(snapshot, &catalog);
    for (size_t i = 0; result == 0 && i < catalog->count; i++)
        result = each(context, &catalog->streams[i].summary);
    return result;
}

int snapshot_stream(struct snapshot *snapshot, uint64_t number,
                    struct stream_summary *stream)
{
    const struct catalog *catalog;
    struct stream_row key = {.summary = {.number = number}};
    int result = need_catalog(snapshot, &catalog);
    if (result < 0 || catalog->count == 0)
        return result;
    const struct stream_row *row = bsearch(&key, catalog->streams, catalog->count,
                                           sizeof(*catalog->streams), compare_rows);
    if (row)
        *stream = row->summary;
    return row != NULL;
}

static int read_entry(struct snapshot *snapshot, const struct place *place,
                      struct reader *reader, struct record *record)
{
    const struct snapshot_segment *from = &snapshot->segments[place->source];
    if (reader->segment != from->segment) {
        reader_fini(reader);
        reader_init(reader, from->segment, &from->stats);
    }
    return reader_record(reader, place->locator, record);
}

int snapshot_each_entry(struct snapshot *snapshot,
                        int (*each)(void *context, uint64_t stream, uint32_t index,
                                    int64_t done_at),
                        void *context)
{
    const struct catalog *catalog;
    struct reader reader;
    int result = need_catalog(snapshot, &catalog);
    reader_init(&reader, NULL, &(struct segment_stats){0});
    for (size_t i = 0; result == 0 && i < catalog->entries.count; i++) {
        struct record record;
        result = read_entry(snapshot, &catalog->entries.items[i], &reader, &record);
        if (result == 0)
            result = each(context, record.stream, (uint32_t)record.order, record.at);
    }
    reader_fini(&reader);
    return result;
}

/* The last of that name: the first place that is not before it. */
static const struct place *find_entry(const struct catalog *catalog, struct key key)
{
    size_t low = 0, high = catalog->entries.count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (key_compare(catalog->entries.items[mid].key, key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == catalog->entries.count ||
        key_compare(catalog->entries.items[low].key, key) != 0)
        return NULL;
    return &catalog->entries.items[low];
}

int snapshot_entry(struct snapshot *snapshot, uint64_t stream, uint32_t index,
                   struct buf *out)
{
    const struct catalog *catalog;
    struct reader reader;
    struct record record;
    const char *text;
    int result = need_catalog(snapshot, &catalog);
    if (result < 0)
        return result;
    const struct place *place =
        find_entry(catalog, (struct key){(int64_t)stream, index});
    if (!place)
        return 0;
    reader_init(&reader, NULL, &(struct segment_stats){0});
    result = read_entry(snapshot, place, &reader, &record);
    if (result == 0)
        result = reader_line(&reader, &record, place->locator, &text);
    if (result == 0)
        result = buf_add(out, text, record.length - 1);
    reader_fini(&reader);
    return result < 0 ? result : 1;
}
