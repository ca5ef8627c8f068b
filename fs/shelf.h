/* The shelf: what was last worked out of recordings, so that `ls` of many files does
 * not go through the store's indexes once a name; and which iterations a place is
 * about. Thread safe. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/store/cursor.h"

struct fs;
struct iteration_info;
struct place;
struct shelf;

enum catalogue_part { CATALOGUE_PCAP, CATALOGUE_STREAMS, CATALOGUE_ENTRIES };

/* One part of one recording or iteration as it was at one time; immutable but for what
 * is noted. */
struct catalogue {
    uint64_t pcap_size; /* CATALOGUE_PCAP: of recording.pcap */
    struct stream_summary
        *streams; /* CATALOGUE_STREAMS: by number; bytes 0: in several iterations */
    size_t stream_count;
    struct catalogue_entry {
        uint64_t stream;
        uint32_t index;
        int64_t done_at;
        _Atomic uint64_t size; /* of its file, 0: nobody asked yet */
    } * entries;               /* CATALOGUE_ENTRIES: by stream and index */
    size_t entry_count;
};

struct shelf *shelf_new(void);
void shelf_free(struct shelf *shelf);
/* Of the recording or iteration that `place` is or is in. The size of a recording that
 * grows may be half a second old; all else is as now. -ENOENT. */
int shelf_get(const struct catalogue **out, struct fs *fs, const struct place *place,
              enum catalogue_part part);
void shelf_put(const struct catalogue *catalogue);
/* NULL: none. */
struct catalogue_entry *shelf_entry(const struct catalogue *catalogue, uint64_t stream,
                                    uint32_t index);

/* The iterations that a place is about: the one it names, or all of its recording.
 * Snapshots are the caller's, in *out, freed by scope_free. -ENOENT. */
int scope_snapshots(struct snapshot ***out, size_t *count, struct fs *fs,
                    const struct place *place);
void scope_free(struct snapshot **snapshots, size_t count);
/* The iteration of place->start, a reference; NULL: none. */
struct iteration *scope_iteration(struct fs *fs, const struct place *place);
/* Sums, over what the place is about; ended_at is the last one's. */
int scope_info(struct iteration_info *info, struct fs *fs, const struct place *place);
/* As place_ops.stamp: of what is not recorded any more, which is worth a second of the
 * kernel's memory, so that `ls -l` of thousands asks once a name. */
uint64_t scope_stamp(struct fs *fs, const struct place *place);
