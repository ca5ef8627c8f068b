#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kfl/base/err.h"
#include "kfl/func.h"
#include "kfl/program.h"
#include "kfl/redact.h"
#include "kfl/regex.h"
#include "kfl/run.h"
#include "kfl/value.h"

struct vm_cell {
    struct operand operand;
    struct doc_value own; /* what the operand's value is where it is a result */
};

static const struct doc_value answers[2] = {
    {.type = DOC_BOOL, .boolean = false},
    {.type = DOC_BOOL, .boolean = true},
};

static void push_answer(struct vm_cell *cell, bool answer)
{
    cell->operand = (struct operand){.value = &answers[answer]};
}

static int compare(struct kfl_run *run, enum chain_op op, const struct operand *a,
                   const struct operand *b)
{
    int rc;
    if (op != CHAIN_EQ && op != CHAIN_NE)
        return value_order(op, a->value, b->value);
    rc = value_equal(run, a, b);
    return rc < 0 || op == CHAIN_EQ ? rc : !rc;
}

/* A step of the program may find no value. */
enum { MISSING = 2 };

static int run_compare(struct kfl_run *run, const struct code *code)
{
    const struct literal *literal = code->b;
    struct operand left = {0}, right = {.value = &literal->value, .literal = literal};
    int rc = path_find(&left.value, run, code->a);
    if (rc <= 0)
        return rc < 0 ? rc : MISSING;
    return compare(run, (enum chain_op)code->aux, &left, &right);
}

/* A missing receiver is false, a missing argument is missing. */
static int run_text(struct kfl_run *run, const struct code *code)
{
    const struct doc_value *value = run->doc;
    struct operand arg = {0};
    int rc = code->a ? path_find(&value, run, code->a) : 1;
    if (rc <= 0)
        return rc;
    if (code->op == OP_TEXT) {
        arg.literal = code->b;
        arg.value = &arg.literal->value;
    } else {
        rc = path_find(&arg.value, run, code->b);
        if (rc <= 0)
            return rc < 0 ? rc : MISSING;
    }
    return value_text_helper(run, code->aux, value, &arg);
}

static int run_record(const struct kfl_run *run, const struct literal *name)
{
    const struct doc_value *record =
        run->has_record ? &run->record : doc_get(run->doc, "record");
    return record && record->type == DOC_STRING && record->len == name->value.len &&
           !memcmp(record->text, name->value.text, record->len);
}

/* What answers yes or no: 0, 1, MISSING or an error. */
static int run_answer(struct kfl_run *run, const struct code *code)
{
    switch ((enum op)code->op) {
    case OP_COMPARE:
        return run_compare(run, code);
    case OP_TEXT:
    case OP_TEXT_PATH:
        return run_text(run, code);
    case OP_RECORD:
        return run_record(run, code->a);
    case OP_REDACT:
        return redact_run(run, code->a);
    default:
        return MISSING;
    }
}

static int run_path(struct vm_cell *cell, struct kfl_run *run, const struct path *path)
{
    *cell = (struct vm_cell){0};
    int rc = path_find(&cell->operand.value, run, path);
    return rc < 0 ? rc : rc ? 0 : MISSING;
}

static void negate(struct vm_cell *cell)
{
    cell->own = value_negate(cell->operand.value);
    cell->operand = (struct operand){.value = &cell->own};
}

/* Operators over the top of the stack; `top` is the last cell. */
static int run_operator(struct vm_cell *top, struct kfl_run *run,
                        const struct code *code)
{
    int rc;
    switch ((enum op)code->op) {
    case OP_BINARY:
        rc = compare(run, (enum chain_op)code->aux, &top[-1].operand, &top->operand);
        if (rc >= 0)
            push_answer(top - 1, rc);
        return rc < 0 ? rc : 0;
    case OP_NEG:
        negate(top);
        return 0;
    default:
        push_answer(top, value_truth(top->operand.value) == (code->op == OP_TRUTH));
        return 0;
    }
}

static int run_program(struct kfl_run *run, const struct kfl *kfl)
{
    struct vm_cell *cells = run->cells, *sp = cells; /* the first that is free */
    const struct code *code = kfl->code;
    for (;; code++) {
        int rc = 0;
        switch ((enum op)code->op) {
        case OP_END:
            return value_truth(sp[-1].operand.value);
        case OP_LITERAL: {
            const struct literal *literal = code->a;
            (sp++)->operand = (struct operand){&literal->value, literal};
            break;
        }
        case OP_PATH:
            rc = run_path(sp++, run, code->a);
            break;
        case OP_AND:
        case OP_OR:
            if (value_truth(sp[-1].operand.value) == (code->op == OP_OR))
                code = kfl->code + code->target - 1;
            else
                sp--;
            break;
        case OP_BINARY:
        case OP_NOT:
        case OP_NEG:
        case OP_TRUTH:
            rc = run_operator(sp - 1, run, code);
            sp -= code->op == OP_BINARY;
            break;
        default:
            rc = run_answer(run, code);
            if (rc == 0 || rc == 1)
                push_answer(sp++, rc);
            rc = rc == 1 ? 0 : rc;
        }
        if (rc < 0)
            return rc;
        if (rc == MISSING) {
            sp = cells + code->floor;
            push_answer(sp++, false);
            code = kfl->code + code->target - 1;
        }
    }
}

struct kfl_run *kfl_run_new(void)
{
    struct kfl_run *run = mem_zalloc(sizeof(*run));
    arena_init(&run->arena, RUN_ARENA);
    run->text[0].limit = run->text[1].limit = RUN_TEXT;
    run->regex = regex_run_new();
    return run;
}

void kfl_run_free(struct kfl_run *run)
{
    if (!run)
        return;
    arena_fini(&run->arena);
    buf_fini(&run->text[0]);
    buf_fini(&run->text[1]);
    regex_run_free(run->regex);
    free(run->cells);
    free(run);
}

static void prepare(struct kfl_run *run, const struct kfl *kfl,
                    const struct doc_value *doc, const char *record, struct err *err)
{
    if (run->cell_count < kfl->stack) {
        run->cells = mem_realloc(run->cells, kfl->stack * sizeof(*run->cells));
        run->cell_count = kfl->stack;
    }
    if (run->arena.used || run->arena.failed)
        arena_reset(&run->arena);
    run->decoded_count = run->visits = 0;
    run->doc = doc;
    run->changed = false;
    run->err = err;
    run->has_record = record != NULL;
    if (record)
        run->record = (struct doc_value){
            .type = DOC_STRING, .len = (uint32_t)strlen(record), .text = record};
}

int kfl_match(struct kfl_run *run, const struct kfl *kfl, const struct doc_value *doc,
              const char *record, const struct doc_value **emit, struct err *err)
{
    prepare(run, kfl, doc, record, err);
    int rc = run_program(run, kfl);
    if (emit)
        *emit = run->doc;
    run->err = NULL;
    return rc;
}
