/* The scheduler over a real store, with a recorder and a clock of the test's own. */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "sched/sched.h"

#define MINUTE (60 * NS_PER_S)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define RUNS   16

struct kfl;

struct recorded {
    uint64_t id; /* 0: free */
    struct kfl *kfl;
    struct iteration *iteration;
    bool entries_only;
};

struct closing {
    struct recorded run;
    const char *state;
    int64_t at;
    void (*done)(void *context, int result);
    void *context;
};

struct world {
    char path[64];
    struct clock_fake clock;
    struct store *store;
    struct sched *sched;
    struct recorded runs[RUNS];
    uint64_t last_id, entries;
    int record_error; /* what record() answers */
    unsigned rewrites;
    bool holds;             /* recordings that end wait for let_close() */
    struct closing held;    /* the one that does */
    const char *slow;       /* the saved statement `slow`, or NULL */
    char refused[ERR_TEXT]; /* "job:line:column" of the last refusal */
};

/* For cmocka: a world at 2026-11-23T00:00:00Z in a folder of its own. */
int world_setup(void **state);
int world_teardown(void **state);
/* The daemon comes up; goes down as if by kill -9, but for freed memory. */
void boot(struct world *world);
void halt(struct world *world);
/* Lets time go by, as the thread would. */
void pass_until(struct world *world, int64_t until);
void pass(struct world *world, int64_t ns);

int64_t at(const char *text);
void make(struct world *world, const char *name, const char *spec);
int set(struct world *world, const char *name, const char *spec);
int control(struct world *world, const char *name, const char *word);
void let_close(struct world *world);
/* What records that statement; NULL: nothing does. */
struct recorded *run_of(struct world *world, const char *statement);
void add_entry(struct world *world, const char *statement);
unsigned iterations_of(struct world *world, const char *name);
/* The value of a key of the status; lives until the next call. */
const char *status_of(struct world *world, const char *name, const char *key);
void assert_log(struct world *world, const char *name, const char *expected);

#define assert_status(world, name, key, value)                                         \
    assert_string_equal(status_of(world, name, key), value)
