/* Doubles of the writer and of recordings, which remember what they were given. Defined
 * where this is included, in place of the store's. */
#pragma once
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "capture/block.h"
#include "capture/store/store.h"
#include "capture/store/writer.h"
#include "kfl/base/buf.h"
#include "kfl/base/mem.h"

struct iteration {
    struct buf packets, lines, losses; /* "1 2 3", JSON lines, "cause=n" */
};

struct writer {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool refuse, stall;
    size_t events, refused, stalled; /* batches that were refused, that waited */
};

struct batch *batch_new(unsigned worker)
{
    struct batch *batch = mem_zalloc(sizeof *batch);
    batch->worker = worker;
    return batch;
}

void batch_free(struct batch *batch)
{
    for (size_t i = 0; batch && i < batch->count; i++) {
        if (batch->events[i].type == EVENT_PACKET)
            packet_unref(batch->events[i].packet);
    }
    if (!batch)
        return;
    free(batch->events);
    free(batch->text);
    free(batch);
}

struct event *batch_event(struct batch *batch)
{
    batch->events =
        mem_realloc(batch->events, (batch->count + 1) * sizeof *batch->events);
    memset(&batch->events[batch->count], 0, sizeof *batch->events);
    return &batch->events[batch->count++];
}

size_t batch_text(struct batch *batch, const char *text, size_t len)
{
    size_t at = batch->text_len;
    batch->text = mem_realloc(batch->text, at + len + 1);
    memcpy(batch->text + at, text, len);
    batch->text_len += len;
    return at;
}

int writer_submit(struct writer *writer, struct batch *batch)
{
    pthread_mutex_lock(&writer->lock);
    writer->stalled += writer->stall;
    pthread_cond_broadcast(&writer->changed);
    while (writer->stall)
        pthread_cond_wait(&writer->changed, &writer->lock);
    bool refuse = writer->refuse;
    writer->refused += refuse;
    for (size_t i = 0; !refuse && i < batch->count; i++) {
        writer->events++;
        const struct event *event = &batch->events[i];
        switch (event->type) {
        case EVENT_PACKET:
            buf_addf(&event->to->packets, "%s%d", event->to->packets.len ? " " : "",
                     (int)event->packet->number);
            break;
        case EVENT_ENTRY:
            buf_add(&event->to->lines, batch->text + event->entry.line,
                    event->entry.len);
            buf_addch(&event->to->lines, '\n');
            break;
        case EVENT_LOSS:
            buf_addf(&event->to->losses, "%s=%d ", event->loss.cause,
                     (int)event->loss.count);
            break;
        }
    }
    pthread_cond_broadcast(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
    if (refuse)
        return -EAGAIN;
    batch_free(batch);
    return 0;
}
