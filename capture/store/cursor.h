/* Reading the store: snapshots, cursors over entries, and files made of packets or
 * lines. A snapshot sees what was committed when it was taken and outlives expiry and
 * removal. Each object belongs to one thread at a time. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "capture/stream.h"

struct buf;
struct iteration;
struct snapshot;
struct entry_cursor;
struct pcap_view;
struct lines_view;

struct snapshot *snapshot_take(struct iteration *iteration);
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot *snapshot);
/* Entries of the iteration up to this snapshot: a position, as `after` below. The first
 * of them may be gone (live expiry, drop_oldest): those before snapshot_entries_gone().
 */
uint64_t snapshot_entries(const struct snapshot *snapshot);
uint64_t snapshot_entries_gone(const struct snapshot *snapshot);

/* One committed line. */
struct line {
    const char *text; /* JSON without "record", no newline; lives until the next call */
    size_t len;
    uint64_t stream;
    enum stream_kind kind;
    uint32_t index;
    int64_t done_at;
};
/* In order of completion, ties by stream. `after` is a position: entries committed
 * before it are left out (for .follow). */
struct entry_cursor *entry_cursor_open(struct snapshot *snapshot, uint64_t after);
int entry_cursor_next(struct entry_cursor *cursor,
                      struct line *line); /* 1, 0 at the end, -errno */
void entry_cursor_close(struct entry_cursor *cursor);
/* The entry of that name: 1 found, 0 not. The text is appended to `out`. */
int snapshot_entry(struct snapshot *snapshot, uint64_t stream, uint32_t index,
                   struct buf *out);

/* What `streams/` and `entries/` list; `each` returns non-zero to stop. */
struct stream_summary {
    uint64_t number;
    enum stream_kind kind;
    uint64_t packets, bytes; /* bytes of the stream's PCAP file with its header */
    uint32_t entries;
    int64_t last_at;
};
int snapshot_each_stream(struct snapshot *snapshot,
                         int (*each)(void *context,
                                     const struct stream_summary *stream),
                         void *context);
/* One of them: 1 found, 0 not, or a negative errno. */
int snapshot_stream(struct snapshot *snapshot, uint64_t number,
                    struct stream_summary *stream);
int snapshot_each_entry(struct snapshot *snapshot,
                        int (*each)(void *context, uint64_t stream, uint32_t index,
                                    int64_t done_at),
                        void *context);

/* A PCAP file (nanosecond, pcap-savefile(5)) of packets of several snapshots in order
 * of time, then number, each number once. Link types that differ become LINUX_SLL2;
 * what has no ethertype there is left out and counted. `streams` NULL: all; else sorted
 * numbers, copied. */
int pcap_view_open(struct pcap_view **out, struct snapshot *const *snapshots,
                   size_t count, const uint64_t *streams, size_t stream_count);
uint64_t pcap_view_size(const struct pcap_view *view);
/* Packets that the conversion to LINUX_SLL2 had to leave out. */
uint64_t pcap_view_left_out(const struct pcap_view *view);
ssize_t pcap_view_read(struct pcap_view *view, void *out, size_t size, uint64_t offset);
/* A descriptor of the file on disk that is the view, byte for byte, and stays so; the
 * caller closes. -ENOTSUP: there is none. */
int pcap_view_file(struct pcap_view *view);
void pcap_view_close(struct pcap_view *view);

/* entries.jsonl of several snapshots, one after the other, each line with
 * `"record":name` put in. */
int lines_view_open(struct lines_view **out, struct snapshot *const *snapshots,
                    size_t count, const char *record);
uint64_t lines_view_size(const struct lines_view *view);
ssize_t lines_view_read(struct lines_view *view, void *out, size_t size,
                        uint64_t offset);
void lines_view_close(struct lines_view *view);
/* Puts `"record":name` as the last key into a line. */
int line_put_record(struct buf *out, const char *line, size_t len, const char *record);
