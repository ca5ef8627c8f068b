#include "capture/store/iteration.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/store/folder.h"
#include "capture/store/inside.h"
#include "capture/store/manifest.h"
#include "capture/store/reader.h"
#include "capture/store/set.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/log.h"
#include "kfl/base/mem.h"
#include "kfl/base/sys.h"

#define STREAMS_MAX ((size_t)4 * 1024 * 1024) /* are counted exactly */

struct iteration *iteration_new(struct store *store, struct recording *recording,
                                int64_t start)
{
    struct iteration *iteration = mem_zalloc(sizeof(*iteration));
    atomic_init(&iteration->refs, 1);
    iteration->store = store;
    iteration->start = start;
    iteration->medium = recording ? &medium_disk : &medium_memory;
    pthread_mutex_init(&iteration->manifest_lock, NULL);
    pthread_mutex_init(&iteration->lock, NULL);
    iteration->spec = mem_strdup("");
    iteration->kfl = mem_strdup("");
    iteration->next_n = 1;
    if (recording) {
        char name[CLOCK_TEXT],
            path[sizeof("recordings//") + RECORDING_NAME + CLOCK_TEXT];
        snprintf(path, sizeof(path), "recordings/%s/%s", recording->name,
                 clock_format_name(name, start));
        iteration->recording = recording_ref(recording);
        iteration->folder = folder_new(store, path);
    }
    return iteration;
}

struct iteration *iteration_ref(struct iteration *iteration)
{
    atomic_fetch_add_explicit(&iteration->refs, 1, memory_order_relaxed);
    return iteration;
}

void iteration_unref(struct iteration *iteration)
{
    if (!iteration ||
        atomic_fetch_sub_explicit(&iteration->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (unsigned i = 0; i < iteration->open_count; i++)
        segment_unref(iteration->open_segments[i]);
    for (size_t i = 0; i < iteration->count; i++)
        segment_unref(iteration->segments[i]);
    free(iteration->segments);
    u64set_free(iteration->streams);
    folder_unref(iteration->folder);
    recording_unref(iteration->recording);
    pthread_mutex_destroy(&iteration->manifest_lock);
    pthread_mutex_destroy(&iteration->lock);
    free(iteration->spec);
    free(iteration->kfl);
    free(iteration);
}

uint64_t segment_bytes(const struct segment *segment, const struct segment_stats *stats)
{
    if (stats->records == 0)
        return 0;
    if (segment->medium->memory > 0)
        return stats->caplen + stats->line_bytes +
               stats->records * segment->medium->memory;
    return stats->pcap_end + stats->jsonl_end + LOG_HEADER +
           (uint64_t)stats->records * LOG_RECORD;
}

static void totals_at(struct totals *totals, const struct span *span)
{
    if (totals->first_at == 0 || span->min.at < totals->first_at)
        totals->first_at = span->min.at;
    if (span->max.at > totals->last_at)
        totals->last_at = span->max.at;
}

void totals_span(struct totals *totals, const struct segment_stats *stats)
{
    if (stats->packets > 0)
        totals_at(totals, &stats->packet_span);
    if (stats->lines > 0)
        totals_at(totals, &stats->line_span);
}

void iteration_append_segment(struct iteration *iteration, struct segment *segment)
{
    if (iteration->count == iteration->cap) {
        iteration->cap = iteration->cap ? iteration->cap * 2 : 8;
        iteration->segments = mem_realloc(
            iteration->segments, iteration->cap * sizeof(*iteration->segments));
    }
    iteration->segments[iteration->count++] = segment;
    const struct segment_stats *stats = &segment->stats;
    struct totals *totals = &iteration->totals;
    totals->packets += stats->packets;
    totals->caplen += stats->caplen;
    totals->entries += stats->lines;
    totals->line_bytes += stats->line_bytes;
    totals->disk_bytes += segment_bytes(segment, stats);
    totals_span(totals, stats);
}

/* Lines are only in segments before the first open one, so what goes first is their
 * head. */
struct segment *iteration_take_oldest(struct iteration *iteration)
{
    struct segment *segment = NULL;
    pthread_mutex_lock(&iteration->lock);
    size_t i = 0;
    while (i < iteration->count && !iteration->segments[i]->sealed)
        i++;
    if (i < iteration->count) {
        segment = iteration->segments[i];
        const struct segment_stats *stats = &segment->stats;
        struct totals *totals = &iteration->totals;
        iteration->count--;
        memmove(&iteration->segments[i], &iteration->segments[i + 1],
                (iteration->count - i) * sizeof(*iteration->segments));
        totals->packets -= stats->packets;
        totals->caplen -= stats->caplen;
        totals->entries -= stats->lines;
        totals->line_bytes -= stats->line_bytes;
        totals->disk_bytes -= segment_bytes(segment, stats);
        iteration->entries_gone += stats->lines;
        totals->first_at = totals->last_at = 0;
        for (i = 0; i < iteration->count; i++)
            totals_span(totals, &iteration->segments[i]->stats);
        iteration->manifest_dirty = true;
        iteration->version++;
    }
    pthread_mutex_unlock(&iteration->lock);
    return segment;
}

void iteration_lose(struct iteration *iteration, const char *cause, uint64_t count)
{
    if (count == 0)
        return;
    unsigned i = 0;
    while (i < iteration->loss_count && strcmp(iteration->losses[i].cause, cause) != 0)
        i++;
    /* Causes are constants of ours; should there be more of them, the last takes the
     * rest. */
    if (i == LOSS_MAX)
        i--;
    if (i == iteration->loss_count) {
        snprintf(iteration->losses[i].cause, LOSS_CAUSE, "%s", cause);
        iteration->losses[i].count = 0;
        iteration->loss_count++;
    }
    iteration->losses[i].count += count;
    iteration->manifest_dirty = true;
}

void iteration_count_loss(struct iteration *iteration, const char *cause,
                          uint64_t count)
{
    pthread_mutex_lock(&iteration->lock);
    iteration_lose(iteration, cause, count);
    pthread_mutex_unlock(&iteration->lock);
}

int64_t iteration_expires_at(const struct iteration *iteration)
{
    if (iteration->open)
        return 0;
    if (iteration->keep <= 0)
        return INT64_MAX;
    int64_t ended_at = iteration->ended_at;
    /* Unfinished, and nobody went on with it: it is over since the daemon came back. */
    if (ended_at == 0)
        ended_at = iteration->store->opened_at;
    return ended_at > INT64_MAX - iteration->keep ? INT64_MAX
                                                  : ended_at + iteration->keep;
}

bool iteration_is_open(struct iteration *iteration)
{
    pthread_mutex_lock(&iteration->lock);
    bool open = iteration->open;
    pthread_mutex_unlock(&iteration->lock);
    return open;
}

void iteration_info(struct iteration *iteration, struct iteration_info *info)
{
    size_t name = 0;
    if (iteration->recording) {
        pthread_mutex_lock(&iteration->store->lock);
        name = strlen(iteration->recording->name);
        pthread_mutex_unlock(&iteration->store->lock);
    }
    pthread_mutex_lock(&iteration->lock);
    const struct totals *totals = &iteration->totals;
    *info = (struct iteration_info){
        .start = iteration->start,
        .ended_at = iteration->open           ? 0
                    : iteration->ended_at > 0 ? iteration->ended_at
                    : totals->last_at > 0     ? totals->last_at
                                              : iteration->start,
        .expires_at = iteration_expires_at(iteration),
        .packets = totals->packets,
        .bytes = totals->caplen,
        .entries = totals->entries,
        .streams = totals->streams,
        .entry_bytes = totals->line_bytes +
                       totals->entries * (sizeof(",\"record\":\"\"") - 1 + name),
        .first_at = totals->first_at,
        .last_at = totals->last_at,
        .disk_bytes = totals->disk_bytes,
        .unfinished = !iteration->open && iteration->ended_at <= 0,
    };
    for (unsigned i = 0; i < iteration->loss_count; i++) {
        const struct loss *loss = &iteration->losses[i];
        if (strcmp(loss->cause, "before_lost") == 0)
            info->before_lost = loss->count;
        else if (strcmp(loss->cause, "limit") != 0)
            info->dropped += loss->count;
    }
    pthread_mutex_unlock(&iteration->lock);
}

void iteration_each_loss(struct iteration *iteration,
                         void (*each)(void *context, const char *cause, uint64_t count),
                         void *context)
{
    pthread_mutex_lock(&iteration->lock);
    for (unsigned i = 0; i < iteration->loss_count; i++)
        each(context, iteration->losses[i].cause, iteration->losses[i].count);
    pthread_mutex_unlock(&iteration->lock);
}

void iteration_count_streams(struct iteration *iteration)
{
    u64set_free(iteration->streams);
    iteration->streams = u64set_new(STREAMS_MAX);
    iteration->streams_new = 0;
    uint64_t count = 0;
    for (size_t i = 0; i < iteration->count; i++) {
        struct segment *segment = iteration->segments[i];
        struct reader reader;
        struct record record;
        reader_init(&reader, segment, &segment->stats);
        for (uint32_t r = 0; r < segment->stats.records; r++) {
            if (reader_record(&reader, r, &record) < 0)
                break;
            count += u64set_add(iteration->streams, record.stream);
        }
        reader_fini(&reader);
    }
    pthread_mutex_lock(&iteration->lock);
    iteration->totals.streams = count;
    pthread_mutex_unlock(&iteration->lock);
}

static void set_text(char **to, const char *text)
{
    if (!text)
        return;
    free(*to);
    *to = mem_strdup(text);
}

static void take_options(struct iteration *iteration,
                         const struct iteration_options *options)
{
    set_text(&iteration->spec, options->spec);
    set_text(&iteration->kfl, options->kfl);
    iteration->keep = options->keep;
    iteration->max_size = options->max_size;
    iteration->on_full = (int)options->on_full;
}

void iteration_update(struct iteration *iteration,
                      const struct iteration_options *options)
{
    pthread_mutex_lock(&iteration->lock);
    take_options(iteration, options);
    pthread_mutex_unlock(&iteration->lock);
    int result = manifest_save(iteration);
    if (result < 0)
        log_error("cannot save a manifest: %s", strerror(-result));
}

static void add_gap(struct iteration *iteration, int64_t from, int64_t to)
{
    if (iteration->gap_count == GAPS_MAX) {
        iteration->gaps_more++;
        return;
    }
    iteration->gaps[iteration->gap_count++] = (struct gap){from < to ? from : to, to};
}

/* The one with the name of that folder, so two starts within a second are one
 * iteration. */
static struct iteration *find_start(struct recording *recording, int64_t start)
{
    for (size_t i = 0; i < recording->count; i++) {
        if (recording->iterations[i]->start / NS_PER_S == start / NS_PER_S)
            return recording->iterations[i];
    }
    return NULL;
}

static int make_folder(struct iteration *iteration)
{
    struct store *store = iteration->store;
    char name[CLOCK_TEXT], path[sizeof("recordings//") + RECORDING_NAME + CLOCK_TEXT];
    snprintf(path, sizeof(path), "recordings/%s/%s", iteration->recording->name,
             clock_format_name(name, iteration->start));
    return folder_make(store, path);
}

static void go_on(struct iteration *iteration, const struct iteration_options *options,
                  bool resumed, int64_t now)
{
    pthread_mutex_lock(&iteration->lock);
    if (resumed) {
        int64_t from =
            iteration->ended_at > 0 ? iteration->ended_at : iteration->saved_at;
        if (iteration->totals.last_at > from)
            from = iteration->totals.last_at;
        add_gap(iteration, from, now);
    } else if (options->late_since > 0) {
        add_gap(iteration, options->late_since, now);
    }
    take_options(iteration, options);
    iteration->ended_at = 0;
    snprintf(iteration->state, sizeof(iteration->state), "recording");
    iteration->open = true;
    pthread_mutex_unlock(&iteration->lock);
    iteration->entry_limit = options->entry_limit;
    iteration->entries_added = iteration->totals.entries + iteration->entries_gone;
    iteration->stopped = options->stopped;
    iteration->context = options->context;
    iteration->has_stopped = false;
    iteration->synced_at = iteration->saved_at = now;
}

int iteration_open(struct iteration **out, struct store *store,
                   const struct iteration_options *options, struct err *err)
{
    const struct clock *clock = store->options.clock;
    int result = store_create(store, options->name, err);
    if (result < 0)
        return result;
    pthread_mutex_lock(&store->lock);
    struct recording *recording = recording_find(store, options->name);
    struct iteration *iteration =
        recording ? find_start(recording, options->start) : NULL;
    bool resumed = iteration != NULL;
    if (!recording) {
        result = err_set(err, -ENOENT, "the recording was removed");
    } else if (resumed && iteration_is_open(iteration)) {
        result = err_set(err, -EBUSY, "this iteration is being recorded already");
    } else if (resumed) {
        iteration_ref(iteration);
    } else {
        iteration = iteration_new(store, recording, options->start);
        result = make_folder(iteration);
        if (result < 0) {
            err_set(err, result, "cannot make the iteration's folder: %s",
                    strerror(-result));
            iteration_unref(iteration);
        } else {
            recording_add_iteration(recording, iteration_ref(iteration));
        }
    }
    /* Marked open before anyone can remove it. */
    if (result == 0)
        go_on(iteration, options, resumed, clock->now(clock));
    pthread_mutex_unlock(&store->lock);
    if (result < 0)
        return result;
    iteration_count_streams(iteration);
    result = manifest_save(iteration);
    if (result < 0) {
        pthread_mutex_lock(&iteration->lock);
        iteration->open = false;
        pthread_mutex_unlock(&iteration->lock);
        iteration_unref(iteration);
        return err_set(err, result, "cannot write a manifest: %s", strerror(-result));
    }
    append_check_limit(iteration);
    *out = iteration;
    return 0;
}

int iteration_end(struct iteration *iteration, const char *state, int64_t at,
                  struct err *err)
{
    const struct clock *clock = iteration->store->options.clock;
    iteration_commit(iteration, clock->now(clock));
    int result = append_close(iteration);
    pthread_mutex_lock(&iteration->lock);
    iteration->open = false;
    iteration->ended_at = at > 0 ? at : clock->now(clock);
    snprintf(iteration->state, sizeof(iteration->state), "%s", state);
    pthread_mutex_unlock(&iteration->lock);
    iteration->stopped = NULL;
    if (!iteration->has_stopped)
        iteration->why = -ESHUTDOWN;
    iteration->has_stopped = true;
    u64set_free(iteration->streams);
    iteration->streams = NULL;
    int saved = manifest_save(iteration);
    result = result < 0 ? result : saved;
    return result < 0 ? err_set(err, result, "cannot close an iteration: %s",
                                strerror(-result))
                      : 0;
}
