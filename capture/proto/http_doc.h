/* The HAR fields of HTTP messages: heads and bodies as entries show them. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/proto/http_head.h"

struct message;
struct sink;

/* A body without its transfer coding. */
struct http_body {
    const void *bytes; /* what was kept */
    size_t len;
    uint64_t size; /* as sent, lost bytes included */
    uint64_t gap;  /* lost bytes */
    bool cut;      /* not all was kept, or it did not come to its end */
};

/* Fills message->doc, as far as the sink wants it. */
void http_request_doc(struct message *message, const struct sink *sink,
                      const struct http_head *head, const struct http_body *body);
void http_response_doc(struct message *message, const struct sink *sink,
                       const struct http_head *head, const struct http_body *body);
