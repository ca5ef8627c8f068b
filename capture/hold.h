/* Held packets: what hangs on the backs of one worker's flows until a statement
 * matches. They are kept for a time and within a budget; the handshake and the packets
 * of an exchange that is not over are kept longer, as copies of their own, lest a
 * packet pin a whole slab. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct block_pool;
struct held;
struct hold;
struct packet;

/* A flow's back; zero-initialised is valid. */
struct back {
    struct held *first, *last; /* in the order the packets came */
    uint64_t added;            /* packets so far */
    uint64_t lost;             /* packets that are not held any more */
    int64_t since;             /* packets from then on are needed yet */
    unsigned kept;             /* of those held: beyond their time */
};

/* `bytes` says how much is held. */
struct hold *hold_new(struct block_pool *pool, size_t limit, int64_t ttl,
                      _Atomic uint64_t *bytes);
/* All backs must have been let go. */
void hold_free(struct hold *hold);
/* Takes a reference. `first` packets of a flow (a handshake) stay as long as it does.
 */
void hold_add(struct hold *hold, struct back *back, struct packet *packet, bool first);
/* Exchanges before `since` are over (INT64_MAX: all of them). */
void hold_settle(struct hold *hold, struct back *back, int64_t since);
/* Lets go what is older than the time to live, and copies what is needed longer. */
void hold_expire(struct hold *hold, int64_t now);
void hold_release(struct hold *hold, struct back *back);
/* Calls `each` with the packets that are held, in order. */
void hold_each(const struct back *back,
               void (*each)(void *context, struct packet *packet), void *context);
