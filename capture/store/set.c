#include "capture/store/set.h"

#include <stdlib.h>

#include "kfl/base/mem.h"

#define FIRST_CAP ((size_t)256)

/* Open addressing; 0 is kept beside, so that it can mean an empty slot. */
struct u64set {
    uint64_t *slots;
    size_t cap, count, limit;
    bool zero;
};

struct u64set *u64set_new(size_t limit)
{
    struct u64set *set = mem_zalloc(sizeof(*set));
    set->limit = limit;
    return set;
}

void u64set_free(struct u64set *set)
{
    if (!set)
        return;
    free(set->slots);
    free(set);
}

static size_t slot_of(const uint64_t *slots, size_t cap, uint64_t number)
{
    size_t i = (size_t)(number * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (cap - 1);
    while (slots[i] != 0 && slots[i] != number)
        i = (i + 1) & (cap - 1);
    return i;
}

static void set_grow(struct u64set *set)
{
    size_t cap = set->cap ? set->cap * 2 : FIRST_CAP;
    uint64_t *slots = mem_zalloc(cap * sizeof(*slots));
    for (size_t i = 0; i < set->cap; i++) {
        if (set->slots[i] != 0)
            slots[slot_of(slots, cap, set->slots[i])] = set->slots[i];
    }
    free(set->slots);
    set->slots = slots;
    set->cap = cap;
}

bool u64set_add(struct u64set *set, uint64_t number)
{
    if (number == 0) {
        bool added = !set->zero;
        set->zero = true;
        return added;
    }
    if (set->count * 4 >= set->cap * 3 && set->count < set->limit)
        set_grow(set);
    if (set->count >= set->limit)
        return false;
    size_t i = slot_of(set->slots, set->cap, number);
    if (set->slots[i] == number)
        return false;
    set->slots[i] = number;
    set->count++;
    return true;
}
