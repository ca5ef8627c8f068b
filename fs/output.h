/* The forms of a query's result: lines, a count, packets, HTTP Archive. Used by one
 * thread. */
#pragma once
#include <stddef.h>

#include "fs/route.h"

struct doc_value;
struct err;
struct fs;
struct line;
struct output;
struct sources;
struct spool;

/* Writes to the spool; `sources` (for packets) outlive it. */
struct output *output_new(struct fs *fs, enum form form, struct spool *spool,
                          struct sources *sources);
void output_free(struct output *output);
/* One match: as stored, or `changed` where redact() ran; `doc` is its document. 0, 1
 * the spool is full for now, -errno. */
int output_line(struct output *output, const struct line *line, const char *record,
                const struct doc_value *changed, const struct doc_value *doc);
/* The last of it, and the spool's end. */
int output_end(struct output *output, struct err *err);
