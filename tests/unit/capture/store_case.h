/* What the tests of the store share: a store in a folder of its own, packets and lines
 * that say who they are. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "capture/block.h"
#include "capture/store/cursor.h"
#include "capture/store/store.h"
#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/sys.h"

#define START (INT64_C(1760000000) * NS_PER_S)
#define MIB   (UINT64_C(1024) * 1024)

struct store_case {
    char path[64];
    struct clock_fake clock;
    struct store_options options;
    struct store *store;
    struct block_pool pool;
};

/* A packet in a file. */
struct file_packet {
    int64_t at;
    uint32_t caplen, len;
    const uint8_t *data;
};

void case_reopen(struct store_case *c);
void case_open(struct store_case *c);
void case_close(struct store_case *c);
struct iteration *case_iteration(struct store_case *c, const char *name, int64_t start);
/* A packet whose bytes follow from its number. */
struct packet *case_packet(struct store_case *c, uint64_t number, int64_t at,
                           uint16_t linktype, uint32_t caplen);
int case_add(struct store_case *c, struct iteration *iteration, uint64_t number,
             int64_t at, uint64_t stream, uint16_t linktype, uint32_t caplen);
int case_line(struct iteration *iteration, uint64_t stream, uint32_t index,
              int64_t done_at);
void case_end(struct store_case *c, struct iteration *iteration);
/* All of a view, read in steps of `step`. */
void case_read_pcap(struct buf *out, struct pcap_view *view, size_t step);
void case_read_lines(struct buf *out, struct lines_view *view, size_t step);
/* The file of all packets of one iteration. */
void case_pcap(struct buf *out, struct iteration *iteration);
void case_lines(struct buf *out, struct iteration *iteration, const char *record);
/* The packet at *at (0: the first), which goes on; false at the end. */
bool case_next(struct file_packet *packet, const struct buf *file, size_t *at);
/* Packets of the file, which are in order of time. */
size_t case_count(const struct buf *file);
