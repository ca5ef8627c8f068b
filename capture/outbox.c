#include "capture/outbox.h"

#include <stdbool.h>

#include "capture/block.h"
#include "capture/entry.h"
#include "capture/store/store.h"

#define EVENTS_FULL 1024
#define BYTES_FULL  (256u << 10)

void outbox_fini(struct outbox *outbox)
{
    batch_free(outbox->batch);
    outbox->batch = NULL;
}

static struct batch *batch_of(struct outbox *outbox)
{
    if (!outbox->batch)
        outbox->batch = batch_new(outbox->worker);
    return outbox->batch;
}

static struct event *add(struct outbox *outbox, enum event_type type,
                         struct iteration *to)
{
    struct event *event = batch_event(batch_of(outbox));
    event->type = type;
    event->to = iteration_ref(to);
    return event;
}

void outbox_packet(struct outbox *outbox, struct iteration *to, struct packet *packet,
                   const struct stream *stream)
{
    struct event *event = add(outbox, EVENT_PACKET, to);
    event->kind = stream->kind;
    event->stream = stream->number;
    event->packet = packet_ref(packet);
    outbox->batch->bytes += packet->caplen;
}

size_t outbox_line(struct outbox *outbox, const char *text, size_t len)
{
    return batch_text(batch_of(outbox), text, len);
}

void outbox_entry(struct outbox *outbox, struct iteration *to,
                  const struct entry *entry, size_t line, size_t len)
{
    struct event *event = add(outbox, EVENT_ENTRY, to);
    event->kind = entry->stream->kind;
    event->stream = entry->stream->number;
    event->entry.line = line;
    event->entry.len = (uint32_t)len;
    event->entry.index = entry->index;
    event->entry.done_at = entry->done_at;
}

void outbox_loss(struct outbox *outbox, struct iteration *to, const char *cause,
                 uint64_t count)
{
    struct event *event = add(outbox, EVENT_LOSS, to);
    event->loss.cause = cause;
    event->loss.count = count;
}

/* What a batch that was refused would have brought to each recording. */
static void tell_losses(struct outbox *outbox, const struct batch *lost)
{
    for (size_t i = 0; i < lost->count; i++) {
        const struct event *event = &lost->events[i];
        const char *cause = event->type == EVENT_LOSS ? event->loss.cause : "writer";
        uint64_t count = event->type == EVENT_LOSS ? event->loss.count : 1;
        struct event *told = NULL;
        for (size_t k = 0; outbox->batch && k < outbox->batch->count && !told; k++) {
            struct event *other = &outbox->batch->events[k];
            if (other->to == event->to && other->loss.cause == cause)
                told = other;
        }
        if (told)
            told->loss.count += count;
        else
            outbox_loss(outbox, event->to, cause, count);
    }
}

void outbox_flush(struct outbox *outbox)
{
    struct batch *batch = outbox->batch;
    if (!batch)
        return;
    outbox->batch = NULL;
    if (writer_submit(outbox->writer, batch) == 0)
        return;
    for (size_t i = 0; i < batch->count; i++)
        *outbox->dropped += batch->events[i].type != EVENT_LOSS;
    tell_losses(outbox, batch);
    batch_free(batch);
}

void outbox_flush_full(struct outbox *outbox)
{
    const struct batch *batch = outbox->batch;
    if (batch &&
        (batch->count >= EVENTS_FULL || batch->bytes + batch->text_len >= BYTES_FULL))
        outbox_flush(outbox);
}
