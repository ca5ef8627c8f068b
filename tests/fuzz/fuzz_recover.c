/* Any bytes as log, packets, lines and manifest of a crashed recording: the store
 * opens, what it then shows can be read to the end, and the next start finds the same.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/block.h"
#include "capture/store/cursor.h"
#include "capture/store/log.h"
#include "capture/store/store.h"
#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/sys.h"

#define FOLDER  "recordings/a/2025-10-09T08-53-20Z"
#define START   (INT64_C(1760000000) * NS_PER_S)
#define PART    4096 /* of a view, is read at once */
#define COLUMNS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

enum flag {
    HAS_SUMS = 1, /* records get the checksums that fit */
    HAS_LOG = 2,  /* and the log its header */
    HAS_PCAP = 4,
    HAS_MANIFEST = 8, /* the last part is one */
};

struct input {
    const uint8_t *data;
    size_t size;
};

static struct input take(struct input *from, size_t size)
{
    struct input part = {from->data, size < from->size ? size : from->size};
    from->data += part.size;
    from->size -= part.size;
    return part;
}

static void write_part(int dir, const char *name, const void *bytes, size_t size)
{
    char path[100];
    snprintf(path, sizeof(path), FOLDER "/%s", name);
    int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    check(fd >= 0 && sys_write_all(fd, bytes, size) == 0);
    close(fd);
}

/* Without this the first record would end every run. */
static void put_sums(struct buf *log, const struct buf *pcap, struct input jsonl)
{
    for (size_t at = LOG_HEADER; at + LOG_RECORD <= log->len; at += LOG_RECORD) {
        struct record record;
        uint8_t *raw = (uint8_t *)log->data + at;
        if (record_decode(&record, raw) < 0)
            continue;
        bool packet = record.kind == RECORD_PACKET;
        const uint8_t *data = packet ? (const uint8_t *)pcap->data : jsonl.data;
        size_t size = packet ? pcap->len : jsonl.size;
        if ((uint64_t)record.offset + record.length <= size)
            record_encode(raw, &record, data + record.offset);
    }
}

static void write_all(int dir, struct input input)
{
    struct buf log = {0}, pcap = {0};
    unsigned flags = 0;
    size_t sizes[COLUMNS] = {0};
    struct input head = take(&input, 1 + 2 * COLUMNS);
    if (head.size > 0)
        flags = head.data[0];
    for (size_t i = 0; i < COLUMNS && 2 + 2 * i < head.size; i++)
        sizes[i] = head.data[1 + 2 * i] | (size_t)(head.data[2 + 2 * i] & 0xf) << 8;
    struct input log_part = take(&input, sizes[0]), pcap_part = take(&input, sizes[1]);
    struct input jsonl = take(&input, sizes[2]);
    if (flags & HAS_LOG) {
        log_header((uint8_t *)buf_reserve(&log, LOG_HEADER));
        log.len += LOG_HEADER;
    }
    if (flags & HAS_PCAP) {
        pcap_put_header((uint8_t *)buf_reserve(&pcap, PCAP_HEADER), flags >> 4);
        pcap.len += PCAP_HEADER;
    }
    buf_add(&log, log_part.data, log_part.size);
    buf_add(&pcap, pcap_part.data, pcap_part.size);
    if (flags & HAS_SUMS)
        put_sums(&log, &pcap, jsonl);
    write_part(dir, "000001.log", log.data, log.len);
    write_part(dir, "000001.pcap", pcap.data, pcap.len);
    write_part(dir, "000001.jsonl", jsonl.data, jsonl.size);
    if (flags & HAS_MANIFEST)
        write_part(dir, "manifest.json", input.data, input.size);
    buf_fini(&log);
    buf_fini(&pcap);
}

static void read_pcap(struct snapshot *snapshot, const uint64_t *stream, bool trusted)
{
    struct pcap_view *view;
    char part[PART];
    uint64_t at = 0;
    ssize_t got = 0;
    if (pcap_view_open(&view, &snapshot, 1, stream, stream ? 1 : 0) < 0) {
        check(!trusted);
        return;
    }
    /* A manifest may promise what its files do not hold; that ends in an error. */
    while ((got = pcap_view_read(view, part, sizeof(part), at)) > 0 && at < 100 * PART)
        at += (uint64_t)got;
    check(at <= pcap_view_size(view));
    check(!trusted || (got == 0 && at == pcap_view_size(view)));
    pcap_view_close(view);
}

static void read_lines(struct snapshot *snapshot, bool trusted)
{
    struct lines_view *view;
    char part[PART];
    uint64_t at = 0;
    ssize_t got;
    check(lines_view_open(&view, &snapshot, 1, "a") == 0);
    while ((got = lines_view_read(view, part, sizeof(part), at)) > 0 && at < 100 * PART)
        at += (uint64_t)got;
    check(!trusted || (got == 0 && at == lines_view_size(view)));
    lines_view_close(view);
    struct entry_cursor *cursor = entry_cursor_open(snapshot, 0);
    struct line line;
    uint64_t count = 0;
    int result;
    while ((result = entry_cursor_next(cursor, &line)) == 1) {
        check(!trusted || (line.len > 2 && line.text[0] == '{'));
        count++;
    }
    check(!trusted || (result == 0 && count == snapshot_entries(snapshot) -
                                                   snapshot_entries_gone(snapshot)));
    entry_cursor_close(cursor);
}

static int each_stream(void *context, const struct stream_summary *stream)
{
    read_pcap(context, &stream->number, false);
    return 0;
}

static int each_entry(void *context, uint64_t stream, uint32_t index, int64_t done_at)
{
    struct buf text = {0};
    (void)done_at;
    snapshot_entry(context, stream, index, &text);
    buf_fini(&text);
    return 0;
}

static void read_all(struct store *store, struct iteration_info *info, bool trusted)
{
    struct iteration *iteration = store_iteration(store, "a", 0);
    struct buf text = {0};
    check(iteration);
    iteration_info(iteration, info);
    struct snapshot *snapshot = snapshot_take(iteration);
    read_pcap(snapshot, NULL, trusted);
    read_lines(snapshot, trusted);
    snapshot_each_stream(snapshot, each_stream, snapshot);
    snapshot_each_entry(snapshot, each_entry, snapshot);
    snapshot_unref(snapshot);
    check(store_manifest(store, "a", iteration, &text) == 0);
    buf_fini(&text);
    iteration_unref(iteration);
}

static void go_on(struct store *store)
{
    struct iteration_options options = {.name = "a", .start = START};
    struct iteration *iteration;
    if (iteration_open(&iteration, store, &options, NULL) < 0)
        return;
    iteration_add_entry(iteration, "{\"a\":1}", 7, 1, STREAM_TCP, 1, START);
    check(iteration_end(iteration, "finished", START, NULL) == 0);
    iteration_unref(iteration);
}

static bool is_same(const struct iteration_info *a, const struct iteration_info *b)
{
    return a->packets == b->packets && a->bytes == b->bytes &&
           a->entries == b->entries && a->streams == b->streams &&
           a->entry_bytes == b->entry_bytes && a->dropped == b->dropped &&
           a->last_at == b->last_at && a->disk_bytes == b->disk_bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    char path[64];
    struct clock_fake clock;
    struct store *store;
    struct iteration_info first, second;
    bool trusted = size == 0 || !(data[0] & HAS_MANIFEST);
    snprintf(path, sizeof(path), "%s/fuzz_recover.XXXXXX", folder);
    check(mkdtemp(path) != NULL);
    int dir = open(path, O_RDONLY | O_DIRECTORY);
    check(dir >= 0 && sys_make_dirs(dir, FOLDER) == 0);
    write_all(dir, (struct input){data, size});
    close(dir);
    clock_fake_init(&clock, START);
    struct store_options options = {.path = path,
                                    .storage_limit = 1 << 30,
                                    .sync = NS_PER_S,
                                    .clock = &clock.clock};
    check(store_open(&store, &options, NULL) == 0);
    read_all(store, &first, trusted);
    store_close(store);
    check(store_open(&store, &options, NULL) == 0);
    read_all(store, &second, trusted);
    check(!trusted || is_same(&first, &second));
    go_on(store);
    read_all(store, &second, trusted);
    check(!trusted || second.entries == first.entries + 1);
    store_close(store);
    check(sys_remove_tree(AT_FDCWD, path) == 0);
    return 0;
}
