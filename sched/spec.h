/* A job's spec: what its owner wrote, and what it means. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/store/store.h"

struct err;
struct kfl;

#define SPEC_TEXT_MAX  65536 /* bytes of a spec */
#define SPEC_SAVED_MAX 64    /* saved statements that one statement may stand on */

/* A saved statement as it was when the spec was accepted. */
struct spec_saved {
    char *name, *text;
};

struct spec {
    char *text;               /* as written */
    char *kfl;                /* the statement; "" is everything */
    bool redacts;             /* the statement has redact(): entries only */
    int64_t limit;            /* of limit(n); 0: none */
    int start_minute;         /* of the UTC day, or WHEN_NOW */
    int64_t daily_iterations; /* 0: for ever */
    int64_t duration;         /* ns; 0: until stopped */
    int64_t keep;             /* ns after the end of an iteration; 0: for ever */
    uint64_t max_size;        /* 0: the store's */
    enum on_full on_full;
    struct spec_saved *saved;
    size_t saved_count;
};

/* Where saved statements come from. */
struct spec_env {
    int64_t now_ms;
    const char *(*saved)(void *context, const char *name, size_t len); /* may be NULL */
    void *context;
};

/* 0; 1 the text holds no key; -EINVAL with line and column. *out is NULL but on 0. */
int spec_parse(struct spec **out, const char *text, size_t len,
               const struct spec_env *env, struct err *err);
void spec_free(struct spec *spec);

/* The statement, with the saved ones as they were; now() is now_ms. */
int spec_compile(struct kfl **out, const struct spec *spec, int64_t now_ms,
                 struct err *err);
const char *spec_find_saved(const struct spec *spec, const char *name, size_t len);

bool spec_same_statement(const struct spec *a, const struct spec *b);
bool spec_same_plan(const struct spec *a, const struct spec *b);

/* What spec.yaml shows before anything was written there; it holds no key. */
const char *spec_template(void);
