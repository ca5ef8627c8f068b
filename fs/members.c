/* The folders of a recording's streams and entries. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/store/cursor.h"
#include "capture/store/store.h"
#include "fs/fs.h"
#include "fs/page.h"
#include "fs/places.h"
#include "fs/shelf.h"
#include "fs/view.h"
#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/doc.h"

#define ENTRY_MEMORY (256u << 20)

static int folder_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    enum place_kind parent = place->start ? PLACE_ITERATION : PLACE_RECORDING;
    return place_ops(parent)->stat(fs, place, st);
}

/* ---- streams/ */

/* Bytes of the file of a stream that is in several iterations, where packets may be in
 * both. */
static int measure(uint64_t *size, struct fs *fs, const struct place *place,
                   uint64_t stream)
{
    struct snapshot **snapshots;
    struct pcap_view *view = NULL;
    size_t count;
    int r = scope_snapshots(&snapshots, &count, fs, place);
    if (r)
        return r;
    r = pcap_view_open(&view, snapshots, count, &stream, 1);
    scope_free(snapshots, count);
    if (r)
        return r;
    *size = pcap_view_size(view);
    pcap_view_close(view);
    return 0;
}

static int streams_list(struct fs *fs, const struct place *place,
                        struct listing *listing)
{
    const struct catalogue *catalogue;
    char name[STREAM_NAME];
    int r = shelf_get(&catalogue, fs, place, CATALOGUE_STREAMS);
    if (r)
        return r;
    for (size_t i = 0; i < catalogue->stream_count; i++) {
        const struct stream_summary *stream = &catalogue->streams[i];
        stream_file(name, stream->number, stream->kind);
        struct listing_item *item = listing_add(listing, name, false);
        item->known = stream->bytes;
        item->size = stream->bytes;
        item->at = stream->last_at;
    }
    shelf_put(catalogue);
    return 0;
}

const struct place_ops recording_streams_ops = {.stat = folder_stat,
                                                .list = streams_list};

/* Sums of the stream over the iterations; bytes 0 where it is in more than one. */
static int find_stream(struct stream_summary *sum, struct fs *fs,
                       const struct place *place, uint64_t number)
{
    struct snapshot **snapshots;
    struct stream_summary one;
    size_t count, found = 0;
    int r = scope_snapshots(&snapshots, &count, fs, place);
    if (r)
        return r;
    for (size_t i = 0; r >= 0 && i < count; i++) {
        r = snapshot_stream(snapshots[i], number, &one);
        if (r <= 0)
            continue;
        if (found++) {
            one.bytes = 0;
            if (one.last_at < sum->last_at)
                one.last_at = sum->last_at;
        }
        *sum = one;
    }
    scope_free(snapshots, count);
    if (r < 0)
        return r;
    return found ? 0 : -ENOENT;
}

static int stream_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    struct stream_summary stream = {0};
    uint64_t number;
    enum stream_kind kind;
    if (stream_parse(&number, &kind, place->leaf))
        return -ENOENT;
    int r = find_stream(&stream, fs, place, number);
    if (!r && stream.kind != kind)
        r = -ENOENT;
    if (!r && !stream.bytes)
        r = measure(&stream.bytes, fs, place, number);
    if (!r)
        attr_file(st, fs, stream.bytes, stream.last_at);
    return r;
}

static int stream_open(struct file **out, struct fs *fs, const struct place *place,
                       int flags)
{
    uint64_t number;
    enum stream_kind kind;
    int r = stream_parse(&number, &kind, place->leaf);
    return r ? -ENOENT : view_open(out, fs, place, flags, &number);
}

const struct place_ops recording_stream_ops = {
    .stat = stream_stat, .open = stream_open, .stamp = scope_stamp};

/* ---- entries/ */

static int entries_list(struct fs *fs, const struct place *place,
                        struct listing *listing)
{
    const struct catalogue *catalogue;
    char name[64];
    int r = shelf_get(&catalogue, fs, place, CATALOGUE_ENTRIES);
    if (r)
        return r;
    for (size_t i = 0; i < catalogue->entry_count; i++) {
        const struct catalogue_entry *entry = &catalogue->entries[i];
        snprintf(name, sizeof name, "%012llu-%u.json",
                 (unsigned long long)entry->stream, entry->index);
        listing_add(listing, name, false);
    }
    shelf_put(catalogue);
    return 0;
}

const struct place_ops recording_entries_ops = {.stat = folder_stat,
                                                .list = entries_list};

/* "000000000017-3.json" */
static int parse_name(uint64_t *stream, uint32_t *index, const char *file)
{
    char canonical[64];
    char *end;
    if (*file < '0' || *file > '9')
        return -ENOENT;
    *stream = strtoull(file, &end, 10);
    if (*end != '-')
        return -ENOENT;
    *index = (uint32_t)strtoul(end + 1, &end, 10);
    snprintf(canonical, sizeof canonical, "%012llu-%u.json",
             (unsigned long long)*stream, *index);
    return strcmp(canonical, file) ? -ENOENT : 0;
}

static int64_t number_at(const struct doc_value *doc, const char *name)
{
    const struct doc_value *value = doc_get(doc, name);
    if (value && value->type == DOC_INT)
        return value->integer;
    return value && value->type == DOC_DOUBLE ? (int64_t)value->real : 0;
}

/* The stored line for people, with the recording's name; *at is when it was complete.
 */
static int render_line(struct buf *text, int64_t *at, const struct buf *stored,
                       const char *record)
{
    struct arena arena;
    struct doc_value doc;
    struct err err = {0};
    struct buf line = {0};
    arena_init(&arena, ENTRY_MEMORY);
    int r = line_put_record(&line, stored->data, stored->len, record);
    if (!r)
        r = doc_parse(&doc, &arena, line.data, line.len, &err);
    if (!r) {
        *at =
            (number_at(&doc, "timestamp") + number_at(&doc, "elapsedTime")) * NS_PER_MS;
        r = doc_write_pretty(text, &doc);
    }
    buf_fini(&line);
    arena_fini(&arena);
    return r;
}

static int render(struct buf *text, int64_t *at, struct fs *fs,
                  const struct place *place)
{
    struct snapshot **snapshots;
    struct buf stored = {0};
    size_t count;
    uint64_t stream;
    uint32_t index;
    int r = parse_name(&stream, &index, place->leaf);
    if (!r)
        r = scope_snapshots(&snapshots, &count, fs, place);
    if (r)
        return r;
    for (size_t i = 0; !r && i < count; i++)
        r = snapshot_entry(snapshots[i], stream, index, &stored);
    scope_free(snapshots, count);
    if (r == 1)
        r = render_line(text, at, &stored, place->name);
    else if (!r)
        r = -ENOENT;
    buf_fini(&stored);
    return r;
}

static int measure_entry(uint64_t *size, int64_t *at, struct fs *fs,
                         const struct place *place)
{
    struct buf text = {0};
    int r = render(&text, at, fs, place);
    *size = text.len;
    buf_fini(&text);
    return r;
}

/* An entry of what is not recorded any more is measured once. */
static int entry_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    const struct catalogue *catalogue = NULL;
    struct catalogue_entry *known = NULL;
    uint64_t stream, size;
    uint32_t index;
    int64_t at = 0;
    int r = parse_name(&stream, &index, place->leaf);
    if (!r && scope_stamp(fs, place))
        r = shelf_get(&catalogue, fs, place, CATALOGUE_ENTRIES);
    if (r)
        return r;
    if (catalogue)
        known = shelf_entry(catalogue, stream, index);
    size = known ? known->size : 0;
    if (!size)
        r = measure_entry(&size, &at, fs, place);
    if (known) {
        known->size = size;
        at = known->done_at;
    }
    if (!r)
        attr_file(st, fs, size, at);
    if (catalogue)
        shelf_put(catalogue);
    return r;
}

static int entry_open(struct file **out, struct fs *fs, const struct place *place,
                      int flags)
{
    struct buf text = {0};
    int64_t at;
    if ((flags & O_ACCMODE) != O_RDONLY)
        return -EPERM;
    int r = render(&text, &at, fs, place);
    if (r)
        buf_fini(&text);
    else
        *out = page_of(fs, &text);
    return r;
}

const struct place_ops recording_entry_ops = {
    .stat = entry_stat, .open = entry_open, .stamp = scope_stamp};
