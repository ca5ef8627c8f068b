/* A bounded queue of pointers between threads, with the bytes they stand for. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;

/* max_bytes 0: no limit but that of items. */
struct queue *queue_new(size_t max_items, size_t max_bytes);
/* The queue must be empty or its items the caller's concern. */
void queue_free(struct queue *queue);
/* Never waits: 0, -EAGAIN if full, -EPIPE if closed; on failure the item stays the
 * caller's. An item larger than max_bytes is taken by an empty queue, lest it never
 * pass. */
int queue_push(struct queue *queue, void *item, size_t bytes);
/* Waits up to timeout_ns (-1: for ever) for an item; NULL: none in time, or closed and
 * empty. */
void *queue_pop(struct queue *queue, int64_t timeout_ns);
/* No more pushes; poppers get what is left, then NULL at once. */
void queue_close(struct queue *queue);
bool queue_closed(struct queue *queue);
