/* The lexer: a statement's text to tokens, each with its place. It decides nothing
 * about grammar. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

enum token_kind {
    TOKEN_END,
    TOKEN_BAD,  /* `why` says what is wrong at `at` */
    TOKEN_OPEN, /* a literal without its closing quote; `at` is the opening one */
    TOKEN_WORD,
    TOKEN_NUMBER,
    TOKEN_STRING, /* at and len with the quotes */
    TOKEN_REGEX,  /* at and len with the r and the quotes */
    TOKEN_LPAREN,
    TOKEN_RPAREN,
    TOKEN_LBRACKET,
    TOKEN_RBRACKET,
    TOKEN_COMMA,
    TOKEN_COLON,
    TOKEN_DOT,
    TOKEN_DOTS,
    TOKEN_STAR,
    TOKEN_NOT,
    TOKEN_MINUS,
    TOKEN_EQ,
    TOKEN_NE,
    TOKEN_GT,
    TOKEN_GE,
    TOKEN_LT,
    TOKEN_LE,
};

struct token {
    enum token_kind kind;
    uint32_t at,
        len; /* bytes of the text; TOKEN_END: one past the last that is not blank */
    const char *why; /* TOKEN_BAD: the words */
    bool doomed;     /* TOKEN_OPEN: no continuation can make it good */
};

struct lex {
    const char *text;
    uint32_t len, pos;
    uint32_t solid; /* one past the last token */
};

void lex_init(struct lex *lex, const char *text, size_t len);
struct token lex_next(struct lex *lex);

/* The text that a TOKEN_STRING stands for. */
const char *lex_decode(struct arena *arena, const char *text, const struct token *token,
                       uint32_t *len);
/* The pattern of a TOKEN_REGEX: \" is a quote, everything else as written. */
const char *lex_pattern(struct arena *arena, const char *text,
                        const struct token *token, uint32_t *len);
/* Where byte `decoded` of a literal's meaning stands in the text, for errors inside
 * literals. */
uint32_t lex_literal_at(const char *text, const struct token *token, uint32_t decoded);

/* Line and column (characters), from 1, of a byte. */
void lex_position(const char *text, size_t len, size_t at, int *line, int *col);
bool lex_is_word(const char *text, size_t len);
