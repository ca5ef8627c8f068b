/* The parser: tokens to a tree, macros expanded, literals made ready. The earliest
 * error wins. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "kfl/ast.h"
#include "kfl/base/err.h"
#include "kfl/lex.h"

struct kfl_env;

#define PARSE_TEXT_MAX  (64 * 1024)
#define PARSE_DEPTH_MAX 500
#define PARSE_NODES_MAX (64 * 1024)

/* What a statement turned out to hold, across its macros. */
struct build {
    struct arena *arena;
    const struct kfl_env *env;
    struct err *err;
    bool syntax_only; /* literals are not judged (shape) */
    bool open;        /* failed inside a literal that could go on */
    uint32_t depth, nodes;

    struct err warning; /* code 0: none */
    bool limit_seen, redacts;
    int64_t limit;
    struct name *records, **last_record;
    struct regex_ref *regexes; /* all of them, to be freed */
};

struct name {
    struct name *next;
    const char *text;
};

struct regex_ref {
    struct regex_ref *next;
    struct regex *regex;
};

struct parser {
    struct build *build;
    const char *text;
    uint32_t len;
    struct lex lex;
    struct token token;         /* the next one */
    const struct parser *outer; /* this text is what a macro stands for */
    const char *macro;          /* its name */
    uint32_t macro_at;          /* where it is in the outer text */
};

/* *out is NULL for a blank statement. */
int parse_statement(struct node **out, struct build *build, const char *text,
                    size_t len);
/* A path in an argument of redact(): as a selector, with ['name'] and `...` besides. */
int parse_redact_path(struct path **out, struct parser *parser,
                      const struct literal *literal, const struct token *token);
/* Sets the error at a byte of the parser's text (or of the macro's place); returns
 * `code`. */
__attribute__((format(printf, 4, 5))) int
parse_fail(const struct parser *parser, int code, uint32_t at, const char *format, ...);
