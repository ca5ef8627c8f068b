/* HTTP/2 (RFC 9113), as far as DNS over HTTPS (RFC 8484) needs it: the data of a stream
 * that are a DNS message make an entry of it. A question in a header field is not read.
 *
 *   Length 24 | Type 8 | Flags 8 | R 1 Stream 31 | payload */
#include <stdlib.h>
#include <string.h>

#include "capture/proto/dns.h"
#include "capture/proto/proto.h"
#include "kfl/base/buf.h"
#include "kfl/base/clock.h"

#define FRAME_HEADER ((size_t)9)
#define MESSAGE_MAX  ((size_t)65535)
#define BODIES_MAX   16
#define FLAG_END     0x1
#define FLAG_PADDED  0x8
#define STREAM_MASK  0x7FFFFFFFu
#define ANSWER_NS    (10 * NS_PER_S)

enum frame_type { FRAME_DATA = 0, FRAME_HEADERS = 1, FRAME_RST_STREAM = 3 };

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
#define PREFACE_LEN (sizeof preface - 1)

/* The data of one stream so far. */
struct body {
    uint32_t stream; /* 0: free */
    bool too_long;
    size_t wire;
    struct buf bytes;
};

struct lane {
    struct body bodies[BODIES_MAX];
    unsigned next; /* the one that makes room */
    uint64_t skip; /* bytes of a frame that nobody wants */
    bool lost, begun;
};

struct http2 {
    struct lane lanes[2];
};

static void body_clear(struct body *body)
{
    buf_fini(&body->bytes);
    *body = (struct body){.stream = 0};
}

static struct body *body_find(struct lane *lane, uint32_t stream)
{
    for (size_t i = 0; i < BODIES_MAX; i++) {
        if (lane->bodies[i].stream == stream)
            return &lane->bodies[i];
    }
    return NULL;
}

/* The body of the stream, or a new one, at the cost of the oldest if need be. */
static struct body *body_of(struct lane *lane, uint32_t stream)
{
    struct body *body = body_find(lane, stream);
    if (body)
        return body;
    body = &lane->bodies[lane->next++ % BODIES_MAX];
    body_clear(body);
    *body = (struct body){.stream = stream, .bytes.limit = MESSAGE_MAX};
    return body;
}

static void take_data(struct lane *lane, uint32_t stream, struct rd payload,
                      bool padded)
{
    struct body *body = body_of(lane, stream);
    size_t wire = rd_left(&payload) + FRAME_HEADER;
    size_t padding = padded ? rd_u8(&payload) : 0;
    size_t left = rd_left(&payload);
    body->wire += wire;
    if (padding > left || buf_add(&body->bytes, payload.at, left - padding) < 0)
        body->too_long = true;
}

static void end_stream(struct lane *lane, struct sink *sink, enum direction dir,
                       uint32_t stream)
{
    struct body *body = body_find(lane, stream);
    if (!body)
        return;
    const uint8_t *bytes = (const uint8_t *)body->bytes.data;
    if (!body->too_long && bytes && dns_is_message(bytes, body->bytes.len))
        dns_take(sink, dir, bytes, body->bytes.len, body->wire, true);
    body_clear(body);
}

/* Is this the preface that a client begins with, or may it become it? */
static bool is_preface(struct rd rd)
{
    size_t len = rd_left(&rd) < PREFACE_LEN ? rd_left(&rd) : PREFACE_LEN;
    return memcmp(rd.at, preface, len) == 0;
}

static long http2_feed(void *state, struct sink *sink, enum direction dir, struct rd rd)
{
    struct lane *lane = &((struct http2 *)state)->lanes[dir];
    size_t left = rd_left(&rd);
    if (lane->lost)
        return (long)left;
    if (lane->skip > 0) {
        size_t skip = lane->skip < left ? (size_t)lane->skip : left;
        lane->skip -= skip;
        return (long)skip;
    }
    if (!lane->begun && is_preface(rd)) {
        lane->begun = left >= PREFACE_LEN;
        return lane->begun ? (long)PREFACE_LEN : 0;
    }
    lane->begun = true;
    if (left < FRAME_HEADER)
        return 0;
    uint32_t len = rd_be24(&rd);
    uint8_t type = rd_u8(&rd), flags = rd_u8(&rd);
    uint32_t stream = rd_be32(&rd) & STREAM_MASK;
    bool ends = flags & FLAG_END && (type == FRAME_DATA || type == FRAME_HEADERS);
    if (type == FRAME_DATA && stream > 0 && len <= MESSAGE_MAX) {
        struct rd payload = rd_sub(&rd, len);
        if (payload.bad)
            return 0;
        take_data(lane, stream, payload, flags & FLAG_PADDED);
    } else {
        lane->skip = len;
        if (type == FRAME_DATA && stream > 0)
            body_of(lane, stream)->too_long = true;
    }
    if (stream > 0 && (ends || type == FRAME_RST_STREAM))
        end_stream(lane, sink, dir, stream);
    return (long)(left - rd_left(&rd));
}

/* Frames are found only one after the other. */
static void http2_gap(void *state, struct sink *sink, enum direction dir,
                      uint64_t missing)
{
    struct lane *lane = &((struct http2 *)state)->lanes[dir];
    (void)sink;
    if (missing <= lane->skip)
        lane->skip -= missing;
    else
        lane->lost = true;
}

static size_t http2_held(const void *state)
{
    const struct http2 *http = state;
    size_t bytes = 0;
    for (size_t i = 0; i < BODIES_MAX; i++)
        bytes +=
            http->lanes[0].bodies[i].bytes.cap + http->lanes[1].bodies[i].bytes.cap;
    return bytes;
}

static void http2_free(void *state)
{
    struct http2 *http2 = state;
    for (size_t dir = 0; dir < 2; dir++) {
        for (size_t i = 0; i < BODIES_MAX; i++)
            buf_fini(&http2->lanes[dir].bodies[i].bytes);
    }
}

static int http2_probe(struct rd bytes, enum stream_kind kind)
{
    (void)kind;
    if (!is_preface(bytes))
        return 0;
    return rd_left(&bytes) >= PREFACE_LEN ? 100 : PROBE_MORE;
}

const struct dissector http2_dissector = {
    .name = "http2",
    .kinds = 1u << STREAM_TCP,
    .ports = (const uint16_t[]){443, 80, 8080, 50051, 0},
    .state_size = sizeof(struct http2),
    .answer_ns = ANSWER_NS,
    .probe = http2_probe,
    .feed = http2_feed,
    .gap = http2_gap,
    .free = http2_free,
    .held = http2_held,
};
