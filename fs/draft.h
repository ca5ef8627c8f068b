/* Drafts: files that are written as a whole and judged: at the first write, if that is
 * a complete document, and at each close after a write, where they take effect. Nothing
 * a writer does before that is seen by anyone else. */
#pragma once
#include "fs/node.h"

struct draft_ops {
    /* Each 0 or -errno. A refusal by judge must have left its words for people. */
    int (*judge)(struct fs *fs, const struct place *place, const char *text,
                 size_t len);
    int (*apply)(struct fs *fs, const struct place *place, const char *text,
                 size_t len);
};
/* `text` is what the file holds, taken over; emptied by O_TRUNC. */
struct file *draft_new(const struct draft_ops *ops, struct fs *fs,
                       const struct place *place, int flags, struct buf *text);
