#include "kfl/base/mem.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Flows have an arena each, so the first chunk is small. */
#define CHUNK_MIN  ((size_t)1024)
#define CHUNK_MAX  ((size_t)256 * 1024)
/* A reset keeps no chunk that is larger, lest one big document be paid for for ever. */
#define CHUNK_KEEP ((size_t)1024 * 1024)

struct arena_chunk {
    struct arena_chunk *next;
    size_t size, used; /* of bytes */
    _Alignas(8) char bytes[];
};

void *mem_alloc(size_t size)
{
    void *p = malloc(size ? size : 1);
    if (!p)
        abort();
    return p;
}

void *mem_zalloc(size_t size)
{
    void *p = calloc(1, size ? size : 1);
    if (!p)
        abort();
    return p;
}

void *mem_realloc(void *old, size_t size)
{
    void *p = realloc(old, size ? size : 1);
    if (!p)
        abort();
    return p;
}

void *mem_dup(const void *bytes, size_t size)
{
    size_t room;
    if (mem_add(&room, size, 1) < 0)
        abort();
    char *copy = mem_alloc(room);
    if (size > 0)
        memcpy(copy, bytes, size);
    copy[size] = 0;
    return copy;
}

char *mem_strdup(const char *text)
{
    return mem_dup(text, strlen(text));
}

int mem_mul(size_t *out, size_t a, size_t b)
{
    return __builtin_mul_overflow(a, b, out) ? -E2BIG : 0;
}

int mem_add(size_t *out, size_t a, size_t b)
{
    return __builtin_add_overflow(a, b, out) ? -E2BIG : 0;
}

void arena_init(struct arena *arena, size_t limit)
{
    *arena = (struct arena){.limit = limit};
}

void arena_fini(struct arena *arena)
{
    struct arena_chunk *chunk = arena->head;
    while (chunk) {
        struct arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    *arena = (struct arena){.limit = arena->limit};
}

void arena_reset(struct arena *arena)
{
    struct arena_chunk *keep = NULL;
    struct arena_chunk *chunk = arena->head;
    while (chunk) {
        struct arena_chunk *next = chunk->next;
        bool better = chunk->size <= CHUNK_KEEP && (!keep || chunk->size > keep->size);
        free(better ? keep : chunk);
        if (better)
            keep = chunk;
        chunk = next;
    }
    if (keep) {
        keep->next = NULL;
        keep->used = 0;
    }
    *arena = (struct arena){.head = keep, .limit = arena->limit};
}

static bool add_chunk(struct arena *arena, size_t size)
{
    size_t room = arena->head ? arena->head->size * 2 : CHUNK_MIN;
    if (room > CHUNK_MAX)
        room = CHUNK_MAX;
    if (room < size)
        room = size;
    size_t total;
    if (mem_add(&total, room, sizeof(struct arena_chunk)) < 0)
        return false;
    struct arena_chunk *chunk = malloc(total);
    if (!chunk)
        return false;
    chunk->next = arena->head;
    chunk->size = room;
    chunk->used = 0;
    arena->head = chunk;
    return true;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    size_t rounded, used;
    if (mem_add(&rounded, size, 7) < 0)
        goto refuse;
    rounded &= ~(size_t)7;
    if (mem_add(&used, arena->used, rounded) < 0)
        goto refuse;
    if (arena->limit && used > arena->limit)
        goto refuse;
    struct arena_chunk *chunk = arena->head;
    if (!chunk || chunk->size - chunk->used < rounded) {
        if (!add_chunk(arena, rounded))
            goto refuse;
        chunk = arena->head;
    }
    void *p = chunk->bytes + chunk->used;
    chunk->used += rounded;
    arena->used = used;
    return p;

refuse:
    arena->failed = true;
    return NULL;
}

void *arena_zalloc(struct arena *arena, size_t size)
{
    void *p = arena_alloc(arena, size);
    if (p)
        memset(p, 0, size);
    return p;
}

char *arena_dup(struct arena *arena, const void *bytes, size_t size)
{
    size_t room;
    if (mem_add(&room, size, 1) < 0) {
        arena->failed = true;
        return NULL;
    }
    char *copy = arena_alloc(arena, room);
    if (!copy)
        return NULL;
    if (size > 0)
        memcpy(copy, bytes, size);
    copy[size] = 0;
    return copy;
}
