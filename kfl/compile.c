#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kfl/base/mem.h"
#include "kfl/func.h"
#include "kfl/program.h"
#include "kfl/regex.h"
#include "kfl/value.h"

#define TARGET_OPEN UINT32_MAX /* until the group's end is known */

struct emitter {
    struct kfl *kfl;
    uint32_t cap, depth;
    uint16_t floor;
};

static const int8_t effects[] = {
#define OP(id, effect, words) effect,
#include "kfl/ops.def"
#undef OP
};

static struct code *emit(struct emitter *emitter, struct code code)
{
    struct kfl *kfl = emitter->kfl;
    if (kfl->code_count == emitter->cap) {
        emitter->cap = emitter->cap ? 2 * emitter->cap : 16;
        kfl->code = mem_realloc(kfl->code, emitter->cap * sizeof(*kfl->code));
    }
    code.floor = emitter->floor;
    code.target = TARGET_OPEN;
    emitter->depth = (uint32_t)((int)emitter->depth + effects[code.op]);
    if (emitter->depth > kfl->stack)
        kfl->stack = emitter->depth;
    kfl->code[kfl->code_count] = code;
    return &kfl->code[kfl->code_count++];
}

static void emit_node(struct emitter *emitter, const struct node *node);

/* Selectors inside that find nothing go to the end. */
static void emit_group(struct emitter *emitter, const struct node *inner)
{
    static const struct literal yes = {.value = {.type = DOC_BOOL, .boolean = true}};
    struct kfl *kfl = emitter->kfl;
    uint32_t start = kfl->code_count;
    uint16_t floor = emitter->floor;
    emitter->floor = (uint16_t)emitter->depth;
    if (inner)
        emit_node(emitter, inner);
    else
        emit(emitter, (struct code){.op = OP_LITERAL, .a = &yes});
    for (uint32_t i = start; i < kfl->code_count; i++)
        if (kfl->code[i].target == TARGET_OPEN)
            kfl->code[i].target = kfl->code_count;
    emitter->floor = floor;
}

/* A selector with a literal, the usual comparison, is one instruction. */
static bool emit_simple(struct emitter *emitter, const struct node *left,
                        enum chain_op op, const struct node *right)
{
    if (left->kind == NODE_LITERAL && right->kind == NODE_PATH)
        return emit_simple(emitter, right, value_turned(op), left);
    if (left->kind != NODE_PATH || right->kind != NODE_LITERAL)
        return false;
    emit(emitter, (struct code){.op = OP_COMPARE,
                                .aux = (uint8_t)op,
                                .a = left->path,
                                .b = right->literal});
    return true;
}

static void emit_chain(struct emitter *emitter, const struct node *chain)
{
    const struct link *link = chain->links;
    struct kfl *kfl = emitter->kfl;
    bool logical = link->op == CHAIN_AND || link->op == CHAIN_OR;
    if (!logical &&
        emit_simple(emitter, chain->first, (enum chain_op)link->op, link->operand))
        link = link->next;
    else
        emit_node(emitter, chain->first);
    for (; link; link = link->next) {
        uint32_t jump = kfl->code_count;
        if (logical)
            emit(emitter, (struct code){.op = link->op == CHAIN_AND ? OP_AND : OP_OR});
        emit_node(emitter, link->operand);
        if (logical)
            kfl->code[jump].target = kfl->code_count;
        else
            emit(emitter, (struct code){.op = OP_BINARY, .aux = link->op});
    }
    if (logical)
        emit(emitter, (struct code){.op = OP_TRUTH});
}

static void emit_call(struct emitter *emitter, const struct call *call)
{
    struct code code = {.op = OP_COLLAPSE};
    static const struct literal yes = {.value = {.type = DOC_BOOL, .boolean = true}};
    if (!call->dead) {
        const struct node *arg = call->args;
        code.aux = call->func->id;
        switch (call->func->id) {
        case FUNC_REDACT:
            code.op = OP_REDACT;
            code.a = call;
            break;
        case FUNC_RECORD:
            code.op = OP_RECORD;
            code.a = arg->literal;
            break;
        case FUNC_LIMIT:
            code.op = OP_LITERAL;
            code.a = &yes;
            break;
        default:
            code.op = arg->kind == NODE_PATH ? OP_TEXT_PATH : OP_TEXT;
            code.a = call->receiver;
            code.b = arg->kind == NODE_PATH ? (const void *)arg->path : arg->literal;
        }
    }
    emit(emitter, code);
    if (call->dead)
        emitter->depth++; /* where it goes to, a value is */
}

static void emit_node(struct emitter *emitter, const struct node *node)
{
    switch ((enum node_kind)node->kind) {
    case NODE_LITERAL:
        emit(emitter, (struct code){.op = OP_LITERAL, .a = node->literal});
        break;
    case NODE_PATH:
        emit(emitter, (struct code){.op = OP_PATH, .a = node->path});
        break;
    case NODE_CALL:
        emit_call(emitter, node->call);
        break;
    case NODE_GROUP:
        emit_group(emitter, node->inner);
        break;
    case NODE_NOT:
    case NODE_NEG:
        emit_node(emitter, node->inner);
        emit(emitter, (struct code){.op = node->kind == NODE_NOT ? OP_NOT : OP_NEG});
        break;
    case NODE_CHAIN:
        emit_chain(emitter, node);
        break;
    }
}

int program_emit(struct kfl *kfl, struct err *err)
{
    struct emitter emitter = {.kfl = kfl};
    emit_group(&emitter, kfl->root);
    emit(&emitter, (struct code){.op = OP_END});
    if (kfl->stack >= PROGRAM_STACK_MAX)
        return err_set_at(err, -E2BIG, 1, 1, "the statement is nested too deep");
    return 0;
}

static void list_records(struct kfl *kfl)
{
    const struct name *name;
    for (name = kfl->build.records; name; name = name->next)
        kfl->record_count++;
    kfl->records = mem_zalloc((kfl->record_count + 1) * sizeof(*kfl->records));
    kfl->record_count = 0;
    for (name = kfl->build.records; name; name = name->next)
        kfl->records[kfl->record_count++] = name->text;
}

int kfl_compile(struct kfl **out, const char *text, size_t len,
                const struct kfl_env *env, struct err *err)
{
    struct kfl *kfl = mem_zalloc(sizeof(*kfl));
    atomic_init(&kfl->refs, 1);
    *out = NULL;
    kfl->text = mem_dup(text, len);
    kfl->len = len;
    kfl->build.arena = &kfl->arena;
    kfl->build.env = env;
    kfl->build.err = err;
    int rc = parse_statement(&kfl->root, &kfl->build, kfl->text, len);
    if (rc == 0)
        rc = program_emit(kfl, err);
    kfl->build.env = NULL;
    kfl->build.err = NULL;
    if (rc < 0) {
        kfl_unref(kfl);
        return rc;
    }
    list_records(kfl);
    *out = kfl;
    return 0;
}

struct kfl *kfl_ref(struct kfl *kfl)
{
    atomic_fetch_add(&kfl->refs, 1);
    return kfl;
}

void kfl_unref(struct kfl *kfl)
{
    if (!kfl || atomic_fetch_sub(&kfl->refs, 1) > 1)
        return;
    for (struct regex_ref *ref = kfl->build.regexes; ref; ref = ref->next)
        regex_free(ref->regex);
    arena_fini(&kfl->arena);
    free(kfl->records);
    free(kfl->code);
    free(kfl->text);
    free(kfl);
}

const struct err *kfl_warning(const struct kfl *kfl)
{
    return kfl->build.warning.code ? &kfl->build.warning : NULL;
}

const char *kfl_text(const struct kfl *kfl)
{
    return kfl->text;
}

bool kfl_redacts(const struct kfl *kfl)
{
    return kfl->build.redacts;
}

bool kfl_is_everything(const struct kfl *kfl)
{
    return !kfl->root;
}

int64_t kfl_limit(const struct kfl *kfl)
{
    return kfl->build.limit;
}

size_t kfl_record_count(const struct kfl *kfl)
{
    return kfl->record_count;
}

const char *kfl_record_name(const struct kfl *kfl, size_t i)
{
    return i < kfl->record_count ? kfl->records[i] : NULL;
}
