/* Bodies: content codings of HTTP (RFC 9110 8.4) undone, within limits. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct buf;

/* Appends the decoded body to `out`, at most out->limit bytes and a bounded ratio of
 * what came in. `codings` is the value of Content-Encoding: the last was applied last.
 * 0; -EOPNOTSUPP a coding that is not known, `out` is untouched; -EBADMSG it is no such
 * coding, or cut; -E2BIG a limit: in both cases `out` has what could be decoded. */
int body_decode(struct buf *out, const char *codings, size_t codings_len,
                const void *in, size_t in_len);
