/* Parked requests: those that wait for a file to have more, hold no thread, and are
 * answered exactly once: by the file, by an interrupt, or because they waited long
 * enough. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "fs/node.h"

struct err;
struct lot;

/* Embedded in the request. */
struct parked {
    struct waiter waiter; /* first */
    struct lot *lot;
    uint64_t id;
    _Atomic int refs;
    struct file *file; /* a reference */
    int64_t until;     /* CLOCK_MONOTONIC; 0: for ever */
    /* Tries, with the waiter; -EINPROGRESS: parked again. */
    int64_t (*attempt)(struct parked *parked, struct waiter *waiter);
    /* What came of it; -EINTR interrupted, -ETIME waited until `until`. */
    void (*answer)(struct parked *parked, int64_t result);
    void (*release)(struct parked *parked);
    bool entering, interrupted;
    UT_hash_handle hh;
};

int lot_new(struct lot **out, struct err *err);
/* All answers must have been given (see lot_interrupt_all); waits for threads that came
 * to give one. */
void lot_free(struct lot *lot);
/* Joins the lot and gets its id; lot_interrupt may come from here on, but nothing is
 * answered before lot_run. */
void lot_enter(struct lot *lot, struct parked *parked, struct file *file);
/* The first attempt, after lot_enter; the caller's hold on `parked` ends with it. */
void lot_run(struct parked *parked);
void lot_interrupt(struct lot *lot, uint64_t id);
void lot_interrupt_all(struct lot *lot);
