/* Reading one segment as it was published: records, packets, lines. Belongs to one
 * thread. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "capture/store/segment.h"

/* A part of a file that is in memory. */
struct window {
    int fd;
    uint8_t *bytes;
    size_t len, cap;
    uint64_t at;
};

/* `size` bytes at `offset` of a file that ends at `end`, until the next call; NULL: not
 * there, or none. */
const uint8_t *window_get(struct window *window, uint64_t offset, size_t size,
                          uint64_t end);
void window_fini(struct window *window);

struct reader {
    struct segment *segment; /* borrowed */
    struct segment_stats stats;
    struct window pcap, jsonl, log;
    uint64_t used; /* by readers: when last */
};

struct stored_packet {
    int64_t at;
    uint32_t caplen, len;
    const uint8_t *data; /* lives until the next call */
};

void reader_init(struct reader *reader, struct segment *segment,
                 const struct segment_stats *stats);
void reader_fini(struct reader *reader); /* closes; can be read again */
/* 0 or a negative errno: what was published can be damaged by now. */
int reader_record(struct reader *reader, uint32_t i, struct record *record);
/* What finds a packet again without its record. */
uint32_t reader_locator(const struct reader *reader, const struct record *record,
                        uint32_t i);
int reader_packet(struct reader *reader, uint32_t locator,
                  struct stored_packet *packet);
/* Without the newline; `i` is the record's. */
int reader_line(struct reader *reader, const struct record *record, uint32_t i,
                const char **text);
/* Bytes of the pcap file as they are; on disk only. */
int reader_raw(struct reader *reader, void *out, size_t size, uint64_t offset);

/* Readers of many segments, of which few are open at a time. */
struct readers {
    struct reader *items;
    size_t count;
    unsigned open;
    uint64_t tick;
};
void readers_init(struct readers *readers, size_t count);
void readers_fini(struct readers *readers);
struct reader *readers_get(struct readers *readers, size_t i);
