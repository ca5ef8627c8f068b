#include "capture/store/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/block.h"
#include "capture/store/folder.h"
#include "capture/store/memory.h"
#include "kfl/base/mem.h"
#include "kfl/base/sys.h"

#define WINDOW   ((size_t)64 * 1024)
#define JUMP     ((size_t)4 * 1024)
#define OPEN_MAX 24

void reader_init(struct reader *reader, struct segment *segment,
                 const struct segment_stats *stats)
{
    *reader = (struct reader){.segment = segment, .stats = *stats};
    reader->pcap.fd = reader->jsonl.fd = reader->log.fd = -1;
}

void window_fini(struct window *window)
{
    if (window->fd >= 0)
        close(window->fd);
    free(window->bytes);
    *window = (struct window){.fd = -1};
}

void reader_fini(struct reader *reader)
{
    window_fini(&reader->pcap);
    window_fini(&reader->jsonl);
    window_fini(&reader->log);
}

static int window_open(struct window *window, struct segment *segment,
                       const char *suffix)
{
    if (window->fd >= 0)
        return 0;
    int fd = folder_open_segment(segment, suffix, O_RDONLY);
    if (fd < 0)
        return fd;
    window->fd = fd;
    return 0;
}

/* Reading on takes a lot at once, a step back takes what is around it too; jumping
 * about must not. Returns where to read from, and *want. */
static uint64_t choose_window(const struct window *window, uint64_t offset,
                              size_t *want)
{
    uint64_t from = offset;
    size_t least = JUMP;
    if (offset >= window->at && offset <= window->at + window->len + JUMP) {
        least = WINDOW;
    } else if (offset < window->at && window->at - offset < WINDOW / 2) {
        least = WINDOW;
        from = offset > WINDOW / 2 ? offset - WINDOW / 2 : 0;
    }
    *want += (size_t)(offset - from);
    if (*want < least)
        *want = least;
    return from;
}

const uint8_t *window_get(struct window *window, uint64_t offset, size_t size,
                          uint64_t end)
{
    if (window->fd < 0 || size == 0 || offset > end || size > end - offset)
        return NULL;
    if (offset < window->at || offset + size > window->at + window->len) {
        size_t want = size;
        uint64_t from = choose_window(window, offset, &want);
        if (want > end - from)
            want = (size_t)(end - from);
        if (window->cap < want) {
            free(window->bytes);
            window->bytes = mem_alloc(want);
            window->cap = want;
        }
        window->at = from;
        window->len = 0;
        ssize_t got = sys_pread_all(window->fd, window->bytes, want, (off_t)from);
        if (got < 0 || (uint64_t)got < offset - from + size)
            return NULL;
        window->len = (size_t)got;
    }
    return window->bytes + (offset - window->at);
}

static bool in_memory(const struct reader *reader)
{
    return reader->segment->medium->memory > 0;
}

int reader_record(struct reader *reader, uint32_t i, struct record *record)
{
    if (i >= reader->stats.records)
        return -ERANGE;
    if (in_memory(reader)) {
        *record = *memory_record(reader->segment, i);
        return 0;
    }
    int result = window_open(&reader->log, reader->segment, "log");
    if (result < 0)
        return result;
    uint64_t end = LOG_HEADER + (uint64_t)reader->stats.records * LOG_RECORD;
    const uint8_t *raw = window_get(&reader->log, LOG_HEADER + (uint64_t)i * LOG_RECORD,
                                    LOG_RECORD, end);
    if (!raw)
        return -EIO;
    return record_decode(record, raw) < 0 ? -EIO : 0;
}

uint32_t reader_locator(const struct reader *reader, const struct record *record,
                        uint32_t i)
{
    return in_memory(reader) ? i : record->offset;
}

int reader_packet(struct reader *reader, uint32_t locator, struct stored_packet *packet)
{
    if (in_memory(reader)) {
        const struct packet *held = memory_packet(reader->segment, locator);
        *packet = (struct stored_packet){held->at, held->caplen, held->len, held->data};
        return 0;
    }
    int result = window_open(&reader->pcap, reader->segment, "pcap");
    if (result < 0)
        return result;
    uint64_t end = reader->stats.pcap_end;
    const uint8_t *raw = window_get(&reader->pcap, locator, PCAP_RECORD, end);
    if (!raw)
        return -EIO;
    if (pcap_get_record(&packet->at, &packet->caplen, &packet->len, raw) < 0)
        return -EIO;
    raw = window_get(&reader->pcap, locator, PCAP_RECORD + (size_t)packet->caplen, end);
    if (!raw)
        return -EIO;
    packet->data = raw + PCAP_RECORD;
    return 0;
}

int reader_line(struct reader *reader, const struct record *record, uint32_t i,
                const char **text)
{
    if (in_memory(reader)) {
        *text = memory_line(reader->segment, i);
        return 0;
    }
    int result = window_open(&reader->jsonl, reader->segment, "jsonl");
    if (result < 0)
        return result;
    *text = (const char *)window_get(&reader->jsonl, record->offset, record->length,
                                     reader->stats.jsonl_end);
    return *text ? 0 : -EIO;
}

int reader_raw(struct reader *reader, void *out, size_t size, uint64_t offset)
{
    int result = window_open(&reader->pcap, reader->segment, "pcap");
    if (result < 0)
        return result;
    ssize_t got = sys_pread_all(reader->pcap.fd, out, size, (off_t)offset);
    return got < 0 ? (int)got : (size_t)got < size ? -EIO : 0;
}

void readers_init(struct readers *readers, size_t count)
{
    *readers = (struct readers){
        .items = mem_zalloc((count + 1) * sizeof(struct reader)), .count = count};
}

void readers_fini(struct readers *readers)
{
    for (size_t i = 0; i < readers->count; i++)
        reader_fini(&readers->items[i]);
    free(readers->items);
}

static void close_oldest(struct readers *readers)
{
    struct reader *oldest = NULL;
    for (size_t i = 0; i < readers->count; i++) {
        struct reader *reader = &readers->items[i];
        if (reader->used > 0 && (!oldest || reader->used < oldest->used))
            oldest = reader;
    }
    if (oldest) {
        reader_fini(oldest);
        oldest->used = 0;
        readers->open--;
    }
}

struct reader *readers_get(struct readers *readers, size_t i)
{
    struct reader *reader = &readers->items[i];
    if (reader->used == 0) {
        if (readers->open == OPEN_MAX)
            close_oldest(readers);
        readers->open++;
    }
    reader->used = ++readers->tick;
    return reader;
}
