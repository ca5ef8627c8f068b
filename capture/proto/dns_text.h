/* Words of the DNS: names of types, classes, codes. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define DNS_WORD 16

enum dns_type {
    DNS_A = 1,
    DNS_NS = 2,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_PTR = 12,
    DNS_HINFO = 13,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_SRV = 33,
    DNS_DNAME = 39,
    DNS_OPT = 41,
    DNS_SPF = 99,
    DNS_ANY = 255,
    DNS_URI = 256,
};

/* "AAAA", else "TYPE65280" (RFC 3597), in `out` if it must be made. */
const char *dns_type_text(char out[DNS_WORD], uint16_t type);
const char *dns_class_text(char out[DNS_WORD], uint16_t class);
const char *dns_opcode_text(unsigned opcode);
/* Extended codes of EDNS, too. */
const char *dns_rcode_text(unsigned rcode);
