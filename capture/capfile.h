/* Capture files: pcap (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng),
 * any byte order and stamp, several sections, interfaces and link types in one file. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct capfile;
struct err;
struct packet;

/* Is this how a capture begins? Needs 4 bytes. */
bool capfile_is(const uint8_t *head, size_t len);
/* 0; -EINVAL no capture; -errno. The caller closes `in` after the capfile. */
int capfile_open(struct capfile **out, FILE *in, struct err *err);
void capfile_close(struct capfile *file);
/* The next packet: 1, with packet->data valid until the next call, block and shard
 * unset, number its place in the file from 1; 0 at the end; -EBADMSG the file is cut or
 * damaged here; -errno. */
int capfile_next(struct capfile *file, struct packet *packet, struct err *err);
