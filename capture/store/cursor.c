/* Entries of a snapshot in order of completion. */
#include "capture/store/cursor.h"

#include <stdbool.h>
#include <stdlib.h>

#include "capture/store/order.h"
#include "capture/store/reader.h"
#include "capture/store/snapshot.h"
#include "kfl/base/mem.h"

/* A segment with lines; those that overlap in time are read as one group, by an index.
 */
struct source {
    size_t reader;
    uint32_t first; /* record to begin with */
    struct span span;
};

struct entry_cursor {
    struct snapshot *snapshot;
    struct readers readers;
    struct source *sources; /* by time */
    size_t count, next;     /* the group that comes next */
    bool direct;            /* the group is one segment in order */
    size_t reader;          /* of it */
    uint32_t record;
    struct places places; /* or this */
    size_t place;
};

static int compare_sources(const void *a, const void *b)
{
    const struct source *x = a, *y = b;
    int order = key_compare(x->span.min, y->span.min);
    return order != 0 ? order : x->reader < y->reader ? -1 : x->reader > y->reader;
}

/* The record of the line with `skip` lines before it. */
static uint32_t find_line(struct reader *reader, uint64_t skip)
{
    const struct segment_stats *stats = &reader->stats;
    if (stats->lines == stats->records)
        return (uint32_t)skip;
    uint32_t i = 0;
    for (; i < stats->records && skip > 0; i++) {
        struct record record;
        if (reader_record(reader, i, &record) < 0)
            break;
        skip -= record.kind == RECORD_LINE;
    }
    return i;
}

struct entry_cursor *entry_cursor_open(struct snapshot *snapshot, uint64_t after)
{
    struct entry_cursor *cursor = mem_zalloc(sizeof(*cursor));
    uint64_t skip = after > snapshot->entries_gone ? after - snapshot->entries_gone : 0;
    cursor->snapshot = snapshot_ref(snapshot);
    readers_init(&cursor->readers, snapshot->count);
    cursor->sources = mem_alloc((snapshot->count + 1) * sizeof(*cursor->sources));
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct snapshot_segment *from = &snapshot->segments[i];
        reader_init(&cursor->readers.items[i], from->segment, &from->stats);
        if (from->stats.lines <= skip) {
            skip -= from->stats.lines;
            continue;
        }
        uint32_t first =
            skip > 0 ? find_line(readers_get(&cursor->readers, i), skip) : 0;
        cursor->sources[cursor->count++] =
            (struct source){i, first, from->stats.line_span};
        skip = 0;
    }
    if (cursor->count > 1)
        qsort(cursor->sources, cursor->count, sizeof(*cursor->sources),
              compare_sources);
    return cursor;
}

void entry_cursor_close(struct entry_cursor *cursor)
{
    if (!cursor)
        return;
    readers_fini(&cursor->readers);
    places_fini(&cursor->places);
    snapshot_unref(cursor->snapshot);
    free(cursor->sources);
    free(cursor);
}

static int index_source(struct entry_cursor *cursor, const struct source *source)
{
    struct reader *reader = readers_get(&cursor->readers, source->reader);
    for (uint32_t i = source->first; i < reader->stats.records; i++) {
        struct record record;
        int result = reader_record(reader, i, &record);
        if (result < 0)
            return result;
        if (record.kind == RECORD_LINE)
            places_add(&cursor->places, (struct place){{record.at, record.stream},
                                                       (uint32_t)source->reader,
                                                       i});
    }
    return 0;
}

/* 1, or 0 where there is no further group. */
static int next_group(struct entry_cursor *cursor)
{
    if (cursor->next == cursor->count)
        return 0;
    const struct source *first = &cursor->sources[cursor->next];
    struct key max = first->span.max;
    size_t end = cursor->next + 1;
    while (end < cursor->count &&
           key_compare(cursor->sources[end].span.min, max) <= 0) {
        if (key_compare(cursor->sources[end].span.max, max) > 0)
            max = cursor->sources[end].span.max;
        end++;
    }
    cursor->direct = end == cursor->next + 1 && first->span.sorted;
    cursor->reader = first->reader;
    cursor->record = first->first;
    cursor->places.count = cursor->place = 0;
    for (size_t i = cursor->next; !cursor->direct && i < end; i++) {
        int result = index_source(cursor, &cursor->sources[i]);
        if (result < 0)
            return result;
    }
    places_sort(cursor->places.items, cursor->places.count);
    cursor->next = end;
    return 1;
}

static int read_line(struct entry_cursor *cursor, struct line *line, size_t from,
                     uint32_t i)
{
    struct record record;
    struct reader *reader = readers_get(&cursor->readers, from);
    int result = reader_record(reader, i, &record);
    if (result < 0 || record.kind != RECORD_LINE)
        return result;
    result = reader_line(reader, &record, i, &line->text);
    if (result < 0)
        return result;
    line->len = record.length - 1;
    line->stream = record.stream;
    line->kind = record.stream_kind;
    line->index = (uint32_t)record.order;
    line->done_at = record.at;
    return 1;
}

int entry_cursor_next(struct entry_cursor *cursor, struct line *line)
{
    for (;;) {
        int result = 0;
        if (cursor->direct) {
            uint32_t end = cursor->readers.items[cursor->reader].stats.records;
            while (result == 0 && cursor->record < end)
                result = read_line(cursor, line, cursor->reader, cursor->record++);
        } else if (cursor->place < cursor->places.count) {
            const struct place *place = &cursor->places.items[cursor->place++];
            result = read_line(cursor, line, place->source, place->locator);
        }
        if (result != 0)
            return result;
        result = next_group(cursor);
        if (result <= 0) {
            cursor->direct = false;
            return result;
        }
    }
}
