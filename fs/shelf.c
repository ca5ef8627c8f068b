#include "fs/shelf.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "capture/store/store.h"
#include "fs/fs.h"
#include "fs/route.h"
#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "kfl/base/mem.h"

#define SHELF_SIZE 16
#define FRESH_FOR  (500 * NS_PER_MS)

struct held {
    struct catalogue catalogue; /* first */
    _Atomic int refs;
    char *key;
    uint64_t stamp;  /* differs when packets or entries were added */
    int64_t made_at; /* CLOCK_MONOTONIC */
};

struct shelf {
    pthread_mutex_t lock;
    struct held *items[SHELF_SIZE]; /* latest first */
};

struct shelf *shelf_new(void)
{
    struct shelf *shelf = mem_zalloc(sizeof *shelf);
    pthread_mutex_init(&shelf->lock, NULL);
    return shelf;
}

void shelf_put(const struct catalogue *catalogue)
{
    struct held *held = (struct held *)(uintptr_t)catalogue;
    if (--held->refs)
        return;
    free(catalogue->streams);
    free(catalogue->entries);
    free(held->key);
    free(held);
}

void shelf_free(struct shelf *shelf)
{
    for (size_t i = 0; i < SHELF_SIZE; i++)
        if (shelf->items[i])
            shelf_put(&shelf->items[i]->catalogue);
    pthread_mutex_destroy(&shelf->lock);
    free(shelf);
}

static int add_stream(void *context, const struct stream_summary *stream)
{
    struct catalogue *catalogue = context;
    size_t n = catalogue->stream_count;
    if (!(n & (n - 1)))
        catalogue->streams =
            mem_realloc(catalogue->streams, (n ? 2 * n : 1) * sizeof *stream);
    catalogue->streams[catalogue->stream_count++] = *stream;
    return 0;
}

static int add_entry(void *context, uint64_t stream, uint32_t index, int64_t done_at)
{
    struct catalogue *catalogue = context;
    size_t n = catalogue->entry_count;
    if (!(n & (n - 1)))
        catalogue->entries = mem_realloc(catalogue->entries,
                                         (n ? 2 * n : 1) * sizeof *catalogue->entries);
    struct catalogue_entry *entry = &catalogue->entries[catalogue->entry_count++];
    entry->stream = stream;
    entry->index = index;
    entry->done_at = done_at;
    entry->size = 0;
    return 0;
}

static int compare_streams(const void *a, const void *b)
{
    const struct stream_summary *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

static int compare_entries(const void *a, const void *b)
{
    const struct catalogue_entry *x = a, *y = b;
    if (x->stream != y->stream)
        return x->stream < y->stream ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* A stream may go on in a second iteration: then its file is the packets of both. */
static void merge_streams(struct catalogue *catalogue)
{
    size_t kept = 0;
    if (!catalogue->stream_count)
        return;
    qsort(catalogue->streams, catalogue->stream_count, sizeof *catalogue->streams,
          compare_streams);
    for (size_t i = 0; i < catalogue->stream_count; i++) {
        struct stream_summary *next = &catalogue->streams[i];
        struct stream_summary *last = kept ? &catalogue->streams[kept - 1] : NULL;
        if (!last || last->number != next->number) {
            catalogue->streams[kept++] = *next;
            continue;
        }
        last->packets += next->packets;
        last->bytes = 0; /* asked of a view, as packets may be in both */
        last->entries += next->entries;
        if (next->last_at > last->last_at)
            last->last_at = next->last_at;
    }
    catalogue->stream_count = kept;
}

static int measure_pcap(struct catalogue *catalogue, struct snapshot *const *snapshots,
                        size_t count)
{
    struct pcap_view *view = NULL;
    int r = pcap_view_open(&view, snapshots, count, NULL, 0);
    if (r)
        return r;
    catalogue->pcap_size = pcap_view_size(view);
    pcap_view_close(view);
    return 0;
}

static int fill(struct catalogue *catalogue, struct fs *fs, const struct place *place,
                enum catalogue_part part)
{
    struct snapshot **snapshots;
    size_t count;
    int r = scope_snapshots(&snapshots, &count, fs, place);
    if (r)
        return r;
    if (part == CATALOGUE_PCAP)
        r = measure_pcap(catalogue, snapshots, count);
    for (size_t i = 0; !r && i < count; i++) {
        if (part == CATALOGUE_STREAMS)
            r = snapshot_each_stream(snapshots[i], add_stream, catalogue);
        else if (part == CATALOGUE_ENTRIES)
            r = snapshot_each_entry(snapshots[i], add_entry, catalogue);
    }
    scope_free(snapshots, count);
    merge_streams(catalogue);
    if (catalogue->entry_count)
        qsort(catalogue->entries, catalogue->entry_count, sizeof *catalogue->entries,
              compare_entries);
    return r;
}

static char *make_key(const struct place *place, enum catalogue_part part)
{
    struct buf key = {0};
    buf_addf(&key, "%d/%s/%s", (int)part, place->name,
             place->start ? place->start : "");
    return buf_take(&key);
}

/* Puts the item in front; the one that falls off is returned. */
static struct held *to_front(struct shelf *shelf, struct held *held)
{
    struct held *carry = held;
    for (size_t i = 0; i < SHELF_SIZE; i++) {
        struct held *old = shelf->items[i];
        shelf->items[i] = carry;
        carry = old;
        if (!carry || carry == held || !strcmp(carry->key, held->key))
            break;
    }
    return carry == held ? NULL : carry;
}

static struct held *find(struct shelf *shelf, const char *key, uint64_t stamp,
                         bool lags)
{
    for (size_t i = 0; i < SHELF_SIZE && shelf->items[i]; i++) {
        struct held *held = shelf->items[i];
        bool fresh = lags && clock_monotonic() - held->made_at < FRESH_FOR;
        if (strcmp(held->key, key))
            continue;
        if (held->stamp != stamp && !fresh)
            return NULL;
        to_front(shelf, held);
        held->refs++;
        return held;
    }
    return NULL;
}

/* Makes one and puts it on the shelf; takes over the key. */
static int make(struct held **out, struct fs *fs, const struct place *place,
                enum catalogue_part part, char *key, uint64_t stamp)
{
    struct held *held = mem_zalloc(sizeof *held);
    held->refs = 1;
    held->key = key;
    held->stamp = stamp;
    held->made_at = clock_monotonic();
    int r = fill(&held->catalogue, fs, place, part);
    if (r) {
        shelf_put(&held->catalogue);
        return r;
    }
    held->refs++;
    pthread_mutex_lock(&fs->shelf->lock);
    struct held *old = to_front(fs->shelf, held);
    pthread_mutex_unlock(&fs->shelf->lock);
    if (old)
        shelf_put(&old->catalogue);
    *out = held;
    return 0;
}

int shelf_get(const struct catalogue **out, struct fs *fs, const struct place *place,
              enum catalogue_part part)
{
    struct iteration_info info;
    int r = scope_info(&info, fs, place);
    if (r)
        return r;
    uint64_t facts[] = {info.packets, info.entries, info.bytes, info.disk_bytes,
                        (uint64_t)info.start};
    uint64_t stamp = XXH3_64bits(facts, sizeof facts);
    bool lags = part == CATALOGUE_PCAP && info.start && !info.ended_at;
    char *key = make_key(place, part);
    pthread_mutex_lock(&fs->shelf->lock);
    struct held *held = find(fs->shelf, key, stamp, lags);
    pthread_mutex_unlock(&fs->shelf->lock);
    if (held)
        free(key);
    else
        r = make(&held, fs, place, part, key, stamp);
    if (!r)
        *out = &held->catalogue;
    return r;
}

struct catalogue_entry *shelf_entry(const struct catalogue *catalogue, uint64_t stream,
                                    uint32_t index)
{
    struct catalogue_entry wanted = {.stream = stream, .index = index};
    if (!catalogue->entry_count)
        return NULL;
    return bsearch(&wanted, catalogue->entries, catalogue->entry_count, sizeof wanted,
                   compare_entries);
}
