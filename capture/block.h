/* Blocks: refcounted slabs in which captured packets lie. The source copies a packet
 * once, out of the ring; everyone else holds a reference until the last of the block's
 * packets is let go. */
#pragma once
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK_SIZE (1u << 20)

struct block;

/* One captured packet; immutable once it has left the source. */
struct packet {
    uint64_t number; /* order number over the life of the store; in a file, from 1 */
    int64_t at;      /* ns since 1970 */
    const uint8_t *data; /* caplen bytes in the block */
    struct block *block;
    uint32_t caplen, len; /* bytes held, bytes on the wire */
    uint32_t
        iface; /* the interface that saw it: kernel index, pcapng id; 0: one only */
    uint16_t linktype; /* LINKTYPE_ of pcap-savefile(5), not DLT_ */
    uint16_t shard;    /* the worker it belongs to */
};

/* Blocks are counted so that the memory they take can be limited and shown. */
struct block_pool {
    _Atomic size_t bytes;    /* of all blocks that are not freed yet */
    _Atomic unsigned owners; /* its maker and its blocks; 0: it is not freed by them */
};
/* A pool that lives as long as its last block; one that is zero-initialised must
 * outlive them. */
struct block_pool *block_pool_new(void);
void block_pool_unref(struct block_pool *pool);

/* A block holds one reference of its maker; packets larger than BLOCK_SIZE get a larger
 * one. */
struct block *block_new(struct block_pool *pool, size_t size);
/* The size of a block that holds one packet of that length. */
size_t block_room_for(size_t caplen);
void block_unref(struct block *block);
/* Copies a packet in: NULL where there is no room (`packet->data` may be anywhere). */
struct packet *block_add(struct block *block, const struct packet *packet);
/* The packets so far, in order; stable while the block is referenced. */
size_t block_count(const struct block *block);
struct packet *block_packet(const struct block *block, size_t i);

/* A reference to a packet is one to its block. */
struct packet *packet_ref(struct packet *packet);
void packet_unref(struct packet *packet);
