#include "tests/unit/capture/store_case.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void case_reopen(struct store_case *c)
{
    struct err err = {0};
    store_close(c->store);
    c->store = NULL;
    if (store_open(&c->store, &c->options, &err) < 0)
        fail_msg("%s", err.msg);
}

void case_open(struct store_case *c)
{
    memset(c, 0, sizeof(*c));
    /* Hundreds of stores are opened; in memory that needs no patience. */
    const char *folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(c->path, sizeof(c->path), "%s/test_store.XXXXXX", folder);
    assert_non_null(mkdtemp(c->path));
    clock_fake_init(&c->clock, START);
    c->options = (struct store_options){
        .path = c->path,
        .storage_limit = 1024 * MIB,
        .sync = 3600 * NS_PER_S,
        .live_limit = 64 * MIB,
        .live_packets_ttl = 10 * NS_PER_S,
        .live_entries_ttl = 300 * NS_PER_S,
        .clock = &c->clock.clock,
    };
    case_reopen(c);
}

void case_close(struct store_case *c)
{
    store_close(c->store);
    assert_int_equal(sys_remove_tree(AT_FDCWD, c->path), 0);
    assert_int_equal(c->pool.bytes, 0);
}

struct iteration *case_iteration(struct store_case *c, const char *name, int64_t start)
{
    struct iteration *iteration = NULL;
    struct err err = {0};
    struct iteration_options options = {
        .name = name, .start = start, .spec = "kfl: http", .kfl = "http"};
    if (iteration_open(&iteration, c->store, &options, &err) < 0)
        fail_msg("%s", err.msg);
    return iteration;
}

struct packet *case_packet(struct store_case *c, uint64_t number, int64_t at,
                           uint16_t linktype, uint32_t caplen)
{
    uint8_t *data = malloc(caplen + 1);
    for (uint32_t i = 0; i < caplen; i++)
        data[i] = (uint8_t)(number * 31 + i);
    /* An Ethernet header of IPv4, and as it happens no other link's. */
    if (linktype == 1 && caplen >= 14)
        memcpy(data, "\2\0\0\0\0\1\2\0\0\0\0\2\10\0", 14);
    if (linktype == 101 && caplen >= 1)
        data[0] = 0x45;
    struct packet packet = {.number = number,
                            .at = at,
                            .data = data,
                            .caplen = caplen,
                            .len = caplen + 3,
                            .linktype = linktype};
    struct block *block = block_new(&c->pool, block_room_for(caplen));
    struct packet *added = packet_ref(block_add(block, &packet));
    block_unref(block);
    free(data);
    return added;
}

int case_add(struct store_case *c, struct iteration *iteration, uint64_t number,
             int64_t at, uint64_t stream, uint16_t linktype, uint32_t caplen)
{
    struct packet *packet = case_packet(c, number, at, linktype, caplen);
    int result = iteration_add_packet(iteration, packet, stream, STREAM_TCP);
    packet_unref(packet);
    return result;
}

int case_line(struct iteration *iteration, uint64_t stream, uint32_t index,
              int64_t done_at)
{
    char line[128];
    int len = snprintf(line, sizeof(line),
                       "{\"id\":\"%012" PRIu64 "-%u\",\"at\":%" PRId64 "}", stream,
                       index, done_at);
    return iteration_add_entry(iteration, line, (size_t)len, stream, STREAM_TCP, index,
                               done_at);
}

void case_end(struct store_case *c, struct iteration *iteration)
{
    struct err err = {0};
    (void)c;
    if (iteration_end(iteration, "finished", 0, &err) < 0)
        fail_msg("%s", err.msg);
    iteration_unref(iteration);
}

void case_read_pcap(struct buf *out, struct pcap_view *view, size_t step)
{
    ssize_t got;
    buf_clear(out);
    while ((got = pcap_view_read(view, buf_reserve(out, step), step, out->len)) > 0)
        out->len += (size_t)got;
    assert_int_equal(got, 0);
    assert_int_equal(out->len, pcap_view_size(view));
}

void case_read_lines(struct buf *out, struct lines_view *view, size_t step)
{
    ssize_t got;
    buf_clear(out);
    while ((got = lines_view_read(view, buf_reserve(out, step), step, out->len)) > 0)
        out->len += (size_t)got;
    assert_int_equal(got, 0);
    assert_int_equal(out->len, lines_view_size(view));
}

void case_pcap(struct buf *out, struct iteration *iteration)
{
    struct snapshot *snapshot = snapshot_take(iteration);
    struct pcap_view *view = NULL;
    assert_int_equal(pcap_view_open(&view, &snapshot, 1, NULL, 0), 0);
    snapshot_unref(snapshot);
    case_read_pcap(out, view, 4096);
    pcap_view_close(view);
}

void case_lines(struct buf *out, struct iteration *iteration, const char *record)
{
    struct snapshot *snapshot = snapshot_take(iteration);
    struct lines_view *view = NULL;
    assert_int_equal(lines_view_open(&view, &snapshot, 1, record), 0);
    snapshot_unref(snapshot);
    case_read_lines(out, view, 777);
    lines_view_close(view);
}

bool case_next(struct file_packet *packet, const struct buf *file, size_t *at)
{
    uint32_t head[4];
    if (*at == 0)
        *at = 24;
    if (*at == file->len)
        return false;
    assert_true(*at + sizeof(head) <= file->len);
    memcpy(head, file->data + *at, sizeof(head));
    packet->at = (int64_t)head[0] * NS_PER_S + head[1];
    packet->caplen = head[2];
    packet->len = head[3];
    packet->data = (const uint8_t *)file->data + *at + sizeof(head);
    *at += sizeof(head) + head[2];
    assert_true(*at <= file->len);
    return true;
}
size_t case_count(const struct buf *file)
{
    struct file_packet packet;
    size_t count = 0, at = 0;
    int64_t last = 0;
    while (case_next(&packet, file, &at)) {
        assert_true(packet.at >= last);
        last = packet.at;
        count++;
    }
    return count;
}
