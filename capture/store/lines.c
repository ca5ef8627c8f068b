/* entries.jsonl of several snapshots: lines as they were committed, "record" put in. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture/store/cursor.h"
#include "capture/store/reader.h"
#include "capture/store/snapshot.h"
#include "kfl/base/buf.h"
#include "kfl/base/mem.h"
#include "kfl/base/text.h"

struct source {
    uint64_t start; /* of its lines in the file */
};

struct lines_view {
    struct snapshot **snapshots;
    size_t snapshot_count;
    struct source *sources;
    struct readers readers; /* of the sources */
    size_t count;
    struct buf key; /* ,"record":"name" */
    uint64_t size;
    /* the line that was read last, for whoever reads on */
    size_t source;
    uint32_t record; /* the next */
    uint64_t at;     /* where the line in `line` begins */
    struct buf line;
};

static int put_key(struct buf *out, const char *record)
{
    int result = buf_addstr(out, ",\"record\":");
    return result < 0 ? result : text_json(out, record, strlen(record));
}

int line_put_record(struct buf *out, const char *line, size_t len, const char *record)
{
    if (len < 2 || line[len - 1] != '}')
        return -EINVAL;
    /* An empty object needs no comma. */
    int result = buf_add(out, line, len - 1);
    size_t at = out->len;
    if (result == 0)
        result = put_key(out, record);
    if (result == 0 && len == 2) {
        memmove(out->data + at, out->data + at + 1, out->len - at - 1);
        out->len--;
    }
    return result < 0 ? result : buf_addch(out, '}');
}

int lines_view_open(struct lines_view **out, struct snapshot *const *snapshots,
                    size_t count, const char *record)
{
    struct lines_view *view = mem_zalloc(sizeof(*view));
    size_t most = 0;
    put_key(&view->key, record);
    view->snapshots = mem_alloc((count + 1) * sizeof(*view->snapshots));
    for (size_t i = 0; i < count; i++) {
        view->snapshots[view->snapshot_count++] = snapshot_ref(snapshots[i]);
        most += snapshots[i]->count;
    }
    view->sources = mem_alloc((most + 1) * sizeof(*view->sources));
    readers_init(&view->readers, most);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < snapshots[i]->count; j++) {
            const struct snapshot_segment *from = &snapshots[i]->segments[j];
            reader_init(&view->readers.items[view->count], from->segment, &from->stats);
            view->sources[view->count++].start = view->size;
            view->size += from->stats.line_bytes + from->stats.lines * view->key.len;
        }
    }
    *out = view;
    return 0;
}

void lines_view_close(struct lines_view *view)
{
    if (!view)
        return;
    readers_fini(&view->readers);
    for (size_t i = 0; i < view->snapshot_count; i++)
        snapshot_unref(view->snapshots[i]);
    free(view->snapshots);
    free(view->sources);
    buf_fini(&view->key);
    buf_fini(&view->line);
    free(view);
}

uint64_t lines_view_size(const struct lines_view *view)
{
    return view->size;
}

static void begin_source(struct lines_view *view, size_t source)
{
    view->source = source;
    view->record = 0;
    view->at = view->sources[source].start;
    buf_clear(&view->line);
}

/* To the source that has `offset`, unless reading on gets there. */
static void seek(struct lines_view *view, uint64_t offset)
{
    size_t low = 0, high = view->count;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (view->sources[mid].start <= offset)
            low = mid;
        else
            high = mid;
    }
    if (low != view->source || offset < view->at)
        begin_source(view, low);
}

/* The next line, behind the one that is there: its text only if it is `wanted` (ends
 * behind it). 1, 0 at the end, or a negative errno. */
static int next_line(struct lines_view *view, uint64_t wanted)
{
    uint64_t at = view->at + view->line.len;
    for (;;) {
        struct reader *reader = readers_get(&view->readers, view->source);
        struct record record;
        if (view->record == reader->stats.records) {
            if (view->source + 1 == view->count)
                return 0;
            begin_source(view, view->source + 1);
            at = view->at;
            continue;
        }
        uint32_t i = view->record++;
        int result = reader_record(reader, i, &record);
        if (result < 0)
            return result;
        if (record.kind != RECORD_LINE)
            continue;
        uint64_t len = record.length + view->key.len;
        if (at + len <= wanted) {
            at += len;
            continue;
        }
        const char *text;
        result = reader_line(reader, &record, i, &text);
        if (result < 0)
            return result;
        view->at = at;
        buf_clear(&view->line);
        buf_add(&view->line, text, record.length - 2);
        buf_add(&view->line, view->key.data, view->key.len);
        buf_add(&view->line, "}\n", 2);
        return 1;
    }
}

ssize_t lines_view_read(struct lines_view *view, void *out, size_t size,
                        uint64_t offset)
{
    size_t done = 0;
    if (offset >= view->size)
        return 0;
    if (size > view->size - offset)
        size = (size_t)(view->size - offset);
    seek(view, offset);
    while (done < size) {
        uint64_t at = offset + done;
        if (at < view->at || at >= view->at + view->line.len) {
            int result = next_line(view, at);
            if (result <= 0 || at < view->at) {
                result = result < 0 ? result : -EIO;
                begin_source(view, 0);
                return done > 0 ? (ssize_t)done : result;
            }
        }
        size_t skip = (size_t)(at - view->at);
        size_t part = view->line.len - skip;
        part = part < size - done ? part : size - done;
        memcpy((char *)out + done, view->line.data + skip, part);
        done += part;
    }
    return (ssize_t)done;
}
