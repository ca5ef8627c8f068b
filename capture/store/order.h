/* Order over several segments: segments that overlap in time form a group; within it a
 * compact index says what comes when. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "capture/store/segment.h"

/* One packet or line. */
struct place {
    struct key key;
    uint32_t source, locator;
};

/* In place, by key, then source and locator. */
void places_sort(struct place *places, size_t count);

struct places {
    struct place *items;
    size_t count, cap;
};
void places_init(struct places *places, size_t cap);
void places_fini(struct places *places);
void places_add(struct places *places, struct place place);
