/* Room on the disk that is set aside for what must be written when the disk is full:
 * manifests, states of jobs, numbers. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

/* Sets it aside, or again what was used of it. */
void reserve_make(struct store *store);
/* The same where some was used and some time has passed. */
void reserve_renew(struct store *store, int64_t now);
/* Gives some of it to whoever found no room; false: there is none left. */
bool reserve_use(struct store *store);
/* sys_replace_file() that uses it. */
int reserve_replace_file(struct store *store, int dir, const char *name,
                         const void *bytes, size_t size);
