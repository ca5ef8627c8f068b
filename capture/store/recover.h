/* Reading the store as the last daemon left it, however it ended. */
#pragma once
#include <stdint.h>

struct err;
struct iteration;
struct segment;
struct segment_stats;
struct store;

/* Reads recordings/ as it was left. */
int recover_store(struct store *store, struct err *err);
/* Adds a segment that the manifest knows, if its files are as it says; else it is found
 * by the way of those that the manifest does not know. */
void recover_known(struct iteration *iteration, uint32_t n,
                   const struct segment_stats *stats);
/* Checks a segment as it lies in the folder and cuts what is torn; NULL: nothing is
 * left of it. */
struct segment *repair_segment(struct iteration *iteration, uint32_t n);
