/* Sources: the iterations and live traffic that a statement reads, merged by
 * completion. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/store/cursor.h"

struct kfl;
struct store;

/* One iteration, or live entries. */
struct source {
    struct iteration *iteration; /* a reference */
    const char *record;          /* of the statement; "" live */
    struct snapshot *snapshot;
    struct entry_cursor *cursor;
    struct line head;
    bool has_head;
    uint64_t after, until; /* positions that the snapshot is read between */
};

struct sources {
    struct store *store;
    const struct kfl *kfl; /* outlives the sources */
    struct source *items;
    size_t count, cap;
    struct snapshot *live_packets;
    bool live;
};

/* Finds and snapshots what the statement can match in; -ENOENT: a recording that is not
 * there (its name in *missing). `packets`: live packets are wanted too. `follow`: only
 * what comes from now on. */
int sources_open(struct sources *sources, struct store *store, const struct kfl *kfl,
                 bool packets, bool follow, const char **missing);
void sources_close(struct sources *sources);
/* The next line of all, in order of completion, ties by stream: 1, 0 at the end,
 * -errno. It lives until the next call. */
int sources_next(struct sources *sources, struct line *line, const char **record);
/* For a follower at the end: new snapshots, new iterations. */
void sources_refresh(struct sources *sources);
