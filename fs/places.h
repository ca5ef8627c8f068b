/* The kinds of places, by the module that serves them. */
#pragma once
#include "fs/node.h"

extern const struct place_ops jobs_ops, job_ops, job_spec_ops, job_status_ops,
    job_control_ops, job_log_ops, job_scratch_ops;
extern const struct place_ops recordings_ops, recording_ops, recording_iterations_ops,
    recording_iteration_ops, recording_pcap_ops, recording_lines_ops,
    recording_manifest_ops, recording_streams_ops, recording_stream_ops,
    recording_entries_ops, recording_entry_ops, recording_expires_ops,
    recording_import_ops;
extern const struct place_ops query_prefix_ops, query_statement_ops, query_errors_ops;
extern const struct place_ops saved_ops;
extern const struct place_ops readme_ops, metrics_ops;
