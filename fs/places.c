#include "fs/places.h"

#include <errno.h>

#include "fs/fs.h"
#include "fs/saved.h"

static int root_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    (void)place;
    attr_folder(st, fs, fs->started_at);
    return 0;
}

static int root_list(struct fs *fs, const struct place *place, struct listing *listing)
{
    (void)fs;
    (void)place;
    listing_add(listing, "README", false);
    listing_add(listing, "metrics", false);
    listing_add(listing, "jobs", true);
    listing_add(listing, "recordings", true);
    listing_add(listing, "query", true);
    return 0;
}

static const struct place_ops root_ops = {.stat = root_stat, .list = root_list};

static int query_list(struct fs *fs, const struct place *place, struct listing *listing)
{
    (void)place;
    listing_add(listing, "README", false);
    listing_add(listing, "error_log", false);
    saved_list(fs->saved, listing);
    return 0;
}

static const struct place_ops query_ops = {.stat = root_stat, .list = query_list};

static const struct place_ops *const table[PLACE_KINDS] = {
    [PLACE_ROOT] = &root_ops,
    [PLACE_README] = &readme_ops,
    [PLACE_METRICS] = &metrics_ops,
    [PLACE_JOBS] = &jobs_ops,
    [PLACE_JOB] = &job_ops,
    [PLACE_SPEC] = &job_spec_ops,
    [PLACE_STATUS] = &job_status_ops,
    [PLACE_CONTROL] = &job_control_ops,
    [PLACE_LOG] = &job_log_ops,
    [PLACE_SCRATCH] = &job_scratch_ops,
    [PLACE_RECORDINGS] = &recordings_ops,
    [PLACE_RECORDING] = &recording_ops,
    [PLACE_ITERATIONS] = &recording_iterations_ops,
    [PLACE_ITERATION] = &recording_iteration_ops,
    [PLACE_PCAP] = &recording_pcap_ops,
    [PLACE_LINES] = &recording_lines_ops,
    [PLACE_MANIFEST] = &recording_manifest_ops,
    [PLACE_STREAMS] = &recording_streams_ops,
    [PLACE_STREAM] = &recording_stream_ops,
    [PLACE_ENTRIES] = &recording_entries_ops,
    [PLACE_ENTRY] = &recording_entry_ops,
    [PLACE_EXPIRES] = &recording_expires_ops,
    [PLACE_IMPORT] = &recording_import_ops,
    [PLACE_QUERY] = &query_ops,
    [PLACE_QUERY_README] = &readme_ops,
    [PLACE_ERROR_LOG] = &query_errors_ops,
    [PLACE_SAVED] = &saved_ops,
    [PLACE_PREFIX] = &query_prefix_ops,
    [PLACE_STATEMENT] = &query_statement_ops,
};

const struct place_ops *place_ops(enum place_kind kind)
{
    return table[kind];
}
