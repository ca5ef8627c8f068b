/* A segment: packets of one link type, lines, and the log that commits them; on disk as
 * <n>.pcap, <n>.jsonl and <n>.log, or in memory. One thread appends; what it published
 * is never changed, so that readers need no lock. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "capture/store/log.h"

struct folder;
struct packet;
struct segment;

/* What packets and lines are ordered by: number of the packet, stream of the entry. */
struct key {
    int64_t at;
    uint64_t tie;
};
static inline int key_compare(struct key a, struct key b)
{
    if (a.at != b.at)
        return a.at < b.at ? -1 : 1;
    return a.tie < b.tie ? -1 : a.tie > b.tie;
}

struct span {
    struct key min, max;
    bool sorted; /* in the order they lie; numbers of packets strictly */
};

struct segment_stats {
    int32_t linktype; /* -1: no packet */
    uint32_t records, packets, lines;
    uint64_t pcap_end, jsonl_end; /* of the files; in memory what they would have */
    uint64_t line_bytes;          /* with newlines */
    uint64_t caplen;              /* bytes of packets */
    struct span packet_span, line_span;
    uint64_t stream_min, stream_max;
    uint64_t number_max; /* of packets and streams */
};
void segment_stats_init(struct segment_stats *stats);
void segment_stats_add(struct segment_stats *stats, const struct record *record);

/* Where segments lie. Each returns 0 or a negative errno; what failed was not appended.
 */
struct medium {
    int (*add_packet)(struct segment *segment, struct record *record,
                      struct packet *packet);
    int (*add_line)(struct segment *segment, struct record *record, const char *line);
    int (*flush)(struct segment *segment); /* readers will find it */
    int (*sync)(struct segment *segment);  /* power loss will not take it */
    int (*cut)(struct segment *segment);   /* back to segment->stats */
    void (*seal)(struct segment *segment); /* nothing more will come */
    void (*free)(struct segment *segment);
    uint64_t memory; /* overhead of a record, 0: on disk */
};
extern const struct medium medium_disk, medium_memory;

struct segment {
    _Atomic unsigned refs;
    const struct medium *medium;
    struct folder *folder, *trash; /* on disk; where it is since it was removed */
    uint32_t n;
    _Atomic bool sealed; /* its files will not change any more */
    bool unsynced;       /* the writer's */
    struct segment_stats
        stats; /* published; read under the iteration's lock while open */
    struct segment_stats next;     /* with what was appended since; the writer's */
    int64_t opened_at, touched_at; /* by the writer's clock */
    void *private;                 /* the medium's */
};

/* Makes the log of a new segment; takes a reference to `folder`, which may be NULL in
 * memory. */
int segment_create(struct segment **out, const struct medium *medium,
                   struct folder *folder, uint32_t n, int64_t now);
/* One that is on disk and sealed. */
struct segment *segment_known(struct folder *folder, uint32_t n,
                              const struct segment_stats *stats);
struct segment *segment_ref(struct segment *segment);
void segment_unref(struct segment *segment);

int segment_add_packet(struct segment *segment, struct packet *packet, uint64_t stream,
                       enum stream_kind kind);
int segment_add_line(struct segment *segment, const char *line, size_t len,
                     uint64_t stream, enum stream_kind kind, uint32_t index,
                     int64_t done_at);
void segment_seal(struct segment *segment);

/* "000001.pcap" */
#define SEGMENT_FILE 24
char *segment_file(char out[SEGMENT_FILE], uint32_t n, const char *suffix);
