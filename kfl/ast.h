/* The tree of a statement, in an arena. Left-to-right chains are lists, so that its
 * depth is the depth of the parentheses. */
#pragma once
#include "kfl/doc.h"
#include "kfl/path.h"

struct func;
struct regex;

struct literal {
    struct doc_value value; /* decoded; of a regex: null */
    const char *raw;        /* a string as written, without quotes; else NULL */
    uint32_t raw_len;
    struct regex *regex;
    const char *source; /* the token, for explain */
    uint32_t source_len;
};

enum node_kind {
    NODE_LITERAL,
    NODE_PATH,
    NODE_CALL,
    NODE_GROUP,
    NODE_NOT,
    NODE_NEG,
    NODE_CHAIN
};

enum chain_op {
    CHAIN_AND,
    CHAIN_OR,
    CHAIN_EQ,
    CHAIN_NE,
    CHAIN_GT,
    CHAIN_GE,
    CHAIN_LT,
    CHAIN_LE
};

struct link {
    uint8_t op; /* enum chain_op */
    uint32_t at;
    struct node *operand;
    struct link *next;
};

struct call {
    const struct func *func; /* NULL: unknown */
    const char *name;
    uint32_t name_len;
    struct path *receiver; /* NULL: none, the document */
    struct node *args;     /* linked by `next`; of redact() paths */
    uint32_t arg_count;
    bool dead; /* collapses: unknown, too few arguments, or selected from */
};

struct node {
    uint8_t kind;
    uint32_t at;       /* byte of the text it was read from */
    struct node *next; /* the next argument */
    union {
        struct literal *literal;
        struct path *path;
        struct call *call;
        struct {
            struct node *inner; /* GROUP, NOT, NEG; NULL: an empty saved statement */
            const char *name;   /* GROUP: the macro it came from, or NULL */
        };
        struct {
            struct node *first; /* CHAIN */
            struct link *links;
        };
    };
};
