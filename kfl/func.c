#include "kfl/func.h"

#include <errno.h>
#include <string.h>

#include "kfl/base/mem.h"
#include "kfl/kfl.h"
#include "kfl/parse.h"
#include "kfl/value.h"
#include "kfl/when.h"

static const struct func funcs[] = {
#define FUNC(id, name, args, min, max, text) {name, FUNC_##id, args, min, max, text},
#include "kfl/funcs.def"
#undef FUNC
};

const struct func *func_find(const char *name, size_t len)
{
    for (size_t i = 0; i < FUNC_COUNT; i++)
        if (strlen(funcs[i].name) == len && !memcmp(funcs[i].name, name, len))
            return &funcs[i];
    return NULL;
}

const struct func *func_at(enum func_id id)
{
    return &funcs[id];
}

static bool is_number(const struct node *node)
{
    return node->kind == NODE_LITERAL && node->literal->value.type >= DOC_INT &&
           node->literal->value.type <= DOC_DOUBLE;
}

static bool is_string(const struct node *node)
{
    return node->kind == NODE_LITERAL && node->literal->value.type == DOC_STRING;
}

/* What a unit of a time helper is, in ms; 0: no such helper. */
static int64_t unit_ms(const struct func *func)
{
    static const int64_t second = 1000, day = 86400 * second;
    switch (func->id) {
    case FUNC_SECONDS:
        return second;
    case FUNC_MINUTES:
        return 60 * second;
    case FUNC_HOURS:
        return 3600 * second;
    case FUNC_DAYS:
        return day;
    case FUNC_WEEKS:
        return 7 * day;
    case FUNC_MONTHS:
        return 30 * day;
    case FUNC_YEARS:
        return 365 * day;
    default:
        return 0;
    }
}

/* now + n units; false where that is no time. */
static bool time_from_now(int64_t *out, const struct build *build,
                          const struct func *func, const struct doc_value *number)
{
    int64_t now = build->env ? build->env->now_ms : 0, span;
    if (number->type == DOC_INT) {
        if (__builtin_mul_overflow(number->integer, unit_ms(func), &span))
            return false;
    } else {
        double wide =
            number->type == DOC_DOUBLE ? number->real : (double)number->uinteger;
        wide *= (double)unit_ms(func);
        if (!(wide > -9e18 && wide < 9e18))
            return false;
        span = (int64_t)wide;
    }
    return !__builtin_add_overflow(now, span, out);
}

static int check_text(struct parser *parser, struct call *call, struct node *arg,
                      const struct token *token)
{
    if (!is_string(arg))
        return parse_fail(parser, -EINVAL, token->at,
                          "bad literal: %s() (expected a string)", call->name);
    struct literal *literal = arg->literal;
    if (call->func->id == FUNC_DATETIME) {
        int64_t ms;
        size_t at;
        const char *expected;
        if (when_parse(&ms, literal->value.text, literal->value.len, &at, &expected) <
            0)
            return parse_fail(parser, -EINVAL,
                              lex_literal_at(parser->text, token, (uint32_t)at),
                              "bad literal: datetime() is \"1/2/2006, 3:04:05.000 PM\" "
                              "(expected %s)",
                              expected);
    }
    if (call->func->id == FUNC_REDACT) {
        struct path *path;
        int rc = parse_redact_path(&path, parser, literal, token);
        if (rc < 0)
            return rc;
        arg->kind = NODE_PATH;
        arg->path = path;
    }
    return 0;
}

static int check_number(struct parser *parser, const struct call *call,
                        const struct node *arg, const struct token *token)
{
    int64_t ms;
    if (!is_number(arg))
        return parse_fail(parser, -EINVAL, token->at,
                          "bad literal: %s() (expected a number)", call->name);
    const struct doc_value *number = &arg->literal->value;
    struct doc_value zero = {.type = DOC_INT};
    if (unit_ms(call->func) && !time_from_now(&ms, parser->build, call->func, number))
        return parse_fail(
            parser, -EINVAL, token->at,
            "bad literal: %s() of a time out of range (expected a smaller number)",
            call->name);
    if (call->func->id == FUNC_LIMIT && value_compare_numbers(number, &zero) < 0)
        return parse_fail(parser, -EINVAL, token->at,
                          "bad literal: limit() (expected 0 or a positive number)");
    return 0;
}

int func_check_arg(struct parser *parser, struct call *call, struct node *arg,
                   const struct token *token)
{
    const struct func *func = call->func;
    if (!func || call->arg_count > func->max)
        return 0;
    switch ((enum func_args)func->args) {
    case ARGS_TEXT:
        return check_text(parser, call, arg, token);
    case ARGS_NUMBER:
        return check_number(parser, call, arg, token);
    case ARGS_OPERAND:
        if (arg->kind == NODE_PATH ||
            (arg->kind == NODE_LITERAL && !arg->literal->regex))
            return 0;
        return parse_fail(parser, -EINVAL, token->at,
                          "bad literal: %s() (expected a literal or a selector)",
                          call->name);
    default:
        return 0;
    }
}

static void add_record(struct build *build, const char *name)
{
    for (const struct name *known = build->records; known; known = known->next)
        if (!strcmp(known->text, name))
            return;
    struct name *record = arena_alloc(build->arena, sizeof(*record));
    *record = (struct name){.text = name};
    *build->last_record = record;
    build->last_record = &record->next;
}

static int64_t whole(const struct doc_value *number)
{
    if (number->type == DOC_INT)
        return number->integer;
    return number->type == DOC_DOUBLE && number->real < 9e18 ? (int64_t)number->real
                                                             : INT64_MAX;
}

/* The call is a time: it becomes its number. */
static void become_time(struct build *build, struct node *node, int64_t ms)
{
    struct literal *literal = arena_zalloc(build->arena, sizeof(*literal));
    literal->value.type = DOC_INT;
    literal->value.integer = ms;
    node->kind = NODE_LITERAL;
    node->literal = literal;
}

static void bind_time(struct build *build, struct node *node)
{
    const struct call *call = node->call;
    const struct doc_value *arg = call->args ? &call->args->literal->value : NULL;
    size_t at;
    const char *expected;
    int64_t ms = build->env ? build->env->now_ms : 0;
    if (call->func->id == FUNC_DATETIME)
        when_parse(&ms, arg->text, arg->len, &at, &expected);
    else if (unit_ms(call->func))
        time_from_now(&ms, build, call->func, arg);
    become_time(build, node, ms);
}

static bool takes_receiver(const struct func *func)
{
    return func->args == ARGS_OPERAND || func->id == FUNC_JSON || func->id == FUNC_XML;
}

static int refuse(struct parser *parser, const struct node *node)
{
    const struct func *func = node->call->func;
    if (node->call->arg_count < func->min)
        return parse_fail(parser, -EINVAL, node->at,
                          "%s() has too few arguments (expected %u)", func->name,
                          func->min);
    return parse_fail(parser, -EINVAL, node->at,
                      "%s() belongs to no selector (expected it to stand alone)",
                      func->name);
}

int func_bind(struct parser *parser, struct node *node)
{
    struct build *build = parser->build;
    struct call *call = node->call;
    call->dead = !call->func || call->arg_count < call->func->min ||
                 (call->receiver && !takes_receiver(call->func));
    if (call->dead && call->func && build->env && build->env->strict)
        return refuse(parser, node);
    if (call->dead)
        return 0;
    switch (call->func->id) {
    case FUNC_REDACT:
        build->redacts = true;
        break;
    case FUNC_RECORD:
        add_record(build, call->args->literal->value.text);
        break;
    case FUNC_LIMIT:
        if (!build->limit_seen)
            build->limit = whole(&call->args->literal->value);
        build->limit_seen = true;
        break;
    case FUNC_STARTS:
    case FUNC_ENDS:
    case FUNC_CONTAINS:
    case FUNC_JSON:
    case FUNC_XML:
        break;
    default:
        bind_time(build, node);
    }
    return 0;
}
