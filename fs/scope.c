/* Which iterations a place below /recordings is about. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture/store/store.h"
#include "fs/fs.h"
#include "fs/route.h"
#include "fs/shelf.h"
#include "kfl/base/clock.h"
#include "kfl/base/mem.h"

struct iteration *scope_iteration(struct fs *fs, const struct place *place)
{
    struct iteration *iteration;
    struct iteration_info info;
    char name[CLOCK_TEXT];
    for (unsigned i = 0; (iteration = store_iteration(fs->store, place->name, i));
         i++) {
        iteration_info(iteration, &info);
        if (!strcmp(clock_format_name(name, info.start), place->start))
            return iteration;
        iteration_unref(iteration);
    }
    return NULL;
}

/* Calls each() for the place's iterations in order; -ENOENT. */
static int scope_each(struct fs *fs, const struct place *place,
                      void (*each)(void *context, struct iteration *iteration),
                      void *context)
{
    struct recording_info info;
    struct iteration *iteration;
    int r = store_info(fs->store, place->name, &info);
    if (r)
        return r;
    if (place->start) {
        iteration = scope_iteration(fs, place);
        if (!iteration)
            return -ENOENT;
        each(context, iteration);
        iteration_unref(iteration);
        return 0;
    }
    for (unsigned i = 0; (iteration = store_iteration(fs->store, place->name, i));
         i++) {
        each(context, iteration);
        iteration_unref(iteration);
    }
    return 0;
}

struct taken {
    struct snapshot **items;
    size_t count;
};

static void take(void *context, struct iteration *iteration)
{
    struct taken *taken = context;
    taken->items =
        mem_realloc(taken->items, (taken->count + 1) * sizeof(struct snapshot *));
    taken->items[taken->count++] = snapshot_take(iteration);
}

int scope_snapshots(struct snapshot ***out, size_t *count, struct fs *fs,
                    const struct place *place)
{
    struct taken taken = {0};
    int r = scope_each(fs, place, take, &taken);
    if (r)
        return r;
    *out = taken.items;
    *count = taken.count;
    return 0;
}

void scope_free(struct snapshot **snapshots, size_t count)
{
    for (size_t i = 0; i < count; i++)
        snapshot_unref(snapshots[i]);
    free(snapshots);
}

static void sum(void *context, struct iteration *iteration)
{
    struct iteration_info *total = context, info;
    iteration_info(iteration, &info);
    if (!total->start)
        total->start = info.start;
    total->ended_at = info.ended_at;
    total->packets += info.packets;
    total->bytes += info.bytes;
    total->entries += info.entries;
    total->streams += info.streams;
    total->entry_bytes += info.entry_bytes;
    total->disk_bytes += info.disk_bytes;
    if (info.first_at && (!total->first_at || info.first_at < total->first_at))
        total->first_at = info.first_at;
    if (info.last_at > total->last_at)
        total->last_at = info.last_at;
}

int scope_info(struct iteration_info *info, struct fs *fs, const struct place *place)
{
    *info = (struct iteration_info){0};
    return scope_each(fs, place, sum, info);
}

uint64_t scope_stamp(struct fs *fs, const struct place *place)
{
    struct iteration_info info;
    if (scope_info(&info, fs, place) || !info.ended_at)
        return 0;
    return info.packets + info.entries + 1;
}
