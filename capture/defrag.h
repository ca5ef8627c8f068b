/* Defragmentation of IPv4 and IPv6: bounded in bytes, time and number. Where fragments
 * overlap the bytes that came first count (IPv4); an IPv6 datagram with overlaps is
 * dropped (RFC 5722). */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct block_pool;
struct defrag;
struct frame;
struct packet;

/* `dropped` counts fragments whose datagram was never completed. */
struct defrag *defrag_new(struct block_pool *pool, size_t bytes_limit,
                          _Atomic uint64_t *dropped);
void defrag_free(struct defrag *defrag);

struct datagram {
    struct packet **packets; /* its fragments, in the order they came */
    size_t count;
};
/* Takes a fragment. 1: the datagram is complete, frame->upper is all of it and *whole
 * its packets; both live until the next call. 0: not yet. */
int defrag_add(struct defrag *defrag, struct datagram *whole, struct frame *frame,
               const struct packet *packet, int64_t now);
/* Drops what waited too long. */
void defrag_expire(struct defrag *defrag, int64_t now);
