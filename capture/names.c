#include "capture/names.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "capture/names_file.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/log.h"
#include "kfl/base/mem.h"

/* Learned names lie in buckets of a fixed size, so that a flood of answers only
 * overwrites: 64 Ki names at most. */
#define BUCKETS      ((size_t)8192)
#define WAYS         ((size_t)8)
#define NAME_LEN_MAX 255
/* A client holds an address longer than the TTL of the answer it came from. */
#define TTL_MIN_S    3600
#define TTL_MAX_S    86400

struct learned {
    struct address address;
    int64_t from, until;
    char *name;
};

struct names {
    pthread_rwlock_t lock;   /* of everything below */
    struct learned *learned; /* BUCKETS * WAYS; NULL until the first */
    uint64_t count;
    struct names_file *file; /* NULL: none */
    char *path;
    struct timespec changed; /* mtime and inode of what was read */
    ino_t inode;
};

static struct learned *bucket_of(const struct names *names,
                                 const struct address *address)
{
    /* Seeded by where we lie, which address randomisation makes hard to guess. */
    XXH64_hash_t seed = (XXH64_hash_t)(uintptr_t)names;
    size_t len = address->family == 6 ? 16 : 4;
    size_t i = (size_t)XXH3_64bits_withSeed(address->bytes, len, seed) % BUCKETS;
    return names->learned + i * WAYS;
}

static int read_file(struct names_file **out, struct stat *st, const char *path,
                     struct err *err)
{
    if (stat(path, st) < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    return names_file_read(out, path, err);
}

int names_open(struct names **out, const char *file, struct err *err)
{
    struct names_file *table = NULL;
    struct stat st = {0};
    if (file) {
        int rc = read_file(&table, &st, file, err);
        if (rc < 0)
            return rc;
    }
    struct names *names = mem_zalloc(sizeof *names);
    pthread_rwlock_init(&names->lock, NULL);
    names->file = table;
    names->path = file ? mem_strdup(file) : NULL;
    names->changed = st.st_mtim;
    names->inode = st.st_ino;
    *out = names;
    return 0;
}

void names_free(struct names *names)
{
    if (!names)
        return;
    for (size_t i = 0; names->learned && i < BUCKETS * WAYS; i++)
        free(names->learned[i].name);
    free(names->learned);
    names_file_free(names->file);
    free(names->path);
    pthread_rwlock_destroy(&names->lock);
    free(names);
}

void names_refresh(struct names *names)
{
    struct stat st;
    struct err err = {0};
    if (!names || !names->path || stat(names->path, &st) < 0)
        return;
    pthread_rwlock_rdlock(&names->lock);
    bool same = st.st_ino == names->inode &&
                st.st_mtim.tv_sec == names->changed.tv_sec &&
                st.st_mtim.tv_nsec == names->changed.tv_nsec;
    pthread_rwlock_unlock(&names->lock);
    if (same)
        return;
    struct names_file *table = NULL;
    int rc = read_file(&table, &st, names->path, &err);
    pthread_rwlock_wrlock(&names->lock);
    struct names_file *old = rc < 0 ? NULL : names->file;
    if (rc == 0)
        names->file = table;
    names->changed = st.st_mtim;
    names->inode = st.st_ino;
    pthread_rwlock_unlock(&names->lock);
    names_file_free(old);
    if (rc < 0) {
        char words[ERR_TEXT];
        log_warn("names not read again: %s", err_text(&err, words, sizeof words));
    }
}

/* The place for an address: its own, a free one, or that of the name that ends first.
 */
static struct learned *place_for(struct names *names, const struct address *address)
{
    struct learned *bucket = bucket_of(names, address), *best = bucket;
    for (size_t i = 0; i < WAYS; i++) {
        struct learned *l = &bucket[i];
        if (l->name && address_equal(&l->address, address))
            return l;
        if (!best->name)
            continue;
        if (!l->name || l->until < best->until)
            best = l;
    }
    return best;
}

void names_learn(struct names *names, const struct address *address, const char *name,
                 size_t len, int64_t at, uint32_t ttl_s)
{
    if (!names || len == 0 || len > NAME_LEN_MAX)
        return;
    if (ttl_s < TTL_MIN_S)
        ttl_s = TTL_MIN_S;
    if (ttl_s > TTL_MAX_S)
        ttl_s = TTL_MAX_S;
    pthread_rwlock_wrlock(&names->lock);
    if (!names->learned)
        names->learned = mem_zalloc(BUCKETS * WAYS * sizeof *names->learned);
    struct learned *l = place_for(names, address);
    bool known = l->name && address_equal(&l->address, address);
    if (!known || strlen(l->name) != len || memcmp(l->name, name, len) != 0) {
        names->count += !l->name;
        free(l->name);
        l->name = mem_dup(name, len);
        l->address = *address;
        l->from = at;
        l->until = at;
    }
    if (l->from > at)
        l->from = at;
    if (l->until < at + ttl_s * NS_PER_S)
        l->until = at + ttl_s * NS_PER_S;
    pthread_rwlock_unlock(&names->lock);
}

static const char *copy(struct arena *arena, const char *text)
{
    const char *out = text[0] ? arena_dup(arena, text, strlen(text)) : NULL;
    return out ? out : "";
}

void names_find(struct names *names, const struct address *address, int64_t at,
                struct arena *arena, struct name *out)
{
    *out = (struct name){"", "", "", ""};
    if (!names)
        return;
    pthread_rwlock_rdlock(&names->lock);
    struct name found;
    if (names_file_find(names->file, address, &found)) {
        out->name = copy(arena, found.name);
        out->namespace = copy(arena, found.namespace);
        out->pod = copy(arena, found.pod);
        out->service = copy(arena, found.service);
    } else if (names->learned) {
        const struct learned *bucket = bucket_of(names, address);
        for (size_t i = 0; i < WAYS; i++) {
            if (bucket[i].name && at >= bucket[i].from && at < bucket[i].until &&
                address_equal(&bucket[i].address, address))
                out->name = copy(arena, bucket[i].name);
        }
    }
    pthread_rwlock_unlock(&names->lock);
}

uint64_t names_count(struct names *names)
{
    if (!names)
        return 0;
    pthread_rwlock_rdlock(&names->lock);
    uint64_t count = names->count + names_file_count(names->file);
    pthread_rwlock_unlock(&names->lock);
    return count;
}
