#include "capture/store/order.h"

#include <stdbool.h>
#include <stdlib.h>

#include "kfl/base/mem.h"

#define SMALL 16 /* is sorted by insertion */

static int place_compare(const struct place *a, const struct place *b)
{
    int order = key_compare(a->key, b->key);
    if (order != 0)
        return order;
    if (a->source != b->source)
        return a->source < b->source ? -1 : 1;
    return a->locator < b->locator ? -1 : a->locator > b->locator;
}

static void swap(struct place *a, struct place *b)
{
    struct place c = *a;
    *a = *b;
    *b = c;
}

static void insertion_sort(struct place *places, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct place place = places[i];
        size_t j = i;
        for (; j > 0 && place_compare(&place, &places[j - 1]) < 0; j--)
            places[j] = places[j - 1];
        places[j] = place;
    }
}

static void sift_down(struct place *places, size_t i, size_t count)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= count)
            return;
        if (child + 1 < count && place_compare(&places[child], &places[child + 1]) < 0)
            child++;
        if (place_compare(&places[i], &places[child]) >= 0)
            return;
        swap(&places[i], &places[child]);
        i = child;
    }
}

static void heap_sort(struct place *places, size_t count)
{
    for (size_t i = count / 2; i-- > 0;)
        sift_down(places, i, count);
    for (size_t end = count; end-- > 1;) {
        swap(&places[0], &places[end]);
        sift_down(places, 0, end);
    }
}

static struct place median(const struct place *a, const struct place *b,
                           const struct place *c)
{
    if (place_compare(a, b) > 0) {
        const struct place *t = a;
        a = b;
        b = t;
    }
    if (place_compare(c, a) < 0)
        return *a;
    return place_compare(c, b) < 0 ? *c : *b;
}

/* qsort(3) takes the size of the array again, which is half of what a view may cost. */
static void quick_sort(struct place *places, size_t count, unsigned depth)
{
    while (count > SMALL) {
        if (depth-- == 0) {
            heap_sort(places, count);
            return;
        }
        struct place pivot = median(&places[0], &places[count / 2], &places[count - 1]);
        size_t i = 0, j = count - 1;
        for (;; i++, j--) {
            while (place_compare(&places[i], &pivot) < 0)
                i++;
            while (place_compare(&pivot, &places[j]) < 0)
                j--;
            if (i >= j)
                break;
            swap(&places[i], &places[j]);
        }
        quick_sort(places, i, depth);
        places += i;
        count -= i;
    }
    insertion_sort(places, count);
}

void places_sort(struct place *places, size_t count)
{
    bool sorted = true;
    unsigned depth = 0;
    for (size_t i = 1; i < count && sorted; i++)
        sorted = place_compare(&places[i - 1], &places[i]) <= 0;
    for (size_t n = count; n > 0; n /= 2)
        depth += 2;
    if (!sorted)
        quick_sort(places, count, depth);
}

void places_init(struct places *places, size_t cap)
{
    *places = (struct places){.cap = cap};
    if (cap > 0)
        places->items = mem_alloc(cap * sizeof(*places->items));
}

void places_fini(struct places *places)
{
    free(places->items);
    *places = (struct places){0};
}

void places_add(struct places *places, struct place place)
{
    if (places->count == places->cap) {
        places->cap = places->cap ? places->cap * 2 : 64;
        places->items =
            mem_realloc(places->items, places->cap * sizeof(*places->items));
    }
    places->items[places->count++] = place;
}
