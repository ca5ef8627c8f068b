/* A compiled statement: its tree, and the flat program that runs. Immutable once made.
 */
#pragma once
#include <stdatomic.h>

#include "kfl/ast.h"
#include "kfl/base/mem.h"
#include "kfl/kfl.h"
#include "kfl/parse.h"

#define PROGRAM_STACK_MAX 2048

enum op {
#define OP(id, effect, words) OP_##id,
#include "kfl/ops.def"
#undef OP
};

/* `floor` and `target` say where a selector without a match goes on: at the end of the
 * nearest parentheses, with what they began on; of AND and OR `target` is the end of
 * the right side. */
struct code {
    uint8_t op;
    uint8_t aux; /* enum chain_op or enum func_id */
    uint16_t floor;
    uint32_t target;
    const void *a; /* struct path, struct literal or struct call */
    const void *b;
};

struct kfl {
    _Atomic unsigned refs;
    struct arena arena;
    char *text;
    size_t len;
    struct node *root;  /* NULL: everything */
    struct build build; /* what was found in it */
    struct code *code;
    uint32_t code_count;
    uint32_t stack; /* cells that the program needs */
    const char **records;
    size_t record_count;
};

/* Fills code and stack from the tree. -E2BIG with words. */
int program_emit(struct kfl *kfl, struct err *err);
