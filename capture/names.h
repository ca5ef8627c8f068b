/* Names: what an address was called at a time. From a file that people write, and from
 * DNS answers that were seen on the wire; the file wins. Thread safe; a look-up takes a
 * read lock and no system call. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/stream.h"

struct arena;
struct err;
struct names;

/* Texts are "" where nothing is known, never NULL. */
struct name {
    const char *name, *namespace, *pod, *service;
};

/* `file` (NULL: none) holds hosts(5) lines, or YAML: a sequence of mappings with `ip`
 * and any of `name namespace pod service`. -EINVAL with line and column where it is
 * neither, -errno where it cannot be read. */
int names_open(struct names **out, const char *file, struct err *err);
void names_free(struct names *names);
/* Reads the file again if it changed. Call about once a second, not from a thread that
 * parses. A file that went bad is logged, and what was known stays. */
void names_refresh(struct names *names);

/* An address was seen in an answer to a question for `name`; it is good from `at` for
 * the TTL, which is held within an hour of use and a day at most. */
void names_learn(struct names *names, const struct address *address, const char *name,
                 size_t len, int64_t at, uint32_t ttl_s);
/* What it was called at that time; texts lie in the arena. `names` may be NULL. */
void names_find(struct names *names, const struct address *address, int64_t at,
                struct arena *arena, struct name *out);
/* Names that are held now, learned ones that expired included. */
uint64_t names_count(struct names *names);
