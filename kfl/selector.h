/* Selectors in the grammar: words, brackets, stars and calls to a path; and paths
 * inside redact(). */
#pragma once
#include "kfl/parse.h"

/* The first word has been taken (NULL: `..` comes first). A path or a call. */
int selector_parse(struct node **out, struct parser *parser, const struct token *first);

/* What the parser lends to it. */
int parse_unexpected(struct parser *parser, const char *expected);
int parse_unexpected_literal(struct parser *parser, const char *expected);
int parse_expect(struct token *out, struct parser *parser, enum token_kind kind,
                 const char *expected);
bool parse_accept(struct token *out, struct parser *parser, enum token_kind kind);
int parse_call(struct node **out, struct parser *parser, const struct token *name,
               struct path *receiver);
