/* Import: a capture file becomes an iteration of a recording. */
#pragma once
#include <stdint.h>
#include <stdio.h>

struct err;
struct fs;

/* Reads pcap or pcapng into a new iteration of the recording, in the caller's thread:
 * 0; -EINVAL no capture; -ENOSPC and others: then nothing of it is left in a recording
 * that was empty. */
int import_capture(struct fs *fs, const char *recording, FILE *in, uint64_t size,
                   struct err *err);
