#include "capture/proto/dns_text.h"

#include <stdio.h>

struct word {
    uint16_t number;
    const char *text;
};

/* https://www.iana.org/assignments/dns-parameters, ascending */
static const struct word types[] = {
    {1, "A"},         {2, "NS"},      {3, "MD"},          {4, "MF"},
    {5, "CNAME"},     {6, "SOA"},     {7, "MB"},          {8, "MG"},
    {9, "MR"},        {10, "NULL"},   {11, "WKS"},        {12, "PTR"},
    {13, "HINFO"},    {14, "MINFO"},  {15, "MX"},         {16, "TXT"},
    {17, "RP"},       {18, "AFSDB"},  {19, "X25"},        {20, "ISDN"},
    {21, "RT"},       {22, "NSAP"},   {23, "NSAP-PTR"},   {24, "SIG"},
    {25, "KEY"},      {26, "PX"},     {27, "GPOS"},       {28, "AAAA"},
    {29, "LOC"},      {30, "NXT"},    {31, "EID"},        {32, "NIMLOC"},
    {33, "SRV"},      {34, "ATMA"},   {35, "NAPTR"},      {36, "KX"},
    {37, "CERT"},     {38, "A6"},     {39, "DNAME"},      {40, "SINK"},
    {41, "OPT"},      {42, "APL"},    {43, "DS"},         {44, "SSHFP"},
    {45, "IPSECKEY"}, {46, "RRSIG"},  {47, "NSEC"},       {48, "DNSKEY"},
    {49, "DHCID"},    {50, "NSEC3"},  {51, "NSEC3PARAM"}, {52, "TLSA"},
    {53, "SMIMEA"},   {55, "HIP"},    {56, "NINFO"},      {57, "RKEY"},
    {58, "TALINK"},   {59, "CDS"},    {60, "CDNSKEY"},    {61, "OPENPGPKEY"},
    {62, "CSYNC"},    {63, "ZONEMD"}, {64, "SVCB"},       {65, "HTTPS"},
    {99, "SPF"},      {100, "UINFO"}, {101, "UID"},       {102, "GID"},
    {103, "UNSPEC"},  {104, "NID"},   {105, "L32"},       {106, "L64"},
    {107, "LP"},      {108, "EUI48"}, {109, "EUI64"},     {249, "TKEY"},
    {250, "TSIG"},    {251, "IXFR"},  {252, "AXFR"},      {253, "MAILB"},
    {254, "MAILA"},   {255, "ANY"},   {256, "URI"},       {257, "CAA"},
    {258, "AVC"},     {259, "DOA"},   {260, "AMTRELAY"},  {32768, "TA"},
    {32769, "DLV"},
};

static const struct word classes[] = {
    {1, "IN"}, {2, "CS"}, {3, "CH"}, {4, "HS"}, {254, "NONE"}, {255, "ANY"},
};

static const struct word opcodes[] = {
    {0, "Query"},  {1, "IQuery"}, {2, "Status"},
    {4, "Notify"}, {5, "Update"}, {6, "DSO"},
};

static const struct word rcodes[] = {
    {0, "No Error"},
    {1, "Format Error"},
    {2, "Server Failure"},
    {3, "Non-Existent Domain"},
    {4, "Not Implemented"},
    {5, "Query Refused"},
    {6, "Name Exists when it should not"},
    {7, "RR Set Exists when it should not"},
    {8, "RR Set that should exist does not"},
    {9, "Server Not Authoritative for zone"},
    {10, "Name not contained in zone"},
    {16, "Bad OPT Version"},
    {17, "Key not recognized"},
    {18, "Signature out of time window"},
    {19, "Bad TKEY Mode"},
    {20, "Duplicate key name"},
    {21, "Algorithm not supported"},
    {22, "Bad Truncation"},
    {23, "Bad/missing Server Cookie"},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const char *look_up(const struct word *words, size_t count, unsigned number)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (words[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && words[low].number == number ? words[low].text : NULL;
}

const char *dns_type_text(char out[DNS_WORD], uint16_t type)
{
    const char *text = look_up(types, COUNT(types), type);
    if (text)
        return text;
    snprintf(out, DNS_WORD, "TYPE%u", type);
    return out;
}

const char *dns_class_text(char out[DNS_WORD], uint16_t class)
{
    const char *text = look_up(classes, COUNT(classes), class);
    if (text)
        return text;
    snprintf(out, DNS_WORD, "CLASS%u", class);
    return out;
}

const char *dns_opcode_text(unsigned opcode)
{
    const char *text = look_up(opcodes, COUNT(opcodes), opcode);
    return text ? text : "Unknown";
}

const char *dns_rcode_text(unsigned rcode)
{
    const char *text = look_up(rcodes, COUNT(rcodes), rcode);
    return text ? text : "Unknown";
}
