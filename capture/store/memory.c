#include "capture/store/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture/block.h"
#include "capture/store/segment.h"
#include "kfl/base/mem.h"

#define CHUNK_RECORDS 1024u
#define CHUNKS        (MEMORY_RECORDS_MAX / CHUNK_RECORDS)
#define TEXT_CHUNK    ((size_t)128 * 1024)

struct chunk {
    struct record records[CHUNK_RECORDS];
    void *data[CHUNK_RECORDS];
};

struct text {
    struct text *next;
    size_t len, cap;
    char bytes[];
};

struct memory {
    struct chunk *chunks[CHUNKS];
    struct text *texts;
};

static struct memory *memory_of(struct segment *segment)
{
    if (!segment->private)
        segment->private = mem_zalloc(sizeof(struct memory));
    return segment->private;
}

static int memory_add(struct segment *segment, struct record *record, void *data)
{
    struct memory *memory = memory_of(segment);
    uint32_t i = segment->next.records;
    struct chunk **chunk = &memory->chunks[i / CHUNK_RECORDS];
    if (!*chunk)
        *chunk = mem_alloc(sizeof(**chunk));
    (*chunk)->records[i % CHUNK_RECORDS] = *record;
    (*chunk)->data[i % CHUNK_RECORDS] = data;
    return 0;
}

static int memory_add_packet(struct segment *segment, struct record *record,
                             struct packet *packet)
{
    if (segment->next.records == MEMORY_RECORDS_MAX)
        return -EFBIG;
    return memory_add(segment, record, packet_ref(packet));
}

static char *text_add(struct memory *memory, const char *line, size_t len)
{
    struct text *text = memory->texts;
    if (!text || text->cap - text->len < len) {
        size_t cap = len > TEXT_CHUNK ? len : TEXT_CHUNK;
        text = mem_alloc(sizeof(*text) + cap);
        text->len = 0;
        text->cap = cap;
        text->next = memory->texts;
        memory->texts = text;
    }
    char *to = text->bytes + text->len;
    memcpy(to, line, len);
    text->len += len;
    return to;
}

static int memory_add_line(struct segment *segment, struct record *record,
                           const char *line)
{
    if (segment->next.records == MEMORY_RECORDS_MAX)
        return -EFBIG;
    return memory_add(segment, record,
                      text_add(memory_of(segment), line, record->length - 1));
}

static int memory_nothing(struct segment *segment)
{
    (void)segment;
    return 0;
}

static void memory_seal(struct segment *segment)
{
    (void)segment;
}

static const struct chunk *chunk_of(const struct segment *segment, uint32_t i)
{
    const struct memory *memory = segment->private;
    return memory->chunks[i / CHUNK_RECORDS];
}

const struct record *memory_record(const struct segment *segment, uint32_t i)
{
    return &chunk_of(segment, i)->records[i % CHUNK_RECORDS];
}

struct packet *memory_packet(const struct segment *segment, uint32_t i)
{
    return chunk_of(segment, i)->data[i % CHUNK_RECORDS];
}

const char *memory_line(const struct segment *segment, uint32_t i)
{
    return chunk_of(segment, i)->data[i % CHUNK_RECORDS];
}

static void memory_free(struct segment *segment)
{
    struct memory *memory = segment->private;
    if (!memory)
        return;
    for (uint32_t i = 0; i < segment->next.records; i++) {
        if (memory_record(segment, i)->kind == RECORD_PACKET)
            packet_unref(memory_packet(segment, i));
    }
    for (size_t i = 0; i < CHUNKS; i++)
        free(memory->chunks[i]);
    while (memory->texts) {
        struct text *text = memory->texts;
        memory->texts = text->next;
        free(text);
    }
    free(memory);
}

const struct medium medium_memory = {
    .add_packet = memory_add_packet,
    .add_line = memory_add_line,
    .flush = memory_nothing,
    .sync = memory_nothing,
    .cut = memory_nothing,
    .seal = memory_seal,
    .free = memory_free,
    .memory = sizeof(struct record) + sizeof(void *) + sizeof(struct packet),
};
