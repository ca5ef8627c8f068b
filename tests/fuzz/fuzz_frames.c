/* Frames through the shard: whatever the network sends, nothing breaks. The input is a
 * sequence of
 *
 *    | link type | ticks | length, big endian | bytes … |
 *
 * where ticks are 10 ms of packet time and the link type is looked up in a table. */
#include <stdint.h>
#include <stdlib.h>

#include "capture/block.h"
#include "capture/decode.h"
#include "capture/flow.h"
#include "capture/rd.h"
#include "capture/shard.h"
#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "kfl/doc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_packet(void *context, struct flow *flow, struct packet *packet)
{
    (void)context;
    if (packet->caplen > packet->len || flow->packets == 0)
        abort();
}

static void on_flow(void *context, struct flow *flow)
{
    (void)context;
    (void)flow;
}

/* An entry that is emitted can be written. */
static void on_entry(void *context, struct flow *flow, const struct entry *entry)
{
    struct buf *line = context;
    (void)flow;
    buf_clear(line);
    if (doc_write(line, &entry->doc) < 0 || line->len == 0)
        abort();
}

static const uint16_t linktypes[] = {
    LINK_ETHERNET, LINK_RAW,    LINK_LINUX_SLL, LINK_LINUX_SLL2, LINK_NULL, LINK_LOOP,
    LINK_PPP,      LINK_C_HDLC, LINK_NFLOG,     LINK_IPV4,       LINK_IPV6, 147,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct shard_counters counters = {0};
    struct dissect_counters dissected = {0};
    struct block_pool pool = {0};
    struct buf line = {0};
    struct shard *shard = shard_new(&(struct shard_options){
        .node_ip = "",
        .node_name = "",
        .wants = WANT_ALL,
        .flows_max = 16,
        .memory_limit = 1 << 20,
        .body_limit = 1 << 16,
        .pool = &pool,
        .counters = &counters,
        .dissected = &dissected,
        .packet = on_packet,
        .fed = on_flow,
        .entry = on_entry,
        .ended = on_flow,
        .context = &line,
    });
    struct rd rd;
    struct packet packet = {.at = 1700000000 * NS_PER_S};
    rd_init(&rd, data, size);
    while (rd_left(&rd) >= 4) {
        uint8_t link = rd_u8(&rd);
        int64_t passed = rd_u8(&rd) * 10 * NS_PER_MS;
        size_t len = rd_be16(&rd);
        len = len < rd_left(&rd) ? len : rd_left(&rd);
        packet.number++;
        packet.at += passed;
        packet.linktype = linktypes[link % (sizeof linktypes / sizeof linktypes[0])];
        packet.caplen = (uint32_t)len;
        packet.len =
            (uint32_t)len + (link & 0x80 ? 1000u : 0u); /* cut by the snap length */
        packet.data = rd_bytes(&rd, len);
        struct block *block = block_new(&pool, block_room_for(len));
        shard_packet(shard, block_add(block, &packet));
        block_unref(block);
        if (passed > NS_PER_S)
            shard_tick(shard, packet.at);
    }
    shard_finish(shard, packet.at);
    shard_free(shard);
    buf_fini(&line);
    if (pool.bytes != 0 || counters.flows != 0)
        abort();
    return 0;
}
