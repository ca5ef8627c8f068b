/* The words of the language: keywords, macros, keys of an entry; and the nearest to a
 * wrong one. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* What a macro stands for, or NULL. */
const char *words_macro(const char *word, size_t len);
bool words_is_key(const char *word, size_t len);
/* The key or macro, or the helper, that is meant by a wrong word; NULL: none is near.
 */
const char *words_near(const char *word, size_t len);
const char *words_near_helper(const char *word, size_t len);
