/* The shelf: what was last looked up of recordings' folders, so that `ls` and `cat *`
 * of many files do not go through the store's indexes once a name. Thread safe. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "capture/store/cursor.h"

struct fs;
struct place;
struct shelf;

/* One recording or iteration as it was at one time; immutable but for its references.
 */
struct catalogue {
    uint64_t stamp; /* differs when packets or entries were added */
    struct snapshot **snapshots;
    size_t count;
    uint64_t pcap_size, lines_size; /* of recording.pcap and entries.jsonl */
    int64_t last_at;
    struct stream_summary *streams; /* by number */
    size_t stream_count;
    struct catalogue_entry {
        uint64_t stream;
        uint32_t index;
        int64_t done_at;
    } * entries; /* by stream and index */
    size_t entry_count;
};

struct shelf *shelf_new(void);
void shelf_free(struct shelf *shelf);
/* Of the recording or iteration that `place` is or is in; at most half a second old
 * where it is being recorded. -ENOENT. */
int shelf_get(struct catalogue **out, struct fs *fs, const struct place *place);
void shelf_put(struct catalogue *catalogue);
const struct stream_summary *catalogue_stream(const struct catalogue *catalogue,
                                              const char *file);
/* By the name of its file. */
const struct catalogue_entry *catalogue_entry(const struct catalogue *catalogue,
                                              const char *file);
/* Its pretty JSON, with the record's name; 0 or -errno. */
struct buf;
int catalogue_render(struct buf *out, const struct catalogue *catalogue,
                     const struct catalogue_entry *entry, const char *record);

/* The iterations that a place is about: the one it names, or all of its recording.
 * Snapshots are the caller's, in *out, freed by scope_free. -ENOENT. */
int scope_snapshots(struct snapshot ***out, size_t *count, struct fs *fs,
                    const struct place *place);
void scope_free(struct snapshot **snapshots, size_t count);
struct iteration;
/* The iteration of place->start, a reference; NULL: none. */
struct iteration *scope_iteration(struct fs *fs, const struct place *place);
/* Sums, over what the place is about. */
struct iteration_info;
int scope_info(struct iteration_info *info, struct fs *fs, const struct place *place);
