/* Parts of a DNS message (RFC 1035): names, questions, records. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/rd.h"
#include "capture/stream.h"
#include "kfl/doc.h"

#define DNS_NAME_MAX 256

struct dns_name {
    char text[DNS_NAME_MAX]; /* labels with dots between, "" the root; any bytes */
    size_t len;
};

/* A message and where we are in it: names point back into the whole. */
struct dns_reader {
    const uint8_t *message;
    size_t len;
    struct rd rd;
};

/* Reads a name; pointers may only go back (RFC 1035 4.1.4). False, and rd.bad, where it
 * is none. */
bool dns_read_name(struct dns_reader *reader, struct dns_name *name);

struct dns_question {
    struct dns_name name;
    uint16_t type, class;
};
bool dns_read_question(struct dns_reader *reader, struct dns_question *question);

struct dns_record {
    struct dns_name name;
    uint16_t type, class;
    uint32_t ttl;
    struct rd data;
};
bool dns_read_record(struct dns_reader *reader, struct dns_record *record);

/* The address of an A or AAAA record; false: it is none. */
bool dns_record_address(const struct dns_record *record, struct address *address);
/* Fill an object; `multicast`: the class's top bit is a flag (RFC 6762). */
void dns_put_question(struct arena *arena, struct doc_value *object,
                      const struct dns_question *question, bool multicast);
void dns_put_record(struct arena *arena, struct doc_value *object,
                    const struct dns_reader *reader, const struct dns_record *record,
                    bool multicast);
