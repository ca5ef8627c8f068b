#include "fs/hidden.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "kfl/base/mem.h"

#define HIDDEN_MAX (1u << 22)

struct name {
    char *path;
    int64_t of;
    UT_hash_handle hh;
};

struct hidden {
    pthread_mutex_t lock;
    struct name *names;
};

struct hidden *hidden_new(void)
{
    struct hidden *hidden = mem_zalloc(sizeof *hidden);
    pthread_mutex_init(&hidden->lock, NULL);
    return hidden;
}

static void name_free(struct hidden *hidden, struct name *name)
{
    HASH_DEL(hidden->names, name);
    free(name->path);
    free(name);
}

void hidden_free(struct hidden *hidden)
{
    struct name *name, *next;
    HASH_ITER(hh, hidden->names, name, next)
    name_free(hidden, name);
    pthread_mutex_destroy(&hidden->lock);
    free(hidden);
}

static struct name *find(struct hidden *hidden, const char *path)
{
    struct name *name;
    HASH_FIND_STR(hidden->names, path, name);
    return name;
}

int hidden_add(struct hidden *hidden, const char *path, int64_t of)
{
    int r = 0;
    pthread_mutex_lock(&hidden->lock);
    struct name *known = find(hidden, path);
    if (known) {
        known->of = of;
    } else if (HASH_COUNT(hidden->names) >= HIDDEN_MAX) {
        r = -ENOSPC;
    } else {
        struct name *name = mem_zalloc(sizeof *name);
        name->path = mem_strdup(path);
        name->of = of;
        HASH_ADD_KEYPTR(hh, hidden->names, name->path, strlen(name->path), name);
    }
    pthread_mutex_unlock(&hidden->lock);
    return r;
}

bool hidden_has(struct hidden *hidden, const char *path, int64_t *of)
{
    pthread_mutex_lock(&hidden->lock);
    struct name *name = find(hidden, path);
    if (name)
        *of = name->of;
    pthread_mutex_unlock(&hidden->lock);
    return name;
}

static void forget(struct hidden *hidden, const char *path, bool itself)
{
    struct name *name, *next;
    size_t len = strlen(path);
    pthread_mutex_lock(&hidden->lock);
    HASH_ITER(hh, hidden->names, name, next)
    {
        if (strncmp(name->path, path, len))
            continue;
        if (name->path[len] == '/' || (itself && !name->path[len]))
            name_free(hidden, name);
    }
    pthread_mutex_unlock(&hidden->lock);
}

void hidden_forget(struct hidden *hidden, const char *path)
{
    forget(hidden, path, true);
}

void hidden_forget_below(struct hidden *hidden, const char *path)
{
    forget(hidden, path, false);
}
