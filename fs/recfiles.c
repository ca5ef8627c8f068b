/* The files of a recording that are made of packets and lines, and the folders of its
 * streams and entries. */
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
#include "kfl/base/buf.h"
#include "kfl/base/mem.h"

/* A file of packets (a snapshot) or of lines (which grows). */
struct view {
    struct file file; /* first */
    struct place place;
    struct pcap_view *pcap;
    struct lines_view *lines;
    bool grows;
};

static int open_lines(struct lines_view **out, struct fs *fs, const struct place *place)
{
    struct snapshot **snapshots;
    size_t count;
    int r = scope_snapshots(&snapshots, &count, fs, place);
    if (r)
        return r;
    r = lines_view_open(out, snapshots, count, place->name);
    scope_free(snapshots, count);
    return r;
}

static int open_packets(struct pcap_view **out, struct fs *fs,
                        const struct place *place, const uint64_t *stream)
{
    struct snapshot **snapshots;
    size_t count;
    int r = scope_snapshots(&snapshots, &count, fs, place);
    if (r)
        return r;
    r = pcap_view_open(out, snapshots, count, stream, stream ? 1 : 0);
    scope_free(snapshots, count);
    return r;
}

/* What was committed since is there for a reader at the end, as `tail -f` wants it. */
static void follow(struct view *view)
{
    struct lines_view *next;
    if (!view->grows || open_lines(&next, view->file.fs, &view->place))
        return;
    if (lines_view_size(next) <= lines_view_size(view->lines)) {
        lines_view_close(next);
        return;
    }
    lines_view_close(view->lines);
    view->lines = next;
}

static ssize_t view_read(struct file *file, void *out, size_t size, uint64_t offset,
                         struct waiter *waiter)
{
    struct view *view = (struct view *)file;
    (void)waiter;
    if (view->pcap)
        return pcap_view_read(view->pcap, out, size, offset);
    if (offset >= lines_view_size(view->lines))
        follow(view);
    return lines_view_read(view->lines, out, size, offset);
}

static int64_t view_size(struct file *file, struct waiter *waiter)
{
    struct view *view = (struct view *)file;
    (void)waiter;
    if (view->pcap)
        return (int64_t)pcap_view_size(view->pcap);
    follow(view);
    return (int64_t)lines_view_size(view->lines);
}

static bool view_cancel(struct file *file, struct waiter *waiter)
{
    (void)file;
    (void)waiter;
    return false;
}

static void view_close(struct file *file)
{
    struct view *view = (struct view *)file;
    if (view->pcap)
        pcap_view_close(view->pcap);
    if (view->lines)
        lines_view_close(view->lines);
    place_fini(&view->place);
    file_fini(file);
    free(view);
}

static const struct file_ops view_ops = {
    .read = view_read, .size = view_size, .cancel = view_cancel, .close = view_close};

static struct view *view_new(struct fs *fs, const struct place *place)
{
    struct view *view = mem_zalloc(sizeof *view);
    file_init(&view->file, &view_ops, fs);
    place_copy(&view->place, place);
    return view;
}

static int open_view(struct file **out, struct fs *fs, const struct place *place,
                     int flags, const uint64_t *stream)
{
    struct iteration_info info;
    if ((flags & O_ACCMODE) != O_RDONLY)
        return -EPERM;
    int r = scope_info(&info, fs, place);
    if (r)
        return r;
    struct view *view = view_new(fs, place);
    bool finished = info.ended_at || !info.start;
    if (place->kind == PLACE_LINES)
        r = open_lines(&view->lines, fs, place);
    else
        r = open_packets(&view->pcap, fs, place, stream);
    if (r) {
        view_close(&view->file);
        return r;
    }
    view->grows = view->lines && !(place->start && finished);
    view->file.cached = finished && place->start;
    *out = &view->file;
    return 0;
}

/* ---- recording.pcap and entries.jsonl */

static int file_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    struct catalogue *catalogue;
    struct iteration_info info;
    int r = scope_info(&info, fs, place);
    if (!r)
        r = shelf_get(&catalogue, fs, place);
    if (r)
        return r;
    bool packets = place->kind == PLACE_PCAP;
    struct stat folder;
    int64_t at = catalogue->last_at;
    if (!at && !place_ops(PLACE_RECORDING)->stat(fs, place, &folder))
        at = folder.st_mtim.tv_sec * INT64_C(1000000000);
    attr_file(st, fs, packets ? catalogue->pcap_size : catalogue->lines_size, at);
    if (place->start) {
        uint64_t lines =
            info.entry_bytes < info.disk_bytes ? info.entry_bytes : info.disk_bytes;
        uint64_t bytes = packets ? info.disk_bytes - lines : lines;
        st->st_blocks = (blkcnt_t)((bytes + 511) / 512);
    }
    shelf_put(catalogue);
    return 0;
}

static int file_open(struct file **out, struct fs *fs, const struct place *place,
                     int flags)
{
    return open_view(out, fs, place, flags, NULL);
}

/* What is not recorded any more is worth a second of the kernel's memory, so that `ls
 * -l` of thousands asks once a name. */
static uint64_t member_stamp(struct fs *fs, const struct place *place)
{
    struct iteration_info info;
    if (scope_info(&info, fs, place) || !info.ended_at)
        return 0;
    return info.packets + info.entries + 1;
}

/* An iteration that has ended is what it is; all else may still change. */
static uint64_t file_stamp(struct fs *fs, const struct place *place)
{
    return place->start ? member_stamp(fs, place) : 0;
}

static int file_kfl(struct fs *fs, const struct place *place, struct buf *out)
{
    return place_ops(PLACE_RECORDING)->kfl(fs, place, out);
}

const struct place_ops recording_pcap_ops = {
    .stat = file_stat, .open = file_open, .stamp = file_stamp, .kfl = file_kfl};
const struct place_ops recording_lines_ops = {
    .stat = file_stat, .open = file_open, .stamp = file_stamp, .kfl = file_kfl};

/* ---- streams/ */

static int folder_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    enum place_kind parent = place->start ? PLACE_ITERATION : PLACE_RECORDING;
    return place_ops(parent)->stat(fs, place, st);
}

/* Bytes of a stream's file; where the summaries of several iterations do not tell, a
 * view does. */
static int stream_size(uint64_t *size, const struct catalogue *catalogue,
                       const struct stream_summary *stream)
{
    struct pcap_view *view;
    *size = stream->bytes;
    if (*size)
        return 0;
    int r = pcap_view_open(&view, catalogue->snapshots, catalogue->count,
                           &stream->number, 1);
    if (r)
        return r;
    *size = pcap_view_size(view);
    pcap_view_close(view);
    return 0;
}

static int streams_list(struct fs *fs, const struct place *place,
                        struct listing *listing)
{
    struct catalogue *catalogue;
    char name[STREAM_NAME];
    int r = shelf_get(&catalogue, fs, place);
    if (r)
        return r;
    for (size_t i = 0; i < catalogue->stream_count; i++) {
        const struct stream_summary *stream = &catalogue->streams[i];
        stream_file(name, stream->number, stream->kind);
        struct listing_item *item = listing_add(listing, name, false);
        item->known = !stream_size(&item->size, catalogue, stream);
        item->at = stream->last_at;
    }
    shelf_put(catalogue);
    return 0;
}

const struct place_ops recording_streams_ops = {.stat = folder_stat,
                                                .list = streams_list};

static int stream_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    struct catalogue *catalogue;
    uint64_t size = 0;
    int r = shelf_get(&catalogue, fs, place);
    if (r)
        return r;
    const struct stream_summary *stream = catalogue_stream(catalogue, place->leaf);
    r = stream ? stream_size(&size, catalogue, stream) : -ENOENT;
    if (!r)
        attr_file(st, fs, size, stream->last_at);
    shelf_put(catalogue);
    return r;
}

static int stream_open(struct file **out, struct fs *fs, const struct place *place,
                       int flags)
{
    uint64_t number;
    enum stream_kind kind;
    int r = stream_parse(&number, &kind, place->leaf);
    return r ? -ENOENT : open_view(out, fs, place, flags, &number);
}

const struct place_ops recording_stream_ops = {
    .stat = stream_stat, .open = stream_open, .stamp = member_stamp};

/* ---- entries/ */

static int entries_list(struct fs *fs, const struct place *place,
                        struct listing *listing)
{
    struct catalogue *catalogue;
    char name[64];
    int r = shelf_get(&catalogue, fs, place);
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

static int render(struct buf *text, int64_t *at, struct fs *fs,
                  const struct place *place)
{
    struct catalogue *catalogue;
    int r = shelf_get(&catalogue, fs, place);
    if (r)
        return r;
    const struct catalogue_entry *entry = catalogue_entry(catalogue, place->leaf);
    r = entry ? catalogue_render(text, catalogue, entry, place->name) : -ENOENT;
    if (!r)
        *at = entry->done_at;
    shelf_put(catalogue);
    return r;
}

static int entry_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    struct buf text = {0};
    int64_t at = 0;
    int r = render(&text, &at, fs, place);
    if (!r)
        attr_file(st, fs, text.len, at);
    buf_fini(&text);
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
    .stat = entry_stat, .open = entry_open, .stamp = member_stamp};
