/* Segments in memory, as readers see them: chunks of records that never move, each
 * record with the packet it refers to or the text that it is. */
#pragma once
#include <stdint.h>

#include "capture/store/log.h"

struct packet;
struct segment;

#define MEMORY_RECORDS_MAX (1u << 20)

/* Of a published record; the pointers live as long as the segment. */
const struct record *memory_record(const struct segment *segment, uint32_t i);
struct packet *memory_packet(const struct segment *segment, uint32_t i);
const char *memory_line(const struct segment *segment, uint32_t i);
