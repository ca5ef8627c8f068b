/* json() and xml() of a value, done once for each text of a document. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "kfl/doc.h"

struct buf;
struct kfl_run;

/* 1; 0 it cannot be decoded; -E2BIG with words in the run's error. */
int decode_value(const struct doc_value **out, struct kfl_run *run,
                 const struct doc_value *value, bool xml);
/* The bytes that base64 text stands for, in the arena; NULL if it is none. */
const char *decode_base64(size_t *len, struct arena *arena,
                          const struct doc_value *value);
/* Does it begin as XML does? Else it may be base64. */
bool decode_is_xml(const char *text, size_t len);
