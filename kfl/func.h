/* The helpers: what their arguments must be, and what becomes of the calls. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct call;
struct node;
struct parser;
struct token;

enum func_id {
#define FUNC(id, name, args, min, max, text) FUNC_##id,
#include "kfl/funcs.def"
#undef FUNC
    FUNC_COUNT
};

enum func_args { ARGS_NONE, ARGS_TEXT, ARGS_NUMBER, ARGS_OPERAND };

struct func {
    const char *name;
    uint8_t id, args, min, max;
    const char *text;
};

const struct func *func_find(const char *name, size_t len);
const struct func *func_at(enum func_id id);
/* Is an argument what the helper takes? Called as it is read; the words go to the
 * parser's error. */
int func_check_arg(struct parser *parser, struct call *call, struct node *arg,
                   const struct token *token);
/* A whole call: notes what it means for the statement; time helpers become numbers. */
int func_bind(struct parser *parser, struct node *node);
