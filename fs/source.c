#include "fs/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture/store/store.h"
#include "kfl/base/mem.h"
#include "kfl/kfl.h"

static bool may_match(const struct sources *sources, const char *record)
{
    struct kfl_facts facts = {.record = record};
    return kfl_may_match(sources->kfl, &facts);
}

static struct source *add(struct sources *sources, struct iteration *iteration,
                          const char *record)
{
    if (sources->count == sources->cap) {
        sources->cap = sources->cap ? 2 * sources->cap : 8;
        sources->items =
            mem_realloc(sources->items, sources->cap * sizeof *sources->items);
    }
    struct source *source = &sources->items[sources->count++];
    *source = (struct source){.iteration = iteration, .record = record};
    return source;
}

static bool has(const struct sources *sources, const struct iteration *iteration)
{
    for (size_t i = 0; i < sources->count; i++)
        if (sources->items[i].iteration == iteration)
            return true;
    return false;
}

/* Iterations that the sources do not have yet. */
static void add_iterations(struct sources *sources)
{
    for (size_t r = 0; r < kfl_record_count(sources->kfl); r++) {
        const char *name = kfl_record_name(sources->kfl, r);
        struct iteration *iteration;
        if (!may_match(sources, name))
            continue;
        for (unsigned i = 0; (iteration = store_iteration(sources->store, name, i));
             i++) {
            if (has(sources, iteration))
                iteration_unref(iteration);
            else
                add(sources, iteration, name);
        }
    }
}

int sources_open(struct sources *sources, struct store *store, const struct kfl *kfl,
                 bool packets, bool follow, const char **missing)
{
    struct recording_info info;
    *sources = (struct sources){.store = store, .kfl = kfl};
    for (size_t i = 0; i < kfl_record_count(kfl); i++) {
        *missing = kfl_record_name(kfl, i);
        int r = store_info(store, *missing, &info);
        if (r)
            return r;
    }
    add_iterations(sources);
    sources->live = may_match(sources, "");
    if (sources->live) {
        struct iteration *live = store_live_entries(store);
        add(sources, iteration_ref(live), "");
        if (packets)
            sources->live_packets = snapshot_take(store_live_packets(store));
    }
    for (size_t i = 0; i < sources->count; i++) {
        struct source *source = &sources->items[i];
        source->snapshot = snapshot_take(source->iteration);
        source->until = snapshot_entries(source->snapshot);
        if (follow)
            source->after = source->until;
    }
    return 0;
}

static void source_rest(struct source *source)
{
    if (source->cursor)
        entry_cursor_close(source->cursor);
    if (source->snapshot)
        snapshot_unref(source->snapshot);
    source->cursor = NULL;
    source->snapshot = NULL;
    source->has_head = false;
}

void sources_close(struct sources *sources)
{
    for (size_t i = 0; i < sources->count; i++) {
        source_rest(&sources->items[i]);
        iteration_unref(sources->items[i].iteration);
    }
    free(sources->items);
    if (sources->live_packets)
        snapshot_unref(sources->live_packets);
    *sources = (struct sources){0};
}

/* Fills source->head: 1, 0 at the end, -errno. */
static int advance(struct source *source)
{
    if (source->has_head)
        return 1;
    if (!source->snapshot)
        return 0;
    if (!source->cursor)
        source->cursor = entry_cursor_open(source->snapshot, source->after);
    int r = entry_cursor_next(source->cursor, &source->head);
    source->has_head = r == 1;
    return r;
}

static bool is_earlier(const struct line *a, const struct line *b)
{
    if (a->done_at != b->done_at)
        return a->done_at < b->done_at;
    if (a->stream != b->stream)
        return a->stream < b->stream;
    return a->index < b->index;
}

int sources_next(struct sources *sources, struct line *line, const char **record)
{
    struct source *first = NULL;
    for (size_t i = 0; i < sources->count; i++) {
        struct source *source = &sources->items[i];
        int r = advance(source);
        if (r < 0)
            return r;
        if (r && (!first || is_earlier(&source->head, &first->head)))
            first = source;
    }
    if (!first)
        return 0;
    *line = first->head;
    *record = first->record;
    first->has_head = false;
    return 1;
}

void sources_refresh(struct sources *sources)
{
    add_iterations(sources);
    for (size_t i = 0; i < sources->count; i++) {
        struct source *source = &sources->items[i];
        source_rest(source);
        source->snapshot = snapshot_take(source->iteration);
        source->after = source->until;
        source->until = snapshot_entries(source->snapshot);
        if (source->until <= source->after)
            source_rest(source);
    }
}
