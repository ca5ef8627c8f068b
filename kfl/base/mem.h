/* Memory: allocations of our own size abort when there is none; arenas have a limit and
 * fail. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* Never NULL: abort(3) without memory. */
#define MEM_NEVER_NULL __attribute__((returns_nonnull, warn_unused_result))
MEM_NEVER_NULL void *mem_alloc(size_t size);
MEM_NEVER_NULL void *mem_zalloc(size_t size);
MEM_NEVER_NULL void *mem_realloc(void *old, size_t size);
MEM_NEVER_NULL void *mem_dup(const void *bytes, size_t size); /* with a NUL behind */
MEM_NEVER_NULL char *mem_strdup(const char *text);

/* a * b and a + b that say -E2BIG instead of wrapping. */
int mem_mul(size_t *out, size_t a, size_t b);
int mem_add(size_t *out, size_t a, size_t b);

struct arena_chunk;

/* Bump allocation, freed as a whole. Not thread safe. Zero-initialised is valid: no
 * limit. */
struct arena {
    struct arena_chunk *head;
    size_t used;  /* bytes handed out since the last reset */
    size_t limit; /* 0: none */
    bool failed;  /* an allocation was refused since the last reset */
};

void arena_init(struct arena *arena, size_t limit);
void arena_fini(struct arena *arena);
/* Forgets everything; keeps one chunk for the next use. */
void arena_reset(struct arena *arena);
/* 8-byte aligned, uninitialised; NULL, with `failed` set, where the limit is passed. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_zalloc(struct arena *arena, size_t size);
/* A copy with a NUL behind; NULL as above. */
char *arena_dup(struct arena *arena, const void *bytes, size_t size);
