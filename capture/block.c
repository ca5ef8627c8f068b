#include "capture/block.h"

#include <stdlib.h>
#include <string.h>

#include "kfl/base/mem.h"

/* Bytes grow from the front of the slab, descriptors from its back: both stay where
 * they are, so a worker may read the packets it was given while the source goes on
 * filling. */
struct block {
    struct block_pool *pool;
    _Atomic unsigned refs;
    _Atomic uint32_t count;
    size_t size; /* of `slab` */
    size_t used; /* bytes of packets at its front */
    _Alignas(16) uint8_t slab[];
};

static struct packet *descriptor(const struct block *block, size_t i)
{
    const uint8_t *back = block->slab + block->size;
    return (struct packet *)(uintptr_t)(back - (i + 1) * sizeof(struct packet));
}

struct block_pool *block_pool_new(void)
{
    struct block_pool *pool = mem_zalloc(sizeof *pool);
    atomic_init(&pool->owners, 1);
    return pool;
}

void block_pool_unref(struct block_pool *pool)
{
    if (pool && atomic_load_explicit(&pool->owners, memory_order_relaxed) > 0 &&
        atomic_fetch_sub_explicit(&pool->owners, 1, memory_order_acq_rel) == 1)
        free(pool);
}

struct block *block_new(struct block_pool *pool, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    struct block *block = mem_alloc(sizeof *block + size);
    block->pool = pool;
    atomic_init(&block->refs, 1);
    atomic_init(&block->count, 0);
    block->size = size;
    block->used = 0;
    atomic_fetch_add_explicit(&pool->bytes, sizeof *block + size, memory_order_relaxed);
    if (atomic_load_explicit(&pool->owners, memory_order_relaxed) > 0)
        atomic_fetch_add_explicit(&pool->owners, 1, memory_order_relaxed);
    return block;
}

size_t block_room_for(size_t caplen)
{
    return caplen + sizeof(struct packet) + 16;
}

void block_unref(struct block *block)
{
    if (!block || atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) > 1)
        return;
    atomic_fetch_sub_explicit(&block->pool->bytes, sizeof *block + block->size,
                              memory_order_relaxed);
    block_pool_unref(block->pool);
    free(block);
}

struct packet *block_add(struct block *block, const struct packet *packet)
{
    uint32_t count = atomic_load_explicit(&block->count, memory_order_relaxed);
    size_t taken = block->used + ((size_t)count + 1) * sizeof(struct packet);
    if (taken > block->size || packet->caplen > block->size - taken)
        return NULL;
    uint8_t *data = block->slab + block->used;
    if (packet->caplen > 0)
        memcpy(data, packet->data, packet->caplen);
    block->used += packet->caplen;
    struct packet *copy = descriptor(block, count);
    *copy = *packet;
    copy->data = data;
    copy->block = block;
    atomic_store_explicit(&block->count, count + 1, memory_order_release);
    return copy;
}

size_t block_count(const struct block *block)
{
    return atomic_load_explicit(&block->count, memory_order_acquire);
}

struct packet *block_packet(const struct block *block, size_t i)
{
    return descriptor(block, i);
}

struct packet *packet_ref(struct packet *packet)
{
    atomic_fetch_add_explicit(&packet->block->refs, 1, memory_order_relaxed);
    return packet;
}

void packet_unref(struct packet *packet)
{
    block_unref(packet->block);
}
