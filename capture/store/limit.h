/* Room: what the limits of store, recording and live traffic allow. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct iteration;

/* Room for `bytes` in the limits: 0, or -EDQUOT for the recording's and -EFBIG
 * for the store's. Charges them. */
int limit_charge(struct iteration *iteration, uint64_t bytes);
void limit_release(struct iteration *iteration, uint64_t bytes);
/* Drops the oldest sealed segment of the recording; false if there is none. */
bool limit_drop_oldest(struct iteration *iteration);
/* Bytes at which a segment is sealed. */
uint64_t limit_segment_bytes(const struct iteration *iteration);
/* Live: lets go of what is too old or too much. */
void live_expire(struct iteration *iteration, int64_t now);
