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
#include "kfl/base/err.h"
#include "kfl/base/mem.h"
#include "kfl/doc.h"

#define SHELF_SIZE   8
#define FRESH_FOR    (500 * NS_PER_MS)
#define ENTRY_MEMORY (256u << 20)

struct held {
    struct catalogue catalogue; /* first */
    _Atomic int refs;
    char *key;
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

void shelf_put(struct catalogue *catalogue)
{
    struct held *held = (struct held *)catalogue;
    if (--held->refs)
        return;
    scope_free(catalogue->snapshots, catalogue->count);
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
    catalogue->entries[catalogue->entry_count++] =
        (struct catalogue_entry){.stream = stream, .index = index, .done_at = done_at};
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

static int measure_pcap(struct catalogue *catalogue)
{
    struct pcap_view *view = NULL;
    int r = pcap_view_open(&view, catalogue->snapshots, catalogue->count, NULL, 0);
    if (r)
        return r;
    catalogue->pcap_size = pcap_view_size(view);
    pcap_view_close(view);
    return 0;
}

static int fill(struct catalogue *catalogue, struct fs *fs, const struct place *place)
{
    struct lines_view *lines = NULL;
    int r = scope_snapshots(&catalogue->snapshots, &catalogue->count, fs, place);
    for (size_t i = 0; !r && i < catalogue->count; i++) {
        r = snapshot_each_stream(catalogue->snapshots[i], add_stream, catalogue);
        if (!r)
            r = snapshot_each_entry(catalogue->snapshots[i], add_entry, catalogue);
    }
    if (r)
        return r;
    merge_streams(catalogue);
    if (catalogue->entry_count)
        qsort(catalogue->entries, catalogue->entry_count, sizeof *catalogue->entries,
              compare_entries);
    r = lines_view_open(&lines, catalogue->snapshots, catalogue->count, place->name);
    if (!r) {
        catalogue->lines_size = lines_view_size(lines);
        lines_view_close(lines);
        r = measure_pcap(catalogue);
    }
    return r;
}

static char *make_key(const struct place *place)
{
    struct buf key = {0};
    buf_addf(&key, "%s/%s", place->name, place->start ? place->start : "");
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
                         bool growing)
{
    for (size_t i = 0; i < SHELF_SIZE && shelf->items[i]; i++) {
        struct held *held = shelf->items[i];
        bool fresh = growing && clock_monotonic() - held->made_at < FRESH_FOR;
        if (strcmp(held->key, key))
            continue;
        if (held->catalogue.stamp != stamp && !fresh)
            return NULL;
        to_front(shelf, held);
        held->refs++;
        return held;
    }
    return NULL;
}

int shelf_get(struct catalogue **out, struct fs *fs, const struct place *place)
{
    struct iteration_info info;
    struct shelf *shelf = fs->shelf;
    int r = scope_info(&info, fs, place);
    if (r)
        return r;
    uint64_t facts[] = {info.packets, info.entries, info.bytes, info.disk_bytes,
                        (uint64_t)info.start};
    uint64_t stamp = XXH3_64bits(facts, sizeof facts) | 1;
    char *key = make_key(place);
    pthread_mutex_lock(&shelf->lock);
    struct held *held = find(shelf, key, stamp, info.start && !info.ended_at);
    pthread_mutex_unlock(&shelf->lock);
    if (held) {
        free(key);
        *out = &held->catalogue;
        return 0;
    }
    held = mem_zalloc(sizeof *held);
    held->refs = 1;
    held->key = key;
    held->made_at = clock_monotonic();
    held->catalogue.stamp = stamp;
    held->catalogue.last_at = info.last_at;
    r = fill(&held->catalogue, fs, place);
    if (r) {
        shelf_put(&held->catalogue);
        return r;
    }
    held->refs++;
    pthread_mutex_lock(&shelf->lock);
    struct held *old = to_front(shelf, held);
    pthread_mutex_unlock(&shelf->lock);
    if (old)
        shelf_put(&old->catalogue);
    *out = &held->catalogue;
    return 0;
}

const struct stream_summary *catalogue_stream(const struct catalogue *catalogue,
                                              const char *file)
{
    struct stream_summary wanted = {0};
    enum stream_kind kind;
    if (!catalogue->stream_count || stream_parse(&wanted.number, &kind, file))
        return NULL;
    const struct stream_summary *found =
        bsearch(&wanted, catalogue->streams, catalogue->stream_count, sizeof wanted,
                compare_streams);
    return found && found->kind == kind ? found : NULL;
}

static int parse_entry_name(struct catalogue_entry *entry, const char *file)
{
    char *end;
    if (*file < '0' || *file > '9')
        return -EINVAL;
    entry->stream = strtoull(file, &end, 10);
    if (end - file < 12 || *end != '-' || end[1] < '0' || end[1] > '9')
        return -EINVAL;
    entry->index = (uint32_t)strtoul(end + 1, &end, 10);
    return strcmp(end, ".json") ? -EINVAL : 0;
}

const struct catalogue_entry *catalogue_entry(const struct catalogue *catalogue,
                                              const char *file)
{
    struct catalogue_entry wanted = {0};
    if (!catalogue->entry_count || parse_entry_name(&wanted, file))
        return NULL;
    return bsearch(&wanted, catalogue->entries, catalogue->entry_count, sizeof wanted,
                   compare_entries);
}

static int render_line(struct buf *out, const struct buf *stored, const char *record)
{
    struct arena arena;
    struct doc_value doc;
    struct err err = {0};
    struct buf line = {0};
    arena_init(&arena, ENTRY_MEMORY);
    int r = line_put_record(&line, stored->data, stored->len, record);
    if (!r)
        r = doc_parse(&doc, &arena, line.data, line.len, &err);
    if (!r)
        r = doc_write_pretty(out, &doc);
    buf_fini(&line);
    arena_fini(&arena);
    return r;
}

int catalogue_render(struct buf *out, const struct catalogue *catalogue,
                     const struct catalogue_entry *entry, const char *record)
{
    struct buf stored = {0};
    int r = 0;
    for (size_t i = 0; !r && i < catalogue->count; i++)
        r = snapshot_entry(catalogue->snapshots[i], entry->stream, entry->index,
                           &stored);
    if (r == 1)
        r = render_line(out, &stored, record);
    else if (!r)
        r = -ENOENT;
    buf_fini(&stored);
    return r;
}
