/* Wire format of a record (RFC 1035 4.1.3):
 *   NAME | TYPE 16 | CLASS 16 | TTL 32 | RDLENGTH 16 | RDATA */
#include "capture/proto/dns_record.h"

#include <string.h>

#include "capture/proto/dns_text.h"

#define POINTER   0xC0
#define TOP_CLASS 0x8000
/* A name has 127 labels at most; a longer way to them is there to cost time. */
#define HOPS_MAX  128

static bool add_label(struct dns_name *name, const uint8_t *bytes, size_t len)
{
    size_t dot = name->len > 0 ? 1 : 0;
    if (name->len + dot + len >= DNS_NAME_MAX)
        return false;
    if (dot)
        name->text[name->len++] = '.';
    memcpy(name->text + name->len, bytes, len);
    name->len += len;
    return true;
}

/* Labels up to the end or a pointer; what the pointer points to goes to *target, 0: the
 * end. */
static bool read_labels(struct rd *rd, struct dns_name *name, size_t *target)
{
    for (;;) {
        uint8_t len = rd_u8(rd);
        if (rd->bad)
            return false;
        *target = 0;
        if (len == 0)
            return true;
        if ((len & POINTER) == POINTER) {
            *target = (size_t)(len & ~POINTER) << 8 | rd_u8(rd);
            return !rd->bad && *target > 0;
        }
        const uint8_t *label = (len & POINTER) == 0 ? rd_bytes(rd, len) : NULL;
        if (!label || !add_label(name, label, len))
            return false;
    }
}

bool dns_read_name(struct dns_reader *reader, struct dns_name *name)
{
    size_t start = (size_t)(reader->rd.at - reader->message), target;
    unsigned hops = 0;
    name->len = 0;
    bool good = read_labels(&reader->rd, name, &target);
    /* Each pointer must go before the place that its chain of labels began at, so there
     * is an end. */
    while (good && target > 0) {
        struct rd rd;
        if (target >= start || target >= reader->len || ++hops > HOPS_MAX) {
            good = false;
            break;
        }
        start = target;
        rd_init(&rd, reader->message + target, reader->len - target);
        good = read_labels(&rd, name, &target);
    }
    if (!good) {
        reader->rd.bad = true;
        reader->rd.at = reader->rd.end;
    }
    name->text[name->len] = 0;
    return good;
}

bool dns_read_question(struct dns_reader *reader, struct dns_question *question)
{
    dns_read_name(reader, &question->name);
    question->type = rd_be16(&reader->rd);
    question->class = rd_be16(&reader->rd);
    return !reader->rd.bad;
}

bool dns_read_record(struct dns_reader *reader, struct dns_record *record)
{
    dns_read_name(reader, &record->name);
    record->type = rd_be16(&reader->rd);
    record->class = rd_be16(&reader->rd);
    record->ttl = rd_be32(&reader->rd);
    record->data = rd_sub(&reader->rd, rd_be16(&reader->rd));
    return !reader->rd.bad;
}

bool dns_record_address(const struct dns_record *record, struct address *address)
{
    struct rd rd = record->data;
    size_t len = record->type == DNS_A ? 4 : record->type == DNS_AAAA ? 16 : 0;
    const uint8_t *bytes = len && rd_left(&rd) == len ? rd_bytes(&rd, len) : NULL;
    if (!bytes)
        return false;
    *address = (struct address){.family = len == 4 ? 4 : 6};
    memcpy(address->bytes, bytes, len);
    return true;
}

/* ---- documents */

static void put_copy(struct arena *arena, struct doc_value *object, const char *key,
                     const void *bytes, size_t len)
{
    const char *text = len ? arena_dup(arena, bytes, len) : "";
    if (text)
        doc_put_text(arena, object, key, text, len);
}

static void put_word(struct arena *arena, struct doc_value *object, const char *key,
                     const char *word)
{
    put_copy(arena, object, key, word, strlen(word));
}

static void put_head(struct arena *arena, struct doc_value *object,
                     const struct dns_name *name, uint16_t type, uint16_t class,
                     bool multicast)
{
    char word[DNS_WORD];
    if (multicast && type != DNS_OPT)
        class &= (uint16_t)~TOP_CLASS;
    put_copy(arena, object, "name", name->text, name->len);
    put_word(arena, object, "type", dns_type_text(word, type));
    put_word(arena, object, "class", dns_class_text(word, class));
}

void dns_put_question(struct arena *arena, struct doc_value *object,
                      const struct dns_question *question, bool multicast)
{
    put_head(arena, object, &question->name, question->type, question->class,
             multicast);
}

/* The name at the reader, under `key`; nothing where there is none. */
static void put_name(struct arena *arena, struct doc_value *object, const char *key,
                     struct dns_reader *reader)
{
    struct dns_name name;
    if (dns_read_name(reader, &name))
        put_copy(arena, object, key, name.text, name.len);
}

static void put_strings(struct arena *arena, struct doc_value *object, struct rd rd)
{
    struct doc_value *texts = doc_put_array(arena, object, "txts");
    while (rd_left(&rd) > 0) {
        struct rd text = rd_sub(&rd, rd_u8(&rd));
        struct doc_value *item = rd.bad ? NULL : doc_push(arena, texts);
        const char *copy = item ? arena_dup(arena, text.at, rd_left(&text)) : NULL;
        if (copy)
            doc_set_text(arena, item, copy, rd_left(&text));
    }
}

static void put_soa(struct arena *arena, struct doc_value *object,
                    struct dns_reader *reader)
{
    static const char *const numbers[] = {"serial", "refresh", "retry", "expire",
                                          "minimum"};
    struct doc_value *soa = doc_put_object(arena, object, "soa");
    put_name(arena, soa, "mname", reader);
    put_name(arena, soa, "rname", reader);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        uint32_t number = rd_be32(&reader->rd);
        if (!reader->rd.bad)
            doc_put_int(arena, soa, numbers[i], number);
    }
}

static void put_srv(struct arena *arena, struct doc_value *object,
                    struct dns_reader *reader)
{
    struct doc_value *srv = doc_put_object(arena, object, "srv");
    doc_put_int(arena, srv, "priority", rd_be16(&reader->rd));
    doc_put_int(arena, srv, "weight", rd_be16(&reader->rd));
    doc_put_int(arena, srv, "port", rd_be16(&reader->rd));
    put_name(arena, srv, "name", reader);
}

static void put_mx(struct arena *arena, struct doc_value *object,
                   struct dns_reader *reader)
{
    struct doc_value *mx = doc_put_object(arena, object, "mx");
    doc_put_int(arena, mx, "preference", rd_be16(&reader->rd));
    put_name(arena, mx, "name", reader);
}

static void put_uri(struct arena *arena, struct doc_value *object, struct rd rd)
{
    struct doc_value *uri = doc_put_object(arena, object, "uri");
    doc_put_int(arena, uri, "priority", rd_be16(&rd));
    doc_put_int(arena, uri, "weight", rd_be16(&rd));
    put_copy(arena, uri, "target", rd.at, rd_left(&rd));
}

/* Options of EDNS (RFC 6891 6.1.2), their data in hex. */
static void put_options(struct arena *arena, struct doc_value *object, struct rd rd)
{
    static const char digits[] = "0123456789abcdef";
    struct doc_value *options = doc_put_array(arena, object, "opt");
    while (rd_left(&rd) > 0) {
        uint16_t code = rd_be16(&rd);
        struct rd data = rd_sub(&rd, rd_be16(&rd));
        size_t len = rd_left(&data);
        struct doc_value *item = rd.bad ? NULL : doc_push(arena, options);
        char *hex = item ? arena_alloc(arena, len * 2) : NULL;
        if (!hex)
            return;
        for (size_t i = 0; i < len; i++) {
            hex[2 * i] = digits[data.at[i] >> 4];
            hex[2 * i + 1] = digits[data.at[i] & 15];
        }
        doc_make_object(item);
        doc_put_int(arena, item, "code", code);
        doc_put_text(arena, item, "data", hex, len * 2);
    }
}

void dns_put_record(struct arena *arena, struct doc_value *object,
                    const struct dns_reader *reader, const struct dns_record *record,
                    bool multicast)
{
    struct dns_reader data = {reader->message, reader->len, record->data};
    struct address address;
    char text[ADDRESS_TEXT];
    put_head(arena, object, &record->name, record->type, record->class, multicast);
    doc_put_int(arena, object, "ttl", record->ttl);
    switch (record->type) {
    case DNS_A:
    case DNS_AAAA:
        if (dns_record_address(record, &address))
            put_word(arena, object, "ip", address_text(text, &address));
        break;
    case DNS_NS:
        put_name(arena, object, "ns", &data);
        break;
    case DNS_CNAME:
    case DNS_DNAME:
        put_name(arena, object, "cname", &data);
        break;
    case DNS_PTR:
        put_name(arena, object, "ptr", &data);
        break;
    case DNS_TXT:
    case DNS_SPF:
    case DNS_HINFO:
        put_strings(arena, object, record->data);
        break;
    case DNS_SOA:
        put_soa(arena, object, &data);
        break;
    case DNS_SRV:
        put_srv(arena, object, &data);
        break;
    case DNS_MX:
        put_mx(arena, object, &data);
        break;
    case DNS_OPT:
        put_options(arena, object, record->data);
        break;
    case DNS_URI:
        put_uri(arena, object, record->data);
        break;
    default:
        break;
    }
}
