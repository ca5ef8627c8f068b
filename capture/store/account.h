/* What is counted of an iteration: what it holds, what it lost, when nothing was
 * recorded. */
#pragma once
#include <stdint.h>

#define LOSS_MAX   16 /* causes */
#define LOSS_CAUSE 32
#define GAPS_MAX   64

struct loss {
    char cause[LOSS_CAUSE];
    uint64_t count;
};
struct gap {
    int64_t from, to;
};
/* What recovery had to cut. */
struct recovery {
    uint64_t log_records, pcap_bytes, jsonl_bytes, logs_lost;
};

/* What the committed segments hold, and what is gone already. */
struct totals {
    uint64_t packets, caplen, entries, line_bytes, streams, disk_bytes;
    int64_t first_at, last_at;
};
