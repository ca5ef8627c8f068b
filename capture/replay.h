/* Replay: a capture file through the live path (decode, flows, reassembly, dissection),
 * in the caller's thread. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "capture/entry.h"

struct err;
struct packet;

struct replay_options {
    unsigned wants;         /* enum want */
    uint64_t before;        /* packets, and so streams, are numbered from before + 1 */
    const char *names_file; /* NULL: none */
    /* Every entry, as it completes; non-zero ends the replay early. */
    int (*entry)(void *context, const struct entry *entry);
    /* Every packet that belongs to a stream, in order of the file; NULL: not wanted. */
    void (*packet)(void *context, struct packet *packet, const struct stream *stream);
    void *context;
};

/* Is this how a pcap or pcapng begins? Needs 4 bytes. */
bool replay_is_capture(const uint8_t *head, size_t len);
/* Reads pcap or pcapng, any byte order and stamp; the caller closes `in`. 0; 1 if the
 * capture is cut or damaged (all that can be read was, *err says what is wrong);
 * -EINVAL no capture; -errno. */
int replay_stream(FILE *in, const struct replay_options *options, struct err *err);
