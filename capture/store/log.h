/* The log of a segment: a fixed record commits each packet and each line.
 *
 *    0        1             2    4        8        12     20       28      36
 *   | kind | stream kind | flags | offset | length | time | stream | order | checksum |
 *
 * Little endian, 40 bytes, behind a header of 16. The checksum is XXH32 of the 36 bytes
 * before it, seeded with XXH32 of the data. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "capture/stream.h"

#define LOG_HEADER 16
#define LOG_RECORD 40

enum record_kind { RECORD_PACKET = 1, RECORD_LINE = 2 };

/* The log was lost: order and stream are unknown. */
#define RECORD_REBUILT 1

struct record {
    uint8_t kind, stream_kind;
    uint16_t flags;
    uint32_t offset,
        length; /* in pcap (with the header of 16) or jsonl (with the newline) */
    int64_t at; /* of the packet; completion of the entry */
    uint64_t stream;
    uint64_t order; /* number of the packet; index of the entry */
};

void log_header(uint8_t out[LOG_HEADER]);
/* Is this how a log begins? 0 or -EBADMSG. */
int log_check_header(const uint8_t in[LOG_HEADER]);
void record_encode(uint8_t out[LOG_RECORD], const struct record *record,
                   const void *data);
/* 0, or -EBADMSG where the fields make no record. The data is not looked at. */
int record_decode(struct record *record, const uint8_t in[LOG_RECORD]);
/* 0 if the record and its data (record->length bytes) are what was committed, else
 * -EBADMSG. */
int record_check(const uint8_t in[LOG_RECORD], const void *data, size_t length);

/* The formats of pcap-savefile(5), little endian, nanoseconds. */
#define PCAP_HEADER  24
#define PCAP_RECORD  16
#define PCAP_SNAPLEN 262144u

void pcap_put_header(uint8_t out[PCAP_HEADER], uint32_t linktype);
/* 0, or -EBADMSG where it is none of ours. */
int pcap_get_header(uint32_t *linktype, const uint8_t in[PCAP_HEADER]);
void pcap_put_record(uint8_t out[PCAP_RECORD], int64_t at, uint32_t caplen,
                     uint32_t len);
int pcap_get_record(int64_t *at, uint32_t *caplen, uint32_t *len,
                    const uint8_t in[PCAP_RECORD]);
