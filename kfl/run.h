/* What one thread needs to match: scratch memory that is kept between documents. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "kfl/base/buf.h"
#include "kfl/base/mem.h"
#include "kfl/doc.h"

#define RUN_GUESSES 1024         /* a power of two */
#define RUN_ARENA   (256u << 20) /* copies and decoded bodies of one document */
#define RUN_TEXT    (64u << 20)
#define RUN_VISITS  4000000 /* values that selectors may look at in one document */
#define RUN_DECODED 16

struct err;
struct regex_run;
struct vm_cell;

struct decoded {
    const char *text;
    uint32_t len;
    bool xml;
    const struct doc_value *value; /* NULL: it is no such thing */
};

struct kfl_run {
    const struct doc_value *doc; /* the document, or the copy that redact() changed */
    bool changed;
    bool has_record;
    struct doc_value record; /* what the key `record` is */
    struct err *err;
    uint32_t visits;
    struct arena arena;
    struct buf text[2];
    struct regex_run *regex;
    uint32_t decoded_count;
    struct decoded decoded[RUN_DECODED];
    uint32_t guess[RUN_GUESSES]; /* where a step found its member the last time */
    struct vm_cell *cells;
    uint32_t cell_count;
};
