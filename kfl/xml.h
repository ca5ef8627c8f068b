/* XML as a document: an element is its text, or an object where it has attributes
 * ("-name") or children (repeated ones an array, text beside them "#text"). */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "kfl/doc.h"

struct marks;

/* The value is an object with the outermost element; `marks` (may be NULL) gets where
 * everything is. 0, -EINVAL no XML, -E2BIG too deep or too large. */
int xml_parse(struct doc_value *out, struct arena *arena, const char *text, size_t len,
              struct marks *marks);
