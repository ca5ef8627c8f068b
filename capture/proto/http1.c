/* HTTP/1.0 and 1.1 (RFC 9112). Our own eyes find a message's head and slice it, llhttp
 * judges it and follows the body; what llhttp refuses is shown all the same, with its
 * words as the error.
 *
 *   HEAD --head whole--> BODY --message whole--> HEAD
 *     \--no message-------\--bytes lost, bad framing--> RESYNC --start line--> HEAD
 */
#include <errno.h>
#include <llhttp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "capture/proto/http_doc.h"
#include "capture/proto/http_head.h"
#include "capture/proto/proto.h"
#include "kfl/base/buf.h"

#define HEAD_MAX ((size_t)256 * 1024)
/* A line that has not ended by then begins no message, where we look for one. */
#define LINE_MAX ((size_t)16 * 1024)

enum phase { PHASE_HEAD, PHASE_BODY, PHASE_RESYNC };

/* What a request's `key` says: how its response is to be read. */
enum request_key { KEY_PLAIN, KEY_HEAD, KEY_CONNECT };

/* One direction. */
struct lane {
    enum phase phase;
    size_t scanned;          /* of the head that has not ended */
    bool lost;               /* bytes were lost since the last message */
    struct message *message; /* whose body is read */
    struct http_head head;   /* its head, in its arena */
    llhttp_t parser;
    bool no_body, in_chunk, filling, complete;
    bool unasked; /* a response whose request was not seen */
    bool cut;     /* bytes of the body were not kept */
    bool keeps;   /* bodies are wanted */
    struct buf body;
    uint64_t size, gap;   /* of the body */
    const char *switches; /* the protocol after this message; NULL: HTTP */
};

struct http1 {
    struct lane lanes[2];
    bool pipelined; /* the client does not wait for responses */
};

static const struct protocol protocols[2] = {
    {"http", "1.0", "HTTP", "Hypertext Transfer Protocol -- HTTP/1.0", "http"},
    {"http", "1.1", "HTTP", "Hypertext Transfer Protocol -- HTTP/1.1", "http"},
};

/* ---- llhttp */

static int on_headers_complete(llhttp_t *parser)
{
    const struct lane *lane = parser->data;
    /* Whether the protocol changes is the response's to say. */
    parser->upgrade = 0;
    return lane->no_body ? 1 : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct lane *lane = parser->data;
    lane->size += len;
    if (lane->filling) {
        lane->gap += len;
        return 0;
    }
    if (!lane->keeps)
        return 0;
    size_t room =
        lane->body.limit > lane->body.len ? lane->body.limit - lane->body.len : 0;
    if (len > room)
        lane->cut = true;
    buf_add(&lane->body, at, len < room ? len : room);
    return 0;
}

static int on_chunk_header(llhttp_t *parser)
{
    struct lane *lane = parser->data;
    lane->in_chunk = parser->content_length > 0;
    return 0;
}

static int on_chunk_complete(llhttp_t *parser)
{
    struct lane *lane = parser->data;
    lane->in_chunk = false;
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct lane *lane = parser->data;
    lane->complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_chunk_header = on_chunk_header,
    .on_chunk_complete = on_chunk_complete,
    .on_message_complete = on_message_complete,
};

static void parser_start(struct lane *lane)
{
    llhttp_init(&lane->parser, lane->head.response ? HTTP_RESPONSE : HTTP_REQUEST,
                &settings);
    lane->parser.data = lane;
    /* A recorder shows what was sent; what a server should have refused it cannot
     * refuse. */
    llhttp_set_lenient_headers(&lane->parser, 1);
    llhttp_set_lenient_chunked_length(&lane->parser, 1);
    llhttp_set_lenient_keep_alive(&lane->parser, 1);
    llhttp_set_lenient_transfer_encoding(&lane->parser, 1);
    lane->complete = lane->in_chunk = false;
}

/* Bytes eaten, or -EBADMSG. */
static long parse(struct lane *lane, const void *bytes, size_t len)
{
    llhttp_errno_t rc = llhttp_execute(&lane->parser, bytes, len);
    if (rc == HPE_OK)
        return (long)len;
    if (lane->complete)
        return (long)(llhttp_get_error_pos(&lane->parser) - (const char *)bytes);
    return -EBADMSG;
}

/* Is the body what comes until the connection is closed? */
static bool until_close(const struct lane *lane)
{
    unsigned flags = lane->parser.flags;
    return lane->head.response && !(flags & F_CHUNKED) &&
           ((flags & F_TRANSFER_ENCODING) || !(flags & F_CONTENT_LENGTH));
}

/* ---- messages */

static const char *switched_to(const struct http_head *head)
{
    const struct http_field *upgrade = http_head_find(head, "upgrade", NULL);
    if (upgrade && upgrade->value.len == 9 &&
        strncasecmp(upgrade->value.text, "websocket", 9) == 0)
        return "ws";
    if (upgrade && upgrade->value.len == 3 &&
        strncasecmp(upgrade->value.text, "h2c", 3) == 0)
        return "http2";
    return "";
}

static void lane_clear(struct lane *lane, enum phase phase)
{
    buf_fini(&lane->body);
    *lane = (struct lane){.phase = phase, .lost = lane->lost};
}

/* The message is whole, or as whole as it will be. */
static void finish(struct lane *lane, struct sink *sink, enum phase next)
{
    struct message *message = lane->message;
    struct http_body body = {.bytes = lane->body.data,
                             .len = lane->body.len,
                             .size = lane->size,
                             .gap = lane->gap,
                             .cut = lane->cut};
    bool switches = lane->switches;
    const char *to = lane->switches && lane->switches[0] ? lane->switches : NULL;
    (lane->head.response ? http_response_doc : http_request_doc)(message, sink,
                                                                 &lane->head, &body);
    sink_done(sink, message);
    lane_clear(lane, next);
    if (switches)
        sink_switch(sink, to);
}

static enum direction opposite(enum direction dir)
{
    return dir == DIR_FORWARD ? DIR_REVERSE : DIR_FORWARD;
}

/* The request that a response in `dir` answers. In order; but where responses may have
 * been lost, a client that waits for each of them tells which it was. */
static struct message *answered(struct http1 *http, struct lane *lane,
                                struct sink *sink, enum direction dir)
{
    enum direction from = opposite(dir);
    struct message *request = sink_pending(sink, from, NULL), *next;
    bool lost = lane->lost;
    lane->lost = false;
    if (!request)
        return NULL;
    if (!lost) {
        if (sink_pending(sink, from, request))
            http->pipelined = true;
        return request;
    }
    while (!http->pipelined && (next = sink_pending(sink, from, request))) {
        if (request->done)
            sink_abandon(sink, request, "gap", "the response was lost in the capture");
        request = next;
    }
    return request;
}

static bool has_no_body(const struct http_head *head, const struct message *request)
{
    bool head_only = request && request->key == KEY_HEAD;
    bool tunnel = request && request->key == KEY_CONNECT && head->status / 100 == 2;
    return head_only || tunnel || head->status / 100 == 1 || head->status == 204 ||
           head->status == 304;
}

static uint64_t key_of(const struct http_head *head)
{
    struct http_text m = head->method;
    if (m.len == 4 && memcmp(m.text, "HEAD", 4) == 0)
        return KEY_HEAD;
    return m.len == 7 && memcmp(m.text, "CONNECT", 7) == 0 ? KEY_CONNECT : KEY_PLAIN;
}

/* Begins a message with its head, whose bytes are all there unless `cut`. */
static void begin(struct http1 *http, struct sink *sink, enum direction dir,
                  const uint8_t *bytes, size_t len)
{
    struct lane *lane = &http->lanes[dir];
    enum http_start start = http_start(bytes, len);
    bool response = start == HTTP_STATUS_LINE || start == HTTP_STRANGE_STATUS;
    unsigned minor = start == HTTP_STATUS_LINE ? bytes[7] - (unsigned)'0' : 1;
    struct message *request = response ? answered(http, lane, sink, dir) : NULL;
    if (response)
        lane->message = sink_response(sink, dir, &protocols[minor & 1], request);
    else
        lane->message = sink_request(sink, dir, &protocols[1]);
    http_head_parse(&lane->head, &lane->message->arena, bytes, len);
    if (!response && lane->head.minor == 0)
        message_protocol(lane->message, &protocols[0]);
    lane->message->bytes += len;
    lane->message->key = response ? 0 : key_of(&lane->head);
    lane->no_body = response && has_no_body(&lane->head, request);
    if (lane->head.status == 101)
        lane->switches = switched_to(&lane->head);
    else if (request && request->key == KEY_CONNECT && lane->no_body)
        lane->switches = "";
    lane->unasked = response && !request;
    lane->keeps = sink_wants(sink, WANT_BODY);
    lane->body.limit = sink_body_limit(sink);
    lane->lost = lane->lost && !response;
}

/* Shows llhttp the head: its start line as we understood it, the fields as they came.
 */
static bool judge(struct lane *lane, const uint8_t *bytes, size_t len)
{
    char line[] = "POST / HTTP/1.1\r\n", status[] = "HTTP/1.1 200 \r\n", digits[8];
    snprintf(digits, sizeof digits, "%03u", lane->head.status);
    const uint8_t *fields = memchr(bytes, '\n', len);
    size_t start = fields ? (size_t)(fields - bytes) + 1 : len;
    line[14] = lane->head.minor ? '1' : '0';
    status[7] = line[14];
    for (size_t i = 0; lane->head.response && i < 3; i++)
        status[9 + i] = digits[i];
    parser_start(lane);
    long rc = lane->head.response ? parse(lane, status, sizeof status - 1)
                                  : parse(lane, line, sizeof line - 1);
    return rc >= 0 && parse(lane, bytes + start, len - start) >= 0;
}

/* A head that llhttp refused may still say clearly where its body ends. */
static bool judge_framing(struct lane *lane)
{
    char framing[HTTP_FRAMING_MAX];
    size_t len = http_head_framing(&lane->head, framing);
    parser_start(lane);
    return len > 0 && parse(lane, framing, len) >= 0;
}

static bool is_interim(const uint8_t *bytes, size_t len)
{
    return http_start(bytes, len) == HTTP_STATUS_LINE && bytes[9] == '1' &&
           memcmp(bytes + 9, "101", 3) != 0;
}

static long take_head(struct http1 *http, struct sink *sink, enum direction dir,
                      struct rd rd)
{
    struct lane *lane = &http->lanes[dir];
    size_t len = http_head_len(rd.at, rd_left(&rd), &lane->scanned);
    bool too_long = len > HEAD_MAX || (len == 0 && rd_left(&rd) > HEAD_MAX);
    if (len == 0 && !too_long)
        return 0;
    if (too_long)
        len = HEAD_MAX;
    lane->scanned = 0;
    /* Interim responses are the hop's affair. */
    if (is_interim(rd.at, len))
        return (long)len;
    begin(http, sink, dir, rd.at, len);
    lane->phase = PHASE_BODY;
    if (lane->head.strange)
        message_fail(lane->message, "malformed",
                     "no version of HTTP/1 in the first line");
    if (too_long) {
        message_fail(lane->message, "malformed", "head of more than %zu bytes",
                     HEAD_MAX);
        lane->cut = true;
        finish(lane, sink, PHASE_RESYNC);
        return (long)len;
    }
    if (!judge(lane, rd.at, len)) {
        const char *why = llhttp_get_error_reason(&lane->parser);
        message_fail(lane->message, "malformed", "%s", why ? why : "bad head");
        if (!judge_framing(lane)) {
            finish(lane, sink, PHASE_RESYNC);
            return (long)len;
        }
    }
    if (lane->complete)
        finish(lane, sink, PHASE_HEAD);
    return (long)len;
}

/* Where a body should begin, a status line: the request that was not seen was a HEAD.
 */
static enum http_start instead_of_body(const struct lane *lane, struct rd rd)
{
    static const char line[] = "HTTP/1.";
    size_t len = rd_left(&rd) < strlen(line) ? rd_left(&rd) : strlen(line);
    if (!lane->unasked || lane->size > 0 || memcmp(rd.at, line, len) != 0)
        return HTTP_NO;
    return http_start(rd.at, rd_left(&rd));
}

static long take_body(struct lane *lane, struct sink *sink, struct rd rd)
{
    long eaten = parse(lane, rd.at, rd_left(&rd));
    if (eaten < 0) {
        const char *why = llhttp_get_error_reason(&lane->parser);
        const char *at = llhttp_get_error_pos(&lane->parser);
        message_fail(lane->message, "malformed", "%s", why ? why : "bad body");
        lane->cut = true;
        size_t good = at ? (size_t)((const uint8_t *)at - rd.at) : 0;
        if (good > rd_left(&rd))
            good = 0;
        lane->message->bytes += good;
        finish(lane, sink, PHASE_RESYNC);
        /* The byte that is wrong may begin the next message, so it is looked at again.
         */
        return good > 0 ? (long)good : 1;
    }
    lane->message->bytes += (uint64_t)eaten;
    if (lane->complete)
        finish(lane, sink, PHASE_HEAD);
    return eaten;
}

/* Skips to the next line that can begin a message. */
static long resync(struct lane *lane, struct rd rd)
{
    const uint8_t *at = rd.at;
    while (at < rd.end) {
        size_t left = (size_t)(rd.end - at);
        enum http_start start = http_start(at, left);
        bool waits = start == HTTP_MORE && left <= LINE_MAX;
        if (start == HTTP_REQUEST_LINE || start == HTTP_STATUS_LINE)
            lane->phase = PHASE_HEAD;
        if (lane->phase == PHASE_HEAD || waits)
            break;
        const uint8_t *end = memchr(at, '\n', left);
        at = end ? end + 1 : rd.end;
    }
    return at - rd.at;
}

static long http1_feed(void *state, struct sink *sink, enum direction dir, struct rd rd)
{
    struct http1 *http = state;
    struct lane *lane = &http->lanes[dir];
    long skipped = 0;
    if (lane->phase == PHASE_BODY) {
        enum http_start instead = instead_of_body(lane, rd);
        if (instead == HTTP_MORE)
            return 0;
        if (instead != HTTP_STATUS_LINE)
            return take_body(lane, sink, rd);
        finish(lane, sink, PHASE_HEAD);
    }
    if (lane->phase == PHASE_HEAD) {
        /* Empty lines in front of a start line (RFC 9112 2.2). */
        while ((rd_peek(&rd) == '\r' || rd_peek(&rd) == '\n') && rd_left(&rd) > 0) {
            rd_skip(&rd, 1);
            skipped++;
        }
        if (skipped > 0)
            return skipped;
        enum http_start start = http_start(rd.at, rd_left(&rd));
        if (start == HTTP_NO || (start == HTTP_MORE && rd_left(&rd) > HEAD_MAX)) {
            lane->phase = PHASE_RESYNC;
            lane->scanned = 0;
        } else if (start == HTTP_MORE) {
            return 0;
        }
    }
    if (lane->phase == PHASE_RESYNC) {
        skipped = resync(lane, rd);
        if (skipped > 0 || lane->phase == PHASE_RESYNC)
            return skipped;
    }
    return take_head(http, sink, dir, rd);
}

/* ---- loss and ends */

/* Lets llhttp count lost bytes of a body: all but the last by hand, however many they
 * are. */
static bool fill(struct lane *lane, uint64_t missing)
{
    bool counted = lane->in_chunk || (lane->parser.flags & F_CONTENT_LENGTH &&
                                      !(lane->parser.flags & F_CHUNKED));
    if (!counted || missing == 0 || missing > lane->parser.content_length)
        return false;
    lane->parser.content_length -= missing - 1;
    lane->size += missing - 1;
    lane->gap += missing - 1;
    lane->filling = true;
    long eaten = parse(lane, "", 1);
    lane->filling = false;
    return eaten >= 0;
}

static void http1_gap(void *state, struct sink *sink, enum direction dir,
                      uint64_t missing)
{
    struct lane *lane = &((struct http1 *)state)->lanes[dir];
    lane->scanned = 0;
    if (lane->phase != PHASE_BODY) {
        lane->phase = PHASE_RESYNC;
        lane->lost = true;
        return;
    }
    lane->message->bytes += missing;
    if (until_close(lane)) {
        lane->gap += missing;
        lane->size += missing;
    } else if (!fill(lane, missing)) {
        /* Where the body ended is lost, too. */
        lane->gap += missing;
        lane->cut = true;
        finish(lane, sink, PHASE_RESYNC);
        lane->lost = true;
    } else if (lane->complete) {
        finish(lane, sink, PHASE_HEAD);
    }
}

static const char *ended_by(enum stream_end why)
{
    static const char *const words[] = {
        [END_FIN] = "the connection was closed",
        [END_RESET] = "the connection was reset",
        [END_TIMEOUT] = "the connection fell silent",
        [END_EVICTED] = "the stream was dropped for room",
        [END_STOP] = "the capture ended",
    };
    return words[why];
}

static void http1_done(void *state, struct sink *sink, enum direction dir,
                       enum stream_end why, struct rd rest)
{
    struct http1 *http = state;
    struct lane *lane = &http->lanes[dir];
    struct message *message = lane->message;
    if (lane->phase == PHASE_BODY && lane->head.response && why == END_STOP &&
        sink_retract(sink, message, "truncated",
                     "the capture ended within the response")) {
        lane_clear(lane, PHASE_RESYNC);
        return;
    }
    if (lane->phase == PHASE_BODY) {
        bool whole = until_close(lane) && (why == END_FIN || why == END_RESET);
        if (!whole) {
            lane->cut = true;
            message_fail(message, "truncated", "%s within a body", ended_by(why));
        }
        finish(lane, sink, PHASE_RESYNC);
        return;
    }
    /* A head that a peer left unfinished was its doing; where the capture ended, it was
     * ours. */
    if (lane->phase == PHASE_HEAD && why != END_STOP && rd_left(&rest) > 0 &&
        http_start(rest.at, rd_left(&rest)) >= HTTP_REQUEST_LINE) {
        begin(http, sink, dir, rest.at, rd_left(&rest));
        message_fail(lane->message, "truncated", "%s within a head", ended_by(why));
        lane->cut = true;
        lane->switches = NULL;
        finish(lane, sink, PHASE_RESYNC);
    }
}

static size_t http1_held(const void *state)
{
    const struct http1 *http = state;
    return http->lanes[0].body.cap + http->lanes[1].body.cap;
}

static void http1_free(void *state)
{
    struct http1 *http = state;
    for (int i = 0; i < 2; i++)
        buf_fini(&http->lanes[i].body);
}

static int http1_probe(struct rd bytes, enum stream_kind kind)
{
    (void)kind;
    while (rd_left(&bytes) > 0 && (rd_peek(&bytes) == '\r' || rd_peek(&bytes) == '\n'))
        rd_skip(&bytes, 1);
    switch (http_start(bytes.at, rd_left(&bytes))) {
    case HTTP_NO:
        return 0;
    case HTTP_MORE:
        return PROBE_MORE;
    case HTTP_STRANGE:
    case HTTP_STRANGE_STATUS:
        return 45;
    case HTTP_REQUEST_LINE:
    case HTTP_STATUS_LINE:
        return 95;
    }
    return 0;
}

const struct dissector http1_dissector = {
    .name = "http",
    .kinds = 1u << STREAM_TCP,
    .ports = (const uint16_t[]){80, 8080, 8000, 3128, 8888, 0},
    .state_size = sizeof(struct http1),
    .probe = http1_probe,
    .feed = http1_feed,
    .gap = http1_gap,
    .done = http1_done,
    .free = http1_free,
    .held = http1_held,
};
