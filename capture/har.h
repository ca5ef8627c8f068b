/* HTTP Archive 1.2 of entries: begin, the entries, end; the parts follow each other in
 * one file. */
#pragma once

struct buf;
struct doc_value;

/* Each: 0 or -E2BIG where the buffer's limit is passed. */
int har_begin(struct buf *out);
/* 1: written; 0: the entry is no HTTP, nothing is. `count` entries are in front of it.
 */
int har_entry(struct buf *out, const struct doc_value *entry, unsigned long long count);
int har_end(struct buf *out);
