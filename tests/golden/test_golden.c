/* Every script beside this file is made a capture and replayed; the entries must be the
 * lines of its .jsonl. Then the same with the capture cut at each packet, segments
 * swapped, and each packet lost. GOLDEN_WRITE=1 writes the expected files anew.
 *
 * A line of a script is one of
 *
 *   tcp CLIENT:PORT SERVER:PORT   a connection begins, with its handshake
 *   udp CLIENT:PORT SERVER:PORT
 *   > bytes                       the client sends; \r \n \\ \xHH are decoded
 *   < bytes                       the server does
 *   fin                           the connection ends, the client first
 *   rst                           the server resets it
 *   mss N                         bytes of a segment from here on
 *   wait MS                       time passes
 *   pipelined                     a packet may hold parts of several exchanges
 *
 * and # begins a comment. Packets are a millisecond apart. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>

#include "capture/replay.h"
#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/mem.h"
#include "kfl/base/sys.h"
#include "kfl/doc.h"

#define PACKETS_MAX  256
#define FRAME_MAX    2048
#define SCRIPT_START (INT64_C(1700000000) * NS_PER_S)
#define FOLDER       "tests/golden/"
#define LINES_MAX    64
#define NONE         SIZE_MAX
#define SCRIPT_MAX   ((size_t)64 * 1024)

/* ---- captures out of scripts */

enum { FLAG_FIN = 1, FLAG_SYN = 2, FLAG_RST = 4, FLAG_PSH = 8, FLAG_ACK = 16 };

struct made_packet {
    uint8_t bytes[FRAME_MAX];
    size_t len;
    int64_t at;
    unsigned stream; /* place of its line in the script */
    int dir;
    size_t data; /* bytes of payload */
};

struct script {
    struct made_packet packets[PACKETS_MAX];
    size_t count;
    bool pipelined;
    /* The stream that is written. */
    struct {
        uint32_t ip;
        uint16_t port;
        uint32_t seq;
    } ends[2];
    bool udp;
    unsigned stream;
    size_t mss;
    int64_t at;
};

static void script_put(struct made_packet *p, uint64_t value, size_t bytes)
{
    assert_true(p->len + bytes <= FRAME_MAX);
    for (size_t i = bytes; i-- > 0;)
        p->bytes[p->len++] = (uint8_t)(value >> (8 * i));
}

static void script_packet(struct script *s, int dir, unsigned flags, const void *data,
                          size_t len)
{
    assert_true(s->count < PACKETS_MAX);
    struct made_packet *p = &s->packets[s->count++];
    *p =
        (struct made_packet){.at = s->at, .stream = s->stream, .dir = dir, .data = len};
    s->at += NS_PER_MS;
    script_put(p, 0x020000000001 + (uint64_t)!dir, 6);
    script_put(p, 0x020000000001 + (uint64_t)dir, 6);
    script_put(p, 0x0800, 2);
    script_put(p, 0x4500, 2);
    script_put(p, 20 + (s->udp ? 8u : 20u) + len, 2);
    script_put(p, s->count, 2);
    script_put(p, 0x4000, 2);
    script_put(p, s->udp ? 0x4011 : 0x4006, 2);
    script_put(p, 0, 2);
    script_put(p, s->ends[dir].ip, 4);
    script_put(p, s->ends[!dir].ip, 4);
    script_put(p, s->ends[dir].port, 2);
    script_put(p, s->ends[!dir].port, 2);
    if (s->udp) {
        script_put(p, 8 + len, 2);
        script_put(p, 0, 2);
    } else {
        script_put(p, s->ends[dir].seq, 4);
        script_put(p, flags & FLAG_ACK ? s->ends[!dir].seq : 0, 4);
        script_put(p, 0x5000 | flags, 2);
        script_put(p, 0xffff, 2);
        script_put(p, 0, 4);
    }
    assert_true(p->len + len <= FRAME_MAX);
    memcpy(p->bytes + p->len, data, len);
    p->len += len;
    s->ends[dir].seq += (uint32_t)len + (flags & (FLAG_SYN | FLAG_FIN) ? 1 : 0);
}

static void script_send(struct script *s, int dir, const char *text)
{
    uint8_t bytes[8192];
    size_t len = 0;
    for (const char *p = text; *p; p++) {
        assert_true(len < sizeof bytes);
        unsigned hex = 0;
        if (*p != '\\') {
            bytes[len++] = (uint8_t)*p;
        } else if (*++p == 'x') {
            assert_int_equal(sscanf(p + 1, "%2x", &hex), 1);
            bytes[len++] = (uint8_t)hex;
            p += 2;
        } else {
            bytes[len++] = (uint8_t)(*p == 'r' ? '\r' : *p == 'n' ? '\n' : *p);
        }
    }
    size_t step = s->udp ? len : s->mss;
    for (size_t at = 0; at < len; at += step)
        script_packet(s, dir, FLAG_PSH | FLAG_ACK, bytes + at,
                      len - at < step ? len - at : step);
}

static void script_open(struct script *s, const char *ends, bool udp)
{
    char ip[2][16];
    unsigned port[2];
    assert_int_equal(
        sscanf(ends, "%15[0-9.]:%u %15[0-9.]:%u", ip[0], &port[0], ip[1], &port[1]), 4);
    s->udp = udp;
    s->stream++;
    for (int i = 0; i < 2; i++) {
        s->ends[i].ip = ntohl(inet_addr(ip[i]));
        s->ends[i].port = (uint16_t)port[i];
        s->ends[i].seq = 0xfffffff0u + (uint32_t)i * 1000; /* numbers wrap early */
    }
    if (udp)
        return;
    script_packet(s, 0, FLAG_SYN, "", 0);
    script_packet(s, 1, FLAG_SYN | FLAG_ACK, "", 0);
    script_packet(s, 0, FLAG_ACK, "", 0);
}

static void script_line(struct script *s, char *line)
{
    char *text = strchr(line, ' ');
    text = text ? text + 1 : line + strlen(line);
    if (line[0] == '#' || line[0] == 0) {
        return;
    } else if (line[0] == '>' || line[0] == '<') {
        script_send(s, line[0] == '<', text);
    } else if (!strncmp(line, "tcp ", 4) || !strncmp(line, "udp ", 4)) {
        script_open(s, text, line[0] == 'u');
    } else if (!strcmp(line, "fin")) {
        script_packet(s, 0, FLAG_FIN | FLAG_ACK, "", 0);
        script_packet(s, 1, FLAG_FIN | FLAG_ACK, "", 0);
        script_packet(s, 0, FLAG_ACK, "", 0);
    } else if (!strcmp(line, "rst")) {
        script_packet(s, 1, FLAG_RST | FLAG_ACK, "", 0);
    } else if (!strncmp(line, "mss ", 4)) {
        s->mss = (size_t)strtoul(text, NULL, 10);
    } else if (!strncmp(line, "wait ", 5)) {
        s->at += strtol(text, NULL, 10) * NS_PER_MS;
    } else if (!strcmp(line, "pipelined")) {
        s->pipelined = true;
    } else {
        fail_msg("a script says: %s", line);
    }
}

/* The text is changed. */
static void script_read(struct script *s, char *text)
{
    *s = (struct script){.mss = 1400, .at = SCRIPT_START};
    for (char *line = text, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        script_line(s, line);
    }
}

/* A PCAP file (nanosecond, host's byte order) of the packets that `order` lists. */
static void script_pcap(struct buf *out, const struct script *s, const size_t *order,
                        size_t count)
{
    const uint32_t header[] = {0xa1b23c4d, 2 | 4 << 16, 0, 0, 262144, 1};
    buf_add(out, header, sizeof header);
    for (size_t i = 0; i < count; i++) {
        const struct made_packet *p = &s->packets[order[i]];
        /* Time goes on, whatever the order is; what is left out leaves its time. */
        int64_t at = count == s->count ? s->packets[i].at : p->at;
        const uint32_t record[] = {(uint32_t)(at / NS_PER_S), (uint32_t)(at % NS_PER_S),
                                   (uint32_t)p->len, (uint32_t)p->len};
        buf_add(out, record, sizeof record);
        buf_add(out, p->bytes, p->len);
    }
}

/* ---- entries out of captures */

struct entries {
    char *lines[LINES_MAX];
    size_t count;
};

struct golden {
    char name[64]; /* without extension */
    struct script script;
    struct entries expected;
};

static void entries_add(struct entries *e, const char *line, size_t len)
{
    assert_true(e->count < LINES_MAX);
    e->lines[e->count++] = mem_dup(line, len);
}

static void entries_free(struct entries *e)
{
    for (size_t i = 0; i < e->count; i++)
        free(e->lines[i]);
    e->count = 0;
}

static int on_entry(void *context, const struct entry *entry)
{
    struct buf json = {0};
    assert_int_equal(doc_write(&json, &entry->doc), 0);
    entries_add(context, json.data, json.len);
    buf_fini(&json);
    return 0;
}

static void replay(struct entries *out, const struct script *script,
                   const size_t *order, size_t count)
{
    struct buf pcap = {0};
    struct err err = {0};
    struct replay_options options = {
        .wants = WANT_ALL, .entry = on_entry, .context = out};
    out->count = 0;
    script_pcap(&pcap, script, order, count);
    FILE *in = fmemopen(pcap.data, pcap.len, "r");
    assert_non_null(in);
    assert_int_equal(replay_stream(in, &options, &err), 0);
    fclose(in);
    buf_fini(&pcap);
}

/* 0, 1, 2, … without `left_out`, and with one pair swapped; returns the count. */
static size_t make_order(size_t *order, size_t count, size_t left_out, size_t swapped)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (i != left_out)
            order[n++] = i;
    }
    if (swapped != NONE && swapped + 1 < n) {
        size_t first = order[swapped];
        order[swapped] = order[swapped + 1];
        order[swapped + 1] = first;
    }
    return n;
}

/* ---- comparing */

/* Without what a shift in time or in the numbers of packets changes, and without names,
 * which come from the answers of other streams. */
static char *comparable(const char *line)
{
    static const char *const varying[] = {"id",        "stream",    "entryFile",
                                          "timestamp", "startTime", "elapsedTime",
                                          "dst.name"};
    struct arena arena = {0};
    struct doc_value doc;
    struct buf out = {0};
    assert_int_equal(doc_parse(&doc, &arena, line, strlen(line), NULL), 0);
    for (size_t i = 0; i < sizeof varying / sizeof varying[0]; i++) {
        struct doc_value *value = doc_at(&doc, varying[i]);
        assert_non_null(value);
        *value = (struct doc_value){.type = DOC_NULL};
    }
    doc_write(&out, &doc);
    arena_fini(&arena);
    return buf_take(&out);
}

static bool contains(const struct entries *e, const char *line)
{
    char *wanted = comparable(line);
    bool found = false;
    for (size_t i = 0; i < e->count && !found; i++) {
        char *have = comparable(e->lines[i]);
        found = !strcmp(have, wanted);
        free(have);
    }
    free(wanted);
    return found;
}

/* The client's port: which stream of the script an entry is of. */
static unsigned port_of(const char *line)
{
    const char *at = strstr(line, "\"src\":{\"ip\":\"");
    at = at ? strstr(at, "\"port\":\"") : NULL;
    assert_non_null(at);
    return (unsigned)strtoul(at + strlen("\"port\":\""), NULL, 10);
}

static unsigned client_port(const struct made_packet *p)
{
    size_t at = 14 + 20 + (p->dir ? 2 : 0);
    return (unsigned)p->bytes[at] << 8 | p->bytes[at + 1];
}

static bool tells_a_fault(const char *line)
{
    return strstr(line, "\"error\":{") || strstr(line, "\"truncated\":true") ||
           strstr(line, "\"gap\":");
}

/* ---- the tests; each gets a struct golden */

static void gives_the_expected_entries(void **state)
{
    struct golden *g = *state;
    struct entries got;
    size_t order[PACKETS_MAX], count = make_order(order, g->script.count, NONE, NONE);
    replay(&got, &g->script, order, count);
    assert_int_equal(got.count, g->expected.count);
    for (size_t i = 0; i < got.count; i++)
        assert_string_equal(got.lines[i], g->expected.lines[i]);
    entries_free(&got);
}

static void cut_at_each_packet(void **state)
{
    struct golden *g = *state;
    size_t order[PACKETS_MAX];
    make_order(order, g->script.count, NONE, NONE);
    for (size_t count = 0; count < g->script.count; count++) {
        struct entries got;
        replay(&got, &g->script, order, count);
        assert_true(got.count <= g->expected.count);
        for (size_t i = 0; i < got.count; i++) {
            if (!tells_a_fault(got.lines[i]))
                assert_true(contains(&g->expected, got.lines[i]));
        }
        entries_free(&got);
    }
}

static bool can_swap(const struct made_packet *a, const struct made_packet *b)
{
    return a->stream == b->stream && a->dir == b->dir && a->data > 0 && b->data > 0;
}

static void segments_out_of_order(void **state)
{
    struct golden *g = *state;
    const struct script *s = &g->script;
    size_t order[PACKETS_MAX];
    for (size_t i = 0; i + 1 < s->count; i++) {
        struct entries got;
        if (!can_swap(&s->packets[i], &s->packets[i + 1]))
            continue;
        size_t count = make_order(order, s->count, NONE, i);
        replay(&got, s, order, count);
        assert_int_equal(got.count, g->expected.count);
        for (size_t k = 0; k < g->expected.count; k++)
            assert_true(contains(&got, g->expected.lines[k]));
        entries_free(&got);
    }
}

static void each_packet_lost(void **state)
{
    struct golden *g = *state;
    const struct script *s = &g->script;
    size_t order[PACKETS_MAX];
    for (size_t lost = 0; lost < s->count; lost++) {
        struct entries got;
        unsigned port = client_port(&s->packets[lost]);
        size_t hurt = 0, count = make_order(order, s->count, lost, NONE);
        replay(&got, s, order, count);
        for (size_t k = 0; k < g->expected.count; k++) {
            bool there = contains(&got, g->expected.lines[k]);
            hurt += !there;
            if (port_of(g->expected.lines[k]) != port && !there)
                fail_msg(
                    "%s: without packet %zu an entry of another stream changed:\n%s",
                    g->name, lost + 1, g->expected.lines[k]);
        }
        if (hurt > 1 && !s->pipelined)
            fail_msg("%s: packet %zu is of one exchange, %zu changed", g->name,
                     lost + 1, hurt);
        entries_free(&got);
    }
}

/* ---- finding the scripts */

static void load(struct golden *g, const char *file)
{
    struct buf text = {0};
    char path[128];
    assert_int_equal(sys_read_file(AT_FDCWD, file, SCRIPT_MAX, &text), 0);
    script_read(&g->script, text.data);
    buf_fini(&text);
    snprintf(path, sizeof path, FOLDER "%s.jsonl", g->name);
    if (getenv("GOLDEN_WRITE")) {
        size_t order[PACKETS_MAX],
            count = make_order(order, g->script.count, NONE, NONE);
        replay(&g->expected, &g->script, order, count);
        FILE *out = fopen(path, "w");
        assert_non_null(out);
        for (size_t i = 0; i < g->expected.count; i++)
            fprintf(out, "%s\n", g->expected.lines[i]);
        fclose(out);
        return;
    }
    assert_int_equal(sys_read_file(AT_FDCWD, path, SCRIPT_MAX, &text), 0);
    for (char *line = text.data, *end; line && (end = strchr(line, '\n'));
         line = end + 1)
        entries_add(&g->expected, line, (size_t)(end - line));
    buf_fini(&text);
}

static int is_script(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return len > 7 && !strcmp(entry->d_name + len - 7, ".script");
}

int main(void)
{
    static const struct {
        const char *name;
        void (*run)(void **state);
    } checks[] = {{"whole", gives_the_expected_entries},
                  {"cut", cut_at_each_packet},
                  {"reordered", segments_out_of_order},
                  {"lost", each_packet_lost}};
    struct dirent **files;
    int failed = 0, count = scandir(FOLDER, &files, is_script, alphasort);
    if (count <= 0) {
        fprintf(stderr, "no scripts in " FOLDER "\n");
        return 1;
    }
    for (int i = 0; i < count; i++) {
        struct golden *g = mem_zalloc(sizeof *g);
        struct CMUnitTest tests[4];
        char names[4][96], path[300];
        snprintf(path, sizeof path, FOLDER "%s", files[i]->d_name);
        snprintf(g->name, sizeof g->name, "%.*s", (int)strlen(files[i]->d_name) - 7,
                 files[i]->d_name);
        load(g, path);
        for (int k = 0; k < 4; k++) {
            snprintf(names[k], sizeof names[k], "%s %s", g->name, checks[k].name);
            tests[k] = (struct CMUnitTest){
                .name = names[k], .test_func = checks[k].run, .initial_state = g};
        }
        failed += cmocka_run_group_tests_name(g->name, tests, NULL, NULL);
        entries_free(&g->expected);
        free(g);
        free(files[i]);
    }
    free(files);
    return failed;
}
