/* A set of numbers, for counting streams. Not thread safe. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct u64set;

struct u64set *u64set_new(size_t limit);
void u64set_free(struct u64set *set);
/* True if the number was not there; false too once `limit` numbers are. */
bool u64set_add(struct u64set *set, uint64_t number);
