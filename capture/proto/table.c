#include <string.h>

#include "capture/proto/table.h"

/* Below this the bytes are taken for nothing; a port that fits adds its hint, so that
 * content comes first and ports break ties. */
#define SURE 50
#define HINT 10

static const struct dissector *const table[] = {
#define PROTO(id) &id##_dissector,
#include "capture/proto/protos.def"
#undef PROTO
};
#define COUNT (sizeof table / sizeof table[0])

const struct dissector *table_find(const char *name)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (strcmp(table[i]->name, name) == 0)
            return table[i];
    }
    return NULL;
}

static bool has_port(const struct dissector *d, const struct stream *stream)
{
    for (const uint16_t *port = d->ports; *port; port++) {
        if (stream->ends[0].port == *port || stream->ends[1].port == *port)
            return true;
    }
    return false;
}

const struct dissector *table_probe(const struct stream *stream, struct rd bytes,
                                    bool *more)
{
    const struct dissector *best = NULL;
    int most = SURE - 1;
    *more = false;
    for (size_t i = 0; i < COUNT; i++) {
        if (!(table[i]->kinds & (1u << stream->kind)))
            continue;
        int score = table[i]->probe(bytes, stream->kind);
        if (score == PROBE_MORE)
            *more = true;
        if (score > 0 && has_port(table[i], stream))
            score += HINT;
        if (score > most) {
            most = score;
            best = table[i];
        }
    }
    return best;
}
