#include "kfl/lex.h"

#include <string.h>

#include "kfl/base/mem.h"
#include "kfl/base/text.h"

void lex_init(struct lex *lex, const char *text, size_t len)
{
    *lex = (struct lex){.text = text, .len = (uint32_t)len};
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Punctuation that looks like a part of text ("curly quotes", no-break blanks, wide
 * forms) is no letter, so that a pasted statement is told what is wrong with it. */
static bool is_letter(uint32_t c)
{
    if (c < 0x80)
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (c < 0xc0)
        return c == 0xaa || c == 0xb5 || c == 0xba;
    return c != 0xd7 && c != 0xf7 && !(c >= 0x2000 && c < 0x2070) &&
           !(c >= 0x2190 && c < 0x2c00) && !(c >= 0x3000 && c < 0x3004) &&
           !(c >= 0x3008 && c < 0x3021) && !(c >= 0xff00 && c < 0xff21) &&
           c != 0xfeff && c != 0xfffd;
}

/* Bytes of the letter at `pos`, 0 if there is none. */
static uint32_t letter_at(const char *text, uint32_t len, uint32_t pos)
{
    uint32_t c = 0;
    if (pos >= len)
        return 0;
    uint32_t size = (uint32_t)text_utf8_next(text + pos, len - pos, &c);
    if (size == 1 && (unsigned char)text[pos] >= 0x80)
        return 0;
    return is_letter(c) ? size : 0;
}

static uint32_t word_len(const char *text, uint32_t len, uint32_t pos)
{
    uint32_t start = pos;
    for (;;) {
        uint32_t size = letter_at(text, len, pos);
        if (!size && pos > start && pos < len && is_digit(text[pos]))
            size = 1;
        if (!size)
            return pos - start;
        pos += size;
    }
}

bool lex_is_word(const char *text, size_t len)
{
    return len > 0 && len < UINT32_MAX && word_len(text, (uint32_t)len, 0) == len;
}

static uint32_t number_len(const char *text, uint32_t len, uint32_t pos)
{
    uint32_t at = pos;
    while (at < len && is_digit(text[at]))
        at++;
    if (at + 1 < len && text[at] == '.' && is_digit(text[at + 1])) {
        at++;
        while (at < len && is_digit(text[at]))
            at++;
    }
    if (at < len && (text[at] == 'e' || text[at] == 'E')) {
        uint32_t exponent = at + 1;
        if (exponent < len && (text[exponent] == '+' || text[exponent] == '-'))
            exponent++;
        if (exponent < len && is_digit(text[exponent])) {
            at = exponent;
            while (at < len && is_digit(text[at]))
                at++;
        }
    }
    return at - pos;
}

static struct token bad(uint32_t at, uint32_t len, const char *why)
{
    return (struct token){.kind = TOKEN_BAD, .at = at, .len = len, .why = why};
}

/* White space and comments; a comment that does not end is told by *out and false. */
static bool skip_blank(struct lex *lex, struct token *out)
{
    const char *text = lex->text;
    while (lex->pos < lex->len) {
        char c = text[lex->pos];
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            lex->pos++;
        } else if (c == '/' && lex->pos + 1 < lex->len && text[lex->pos + 1] == '/') {
            while (lex->pos < lex->len && text[lex->pos] != '\n')
                lex->pos++;
        } else if (c == '/' && lex->pos + 1 < lex->len && text[lex->pos + 1] == '*') {
            const char *start = text + lex->pos + 2;
            const char *end = memmem(start, lex->len - lex->pos - 2, "*/", 2);
            if (!end) {
                *out = bad(lex->pos, 2, "comment not terminated (expected `*/`)");
                return false;
            }
            lex->pos = (uint32_t)(end + 2 - text);
        } else {
            break;
        }
    }
    return true;
}

static int hex4(const char *text, uint32_t left)
{
    int value = 0;
    if (left < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = text[i];
        int digit = is_digit(c)            ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static char simple_escape(char c)
{
    switch (c) {
    case '"':
    case '\\':
    case '/':
        return c;
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case 'r':
        return '\r';
    default:
        return 0;
    }
}

/* One escape at text[0] == '\\'. Returns its bytes and fills out[], or 0 and says why.
 */
static uint32_t escape(const char *text, uint32_t left, char out[4], uint32_t *out_len,
                       const char **why)
{
    *why = "bad escape (expected \\\" \\\\ \\/ \\n \\t \\r or \\uXXXX)";
    if (left < 2)
        return 0;
    out[0] = simple_escape(text[1]);
    *out_len = 1;
    if (out[0])
        return 2;
    if (text[1] != 'u')
        return 0;
    int high = hex4(text + 2, left - 2);
    *why = "bad escape (expected four hexadecimal digits after \\u)";
    if (high < 0)
        return 0;
    uint32_t c = (uint32_t)high, size = 6;
    if (high >= 0xd800 && high < 0xe000) {
        *why = "bad escape (expected the other half of a \\uXXXX pair)";
        int low =
            left >= 12 && text[6] == '\\' && text[7] == 'u' ? hex4(text + 8, 4) : -1;
        if (high >= 0xdc00 || low < 0xdc00 || low >= 0xe000)
            return 0;
        c = 0x10000 + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
        size = 12;
    }
    *out_len = (uint32_t)text_utf8_put(out, c);
    return size;
}

/* The first byte that is no part of valid UTF-8, or a zero, which no path or line can
 * hold; or `len`. */
static uint32_t utf8_until(const char *text, uint32_t len)
{
    uint32_t at = 0;
    while (at < len) {
        uint32_t c, size = (uint32_t)text_utf8_next(text + at, len - at, &c);
        if ((size == 1 && (unsigned char)text[at] >= 0x80) || !text[at])
            return at;
        at += size;
    }
    return len;
}

/* Could the escape at the very end of an open string still become a good one? */
static bool escape_may_grow(const char *text, uint32_t left)
{
    static const char like[] = "\\uxxxx\\uxxxx";
    bool d = left > 2 && (text[2] | 0x20) == 'd';
    if (left > 11 || (d && left > 3 && strchr("cdefCDEF", text[3])) ||
        (left > 6 && !(d && strchr("89abAB", text[3]))) ||
        (left > 8 && (text[8] | 0x20) != 'd') ||
        (left > 9 && !strchr("cdefCDEF", text[9])))
        return false;
    for (uint32_t i = 0; i < left; i++) {
        bool hex = hex4((const char[]){text[i], '0', '0', '0'}, 4) >= 0;
        if (like[i] == 'x' ? !hex : text[i] != like[i])
            return false;
    }
    return true;
}

/* The first bytes of a character whose last are not there? */
static bool is_partial(const char *text, uint32_t len)
{
    const unsigned char *bytes = (const unsigned char *)text;
    uint32_t want = !len || bytes[0] > 0xf4 ? 0
                    : bytes[0] >= 0xf0      ? 4
                    : bytes[0] >= 0xe0      ? 3
                    : bytes[0] >= 0xc2      ? 2
                                            : 0;
    for (uint32_t i = 1; i < len && i < want; i++)
        if ((bytes[i] & 0xc0) != 0x80)
            return false;
    return len < want;
}

/* A bad escape or byte inside a string's content: its offset, or `len`. The first bytes
 * of a character at the end of an open one are not bad yet. */
static uint32_t string_fault(const char *text, uint32_t len, bool open,
                             const char **why)
{
    uint32_t utf8 = utf8_until(text, len), all = len;
    if (open && is_partial(text + utf8, len - utf8))
        len = utf8;
    for (uint32_t at = 0; at < utf8;) {
        char out[4];
        uint32_t out_len, size = 1;
        if (text[at] == '\\')
            size = escape(text + at, len - at, out, &out_len, why);
        if (!size)
            return open && escape_may_grow(text + at, len - at) ? all : at;
        at += size;
    }
    *why = "bad literal (expected UTF-8 without zero bytes)";
    return utf8 < len ? utf8 : all;
}

/* A string or regex whose opening quote is at `quote`. */
static struct token lex_literal(struct lex *lex, uint32_t start, uint32_t quote,
                                bool is_regex)
{
    const char *text = lex->text, *why = NULL;
    uint32_t at = quote + 1;
    while (at < lex->len && text[at] != '"' && text[at] != '\n')
        at += text[at] == '\\' && at + 1 < lex->len && text[at + 1] != '\n' ? 2 : 1;
    bool open = at >= lex->len || text[at] == '\n';
    uint32_t len = (at < lex->len ? at : lex->len) - quote - 1, fault = len;
    if (!is_regex)
        fault = string_fault(text + quote + 1, len, open, &why);
    else if (!open)
        fault = utf8_until(text + quote + 1, len),
        why = "bad regex (expected UTF-8 without zero bytes)";
    lex->pos = open ? lex->len : at + 1;
    if (open)
        return (struct token){.kind = TOKEN_OPEN,
                              .at = quote,
                              .len = 1,
                              .doomed = at < lex->len || fault < len};
    if (fault < len) {
        return bad(quote + 1 + fault, 1, why);
    }
    return (struct token){.kind = is_regex ? TOKEN_REGEX : TOKEN_STRING,
                          .at = start,
                          .len = at + 1 - start};
}

static const char *character_hint(char c)
{
    switch (c) {
    case '=':
        return "unexpected `=` (expected `==`)";
    case '&':
        return "unexpected `&` (expected `and`)";
    case '|':
        return "unexpected `|` (expected `or`)";
    case '\'':
    case '`':
        return "unexpected quote (expected `\"`)";
    default:
        return "unexpected character";
    }
}

static const struct sign {
    char text[3];
    uint8_t kind;
} signs[] = {
    {"==", TOKEN_EQ},    {"!=", TOKEN_NE},      {">=", TOKEN_GE},
    {"<=", TOKEN_LE},    {"..", TOKEN_DOTS},    {"(", TOKEN_LPAREN},
    {")", TOKEN_RPAREN}, {"[", TOKEN_LBRACKET}, {"]", TOKEN_RBRACKET},
    {",", TOKEN_COMMA},  {":", TOKEN_COLON},    {".", TOKEN_DOT},
    {"*", TOKEN_STAR},   {"!", TOKEN_NOT},      {"-", TOKEN_MINUS},
    {">", TOKEN_GT},     {"<", TOKEN_LT},
};

static struct token lex_sign(struct lex *lex)
{
    const char *text = lex->text + lex->pos;
    uint32_t left = lex->len - lex->pos, at = lex->pos;
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
        uint32_t len = (uint32_t)strlen(signs[i].text);
        if (len <= left && !memcmp(text, signs[i].text, len)) {
            lex->pos += len;
            return (struct token){.kind = signs[i].kind, .at = at, .len = len};
        }
    }
    uint32_t c, size = (uint32_t)text_utf8_next(text, left, &c);
    lex->pos += size;
    return bad(at, size, character_hint(*text));
}

static struct token lex_solid(struct lex *lex)
{
    const char *text = lex->text;
    uint32_t at = lex->pos, size;
    char c = text[at], next = at + 1 < lex->len ? text[at + 1] : 0;
    if (c == '"')
        return lex_literal(lex, at, at, false);
    if (c == 'r' && next == '"')
        return lex_literal(lex, at, at + 1, true);
    if (is_digit(c) || (c == '.' && is_digit(next))) {
        size = number_len(text, lex->len, at);
        lex->pos += size;
        return (struct token){.kind = TOKEN_NUMBER, .at = at, .len = size};
    }
    size = word_len(text, lex->len, at);
    if (!size)
        return lex_sign(lex);
    lex->pos += size;
    return (struct token){.kind = TOKEN_WORD, .at = at, .len = size};
}

struct token lex_next(struct lex *lex)
{
    struct token token;
    if (!skip_blank(lex, &token)) {
        lex->pos = lex->len;
        return token;
    }
    if (lex->pos >= lex->len)
        return (struct token){.kind = TOKEN_END, .at = lex->solid};
    token = lex_solid(lex);
    lex->solid = lex->pos;
    return token;
}

const char *lex_decode(struct arena *arena, const char *text, const struct token *token,
                       uint32_t *len)
{
    const char *from = text + token->at + 1, *why;
    uint32_t left = token->len - 2, used = 0;
    char *out = arena_alloc(arena, left + 1);
    for (uint32_t at = 0; out && at < left;) {
        char bytes[4] = {from[at]};
        uint32_t size = 1, bytes_len = 1;
        if (from[at] == '\\')
            size = escape(from + at, left - at, bytes, &bytes_len, &why);
        memcpy(out + used, bytes, bytes_len);
        used += bytes_len;
        at += size;
    }
    *len = used;
    if (out)
        out[used] = 0;
    return out;
}

const char *lex_pattern(struct arena *arena, const char *text,
                        const struct token *token, uint32_t *len)
{
    const char *from = text + token->at + 2;
    uint32_t left = token->len - 3, used = 0;
    char *out = arena_alloc(arena, left + 1);
    for (uint32_t at = 0; out && at < left; at++) {
        if (from[at] == '\\' && at + 1 < left) {
            if (from[at + 1] != '"')
                out[used++] = '\\';
            at++;
        }
        out[used++] = from[at];
    }
    *len = used;
    if (out)
        out[used] = 0;
    return out;
}

uint32_t lex_literal_at(const char *text, const struct token *token, uint32_t decoded)
{
    bool is_regex = token->kind == TOKEN_REGEX;
    uint32_t at = token->at + (is_regex ? 2 : 1), end = token->at + token->len - 1,
             done = 0;
    while (at < end && done < decoded) {
        char bytes[4];
        const char *why;
        uint32_t size = 1, bytes_len = 1;
        if (text[at] == '\\' && is_regex)
            size = text[at + 1] == '"' ? 2 : 1;
        else if (text[at] == '\\')
            size = escape(text + at, end - at, bytes, &bytes_len, &why);
        done += bytes_len;
        at += size ? size : 1;
    }
    return at;
}

void lex_position(const char *text, size_t len, size_t at, int *line, int *col)
{
    size_t pos = 0;
    *line = *col = 1;
    while (pos < at && pos < len) {
        uint32_t c;
        bool newline = text[pos] == '\n';
        pos += text_utf8_next(text + pos, len - pos, &c);
        *col = newline ? 1 : *col + 1;
        *line += newline;
    }
}
