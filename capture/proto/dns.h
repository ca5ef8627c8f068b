/* Messages of the DNS, for what carries them. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/stream.h"

struct sink;

/* Is every byte of it accounted for? */
bool dns_is_message(const uint8_t *bytes, size_t len);
/* A whole message, of `wire` bytes with its framing. `unasked`: an answer may come
 * without a question before it, because that was told elsewhere. */
void dns_take(struct sink *sink, enum direction dir, const uint8_t *bytes, size_t len,
              size_t wire, bool unasked);
