/* The packets of chosen streams, out of several captures, as one PCAP file in order of
 * time. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct gather;
struct packet;

struct gather *gather_new(void);
void gather_free(struct gather *gather);
/* Streams are numbers of one capture; the next one begins with none. */
void gather_next_capture(struct gather *gather);
void gather_choose(struct gather *gather, uint64_t stream);
bool gather_chosen(const struct gather *gather, uint64_t stream);
/* Keeps a copy. */
void gather_add(struct gather *gather, const struct packet *packet);
/* Nanosecond PCAP; link types that differ become LINUX_SLL2. *left_out counts what has
 * none of its kind. 0 or -errno. */
int gather_write(struct gather *gather, FILE *out, uint64_t *left_out);
