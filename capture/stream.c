#include "capture/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const suffixes[] = {
    [STREAM_TCP] = ".pcap",
    [STREAM_UDP] = "_udp.pcap",
    [STREAM_ICMP] = "_icmp.pcap",
    [STREAM_SCTP] = "_sctp.pcap",
};
#define KINDS         (sizeof suffixes / sizeof suffixes[0])
#define NUMBER_DIGITS 12

char *stream_file(char out[STREAM_NAME], uint64_t number, enum stream_kind kind)
{
    snprintf(out, STREAM_NAME, "%0*" PRIu64 "%s", NUMBER_DIGITS, number,
             suffixes[kind]);
    return out;
}

int stream_parse(uint64_t *number, enum stream_kind *kind, const char *file)
{
    uint64_t value = 0;
    const char *p = file;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
            return -EINVAL;
    }
    /* Only the one name that stream_file() gives: no second name for a stream. */
    if (p - file < NUMBER_DIGITS || (p - file > NUMBER_DIGITS && file[0] == '0'))
        return -EINVAL;
    for (size_t i = 0; i < KINDS; i++) {
        if (strcmp(p, suffixes[i]) == 0) {
            *number = value;
            *kind = (enum stream_kind)i;
            return 0;
        }
    }
    return -EINVAL;
}

char *address_text(char out[ADDRESS_TEXT], const struct address *address)
{
    int family = address->family == 6 ? AF_INET6 : AF_INET;
    if (!inet_ntop(family, address->bytes, out, ADDRESS_TEXT))
        out[0] = '\0';
    return out;
}

bool address_equal(const struct address *a, const struct address *b)
{
    return a->family == b->family &&
           memcmp(a->bytes, b->bytes, a->family == 6 ? 16 : 4) == 0;
}
