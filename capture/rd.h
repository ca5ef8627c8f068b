/* A bounded reader: the only way to touch bytes of the network. A read past the end
 * gives zeros and sets `bad`, which stays, so that a parser asks once a header. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rd {
    const uint8_t *at, *end;
    bool bad; /* something was not there; sticky */
};

static inline void rd_init(struct rd *rd, const void *bytes, size_t len)
{
    rd->at = bytes;
    rd->end = len ? rd->at + len : rd->at;
    rd->bad = false;
}

static inline size_t rd_left(const struct rd *rd)
{
    return (size_t)(rd->end - rd->at);
}

/* The next `len` bytes, which are then behind the reader; NULL where they are not there
 * (for 0 bytes: where it is bad). */
static inline const uint8_t *rd_bytes(struct rd *rd, size_t len)
{
    if (rd->bad || rd_left(rd) < len) {
        rd->bad = true;
        rd->at = rd->end;
        return NULL;
    }
    const uint8_t *bytes = rd->at;
    if (len > 0)
        rd->at += len;
    return bytes;
}

static inline void rd_skip(struct rd *rd, size_t len)
{
    (void)rd_bytes(rd, len);
}

/* A reader of the next `len` bytes, which are then behind this one; where they are not
 * there both are bad. */
static inline struct rd rd_sub(struct rd *rd, size_t len)
{
    const uint8_t *bytes = rd_bytes(rd, len);
    struct rd sub;
    rd_init(&sub, bytes ? bytes : rd->end, bytes ? len : 0);
    sub.bad = rd->bad;
    return sub;
}

static inline uint8_t rd_u8(struct rd *rd)
{
    const uint8_t *b = rd_bytes(rd, 1);
    return b ? b[0] : 0;
}

/* The next byte without moving; 0 at the end, which is no error. */
static inline uint8_t rd_peek(const struct rd *rd)
{
    return rd_left(rd) > 0 ? rd->at[0] : 0;
}

/* Big endian (network order), then little endian. */
static inline uint64_t rd_be(struct rd *rd, size_t bytes)
{
    const uint8_t *b = rd_bytes(rd, bytes);
    uint64_t value = 0;
    for (size_t i = 0; b && i < bytes; i++)
        value = value << 8 | b[i];
    return value;
}

static inline uint64_t rd_le(struct rd *rd, size_t bytes)
{
    const uint8_t *b = rd_bytes(rd, bytes);
    uint64_t value = 0;
    for (size_t i = bytes; b && i-- > 0;)
        value = value << 8 | b[i];
    return value;
}

static inline uint16_t rd_be16(struct rd *rd)
{
    return (uint16_t)rd_be(rd, 2);
}

static inline uint32_t rd_be24(struct rd *rd)
{
    return (uint32_t)rd_be(rd, 3);
}

static inline uint32_t rd_be32(struct rd *rd)
{
    return (uint32_t)rd_be(rd, 4);
}
