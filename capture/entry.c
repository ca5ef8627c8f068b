#include "capture/entry.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/names.h"
#include "capture/proto/table.h"
#include "capture/sink.h"
#include "kfl/base/clock.h"
#include "kfl/base/mem.h"

/* More requests than that without a response are no conversation. */
#define WAITING_MAX 4096
#define ID_TEXT     48

struct exchange {
    struct exchange *prev, *next;
    struct message *request, *response;
    const struct protocol *protocol;
    struct name names[2]; /* of the ends, as they were at its start */
    size_t held;          /* bytes of its finished messages */
    uint32_t index;
    bool alone;
};

static const char *const layer4[] = {[STREAM_TCP] = "tcp",
                                     [STREAM_UDP] = "udp",
                                     [STREAM_ICMP] = "icmp",
                                     [STREAM_SCTP] = "sctp"};

static enum direction opposite(enum direction dir)
{
    return dir == DIR_FORWARD ? DIR_REVERSE : DIR_FORWARD;
}

void sink_init(struct sink *sink, struct dissect_env *env, const struct stream *stream)
{
    *sink = (struct sink){.env = env, .stream = stream};
}

/* ---- exchanges */

static void message_free(struct message *message)
{
    if (!message)
        return;
    arena_fini(&message->arena);
    free(message);
}

static void exchange_remove(struct sink *sink, struct exchange *x)
{
    *(x->prev ? &x->prev->next : &sink->first) = x->next;
    *(x->next ? &x->next->prev : &sink->last) = x->prev;
    sink->count--;
    sink->held -= x->held;
    message_free(x->request);
    message_free(x->response);
    free(x);
}

void sink_fini(struct sink *sink)
{
    while (sink->first)
        exchange_remove(sink, sink->first);
}

static struct exchange *exchange_add(struct sink *sink, const struct protocol *protocol)
{
    struct exchange *x = mem_zalloc(sizeof *x);
    x->protocol = protocol;
    x->index = sink->next_index++;
    x->prev = sink->last;
    *(sink->last ? &sink->last->next : &sink->first) = x;
    sink->last = x;
    sink->count++;
    return x;
}

static struct message *message_new(struct sink *sink, struct exchange *x,
                                   enum side side, enum direction dir)
{
    struct message *message = mem_zalloc(sizeof *message);
    arena_init(&message->arena, sink->env->memory_limit);
    doc_make_object(&message->doc);
    message->exchange = x;
    message->side = side;
    message->dir = dir;
    message->start_at = sink->first_at;
    *(side == SIDE_REQUEST ? &x->request : &x->response) = message;
    return message;
}

static void name_ends(struct sink *sink, struct exchange *x, struct message *message)
{
    for (int i = 0; i < 2; i++)
        names_find(sink->env->names, &sink->stream->ends[i].address, message->start_at,
                   &message->arena, &x->names[i]);
}

/* ---- the document */

static void put_end(struct arena *arena, struct doc_value *root, const char *key,
                    const struct endpoint *end, const struct name *name)
{
    char ip[ADDRESS_TEXT], port[8];
    struct doc_value *object = doc_put_object(arena, root, key);
    address_text(ip, &end->address);
    int len = snprintf(port, sizeof port, "%u", end->port);
    doc_put_str(arena, object, "ip", arena_dup(arena, ip, strlen(ip)));
    doc_put_str(arena, object, "port", arena_dup(arena, port, (size_t)len));
    doc_put_str(arena, object, "name", name->name);
    doc_put_str(arena, object, "namespace", name->namespace);
    doc_put_str(arena, object, "pod", name->pod);
    doc_put_str(arena, object, "service", name->service);
}

static void put_protocol(struct arena *arena, struct doc_value *root,
                         const struct protocol *protocol, enum stream_kind kind)
{
    struct doc_value *object = doc_put_object(arena, root, "protocol");
    doc_put_str(arena, object, "name", protocol->name);
    doc_put_str(arena, object, "version", protocol->version);
    doc_put_str(arena, object, "abbr", protocol->abbr);
    doc_put_str(arena, object, "longName", protocol->longname);
    doc_put_str(arena, object, "macro", protocol->macro);
    doc_put_str(arena, object, "layer4", layer4[kind]);
}

static int64_t floor_ms(int64_t at)
{
    return at / NS_PER_MS - (at % NS_PER_MS < 0);
}

static void put_times(struct arena *arena, struct doc_value *root, int64_t start_at,
                      int64_t done_at)
{
    char start[CLOCK_TEXT];
    clock_format(start, start_at, 9);
    doc_put_int(arena, root, "timestamp", floor_ms(start_at));
    doc_put_str(arena, root, "startTime", arena_dup(arena, start, strlen(start)));
    /* Of rounded times: so timestamp + elapsedTime is in the order of completion. */
    doc_put_int(arena, root, "elapsedTime", floor_ms(done_at) - floor_ms(start_at));
}

static void put_message(struct arena *arena, struct doc_value *root, const char *key,
                        const struct message *message)
{
    struct doc_value *value = doc_put(arena, root, key, strlen(key));
    if (value)
        *value = message ? message->doc : (struct doc_value){.type = DOC_NULL};
}

static void put_error(struct arena *arena, struct doc_value *root, const char *type,
                      const char *msg)
{
    if (!type) {
        doc_put_null(arena, root, "error");
        return;
    }
    struct doc_value *object = doc_put_object(arena, root, "error");
    doc_put_str(arena, object, "type", type);
    doc_put_str(arena, object, "msg", arena_dup(arena, msg, strlen(msg)));
}

static void put_id(struct arena *arena, struct doc_value *root,
                   const struct stream *stream, uint32_t index)
{
    char file[STREAM_NAME], id[ID_TEXT];
    stream_file(file, stream->number, stream->kind);
    int len = snprintf(id, sizeof id, "%012llu-%u", (unsigned long long)stream->number,
                       index);
    doc_put_str(arena, root, "id", arena_dup(arena, id, (size_t)len));
    doc_put_int(arena, root, "index", index);
    doc_put_str(arena, root, "stream", arena_dup(arena, file, strlen(file)));
}

static void put_entry_file(struct arena *arena, struct doc_value *root,
                           const struct stream *stream, uint32_t index)
{
    char file[ID_TEXT];
    int len = snprintf(file, sizeof file, "%012llu-%u.json",
                       (unsigned long long)stream->number, index);
    doc_put_str(arena, root, "entryFile", arena_dup(arena, file, (size_t)len));
}

/* The direction of the requester: entries are told from its side. */
static enum direction exchange_dir(const struct exchange *x)
{
    if (x->request)
        return x->request->dir;
    return x->alone ? x->response->dir : opposite(x->response->dir);
}

static void build(struct entry *entry, struct sink *sink, const struct exchange *x,
                  const char *error, const char *msg)
{
    const struct stream *stream = sink->stream;
    const struct dissect_env *env = sink->env;
    struct arena *arena = &(x->request ? x->request : x->response)->arena;
    struct doc_value *root = &entry->doc;
    enum direction from = exchange_dir(x), to = opposite(from);
    /* The few fixed keys must find room in a message that filled its own. */
    arena->limit = 0;
    doc_make_object(root);
    put_id(arena, root, stream, x->index);
    struct doc_value *node = doc_put_object(arena, root, "node");
    doc_put_str(arena, node, "ip", env->node_ip ? env->node_ip : "");
    doc_put_str(arena, node, "name", env->node_name ? env->node_name : "");
    put_protocol(arena, root, x->protocol, stream->kind);
    doc_put_bool(arena, root, "tls", false);
    put_end(arena, root, "src", &stream->ends[from], &x->names[from]);
    put_end(arena, root, "dst", &stream->ends[to], &x->names[to]);
    doc_put_bool(arena, root, "outgoing", from == DIR_FORWARD && stream->outgoing);
    put_times(arena, root, entry->start_at, entry->done_at);
    put_message(arena, root, "request", x->request);
    put_message(arena, root, "response", x->response);
    doc_put_int(arena, root, "requestSize",
                x->request ? (int64_t)x->request->bytes : 0);
    doc_put_int(arena, root, "responseSize",
                x->response ? (int64_t)x->response->bytes : 0);
    struct doc_value *capture = doc_put_object(arena, root, "capture");
    doc_put_str(arena, capture, "iface", stream->iface ? stream->iface : "");
    doc_put_str(arena, capture, "tunnel", stream->tunnel ? stream->tunnel : "");
    doc_put_int(arena, capture, "vlan", stream->vlan);
    put_error(arena, root, error, msg);
    put_entry_file(arena, root, stream, x->index);
}

static void emit(struct sink *sink, struct exchange *x, const char *error,
                 const char *msg)
{
    const struct message *first = x->request ? x->request : x->response;
    if (x->response && x->response->error) {
        error = x->response->error;
        msg = x->response->error_msg;
    }
    if (x->request && x->request->error) {
        error = x->request->error;
        msg = x->request->error_msg;
    }
    struct entry entry = {.stream = sink->stream,
                          .abbr = x->protocol->abbr,
                          .index = x->index,
                          .start_at = first->start_at,
                          .done_at =
                              sink->at > first->start_at ? sink->at : first->start_at};
    build(&entry, sink, x, error, msg);
    if (sink->env->counters) {
        sink->env->counters->entries++;
        sink->env->counters->errors += error != NULL;
    }
    sink->env->emit(sink->env->context, &entry);
    exchange_remove(sink, x);
}

static void emit_unanswered(struct sink *sink, struct exchange *x, enum stream_end why)
{
    static const struct {
        const char *type, *msg;
    } words[] = {
        [END_FIN] = {"no response", "the connection was closed without a response"},
        [END_RESET] = {"Reset", "connection reset by peer"},
        [END_TIMEOUT] = {"timeout", "no response"},
        [END_EVICTED] = {"no response",
                         "the stream was dropped for room before a response"},
        [END_STOP] = {"no response", "the capture ended before a response"},
    };
    if (sink->answer_ns)
        why = END_TIMEOUT;
    emit(sink, x, words[why].type, words[why].msg);
}

/* ---- what dissectors say */

bool sink_wants(const struct sink *sink, enum want want)
{
    return sink->env->wants & (unsigned)want;
}

size_t sink_body_limit(const struct sink *sink)
{
    return sink->env->body_limit;
}

bool sink_has_port(const struct sink *sink, uint16_t port)
{
    return sink->stream->ends[0].port == port || sink->stream->ends[1].port == port;
}

enum stream_kind sink_kind(const struct sink *sink)
{
    return sink->stream->kind;
}

/* Makes room by what waits longest; a message that is still read is its dissector's. */
static bool evict(struct sink *sink)
{
    struct exchange *x = sink->first;
    while (x && !(x->request && x->request->done && !x->response))
        x = x->next;
    if (x)
        emit_unanswered(sink, x, END_EVICTED);
    return x;
}

struct message *sink_request(struct sink *sink, enum direction dir,
                             const struct protocol *protocol)
{
    size_t limit = sink->env->memory_limit;
    while ((sink->count >= WAITING_MAX || (limit && sink->held > limit)) && evict(sink))
        continue;
    struct exchange *x = exchange_add(sink, protocol);
    struct message *message = message_new(sink, x, SIDE_REQUEST, dir);
    name_ends(sink, x, message);
    return message;
}

struct message *sink_response(struct sink *sink, enum direction dir,
                              const struct protocol *protocol, struct message *request)
{
    struct exchange *x = request ? request->exchange : exchange_add(sink, protocol);
    struct message *message = message_new(sink, x, SIDE_RESPONSE, dir);
    if (!request)
        name_ends(sink, x, message);
    return message;
}

struct message *sink_pending(struct sink *sink, enum direction dir,
                             const struct message *after)
{
    struct exchange *x = after ? after->exchange->next : sink->first;
    while (x && !(x->request && !x->response && x->request->dir == dir))
        x = x->next;
    return x ? x->request : NULL;
}

static void finish(struct sink *sink, struct message *message)
{
    if (message->arena.failed && sink->env->counters)
        sink->env->counters->truncated++;
    message->end_at = sink->at;
    message->done = true;
    message->exchange->held += message->arena.used;
    sink->held += message->arena.used;
}

void sink_done(struct sink *sink, struct message *message)
{
    struct exchange *x = message->exchange;
    finish(sink, message);
    if (!x->request)
        emit(sink, x, "no request", "the request of this response was not seen");
    else if (x->request->done && x->response && x->response->done)
        emit(sink, x, NULL, NULL);
}

void sink_alone(struct sink *sink, struct message *message)
{
    struct exchange *x = message->exchange;
    finish(sink, message);
    x->alone = true;
    emit(sink, x, NULL, NULL);
}

void sink_abandon(struct sink *sink, struct message *request, const char *type,
                  const char *msg)
{
    emit(sink, request->exchange, type, msg);
}

bool sink_retract(struct sink *sink, struct message *response, const char *type,
                  const char *msg)
{
    struct exchange *x = response->exchange;
    if (!x->request)
        return false;
    message_free(response);
    x->response = NULL;
    if (x->request->done)
        emit(sink, x, type, msg);
    else
        message_fail(x->request, type, "%s", msg);
    return true;
}

void message_protocol(struct message *message, const struct protocol *protocol)
{
    message->exchange->protocol = protocol;
}

void message_fail(struct message *message, const char *type, const char *format, ...)
{
    va_list args;
    if (message->error)
        return;
    message->error = type;
    va_start(args, format);
    vsnprintf(message->error_msg, sizeof message->error_msg, format, args);
    va_end(args);
}

void sink_learn(struct sink *sink, const struct address *address, const char *name,
                size_t len, uint32_t ttl_s)
{
    names_learn(sink->env->names, address, name, len, sink->at, ttl_s);
}

void sink_switch(struct sink *sink, const char *name)
{
    sink->switched = true;
    sink->next = name ? table_find(name) : NULL;
}

/* ---- ends */

void sink_close_direction(struct sink *sink, enum direction dir, enum stream_end why)
{
    for (struct exchange *x = sink->first, *next; x; x = next) {
        next = x->next;
        if (x->request && x->request->done && !x->response && x->request->dir != dir)
            emit_unanswered(sink, x, why);
    }
}

void sink_flush(struct sink *sink, enum stream_end why)
{
    while (sink->first) {
        struct exchange *x = sink->first;
        if (x->request && !x->response)
            emit_unanswered(sink, x, why);
        else if (!x->request)
            emit(sink, x, "no request", "the request of this response was not seen");
        else
            emit(sink, x, NULL, NULL);
    }
}

void sink_tick(struct sink *sink, int64_t now)
{
    if (!sink->answer_ns)
        return;
    for (struct exchange *x = sink->first, *next; x; x = next) {
        next = x->next;
        if (x->request && x->request->done && !x->response &&
            now - x->request->end_at >= sink->answer_ns) {
            sink->at = now;
            emit_unanswered(sink, x, END_TIMEOUT);
        }
    }
}

int64_t sink_since(const struct sink *sink)
{
    const struct exchange *x = sink->first;
    if (!x)
        return INT64_MAX;
    return x->request ? x->request->start_at : x->response->start_at;
}
