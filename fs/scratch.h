/* Scratch files: what editors leave beside spec.yaml. In memory, gone with the job.
 * Thread safe. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct listing;
struct scratch;

struct scratch *scratch_new(void);
void scratch_free(struct scratch *scratch);
/* Makes or replaces one; -ENOSPC past the limits. `text` may be NULL where len is 0. */
int scratch_put(struct scratch *scratch, const char *path, const char *text, size_t len,
                int64_t at);
/* Its text appended to `out` (may be NULL) and its time; -ENOENT. */
int scratch_get(struct scratch *scratch, const char *path, struct buf *out,
                size_t *size, int64_t *at);
int scratch_remove(struct scratch *scratch, const char *path);
/* Those in the folder. */
void scratch_list(struct scratch *scratch, const char *folder, struct listing *listing);
void scratch_forget_below(struct scratch *scratch, const char *folder);
