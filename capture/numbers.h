/* Order numbers for packets, reserved ahead on disk by a thread of their own, so that
 * capture never waits for one. That thread also looks after the names file. */
#pragma once
#include <stdint.h>

struct err;
struct names;
struct numbers;
struct store;

/* Reserves the first numbers before it returns. `names` may be NULL. */
int numbers_start(struct numbers **out, struct store *store, struct names *names,
                  struct err *err);
void numbers_stop(struct numbers *numbers);
/* The next number, 0 if none is reserved (the disk is far behind). One thread's. */
uint64_t numbers_take(struct numbers *numbers);
