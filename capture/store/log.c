#include "capture/store/log.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "kfl/base/clock.h"

#define PCAP_MAGIC_NS 0xa1b23c4du
#define CHECKED       (LOG_RECORD - 4)

static const uint8_t log_magic[LOG_HEADER] = {
    't', 'r', 'a', 'f', 'f', 'i', 'c', 'f', 's', 'l', 'o', 'g', 1, 0, LOG_RECORD, 0};

static void put16(uint8_t *out, uint16_t value)
{
    value = htole16(value);
    memcpy(out, &value, sizeof(value));
}

static void put32(uint8_t *out, uint32_t value)
{
    value = htole32(value);
    memcpy(out, &value, sizeof(value));
}

static void put64(uint8_t *out, uint64_t value)
{
    value = htole64(value);
    memcpy(out, &value, sizeof(value));
}

static uint16_t get16(const uint8_t *in)
{
    uint16_t value;
    memcpy(&value, in, sizeof(value));
    return le16toh(value);
}

static uint32_t get32(const uint8_t *in)
{
    uint32_t value;
    memcpy(&value, in, sizeof(value));
    return le32toh(value);
}

static uint64_t get64(const uint8_t *in)
{
    uint64_t value;
    memcpy(&value, in, sizeof(value));
    return le64toh(value);
}

void log_header(uint8_t out[LOG_HEADER])
{
    memcpy(out, log_magic, LOG_HEADER);
}

int log_check_header(const uint8_t in[LOG_HEADER])
{
    return memcmp(in, log_magic, LOG_HEADER) == 0 ? 0 : -EBADMSG;
}

void record_encode(uint8_t out[LOG_RECORD], const struct record *record,
                   const void *data)
{
    out[0] = record->kind;
    out[1] = record->stream_kind;
    put16(out + 2, record->flags);
    put32(out + 4, record->offset);
    put32(out + 8, record->length);
    put64(out + 12, (uint64_t)record->at);
    put64(out + 20, record->stream);
    put64(out + 28, record->order);
    put32(out + 36, XXH32(out, CHECKED, XXH32(data, record->length, 0)));
}

int record_decode(struct record *record, const uint8_t in[LOG_RECORD])
{
    *record = (struct record){
        .kind = in[0],
        .stream_kind = in[1],
        .flags = get16(in + 2),
        .offset = get32(in + 4),
        .length = get32(in + 8),
        .at = (int64_t)get64(in + 12),
        .stream = get64(in + 20),
        .order = get64(in + 28),
    };
    if ((record->kind != RECORD_PACKET && record->kind != RECORD_LINE) ||
        record->stream_kind > STREAM_SCTP ||
        record->length > UINT32_MAX - record->offset)
        return -EBADMSG;
    if (record->kind == RECORD_PACKET ? record->length < PCAP_RECORD
                                      : record->length < 2)
        return -EBADMSG;
    return 0;
}

int record_check(const uint8_t in[LOG_RECORD], const void *data, size_t length)
{
    uint32_t sum = XXH32(in, CHECKED, XXH32(data, length, 0));
    return sum == get32(in + CHECKED) ? 0 : -EBADMSG;
}

void pcap_put_header(uint8_t out[PCAP_HEADER], uint32_t linktype)
{
    memset(out, 0, PCAP_HEADER);
    put32(out, PCAP_MAGIC_NS);
    put16(out + 4, 2);
    put16(out + 6, 4);
    put32(out + 16, PCAP_SNAPLEN);
    put32(out + 20, linktype);
}

int pcap_get_header(uint32_t *linktype, const uint8_t in[PCAP_HEADER])
{
    *linktype = get32(in + 20);
    return get32(in) == PCAP_MAGIC_NS && *linktype <= UINT16_MAX ? 0 : -EBADMSG;
}

void pcap_put_record(uint8_t out[PCAP_RECORD], int64_t at, uint32_t caplen,
                     uint32_t len)
{
    put32(out, (uint32_t)(at / NS_PER_S));
    put32(out + 4, (uint32_t)(at % NS_PER_S));
    put32(out + 8, caplen);
    put32(out + 12, len);
}

int pcap_get_record(int64_t *at, uint32_t *caplen, uint32_t *len,
                    const uint8_t in[PCAP_RECORD])
{
    *at = (int64_t)get32(in) * NS_PER_S + (int64_t)get32(in + 4);
    *caplen = get32(in + 8);
    *len = get32(in + 12);
    return *caplen <= PCAP_SNAPLEN && get32(in + 4) < (uint32_t)NS_PER_S ? 0 : -EBADMSG;
}
