/* A statement for people: how it groups, what runs, what need not be looked at. */
#include <string.h>

#include "kfl/base/buf.h"
#include "kfl/func.h"
#include "kfl/program.h"

static const char *const chain_words[] = {
    [CHAIN_AND] = "and", [CHAIN_OR] = "or", [CHAIN_EQ] = "==", [CHAIN_NE] = "!=",
    [CHAIN_GT] = ">",    [CHAIN_GE] = ">=", [CHAIN_LT] = "<",  [CHAIN_LE] = "<=",
};

static void write_literal(struct buf *out, const struct literal *literal)
{
    if (literal->source)
        buf_add(out, literal->source, literal->source_len);
    else
        doc_write(out, &literal->value);
}

static void write_node(struct buf *out, const struct node *node);

/* Groups to the left: ((a and b) or c). */
static void write_chain(struct buf *out, const struct node *chain)
{
    for (const struct link *link = chain->links; link; link = link->next)
        buf_addch(out, '(');
    write_node(out, chain->first);
    for (const struct link *link = chain->links; link; link = link->next) {
        buf_addf(out, " %s ", chain_words[link->op]);
        write_node(out, link->operand);
        buf_addch(out, ')');
    }
}

static void write_call(struct buf *out, const struct call *call)
{
    if (call->receiver) {
        path_write(out, call->receiver);
        buf_addch(out, '.');
    }
    buf_addf(out, "%s(", call->name ? call->name : "");
    for (const struct node *arg = call->args; arg; arg = arg->next) {
        write_node(out, arg);
        buf_addstr(out, arg->next ? ", " : "");
    }
    buf_addch(out, ')');
}

static void write_node(struct buf *out, const struct node *node)
{
    switch ((enum node_kind)node->kind) {
    case NODE_LITERAL:
        write_literal(out, node->literal);
        break;
    case NODE_PATH:
        path_write(out, node->path);
        break;
    case NODE_CALL:
        write_call(out, node->call);
        break;
    case NODE_NOT:
    case NODE_NEG:
        buf_addch(out, node->kind == NODE_NOT ? '!' : '-');
        write_node(out, node->inner);
        break;
    case NODE_CHAIN:
        write_chain(out, node);
        break;
    case NODE_GROUP:
        if (node->inner && node->inner->kind == NODE_CHAIN) {
            write_node(out, node->inner);
            break;
        }
        buf_addch(out, '(');
        if (node->inner)
            write_node(out, node->inner);
        else
            buf_addstr(out, "true");
        buf_addch(out, ')');
        break;
    }
}

/* ---- the program ---- */

static void write_operands(struct buf *out, const struct code *code)
{
    switch ((enum op)code->op) {
    case OP_LITERAL:
    case OP_RECORD:
        write_literal(out, code->a);
        break;
    case OP_PATH:
        path_write(out, code->a);
        break;
    case OP_COMPARE:
        path_write(out, code->a);
        buf_addf(out, " %s ", chain_words[code->aux]);
        write_literal(out, code->b);
        break;
    case OP_BINARY:
        buf_addstr(out, chain_words[code->aux]);
        break;
    case OP_TEXT:
    case OP_TEXT_PATH:
        if (code->a)
            path_write(out, code->a);
        buf_addf(out, " %s ", func_at(code->aux)->name);
        if (code->op == OP_TEXT)
            write_literal(out, code->b);
        else
            path_write(out, code->b);
        break;
    case OP_REDACT:
        write_call(out, code->a);
        break;
    case OP_AND:
    case OP_OR:
    case OP_COLLAPSE:
        buf_addu(out, code->target);
        break;
    default:
        break;
    }
}

static bool may_miss(const struct code *code)
{
    return code->op == OP_PATH || code->op == OP_COMPARE || code->op == OP_TEXT_PATH;
}

static void write_program(struct buf *out, const struct kfl *kfl)
{
    static const char *const words[] = {
#define OP(id, effect, words) words,
#include "kfl/ops.def"
#undef OP
    };
    for (uint32_t i = 0; i < kfl->code_count; i++) {
        const struct code *code = &kfl->code[i];
        buf_addf(out, "  %3u  %s ", i, words[code->op]);
        write_operands(out, code);
        if (may_miss(code))
            buf_addf(out, "  [without a match: false, go to %u]", code->target);
        buf_addch(out, '\n');
    }
}

/* ---- what is skipped ---- */

static const char *const protocols[] = {
#define MACRO(word, text)
#define PROTOCOL(word, abbr) abbr,
#define ABBR(abbr)           abbr,
#include "kfl/macros.def"
#undef ABBR
#undef PROTOCOL
#undef MACRO
};

static void write_sources(struct buf *out, const struct kfl *kfl)
{
    struct kfl_facts live = {.record = ""};
    const char *between = "";
    buf_addstr(out, "sources: ");
    if (kfl_may_match(kfl, &live)) {
        buf_addstr(out, "live traffic");
        between = ", ";
    }
    for (size_t i = 0; i < kfl_record_count(kfl); i++) {
        struct kfl_facts facts = {.record = kfl_record_name(kfl, i)};
        if (!kfl_may_match(kfl, &facts))
            continue;
        buf_addf(out, "%srecording %s", between, facts.record);
        between = ", ";
    }
    buf_addstr(out, *between ? "\n" : "none, no entry can match\n");
}

static void write_protocols(struct buf *out, const struct kfl *kfl)
{
    size_t count = sizeof(protocols) / sizeof(protocols[0]), possible = 0;
    struct kfl_facts other = {.abbr = "?"};
    bool others = kfl_may_match(kfl, &other);
    for (size_t i = 0; i < count; i++)
        possible += kfl_may_match(kfl, &(struct kfl_facts){.abbr = protocols[i]});
    buf_addstr(out, "protocols:");
    if (others && possible == count)
        buf_addstr(out, " any");
    else if (others)
        buf_addstr(out, " any but");
    for (size_t i = 0; i < count && !(others && possible == count); i++)
        if (kfl_may_match(kfl, &(struct kfl_facts){.abbr = protocols[i]}) != others)
            buf_addf(out, " %s", protocols[i]);
    buf_addch(out, '\n');
}

void kfl_explain(struct buf *out, const struct kfl *kfl)
{
    buf_addstr(out, "grouping: ");
    if (kfl->root)
        write_node(out, kfl->root);
    else
        buf_addstr(out, "everything");
    buf_addch(out, '\n');
    write_sources(out, kfl);
    write_protocols(out, kfl);
    if (kfl_limit(kfl))
        buf_addf(out, "limit: %lld\n", (long long)kfl_limit(kfl));
    if (kfl_redacts(kfl))
        buf_addstr(out, "redacts: entries are changed copies\n");
    buf_addstr(out, "program:\n");
    write_program(out, kfl);
}
