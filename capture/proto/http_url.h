/* Request targets, query strings and cookies, taken apart. */
#pragma once
#include "capture/proto/http_head.h"
#include "kfl/doc.h"

/* Puts `path`, `pathSegments` and `queryString` of a request target; escapes are
 * decoded. */
void http_put_target(struct arena *arena, struct doc_value *object,
                     struct http_text target);
/* Items {name, value} of application/x-www-form-urlencoded. */
void http_put_form(struct arena *arena, struct doc_value *array, struct http_text form);
/* Adds "name=value; …" of Cookie (all of them) or Set-Cookie (the first). */
void http_put_cookies(struct arena *arena, struct doc_value *object,
                      struct http_text text, bool all);
/* Puts a member whose name comes from the wire; one that is there already gets
 * ",value". */
void http_put_joined(struct arena *arena, struct doc_value *object,
                     struct http_text name, struct http_text value);
