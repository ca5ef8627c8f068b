#include "capture/replay.h"

#include <errno.h>
#include <stdlib.h>

#include "capture/block.h"
#include "capture/capfile.h"
#include "capture/flow.h"
#include "capture/names.h"
#include "capture/shard.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"

#define FLOWS_MAX    (256u << 10)
#define MEMORY_LIMIT (256u << 20)
#define BODY_LIMIT   (10u << 20)

struct replay {
    const struct replay_options *options;
    struct shard *shard;
    struct block_pool *pool;
    struct block *block; /* being filled */
    int64_t at, ticked_at;
    bool stopped; /* entry() wants no more */
};

static void on_packet(void *context, struct flow *flow, struct packet *packet)
{
    struct replay *replay = context;
    if (replay->options->packet)
        replay->options->packet(replay->options->context, packet, &flow->stream);
}

static void on_entry(void *context, struct flow *flow, const struct entry *entry)
{
    struct replay *replay = context;
    (void)flow;
    if (!replay->stopped &&
        replay->options->entry(replay->options->context, entry) != 0)
        replay->stopped = true;
}

static void on_flow(void *context, struct flow *flow)
{
    (void)context;
    (void)flow;
}

static struct packet *store(struct replay *replay, const struct packet *packet)
{
    struct packet *stored = replay->block ? block_add(replay->block, packet) : NULL;
    if (stored)
        return stored;
    size_t room = block_room_for(packet->caplen);
    block_unref(replay->block);
    replay->block = block_new(replay->pool, room > BLOCK_SIZE ? room : BLOCK_SIZE);
    return block_add(replay->block, packet);
}

/* Time is what the packets say, even where it goes back. */
static void pass_time(struct replay *replay, int64_t at)
{
    int64_t passed = at - replay->ticked_at;
    replay->at = at;
    if (passed >= NS_PER_S || passed < -NS_PER_S) {
        replay->ticked_at = at;
        shard_tick(replay->shard, at);
    }
}

bool replay_is_capture(const uint8_t *head, size_t len)
{
    return capfile_is(head, len);
}

int replay_stream(FILE *in, const struct replay_options *options, struct err *err)
{
    struct replay replay = {.options = options, .pool = block_pool_new()};
    struct shard_counters counters = {0};
    struct dissect_counters dissected = {0};
    struct capfile *file = NULL;
    struct names *names = NULL;
    struct packet packet;
    int rc = capfile_open(&file, in, err);
    if (rc < 0)
        goto out;
    rc = names_open(&names, options->names_file, err);
    if (rc < 0)
        goto out;
    replay.shard = shard_new(&(struct shard_options){
        .names = names,
        .node_ip = "",
        .node_name = "",
        .wants = options->wants,
        .flows_max = FLOWS_MAX,
        .memory_limit = MEMORY_LIMIT,
        .body_limit = BODY_LIMIT,
        .pool = replay.pool,
        .counters = &counters,
        .dissected = &dissected,
        .packet = on_packet,
        .fed = on_flow,
        .entry = on_entry,
        .ended = on_flow,
        .context = &replay,
    });
    while (!replay.stopped && (rc = capfile_next(file, &packet, err)) == 1) {
        packet.number += options->before;
        pass_time(&replay, packet.at);
        shard_packet(replay.shard, store(&replay, &packet));
    }
    if (!replay.stopped)
        shard_finish(replay.shard, replay.at);
    rc = replay.stopped ? 0 : rc == -EBADMSG ? 1 : rc;
out:
    shard_free(replay.shard);
    block_unref(replay.block);
    block_pool_unref(replay.pool);
    names_free(names);
    capfile_close(file);
    return rc;
}
