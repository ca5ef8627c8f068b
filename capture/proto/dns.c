/* DNS (RFC 1035), over UDP and TCP, multicast (RFC 6762) and link-local (RFC 4795).
 *
 *   ID 16 | QR 1 Opcode 4 AA TC RD RA Z 3 RCODE 4 | QDCOUNT | ANCOUNT | NSCOUNT |
 * ARCOUNT, 16 each then questions and records; over TCP a length of 16 bits is in
 * front. */
#include <errno.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "capture/proto/dns.h"
#include "capture/proto/dns_record.h"
#include "capture/proto/dns_text.h"
#include "capture/proto/proto.h"
#include "kfl/base/clock.h"

#define HEADER_LEN    ((size_t)12)
#define QUESTION_MIN  ((size_t)5)
#define RECORD_MIN    ((size_t)11)
#define ANSWER_NS     (10 * NS_PER_S)
#define PORT_DNS      53
#define PORT_MDNS     5353
#define PORT_LLMNR    5355
#define FLAG_RESPONSE 0x8000
#define ID_MASK       UINT64_C(0xFFFF)

/* One direction of a TCP stream: the message that has not come whole yet. */
struct lane {
    size_t have, need;
    uint64_t skip; /* bytes of a message that has lost some */
    bool lost;     /* where messages begin is not known */
};

struct dns {
    struct lane lanes[2];
};

struct header {
    uint16_t id, flags, counts[4];
};

enum section { QUESTIONS, ANSWERS, AUTHORITIES, ADDITIONALS };

static const struct protocol protocol_dns = {"dns", "", "DNS", "Domain Name System",
                                             "dns"};
static const struct protocol protocol_mdns = {"mdns", "", "MDNS",
                                              "Multicast Domain Name System", "mdns"};
static const struct protocol protocol_llmnr = {
    "llmnr", "", "LLMNR", "Link-local Multicast Name Resolution", "llmnr"};

static unsigned opcode_of(const struct header *header)
{
    return header->flags >> 11 & 15;
}

static bool read_header(struct dns_reader *reader, struct header *header,
                        const void *bytes, size_t len)
{
    reader->message = bytes;
    reader->len = len;
    rd_init(&reader->rd, bytes, len);
    header->id = rd_be16(&reader->rd);
    header->flags = rd_be16(&reader->rd);
    for (int i = 0; i < 4; i++)
        header->counts[i] = rd_be16(&reader->rd);
    return !reader->rd.bad;
}

/* ---- is it DNS? */

/* Could so many parts lie in so many bytes? */
static bool plausible(const struct header *header, size_t len)
{
    static const uint8_t known[16] = {
        [0] = 1, [1] = 1, [2] = 1, [4] = 1, [5] = 1, [6] = 1};
    size_t records = (size_t)header->counts[1] + header->counts[2] + header->counts[3];
    size_t least = header->counts[0] * QUESTION_MIN + records * RECORD_MIN;
    return known[opcode_of(header)] && HEADER_LEN + least <= len && least > 0;
}

static bool known_class(uint16_t class)
{
    class &= 0x7FFF;
    return class == 1 || class == 3 || class == 4 || class == 254 || class == 255;
}

/* Names of NetBIOS are one label of 32 letters A to P; its messages are laid out like
 * ours. */
static bool is_netbios(const struct dns_name *name)
{
    size_t i = 0;
    while (i < name->len && name->text[i] >= 'A' && name->text[i] <= 'P')
        i++;
    return i == 32 && (name->len == 32 || name->text[32] == '.');
}

/* Is every byte of it accounted for? */
static bool strict(struct dns_reader *reader, const struct header *header)
{
    struct dns_question question;
    struct dns_record record;
    size_t records = (size_t)header->counts[1] + header->counts[2] + header->counts[3];
    bool response = header->flags & FLAG_RESPONSE;
    if (header->counts[QUESTIONS] > 32 || (!response && header->counts[QUESTIONS] == 0))
        return false;
    for (size_t i = 0; i < header->counts[QUESTIONS]; i++) {
        if (!dns_read_question(reader, &question) || !known_class(question.class) ||
            question.type == 0 || is_netbios(&question.name))
            return false;
    }
    for (size_t i = 0; i < records; i++) {
        if (!dns_read_record(reader, &record) ||
            (record.type != DNS_OPT && !known_class(record.class)) ||
            is_netbios(&record.name))
            return false;
    }
    return rd_left(&reader->rd) == 0;
}

static int probe_message(struct rd bytes, size_t len)
{
    struct dns_reader reader;
    struct header header;
    size_t have = rd_left(&bytes) < len ? rd_left(&bytes) : len;
    if (!read_header(&reader, &header, bytes.at, have) || !plausible(&header, len))
        return 0;
    if (have == len && strict(&reader, &header))
        return 80;
    /* A port that is meant for it makes up for the rest. */
    return 42;
}

static int dns_probe(struct rd bytes, enum stream_kind kind)
{
    size_t len = rd_left(&bytes);
    if (kind == STREAM_UDP)
        return probe_message(bytes, len);
    if (len < 2 + HEADER_LEN)
        return len < 2 || (bytes.at[0] << 8 | bytes.at[1]) >= (int)HEADER_LEN
                   ? PROBE_MORE
                   : 0;
    len = rd_be16(&bytes);
    return len < HEADER_LEN ? 0 : probe_message(bytes, len);
}

/* ---- messages */

struct parse {
    struct dns_reader reader;
    struct header header;
    struct sink *sink;
    struct message *message;
    const struct protocol *protocol;
    struct dns_question question; /* the first */
    unsigned rcode;
    bool multicast;
};

static void put_questions(struct parse *p, struct doc_value *array)
{
    struct dns_question question;
    for (size_t i = 0; i < p->header.counts[QUESTIONS]; i++) {
        if (!dns_read_question(&p->reader, &question))
            return;
        struct doc_value *item = array ? doc_push(&p->message->arena, array) : NULL;
        if (!item)
            continue;
        doc_make_object(item);
        dns_put_question(&p->message->arena, item, &question, p->multicast);
    }
}

static void learn(struct parse *p, const struct dns_record *record)
{
    /* What was asked for is what people call it, not where aliases led. */
    const struct dns_name *name =
        p->header.counts[QUESTIONS] ? &p->question.name : &record->name;
    struct address address;
    if (dns_record_address(record, &address))
        sink_learn(p->sink, &address, name->text, name->len, record->ttl);
}

static void put_records(struct parse *p, enum section section, struct doc_value *array)
{
    struct dns_record record;
    bool response = p->header.flags & FLAG_RESPONSE;
    for (size_t i = 0; i < p->header.counts[section]; i++) {
        if (!dns_read_record(&p->reader, &record))
            return;
        if (section == ANSWERS && response)
            learn(p, &record);
        /* The upper bits of the code (RFC 6891 6.1.3). */
        if (section == ADDITIONALS && record.type == DNS_OPT)
            p->rcode |= record.ttl >> 24 << 4;
        struct doc_value *item = array ? doc_push(&p->message->arena, array) : NULL;
        if (!item)
            continue;
        doc_make_object(item);
        dns_put_record(&p->message->arena, item, &p->reader, &record, p->multicast);
    }
}

static void put_query(struct parse *p)
{
    struct arena *arena = &p->message->arena;
    struct doc_value *doc = &p->message->doc;
    doc_put_str(arena, doc, "opCode", dns_opcode_text(opcode_of(&p->header)));
    put_questions(p, doc_put_array(arena, doc, "questions"));
    for (int section = ANSWERS; section <= ADDITIONALS; section++)
        put_records(p, (enum section)section, NULL);
}

static void put_answer(struct parse *p, bool alone)
{
    static const char *const names[] = {NULL, "answers", "authorities", "additionals"};
    struct arena *arena = &p->message->arena;
    struct doc_value *doc = &p->message->doc, questions;
    doc_make_array(&questions);
    doc_put_str(arena, doc, "code", "");
    put_questions(p, alone ? &questions : NULL);
    for (int section = ANSWERS; section <= ADDITIONALS; section++) {
        bool wanted = sink_wants(p->sink, WANT_RECORDS);
        put_records(p, (enum section)section,
                    wanted ? doc_put_array(arena, doc, names[section]) : NULL);
    }
    const char *code = dns_rcode_text(p->rcode);
    struct doc_value *value = doc_get(doc, "code");
    if (value)
        doc_set_text(arena, value, code, strlen(code));
    /* With no request beside it, the answer says itself what was asked. */
    value = alone ? doc_put(arena, doc, "questions", strlen("questions")) : NULL;
    if (value)
        *value = questions;
}

/* What pairs a response with its request: the id, and the question as it is asked
 * again. */
static uint64_t key_of(struct parse *p)
{
    struct dns_reader reader = p->reader;
    struct dns_question *q = &p->question;
    *q = (struct dns_question){.type = 0};
    if (p->header.counts[QUESTIONS] == 0 || !dns_read_question(&reader, q))
        return p->header.id;
    char lower[DNS_NAME_MAX];
    for (size_t i = 0; i < q->name.len; i++) {
        char c = q->name.text[i];
        lower[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    uint64_t hash =
        XXH3_64bits_withSeed(lower, q->name.len, (uint64_t)q->type << 16 | q->class);
    return (hash & ~ID_MASK) | p->header.id;
}

static bool answers(uint64_t response, uint64_t request)
{
    bool no_question = !(response & ~ID_MASK);
    return response == request || (no_question && (request & ID_MASK) == response);
}

static struct message *request_of(struct sink *sink, enum direction dir, uint64_t key)
{
    enum direction from = dir == DIR_FORWARD ? DIR_REVERSE : DIR_FORWARD;
    struct message *request = NULL;
    while ((request = sink_pending(sink, from, request))) {
        if (answers(key, request->key))
            return request;
    }
    return NULL;
}

void dns_take(struct sink *sink, enum direction dir, const uint8_t *bytes, size_t len,
              size_t wire, bool unasked)
{
    struct parse p = {.sink = sink, .protocol = &protocol_dns};
    if (!read_header(&p.reader, &p.header, bytes, len))
        return;
    bool udp = sink_kind(sink) == STREAM_UDP;
    bool unicast = sink_has_port(sink, PORT_DNS);
    p.multicast = !unicast && sink_has_port(sink, PORT_MDNS);
    if (p.multicast)
        p.protocol = &protocol_mdns;
    else if (!unicast && sink_has_port(sink, PORT_LLMNR))
        p.protocol = &protocol_llmnr;
    p.rcode = p.header.flags & 15;
    uint64_t key = key_of(&p);
    /* Who asks a group is answered in another stream, or not at all. */
    bool alone = udp && p.protocol != &protocol_dns;
    if (p.header.flags & FLAG_RESPONSE) {
        struct message *request = alone ? NULL : request_of(sink, dir, key);
        p.message = sink_response(sink, dir, p.protocol, request);
        put_answer(&p, !request);
        alone = alone || (unasked && !request);
    } else {
        p.message = sink_request(sink, dir, p.protocol);
        p.message->key = key;
        put_query(&p);
    }
    p.message->bytes += wire;
    if (p.reader.rd.bad)
        message_fail(p.message, "malformed",
                     "the message ends too soon or has a bad name");
    (alone ? sink_alone : sink_done)(sink, p.message);
}

bool dns_is_message(const uint8_t *bytes, size_t len)
{
    struct dns_reader reader;
    struct header header;
    return read_header(&reader, &header, bytes, len) && plausible(&header, len) &&
           strict(&reader, &header);
}

static bool begins_message(struct rd rd)
{
    size_t len = rd_be16(&rd);
    return rd_left(&rd) >= len && dns_is_message(rd.at, len);
}

static long feed_tcp(struct lane *lane, struct sink *sink, enum direction dir,
                     struct rd rd)
{
    size_t left = rd_left(&rd);
    if (lane->skip > 0) {
        size_t skip = left < lane->skip ? left : (size_t)lane->skip;
        lane->skip -= skip;
        return (long)skip;
    }
    if (lane->lost && !begins_message(rd))
        return (long)left;
    lane->lost = false;
    lane->have = left;
    lane->need = 2;
    if (left < 2)
        return 0;
    size_t len = rd_be16(&rd);
    if (len < HEADER_LEN)
        return -EBADMSG;
    lane->need = len + 2;
    const uint8_t *bytes = rd_bytes(&rd, len);
    if (!bytes)
        return 0;
    lane->have = lane->need = 0;
    dns_take(sink, dir, bytes, len, len + 2, false);
    return (long)len + 2;
}

static long dns_feed(void *state, struct sink *sink, enum direction dir, struct rd rd)
{
    struct dns *dns = state;
    if (sink_kind(sink) != STREAM_UDP)
        return feed_tcp(&dns->lanes[dir], sink, dir, rd);
    size_t len = rd_left(&rd);
    dns_take(sink, dir, rd.at, len, len, false);
    return (long)len;
}

static void dns_gap(void *state, struct sink *sink, enum direction dir,
                    uint64_t missing)
{
    struct lane *lane = &((struct dns *)state)->lanes[dir];
    (void)sink;
    uint64_t inside = lane->need > 2 ? lane->need - lane->have : lane->skip;
    if (missing <= inside)
        lane->skip = inside - missing;
    else
        lane->lost = true;
    if (lane->lost)
        lane->skip = 0;
    lane->have = lane->need = 0;
}

const struct dissector dns_dissector = {
    .name = "dns",
    .kinds = 1u << STREAM_UDP | 1u << STREAM_TCP,
    .ports = (const uint16_t[]){PORT_DNS, PORT_MDNS, PORT_LLMNR, 0},
    .state_size = sizeof(struct dns),
    .answer_ns = ANSWER_NS,
    .probe = dns_probe,
    .feed = dns_feed,
    .gap = dns_gap,
};
