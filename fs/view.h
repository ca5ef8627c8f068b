/* Views: open files of a recording's packets (as of the open) and lines (which grow).
 */
#pragma once
#include "fs/node.h"

/* Of recording.pcap and entries.jsonl; or, with `stream`, of the one stream's packets.
 */
int view_open(struct file **out, struct fs *fs, const struct place *place, int flags,
              const uint64_t *stream);
