#include <stdlib.h>
#include <string.h>

#include "capture/block.h"
#include "capture/store/store.h"
#include "capture/store/writer.h"
#include "kfl/base/mem.h"

struct batch *batch_new(unsigned worker)
{
    struct batch *batch = mem_zalloc(sizeof(*batch));
    batch->worker = worker;
    return batch;
}

void batch_free(struct batch *batch)
{
    if (!batch)
        return;
    for (size_t i = 0; i < batch->count; i++) {
        struct event *event = &batch->events[i];
        if (event->to && event->type == EVENT_PACKET)
            packet_unref(event->packet);
        iteration_unref(event->to);
    }
    free(batch->events);
    free(batch->text);
    free(batch);
}

struct event *batch_event(struct batch *batch)
{
    if (batch->count == batch->cap) {
        batch->cap = batch->cap ? batch->cap * 2 : 64;
        batch->events = mem_realloc(batch->events, batch->cap * sizeof(*batch->events));
    }
    struct event *event = &batch->events[batch->count++];
    *event = (struct event){0};
    return event;
}

size_t batch_text(struct batch *batch, const char *text, size_t len)
{
    size_t at = batch->text_len;
    if (batch->text_cap - at < len) {
        size_t cap = batch->text_cap ? batch->text_cap * 2 : 4096;
        batch->text_cap = cap - at < len ? at + len : cap;
        batch->text = mem_realloc(batch->text, batch->text_cap);
    }
    memcpy(batch->text + at, text, len);
    batch->text_len += len;
    return at;
}
