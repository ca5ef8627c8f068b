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
#include "fs/view.h"
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
    if (!r)
        fs->left_out += pcap_view_left_out(*out);
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

static int view_backing(struct file *file)
{
    struct view *view = (struct view *)file;
    return view->pcap ? pcap_view_file(view->pcap) : -ENOTSUP;
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

static const struct file_ops view_ops = {.read = view_read,
                                         .size = view_size,
                                         .cancel = view_cancel,
                                         .backing = view_backing,
                                         .close = view_close};

static struct view *view_new(struct fs *fs, const struct place *place)
{
    struct view *view = mem_zalloc(sizeof *view);
    file_init(&view->file, &view_ops, fs);
    place_copy(&view->place, place);
    return view;
}

int view_open(struct file **out, struct fs *fs, const struct place *place, int flags,
              const uint64_t *stream)
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

static int pcap_size(uint64_t *size, struct fs *fs, const struct place *place)
{
    const struct catalogue *catalogue;
    int r = shelf_get(&catalogue, fs, place, CATALOGUE_PCAP);
    if (r)
        return r;
    *size = catalogue->pcap_size;
    shelf_put(catalogue);
    return 0;
}

static int file_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    struct iteration_info info;
    struct stat folder;
    int r = scope_info(&info, fs, place);
    uint64_t size = info.entry_bytes;
    if (!r && place->kind == PLACE_PCAP)
        r = pcap_size(&size, fs, place);
    if (r)
        return r;
    attr_file(st, fs, size, info.last_at);
    if (!info.last_at && !place_ops(PLACE_RECORDING)->stat(fs, place, &folder))
        st->st_mtim = st->st_atim = st->st_ctim = folder.st_mtim;
    if (place->start) {
        uint64_t lines =
            info.entry_bytes < info.disk_bytes ? info.entry_bytes : info.disk_bytes;
        uint64_t bytes = place->kind == PLACE_PCAP ? info.disk_bytes - lines : lines;
        st->st_blocks = (blkcnt_t)((bytes + 511) / 512);
    }
    return 0;
}

static int file_open(struct file **out, struct fs *fs, const struct place *place,
                     int flags)
{
    return view_open(out, fs, place, flags, NULL);
}

/* An iteration that has ended is what it is; all else may still change. */
static uint64_t file_stamp(struct fs *fs, const struct place *place)
{
    return place->start ? scope_stamp(fs, place) : 0;
}

static int file_kfl(struct fs *fs, const struct place *place, struct buf *out)
{
    return place_ops(PLACE_RECORDING)->kfl(fs, place, out);
}

const struct place_ops recording_pcap_ops = {
    .stat = file_stat, .open = file_open, .stamp = file_stamp, .kfl = file_kfl};
const struct place_ops recording_lines_ops = {
    .stat = file_stat, .open = file_open, .stamp = file_stamp, .kfl = file_kfl};
