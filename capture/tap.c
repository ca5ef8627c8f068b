#include "capture/tap.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "capture/store/store.h"
#include "kfl/base/mem.h"
#include "kfl/kfl.h"

/* Room for `count` taps; of another set there are `count` with references of their own.
 */
static struct tap_set *make(uint64_t generation, size_t room, const struct tap *taps,
                            size_t count)
{
    struct tap_set *set = mem_zalloc(sizeof *set + room * sizeof set->taps[0]);
    atomic_init(&set->refs, 1);
    set->generation = generation;
    set->count = count;
    for (size_t i = 0; i < count; i++) {
        set->taps[i] = taps[i];
        kfl_ref(set->taps[i].kfl);
        iteration_ref(set->taps[i].iteration);
    }
    return set;
}

struct tap_set *tap_set_new(void)
{
    return make(1, 0, NULL, 0);
}

struct tap_set *tap_set_ref(struct tap_set *set)
{
    atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    return set;
}

void tap_set_unref(struct tap_set *set)
{
    if (!set || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < set->count; i++) {
        kfl_unref(set->taps[i].kfl);
        iteration_unref(set->taps[i].iteration);
    }
    free(set);
}

const struct tap *tap_set_find(const struct tap_set *set, uint64_t id)
{
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->taps[middle].id == id)
            return &set->taps[middle];
        if (set->taps[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

struct tap_set *tap_set_with(const struct tap_set *set, const struct tap *tap)
{
    struct tap_set *more =
        make(set->generation + 1, set->count + 1, set->taps, set->count);
    struct tap *last = &more->taps[more->count++];
    *last = *tap;
    kfl_ref(last->kfl);
    iteration_ref(last->iteration);
    return more;
}

/* The same taps in a set of their own; *tap is the one of that id there. NULL: unknown.
 */
static struct tap_set *copy(const struct tap_set *set, uint64_t id, struct tap **tap)
{
    const struct tap *old = tap_set_find(set, id);
    if (!old)
        return NULL;
    struct tap_set *other =
        make(set->generation + 1, set->count, set->taps, set->count);
    *tap = &other->taps[old - set->taps];
    return other;
}

struct tap_set *tap_set_rewritten(const struct tap_set *set, uint64_t id,
                                  struct kfl *kfl)
{
    struct tap *tap;
    struct tap_set *other = copy(set, id, &tap);
    if (!other)
        return NULL;
    kfl_unref(tap->kfl);
    tap->kfl = kfl_ref(kfl);
    tap->everything = kfl_is_everything(kfl);
    return other;
}

struct tap_set *tap_set_ending(const struct tap_set *set, uint64_t id, int64_t until)
{
    struct tap *tap;
    struct tap_set *other = copy(set, id, &tap);
    if (other)
        tap->until = until;
    return other;
}

struct tap_set *tap_set_without(const struct tap_set *set, uint64_t id)
{
    const struct tap *old = tap_set_find(set, id);
    if (!old)
        return NULL;
    size_t before = (size_t)(old - set->taps);
    struct tap_set *less = make(set->generation + 1, set->count, set->taps, before);
    for (size_t i = before + 1; i < set->count; i++) {
        struct tap *tap = &less->taps[less->count++];
        *tap = set->taps[i];
        kfl_ref(tap->kfl);
        iteration_ref(tap->iteration);
    }
    return less;
}
