/* Makes a stream of fuzzed bytes. Each piece is two bytes of how (direction, time,
 * loss) and length, then its bytes. */
#pragma once
#include <stdlib.h>
#include <string.h>

#include "capture/entry.h"
#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "kfl/base/text.h"

#define FUZZ_START (INT64_C(1700000000) * NS_PER_S)

static inline void fuzz_check(bool holds)
{
    if (!holds)
        abort();
}

static inline void fuzz_emit(void *context, const struct entry *entry)
{
    struct arena arena = {0};
    struct buf json = {0};
    struct doc_value again;
    (void)context;
    fuzz_check(doc_write(&json, &entry->doc) == 0);
    fuzz_check(text_is_utf8(json.data, json.len));
    fuzz_check(doc_parse(&again, &arena, json.data, json.len, NULL) == 0);
    fuzz_check(entry->done_at >= entry->start_at);
    arena_fini(&arena);
    buf_fini(&json);
}

static inline void fuzz_piece(struct dissection *d, uint8_t how, const uint8_t *bytes,
                              size_t len, int64_t at)
{
    enum direction dir = how & 1 ? DIR_REVERSE : DIR_FORWARD;
    /* Of its own size, so that a read past its end is seen. */
    uint8_t *copy = malloc(len ? len : 1);
    memcpy(copy, bytes, len);
    if ((how & 0xC0) == 0xC0)
        dissection_gap(d, dir, (uint64_t)(how & 0x3E) * len + 1, at);
    dissection_data(d, dir, copy, len, at);
    free(copy);
    if ((how & 0xE0) == 0xA0)
        dissection_tick(d, at + 11 * NS_PER_S);
    if ((how & 0xFE) == 0x80)
        dissection_end(d, dir, END_FIN, at);
}

static inline void fuzz_stream(enum stream_kind kind, uint16_t port,
                               const uint8_t *data, size_t size)
{
    struct dissect_counters counters = {0};
    struct dissect_env env = {.emit = fuzz_emit,
                              .wants = WANT_ALL,
                              .body_limit = 4096,
                              .memory_limit = 1 << 20,
                              .counters = &counters};
    struct stream stream = {
        .number = 1,
        .kind = kind,
        .ends = {{{{10, 0, 0, 1}, 4}, 40000}, {{{10, 0, 0, 2}, 4}, port}},
        .iface = ""};
    struct dissection *d = dissection_new(&env, &stream);
    int64_t at = FUZZ_START;
    uint8_t last = 0;
    while (size >= 2) {
        uint8_t how = data[0];
        size_t len = data[1];
        data += 2;
        size -= 2;
        len = len < 255 && len < size ? len : size;
        fuzz_piece(d, how, data, len, at);
        data += len;
        size -= len;
        at += (int64_t)how * NS_PER_MS;
        last = how;
    }
    dissection_end(d, DIR_FORWARD, last & 2 ? END_RESET : END_STOP, at);
    dissection_free(d);
}
