#include "capture/store/writer.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "capture/block.h"
#include "capture/store/inside.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/log.h"
#include "kfl/base/mem.h"

#define COMMIT_EVERY (200 * NS_PER_MS)
/* Entries wait this long for those of other workers that completed before them. */
#define RACE_WINDOW  (250 * NS_PER_MS)
#define IDLE_EVERY   NS_PER_S
#define PASS_BYTES   ((size_t)16 * 1024 * 1024) /* are written before the next commit */
/* Where more than that part comes from one commit to the next no packet waits for
 * entries. */
#define CALM_PART    4

enum item_type { ITEM_BATCH, ITEM_END, ITEM_FLUSH, ITEM_STOP };

struct item {
    struct item *next;
    enum item_type type;
    struct batch *batch;
    size_t bytes; /* it was submitted with, less those released */
    size_t left;  /* events that are not written yet */
    int64_t submitted_at;
    struct iteration *iteration;
    char state[STATE_TEXT];
    int64_t at;
    void (*done)(void *context, int result);
    void *context;
    bool *flushed;
};

/* An event that waits to be written, and what it came in. */
struct waiting {
    struct event *event;
    struct item *item;
};
struct list {
    struct waiting *items;
    size_t count, cap;
};

struct writer {
    struct writer_options options;
    struct iteration *live_packets, *live_entries;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake, flushed;
    struct item *first, **last; /* submitted */
    size_t backlog;

    /* the thread's own */
    struct list packets, entries;
    size_t pass_bytes;
    size_t released; /* of the backlog, by packets whose batch has entries that wait */
    struct iteration **touched; /* references; are committed next */
    size_t touched_count, touched_cap;
};

static void list_add(struct list *list, struct event *event, struct item *item)
{
    if (list->count == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 256;
        list->items = mem_realloc(list->items, list->cap * sizeof(*list->items));
    }
    list->items[list->count++] = (struct waiting){event, item};
}

static int compare_packets(const void *a, const void *b)
{
    const struct waiting *p = a, *q = b;
    const struct packet *x = p->event->packet, *y = q->event->packet;
    return key_compare((struct key){x->at, x->number}, (struct key){y->at, y->number});
}

static int compare_entries(const void *a, const void *b)
{
    const struct waiting *p = a, *q = b;
    const struct event *x = p->event, *y = q->event;
    int order = key_compare((struct key){x->entry.done_at, x->stream},
                            (struct key){y->entry.done_at, y->stream});
    if (order != 0)
        return order;
    return x->entry.index < y->entry.index ? -1 : x->entry.index > y->entry.index;
}

static void list_sort(struct list *list, int (*compare)(const void *a, const void *b))
{
    for (size_t i = 1; i < list->count; i++) {
        if (compare(&list->items[i - 1], &list->items[i]) > 0) {
            qsort(list->items, list->count, sizeof(*list->items), compare);
            return;
        }
    }
}

static void touch(struct writer *writer, struct iteration *iteration)
{
    if (iteration->touched)
        return;
    iteration->touched = true;
    if (writer->touched_count == writer->touched_cap) {
        writer->touched_cap = writer->touched_cap ? writer->touched_cap * 2 : 16;
        writer->touched = mem_realloc(writer->touched,
                                      writer->touched_cap * sizeof(*writer->touched));
    }
    writer->touched[writer->touched_count++] = iteration_ref(iteration);
}

static void item_free(struct writer *writer, struct item *item)
{
    if (item->batch) {
        pthread_mutex_lock(&writer->lock);
        writer->backlog -= item->bytes;
        pthread_mutex_unlock(&writer->lock);
        batch_free(item->batch);
    }
    free(item);
}

/* The event is written: what it refers to is let go, at the latest with its batch. */
static void finish(struct writer *writer, const struct waiting *waiting)
{
    struct event *event = waiting->event;
    if (event->type == EVENT_PACKET) {
        size_t bytes = event->packet->caplen;
        bytes = bytes < waiting->item->bytes ? bytes : waiting->item->bytes;
        waiting->item->bytes -= bytes;
        writer->released += bytes;
        packet_unref(event->packet);
    }
    iteration_unref(event->to);
    event->to = NULL;
    if (--waiting->item->left == 0)
        item_free(writer, waiting->item);
}

/* The packets from `next` on that were captured until `at`; returns the one behind. */
static size_t write_packets(struct writer *writer, size_t next, int64_t at)
{
    const struct list *list = &writer->packets;
    for (; next < list->count && list->items[next].event->packet->at <= at; next++) {
        const struct event *event = list->items[next].event;
        touch(writer, event->to);
        /* What can't be appended is counted by the iteration. */
        iteration_add_packet(event->to, event->packet, event->stream, event->kind);
        finish(writer, &list->items[next]);
    }
    return next;
}

static void write_entry(struct writer *writer, const struct waiting *waiting)
{
    const struct event *event = waiting->event;
    touch(writer, event->to);
    iteration_add_entry(event->to, waiting->item->batch->text + event->entry.line,
                        event->entry.len, event->stream, event->kind,
                        event->entry.index, event->entry.done_at);
    finish(writer, waiting);
}

/* In order of time, so that a recording that becomes full has the entries of the
 * packets it has: all packets, and the entries that were submitted before `until` or go
 * to `of`. The packets behind an entry that waits do so too, if that is said. */
static void write_due(struct writer *writer, int64_t until, const struct iteration *of,
                      bool packets_wait)
{
    struct list *packets = &writer->packets, *entries = &writer->entries;
    size_t next = 0, kept = 0;
    int64_t end = INT64_MAX;
    list_sort(packets, compare_packets);
    list_sort(entries, compare_entries);
    for (size_t i = 0; i < entries->count; i++) {
        const struct waiting waiting = entries->items[i];
        int64_t done_at = waiting.event->entry.done_at;
        if (waiting.item->submitted_at > until && waiting.event->to != of) {
            entries->items[kept++] = waiting;
            if (packets_wait && end == INT64_MAX)
                end = done_at;
            continue;
        }
        next = write_packets(writer, next, done_at < end ? done_at : end);
        write_entry(writer, &waiting);
    }
    entries->count = kept;
    next = write_packets(writer, next, end);
    packets->count -= next;
    if (packets->count > 0)
        memmove(packets->items, packets->items + next,
                packets->count * sizeof(*packets->items));
    pthread_mutex_lock(&writer->lock);
    writer->backlog -= writer->released;
    pthread_mutex_unlock(&writer->lock);
    writer->released = 0;
}

static void commit_all(struct writer *writer)
{
    int64_t now = writer->options.clock->now(writer->options.clock);
    size_t kept = 0;
    touch(writer, writer->live_packets);
    touch(writer, writer->live_entries);
    for (size_t i = 0; i < writer->touched_count; i++) {
        struct iteration *iteration = writer->touched[i];
        int result = iteration_commit(iteration, now);
        if (result < 0)
            log_error("cannot commit what was recorded: %s", strerror(-result));
        if (append_needs_commit(iteration)) {
            writer->touched[kept++] = iteration;
            continue;
        }
        iteration->touched = false;
        iteration_unref(iteration);
    }
    writer->touched_count = kept;
    if (writer->options.committed)
        writer->options.committed(writer->options.context);
}

/* Half of what may wait, so that it does not come to its end before the next pass. */
static size_t pass_limit(const struct writer *writer)
{
    size_t half = writer->options.backlog_limit / 2;
    return half < PASS_BYTES ? half : PASS_BYTES;
}

/* Writes what is due: packets, and entries that nobody can overtake any more. */
static void pass(struct writer *writer, int64_t until, const struct iteration *of)
{
    bool calm = writer->pass_bytes < pass_limit(writer) / CALM_PART;
    write_due(writer, until, of, calm && !of);
    commit_all(writer);
    writer->pass_bytes = 0;
}

static int64_t race_window(const struct writer *writer)
{
    return writer->options.workers > 1 ? RACE_WINDOW : 0;
}

static void take_batch(struct writer *writer, struct item *item)
{
    struct batch *batch = item->batch;
    /* One more, so that it lives until this returns. */
    item->left = batch->count + 1;
    writer->pass_bytes += item->bytes + batch->text_len;
    for (size_t i = 0; i < batch->count; i++) {
        struct event *event = &batch->events[i];
        if (event->type == EVENT_PACKET) {
            list_add(&writer->packets, event, item);
        } else if (event->type == EVENT_ENTRY) {
            list_add(&writer->entries, event, item);
        } else {
            touch(writer, event->to);
            iteration_count_loss(event->to, event->loss.cause, event->loss.count);
            finish(writer, &(struct waiting){event, item});
        }
    }
    if (--item->left == 0)
        item_free(writer, item);
}

static void take_end(struct writer *writer, struct item *item)
{
    struct iteration *iteration = item->iteration;
    struct err err = {0};
    pass(writer, clock_monotonic() - race_window(writer), iteration);
    int result = iteration_end(iteration, item->state, item->at, &err);
    if (result < 0)
        log_error("%s", err.msg);
    for (size_t i = 0; i < writer->touched_count; i++) {
        if (writer->touched[i] != iteration)
            continue;
        writer->touched[i] = writer->touched[--writer->touched_count];
        iteration->touched = false;
        iteration_unref(iteration);
        break;
    }
    if (item->done)
        item->done(item->context, result);
    iteration_unref(iteration);
    free(item);
}

static void take_flush(struct writer *writer, struct item *item)
{
    pass(writer, INT64_MAX, NULL);
    pthread_mutex_lock(&writer->lock);
    *item->flushed = true;
    pthread_cond_broadcast(&writer->flushed);
    pthread_mutex_unlock(&writer->lock);
    free(item);
}

/* Everything that was submitted; waits for it until `until` by the monotonic clock. */
static struct item *take_all(struct writer *writer, int64_t until)
{
    struct timespec at = {until / NS_PER_S, until % NS_PER_S};
    pthread_mutex_lock(&writer->lock);
    while (!writer->first &&
           pthread_cond_timedwait(&writer->wake, &writer->lock, &at) != ETIMEDOUT)
        continue;
    struct item *first = writer->first;
    writer->first = NULL;
    writer->last = &writer->first;
    pthread_mutex_unlock(&writer->lock);
    return first;
}

/* False where it was told to stop. */
static bool take(struct writer *writer, struct item *item)
{
    switch (item->type) {
    case ITEM_BATCH:
        take_batch(writer, item);
        if (writer->pass_bytes >= pass_limit(writer))
            pass(writer, clock_monotonic() - race_window(writer), NULL);
        return true;
    case ITEM_END:
        take_end(writer, item);
        return true;
    case ITEM_FLUSH:
        take_flush(writer, item);
        return true;
    default:
        pass(writer, INT64_MAX, NULL);
        free(item);
        return false;
    }
}

static void *writer_thread(void *context)
{
    struct writer *writer = context;
    bool running = true;
    int64_t due = clock_monotonic() + COMMIT_EVERY;
    while (running) {
        bool busy =
            writer->packets.count + writer->entries.count + writer->touched_count > 0;
        int64_t now = clock_monotonic();
        if (!busy)
            due = now + IDLE_EVERY;
        else if (due > now + COMMIT_EVERY)
            due = now + COMMIT_EVERY;
        struct item *item = take_all(writer, due);
        while (item) {
            struct item *next = item->next;
            running &= take(writer, item);
            item = next;
        }
        now = clock_monotonic();
        if (now >= due) {
            pass(writer, now - race_window(writer), NULL);
            due = now + COMMIT_EVERY;
        }
    }
    return NULL;
}

static void submit(struct writer *writer, struct item *item)
{
    item->submitted_at = clock_monotonic();
    *writer->last = item;
    writer->last = &item->next;
    pthread_cond_signal(&writer->wake);
}

int writer_submit(struct writer *writer, struct batch *batch)
{
    pthread_mutex_lock(&writer->lock);
    size_t bytes = batch->bytes + batch->text_len + batch->count * sizeof(struct event);
    bool full =
        writer->backlog > 0 && writer->backlog + bytes > writer->options.backlog_limit;
    if (!full) {
        struct item *item = mem_zalloc(sizeof(*item));
        item->type = ITEM_BATCH;
        item->batch = batch;
        item->bytes = bytes;
        writer->backlog += bytes;
        submit(writer, item);
    }
    pthread_mutex_unlock(&writer->lock);
    return full ? -EAGAIN : 0;
}

void writer_end(struct writer *writer, struct iteration *iteration, const char *state,
                int64_t at, void (*done)(void *context, int result), void *context)
{
    struct item *item = mem_zalloc(sizeof(*item));
    item->type = ITEM_END;
    item->iteration = iteration;
    strncat(item->state, state, sizeof(item->state) - 1);
    item->at = at;
    item->done = done;
    item->context = context;
    pthread_mutex_lock(&writer->lock);
    submit(writer, item);
    pthread_mutex_unlock(&writer->lock);
}

void writer_flush(struct writer *writer)
{
    bool flushed = false;
    struct item *item = mem_zalloc(sizeof(*item));
    item->type = ITEM_FLUSH;
    item->flushed = &flushed;
    pthread_mutex_lock(&writer->lock);
    submit(writer, item);
    while (!flushed)
        pthread_cond_wait(&writer->flushed, &writer->lock);
    pthread_mutex_unlock(&writer->lock);
}

static void writer_free(struct writer *writer)
{
    for (size_t i = 0; i < writer->touched_count; i++)
        iteration_unref(writer->touched[i]);
    free(writer->touched);
    free(writer->packets.items);
    free(writer->entries.items);
    iteration_unref(writer->live_packets);
    iteration_unref(writer->live_entries);
    pthread_cond_destroy(&writer->wake);
    pthread_cond_destroy(&writer->flushed);
    pthread_mutex_destroy(&writer->lock);
    free(writer);
}

struct writer *writer_start(const struct writer_options *options,
                            struct iteration *live_packets,
                            struct iteration *live_entries, struct err *err)
{
    struct writer *writer = mem_zalloc(sizeof(*writer));
    pthread_condattr_t monotonic;
    writer->options = *options;
    if (!writer->options.clock)
        writer->options.clock = clock_system();
    writer->live_packets = iteration_ref(live_packets);
    writer->live_entries = iteration_ref(live_entries);
    writer->last = &writer->first;
    pthread_mutex_init(&writer->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&writer->wake, &monotonic);
    pthread_cond_init(&writer->flushed, NULL);
    pthread_condattr_destroy(&monotonic);
    int result = pthread_create(&writer->thread, NULL, writer_thread, writer);
    if (result != 0) {
        err_set(err, -result, "cannot start the writer: %s", strerror(result));
        writer_free(writer);
        return NULL;
    }
    return writer;
}

void writer_stop(struct writer *writer)
{
    if (!writer)
        return;
    struct item *item = mem_zalloc(sizeof(*item));
    item->type = ITEM_STOP;
    pthread_mutex_lock(&writer->lock);
    submit(writer, item);
    pthread_mutex_unlock(&writer->lock);
    pthread_join(writer->thread, NULL);
    writer_free(writer);
}
