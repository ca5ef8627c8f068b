/* XML as a document: an element is its text, or an object where it has attributes
 * ("-name") or children (repeated ones an array, text beside them "#text"). */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "kfl/doc.h"

/* A piece of the XML text that belongs to a value: what an edit of the value replaces.
 */
struct xml_mark {
    struct xml_mark *next;
    const struct doc_value *value;
    size_t from, to;
    const char
        *name; /* of an element written <name/>, that an edit must open; else NULL */
    bool rest; /* more of a text that is in pieces: an edit takes it away */
};

/* The value is an object with the outermost element; `marks` (may be NULL) gets where
 * everything is, in no order. 0, -EINVAL no XML, -E2BIG too deep or too large. */
int xml_parse(struct doc_value *out, struct arena *arena, const char *text, size_t len,
              struct xml_mark **marks);
