/* Routes: what a name in a folder of the mount means. Pure: nothing is looked up, so
 * that a place may turn out not to exist. */
#pragma once
#include <stdbool.h>

struct err;

enum place_kind {
    PLACE_ROOT,
    PLACE_README,
    PLACE_METRICS,
    PLACE_JOBS,
    PLACE_JOB,
    PLACE_SPEC,
    PLACE_STATUS,
    PLACE_CONTROL,
    PLACE_LOG,
    PLACE_SCRATCH, /* any other file in a job's folder: an editor's */
    PLACE_RECORDINGS,
    PLACE_RECORDING,
    PLACE_ITERATIONS,
    PLACE_ITERATION,
    PLACE_PCAP, /* recording.pcap, of a recording or an iteration; so are the next five
                 */
    PLACE_LINES,
    PLACE_MANIFEST,
    PLACE_STREAMS,
    PLACE_STREAM,
    PLACE_ENTRIES,
    PLACE_ENTRY,
    PLACE_EXPIRES,
    PLACE_IMPORT, /* any other file in a recording's folder: a capture being copied in
                   */
    PLACE_QUERY,
    PLACE_QUERY_README,
    PLACE_ERROR_LOG,
    PLACE_SAVED,
    PLACE_PREFIX, /* a statement that ends inside a literal: a folder */
    PLACE_STATEMENT,
    PLACE_KINDS,
};

enum form { FORM_JSON, FORM_PCAP, FORM_HAR, FORM_COUNT, FORM_FOLLOW };

/* Strings are owned, NULL where the kind has none. */
struct place {
    enum place_kind kind;
    enum form form; /* PLACE_STATEMENT */
    char *path;     /* from the mount point: "/jobs/x/spec.yaml" */
    char *name;     /* of the job, recording or saved statement */
    char *start;    /* the iteration's folder; NULL: the whole recording */
    char *leaf;     /* the last component */
    char *text;     /* PLACE_PREFIX: so far; PLACE_STATEMENT: without its extension */
};

void place_root(struct place *place);
void place_copy(struct place *out, const struct place *place);
void place_fini(struct place *place);
bool place_is_folder(enum place_kind kind);

/* The place of `name` in the folder `dir`: 0; -ENOENT nothing can have that name;
 * -EINVAL a statement that lost a slash to the kernel (words and the safe name in
 * *err); -ENAMETOOLONG. */
int route_step(struct place *child, const struct place *dir, const char *name,
               struct err *err);
