#include "kfl/words.h"

#include <string.h>

#include "kfl/base/text.h"
#include "kfl/func.h"
#include "kfl/kfl.h"
#include "kfl/lex.h"

static const struct macro {
    const char *word, *text;
} macros[] = {
#define MACRO(word, text)    {word, text},
#define PROTOCOL(word, abbr) MACRO(word, "protocol.abbr == \"" abbr "\"")
#define ABBR(abbr)
#include "kfl/macros.def"
#undef ABBR
#undef PROTOCOL
#undef MACRO
};

static const char *const keys[] = {
#define KEY(word) word,
#include "kfl/keys.def"
#undef KEY
};

static const char *const keywords[] = {"nil", "true", "false", "and", "or"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool is(const char *word, size_t len, const char *known)
{
    return strlen(known) == len && !memcmp(word, known, len);
}

const char *words_macro(const char *word, size_t len)
{
    for (size_t i = 0; i < COUNT(macros); i++)
        if (is(word, len, macros[i].word))
            return macros[i].text;
    return NULL;
}

bool words_is_key(const char *word, size_t len)
{
    for (size_t i = 0; i < COUNT(keys); i++)
        if (is(word, len, keys[i]))
            return true;
    return false;
}

bool kfl_name_is_free(const char *name)
{
    size_t len = strlen(name);
    if (!lex_is_word(name, len) || words_macro(name, len) || words_is_key(name, len))
        return false;
    for (size_t i = 0; i < COUNT(keywords); i++)
        if (is(name, len, keywords[i]))
            return false;
    return true;
}

/* Keeps the nearest of the candidates shown so far. */
static void nearer(const char **best, unsigned *least, const char *word,
                   const char *known)
{
    unsigned distance = text_distance(word, known, *least);
    if (distance < *least) {
        *least = distance;
        *best = known;
    }
}

#define WORD_MAX 64

static bool start_near(char copy[WORD_MAX], unsigned *least, const char *word,
                       size_t len)
{
    if (len < 2 || len >= WORD_MAX)
        return false;
    memcpy(copy, word, len);
    copy[len] = 0;
    *least = len < 4 ? 2 : 3;
    return true;
}

const char *words_near(const char *word, size_t len)
{
    const char *best = NULL;
    char copy[WORD_MAX];
    unsigned least;
    if (!start_near(copy, &least, word, len))
        return NULL;
    for (size_t i = 0; i < COUNT(macros); i++)
        nearer(&best, &least, copy, macros[i].word);
    for (size_t i = 0; i < COUNT(keys); i++)
        nearer(&best, &least, copy, keys[i]);
    return best;
}

const char *words_near_helper(const char *word, size_t len)
{
    const char *best = NULL;
    char copy[WORD_MAX];
    unsigned least;
    if (!start_near(copy, &least, word, len))
        return NULL;
    for (int id = 0; id < FUNC_COUNT; id++)
        nearer(&best, &least, copy, func_at((enum func_id)id)->name);
    return best;
}
