/* Selectors: an array of steps into a document, decoding on the way where it says so.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kfl/doc.h"

struct buf;
struct kfl_run;

#define PATH_STEPS_MAX 128

enum step_kind {
    STEP_NAME,    /* .name ["name"] */
    STEP_INDEX,   /* [1] [-1] */
    STEP_ALL,     /* .* [*] */
    STEP_DESCEND, /* what is before `..`: the value and all below it */
    STEP_JSON,    /* .json() */
    STEP_XML,     /* .xml() */
};

struct step {
    uint8_t kind;
    bool in_xml; /* an element that is not repeated is the first of one */
    uint32_t name_len;
    union {
        const char *name;
        int64_t index;
    };
};

struct path {
    const struct step *steps;
    uint32_t count;
    bool many; /* may have several hits */
    bool decodes;
    bool xml;    /* an element with attributes stands for its text */
    bool record; /* starts with the key `record` */
};

/* Copies the steps to the arena and finds out what they are. */
struct path *path_new(struct arena *arena, const struct step *steps, uint32_t count);
bool path_is(const struct path *path, const char *first, const char *second);
void path_write(struct buf *out, const struct path *path);
/* Can the two name something in common, one being at, above or below the other? */
bool path_meets(const struct path *path, const char *dotted);

/* 1 and the value; 0 no match; -E2BIG with words in the run's error. Several hits are
 * an array. */
int path_find(const struct doc_value **out, struct kfl_run *run,
              const struct path *path);

/* Every hit of steps below a value, in order. A negative return of `hit` ends the walk.
 */
int path_walk(struct kfl_run *run, const struct doc_value *value,
              const struct step *steps, uint32_t count,
              int (*hit)(void *context, const struct doc_value *value), void *context);
