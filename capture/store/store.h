/* The store: recordings on disk, and live traffic as recordings in memory. A recording
 * is a list of iterations, an iteration a list of segments: packets as PCAP, entries as
 * JSON Lines, and a log in which a fixed record commits each of them. Thread safe
 * except where it says. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/store/iteration.h"

struct clock;
struct err;
struct store;

#define RECORDING_NAME 129 /* with the NUL */

struct store_options {
    const char *path;       /* made if absent, 0700 */
    uint64_t storage_limit; /* bytes on disk */
    int64_t sync;           /* ns between fsyncs of what was appended */
    uint64_t live_limit;    /* bytes in memory, half of it for packets */
    int64_t live_packets_ttl, live_entries_ttl;
    const struct clock *clock;
};

/* Opens and recovers: cuts torn tails, counts them in manifests, takes the lock
 * (-EBUSY: another daemon has it). */
int store_open(struct store **out, const struct store_options *options,
               struct err *err);
void store_close(struct store *store);
/* The folder itself, for jobs and saved statements; the store's descriptor, do not
 * close. */
int store_dir(const struct store *store);
/* sys_replace_file() of a file below it, for which there is room on a full disk, too.
 */
int store_replace_file(struct store *store, const char *path, const void *bytes,
                       size_t size);

/* `count` numbers that were never given before; durable before it returns. */
int store_reserve_numbers(struct store *store, uint64_t count, uint64_t *first,
                          struct err *err);

struct store_usage {
    uint64_t bytes, limit; /* on disk, of recordings */
    uint64_t live_packet_bytes, live_entry_bytes;
    int64_t live_since; /* time of the oldest live entry, 0: none */
};
void store_usage(struct store *store, struct store_usage *usage);

/* ---- recordings by name */

struct recording_info {
    char name[RECORDING_NAME];
    unsigned iterations;
    bool recording; /* an iteration is open */
    uint64_t packets, bytes, entries, streams;
    int64_t first_at, last_at; /* of packets and entries; 0: none */
    int64_t expires_at;        /* INT64_MAX: never; 0: while it is recorded */
    int64_t expires_set;       /* what store_set_expiry() said, 0: nothing */
    int64_t created_at;
};
/* The folder of a recording exists from here on; 0 also if it did already. */
int store_create(struct store *store, const char *name, struct err *err);
int store_info(struct store *store, const char *name,
               struct recording_info *info); /* -ENOENT */
/* Names in order, NUL-separated, ended by an empty one; the caller frees. */
char *store_list(struct store *store);
/* -EBUSY while an iteration is open; open snapshots survive. */
int store_remove(struct store *store, const char *name, struct err *err);
int store_rename(struct store *store, const char *from, const char *to,
                 struct err *err);
int store_set_expiry(struct store *store, const char *name, int64_t expires_at,
                     struct err *err);
/* Deletes what expired by `now`; returns when the next will, INT64_MAX: none. */
int64_t store_expire(struct store *store, int64_t now);
