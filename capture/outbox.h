/* The outbox: what one worker has for the writer, in batches. Where the writer does not
 * keep up, a batch is dropped, and each recording is told how much it lost. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "capture/store/writer.h"

struct outbox {
    struct writer *writer;
    unsigned worker;
    struct batch *batch;       /* being filled; NULL: empty */
    _Atomic uint64_t *dropped; /* packets and entries */
};

void outbox_fini(struct outbox *outbox);
/* Each takes references of its own. */
void outbox_packet(struct outbox *outbox, struct iteration *to, struct packet *packet,
                   const struct stream *stream);
/* A line for any number of outbox_entry() calls before the next outbox_flush(). */
size_t outbox_line(struct outbox *outbox, const char *text, size_t len);
struct entry;
void outbox_entry(struct outbox *outbox, struct iteration *to,
                  const struct entry *entry, size_t line, size_t len);
/* `cause`: a constant. */
void outbox_loss(struct outbox *outbox, struct iteration *to, const char *cause,
                 uint64_t count);
/* Hands the batch over if there is enough in it, and in any case. */
void outbox_flush_full(struct outbox *outbox);
void outbox_flush(struct outbox *outbox);
