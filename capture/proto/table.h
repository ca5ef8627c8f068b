/* The table of dissectors. */
#pragma once
#include "capture/proto/proto.h"

#define PROTO(id) extern const struct dissector id##_dissector;
#include "capture/proto/protos.def"
#undef PROTO

const struct dissector *table_find(const char *name);
/* The dissector that is surest of the first bytes of a direction. NULL: none, or *more
 * is set and more bytes may tell. */
const struct dissector *table_probe(const struct stream *stream, struct rd bytes,
                                    bool *more);
