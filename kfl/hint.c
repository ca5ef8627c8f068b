/* What can be said of a statement before a document is looked at: the tree is evaluated
 * over sets of outcomes. */
#include <string.h>

#include "kfl/func.h"
#include "kfl/program.h"
#include "kfl/value.h"

/* What a node may come to; a set. */
enum {
    MAY_YES = 1,
    MAY_NO = 2,
    MAY_MISS = 4, /* a selector finds nothing */
    MAY_ANY = MAY_YES | MAY_NO | MAY_MISS,
};

static unsigned may(const struct node *node, const struct kfl_facts *facts);

static unsigned certain(bool yes)
{
    return yes ? MAY_YES : MAY_NO;
}

static bool text_equals(const struct literal *literal, const char *text)
{
    size_t len = strlen(text);
    const struct doc_value *value = &literal->value;
    return (value->len == len && !memcmp(value->text, text, len)) ||
           (literal->raw && literal->raw_len == len &&
            !memcmp(literal->raw, text, len));
}

static unsigned may_text(const char *fact, enum chain_op op,
                         const struct literal *literal)
{
    if (!fact || literal->value.type != DOC_STRING ||
        (op != CHAIN_EQ && op != CHAIN_NE))
        return MAY_YES | MAY_NO;
    return certain(text_equals(literal, fact) == (op == CHAIN_EQ));
}

/* Of the times from..to, does one fulfil it, and does one not? */
static unsigned may_time(const struct kfl_facts *facts, enum chain_op op,
                         const struct literal *literal)
{
    const struct doc_value *value = &literal->value;
    struct doc_value from = {.type = DOC_INT, .integer = facts->from_ms};
    struct doc_value to = {.type = DOC_INT, .integer = facts->to_ms};
    if (value->type < DOC_INT || value->type > DOC_DOUBLE)
        return MAY_YES | MAY_NO;
    int low = value_compare_numbers(&from, value),
        high = value_compare_numbers(&to, value);
    bool inside = low <= 0 && high >= 0, only = low == 0 && high == 0;
    switch (op) {
    case CHAIN_GT:
        return (high > 0 ? MAY_YES : 0u) | (low <= 0 ? MAY_NO : 0u);
    case CHAIN_GE:
        return (high >= 0 ? MAY_YES : 0u) | (low < 0 ? MAY_NO : 0u);
    case CHAIN_LT:
        return (low < 0 ? MAY_YES : 0u) | (high >= 0 ? MAY_NO : 0u);
    case CHAIN_LE:
        return (low <= 0 ? MAY_YES : 0u) | (high > 0 ? MAY_NO : 0u);
    case CHAIN_EQ:
        return (inside ? MAY_YES : 0u) | (only ? 0u : MAY_NO);
    default:
        return (only ? 0u : MAY_YES) | (inside ? MAY_NO : 0u);
    }
}

static bool times_known(const struct kfl_facts *facts)
{
    return facts->from_ms || facts->to_ms;
}

static unsigned may_compare(const struct path *path, enum chain_op op,
                            const struct literal *literal,
                            const struct kfl_facts *facts)
{
    if (literal->regex)
        return MAY_ANY;
    if (facts->record && path_is(path, "record", NULL))
        return may_text(facts->record, op, literal);
    if (facts->abbr && path_is(path, "protocol", "abbr"))
        return may_text(facts->abbr, op, literal);
    if (times_known(facts) && path_is(path, "timestamp", NULL))
        return may_time(facts, op, literal);
    return MAY_ANY;
}

static unsigned may_logical(const struct node *chain, const struct kfl_facts *facts)
{
    unsigned out = may(chain->first, facts), missed = out & MAY_MISS;
    for (const struct link *link = chain->links; link; link = link->next) {
        unsigned stays = link->op == CHAIN_AND ? MAY_NO : MAY_YES;
        unsigned goes_on = link->op == CHAIN_AND ? MAY_YES : MAY_NO;
        unsigned right = out & goes_on ? may(link->operand, facts) : 0;
        missed |= right & MAY_MISS;
        out = (out & stays) | (right & (MAY_YES | MAY_NO));
    }
    return out | missed;
}

static unsigned may_chain(const struct node *chain, const struct kfl_facts *facts)
{
    const struct link *link = chain->links;
    const struct node *left = chain->first, *right = link->operand;
    enum chain_op op = (enum chain_op)link->op;
    if (op == CHAIN_AND || op == CHAIN_OR)
        return may_logical(chain, facts);
    if (link->next)
        return MAY_ANY;
    if (left->kind == NODE_PATH && right->kind == NODE_LITERAL)
        return may_compare(left->path, op, right->literal, facts);
    if (left->kind == NODE_LITERAL && right->kind == NODE_PATH)
        return may_compare(right->path, value_turned(op), left->literal, facts);
    return MAY_ANY;
}

static unsigned may_call(const struct call *call, const struct kfl_facts *facts)
{
    if (call->dead)
        return MAY_MISS;
    switch (call->func->id) {
    case FUNC_LIMIT:
    case FUNC_REDACT:
        return MAY_YES;
    case FUNC_RECORD:
        return facts->record
                   ? certain(!strcmp(call->args->literal->value.text, facts->record))
                   : MAY_YES | MAY_NO;
    default:
        return MAY_ANY;
    }
}

static unsigned may(const struct node *node, const struct kfl_facts *facts)
{
    unsigned inner;
    switch ((enum node_kind)node->kind) {
    case NODE_LITERAL:
        return certain(value_truth(&node->literal->value));
    case NODE_CALL:
        return may_call(node->call, facts);
    case NODE_CHAIN:
        return may_chain(node, facts);
    case NODE_GROUP:
        inner = node->inner ? may(node->inner, facts) : MAY_YES;
        return (inner & (MAY_YES | MAY_NO)) | (inner & MAY_MISS ? MAY_NO : 0u);
    case NODE_NOT:
        inner = may(node->inner, facts);
        return (inner & MAY_MISS) | (inner & MAY_YES ? MAY_NO : 0u) |
               (inner & MAY_NO ? MAY_YES : 0u);
    default:
        return MAY_ANY;
    }
}

/* ---- the selectors of a statement ---- */

static bool meets(const struct node *node, const char *path, bool redacted_only);

static bool call_meets(const struct call *call, const char *path, bool redacted_only)
{
    bool redact = call->func && call->func->id == FUNC_REDACT && !call->dead;
    if (call->dead || (redacted_only && !redact))
        return false;
    if (call->func->id == FUNC_RECORD)
        return !strcmp(path, "record");
    for (const struct node *arg = call->args; arg; arg = arg->next)
        if (arg->kind == NODE_PATH && path_meets(arg->path, path))
            return true;
    if (redact || call->func->args != ARGS_OPERAND)
        return false;
    return !call->receiver || path_meets(call->receiver, path);
}

static bool meets(const struct node *node, const char *path, bool redacted_only)
{
    switch ((enum node_kind)node->kind) {
    case NODE_LITERAL:
        return false;
    case NODE_PATH:
        return !redacted_only && path_meets(node->path, path);
    case NODE_CALL:
        return call_meets(node->call, path, redacted_only);
    case NODE_CHAIN:
        if (meets(node->first, path, redacted_only))
            return true;
        for (const struct link *link = node->links; link; link = link->next)
            if (meets(link->operand, path, redacted_only))
                return true;
        return false;
    default:
        return node->inner && meets(node->inner, path, redacted_only);
    }
}

bool kfl_uses(const struct kfl *kfl, const char *path)
{
    return kfl->root && meets(kfl->root, path, false);
}

bool kfl_may_match(const struct kfl *kfl, const struct kfl_facts *facts)
{
    struct kfl_facts known = *facts;
    if (!kfl->root)
        return true;
    /* What redact() changes is no longer what is known. */
    if (kfl->build.redacts) {
        if (meets(kfl->root, "record", true))
            known.record = NULL;
        if (meets(kfl->root, "protocol.abbr", true))
            known.abbr = NULL;
        if (meets(kfl->root, "timestamp", true))
            known.from_ms = known.to_ms = 0;
    }
    return may(kfl->root, &known) & MAY_YES;
}
