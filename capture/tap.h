/* Taps: the statements of all recordings that are running. A set never changes: who
 * adds or removes one makes another set, and workers go over to it as a whole. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct iteration;
struct kfl;

struct tap {
    uint64_t id;
    struct kfl *kfl;             /* a reference */
    struct iteration *iteration; /* a reference */
    bool entries_only;
    bool everything; /* also streams nobody dissects */
    int64_t until;   /* what is later is not for it: it is about to leave */
};

struct tap_set {
    _Atomic unsigned refs;
    uint64_t generation; /* counts the sets */
    size_t count;
    struct tap taps[]; /* by id */
};

/* The first, empty. */
struct tap_set *tap_set_new(void);
struct tap_set *tap_set_ref(struct tap_set *set);
void tap_set_unref(struct tap_set *set);
/* The set with one tap more (it takes references of its own), one with another
 * statement, one that ends, one less; all leave `set` as it is, and all but the first
 * give NULL where the id is unknown. */
struct tap_set *tap_set_with(const struct tap_set *set, const struct tap *tap);
struct tap_set *tap_set_rewritten(const struct tap_set *set, uint64_t id,
                                  struct kfl *kfl);
struct tap_set *tap_set_ending(const struct tap_set *set, uint64_t id, int64_t until);
struct tap_set *tap_set_without(const struct tap_set *set, uint64_t id);
const struct tap *tap_set_find(const struct tap_set *set, uint64_t id);
