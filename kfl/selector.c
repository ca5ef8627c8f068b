#include "kfl/selector.h"

#include <errno.h>
#include <string.h>

#include "kfl/base/mem.h"
#include "kfl/func.h"
#include "kfl/kfl.h"
#include "kfl/value.h"

/* Steps as they come, in the arena. */
struct steps {
    struct step *items;
    uint32_t count, cap;
};

static int add_step(struct parser *parser, struct steps *steps, uint32_t at,
                    struct step step)
{
    if (steps->count == PATH_STEPS_MAX)
        return parse_fail(parser, -E2BIG, at,
                          "the selector is too long (at most %d steps)",
                          PATH_STEPS_MAX);
    if (steps->count == steps->cap) {
        uint32_t cap = steps->cap ? 2 * steps->cap : 8;
        struct step *items = arena_alloc(parser->build->arena, cap * sizeof(*items));
        if (steps->count)
            memcpy(items, steps->items, steps->count * sizeof(*items));
        steps->items = items;
        steps->cap = cap;
    }
    steps->items[steps->count++] = step;
    return 0;
}

static int add_name(struct parser *parser, struct steps *steps,
                    const struct token *word)
{
    struct step step = {.kind = STEP_NAME, .name_len = word->len};
    step.name = arena_dup(parser->build->arena, parser->text + word->at, word->len);
    return add_step(parser, steps, word->at, step);
}

static int add_index(struct parser *parser, struct steps *steps,
                     const struct token *number, bool negative)
{
    struct doc_value value;
    bool whole = value_read_number(&value, parser->text + number->at, number->len) &&
                 !memchr(parser->text + number->at, '.', number->len);
    if (!whole)
        return parse_fail(parser, -EINVAL, number->at,
                          "unexpected `%.*s` (expected an index, a string or `*`)",
                          number->len > 40 ? 40 : (int)number->len,
                          parser->text + number->at);
    if (value.type != DOC_INT)
        return parse_fail(parser, -EINVAL, number->at,
                          "bad literal: an index out of range");
    return add_step(parser, steps, number->at,
                    (struct step){.kind = STEP_INDEX,
                                  .index = negative ? -value.integer : value.integer});
}

/* `[` has been taken. */
static int parse_bracket(struct parser *parser, struct steps *steps)
{
    struct token token;
    int rc;
    if (parse_accept(&token, parser, TOKEN_STAR)) {
        rc = add_step(parser, steps, token.at, (struct step){.kind = STEP_ALL});
    } else if (parser->token.kind == TOKEN_MINUS ||
               parser->token.kind == TOKEN_NUMBER) {
        bool negative = parse_accept(&token, parser, TOKEN_MINUS);
        rc = parse_expect(&token, parser, TOKEN_NUMBER, "an index");
        if (rc == 0)
            rc = add_index(parser, steps, &token, negative);
    } else if (parse_accept(&token, parser, TOKEN_STRING)) {
        struct step step = {.kind = STEP_NAME};
        step.name =
            lex_decode(parser->build->arena, parser->text, &token, &step.name_len);
        rc = add_step(parser, steps, token.at, step);
    } else {
        return parse_unexpected_literal(parser, "an index, a string or `*`");
    }
    return rc < 0 ? rc : parse_expect(&token, parser, TOKEN_RBRACKET, "`]`");
}

/* json() and xml() are steps; another helper ends the path, and what follows it finds
 * nothing. */
static int parse_call_step(struct node **out, struct parser *parser,
                           struct steps *steps, const struct token *word, bool bare)
{
    struct node *node;
    struct build *build = parser->build;
    bool dead = *out != NULL;
    struct path *receiver =
        bare ? NULL : path_new(build->arena, steps->items, steps->count);
    int rc = parse_call(&node, parser, word, receiver);
    if (rc < 0)
        return rc;
    const struct func *func = node->kind == NODE_CALL ? node->call->func : NULL;
    if (!dead && func && (func->id == FUNC_JSON || func->id == FUNC_XML))
        return add_step(
            parser, steps, word->at,
            (struct step){.kind = func->id == FUNC_JSON ? STEP_JSON : STEP_XML});
    if (!dead)
        *out = node;
    return 0;
}

static int parse_after_dot(struct node **out, struct parser *parser,
                           struct steps *steps)
{
    struct token token;
    if (parse_accept(&token, parser, TOKEN_STAR))
        return add_step(parser, steps, token.at, (struct step){.kind = STEP_ALL});
    int rc = parse_expect(&token, parser, TOKEN_WORD, "a name or `*`");
    if (rc < 0)
        return rc;
    if (parser->token.kind == TOKEN_LPAREN)
        return parse_call_step(out, parser, steps, &token, false);
    return add_name(parser, steps, &token);
}

/* `..` has been taken. */
static int parse_after_dots(struct node **out, struct parser *parser,
                            struct steps *steps, uint32_t at)
{
    struct token token;
    int rc = add_step(parser, steps, at, (struct step){.kind = STEP_DESCEND});
    if (rc < 0)
        return rc;
    if (parse_accept(&token, parser, TOKEN_LBRACKET))
        return parse_bracket(parser, steps);
    return parse_after_dot(out, parser, steps);
}

static int selected_from_call(struct parser *parser, struct node *node, uint32_t at)
{
    const struct kfl_env *env = parser->build->env;
    if (env && env->strict && !parser->build->syntax_only)
        return parse_fail(parser, -EINVAL, at,
                          "a helper's answer has no parts (expected an "
                          "operator or the end)");
    if (node->kind != NODE_CALL) /* a time: a number by now */
        node->call = arena_zalloc(parser->build->arena, sizeof(*node->call));
    node->kind = NODE_CALL;
    node->call->dead = true;
    return 0;
}

static int parse_step(struct node **out, struct parser *parser, struct steps *steps,
                      bool *more)
{
    struct token token;
    uint32_t at = parser->token.at;
    enum token_kind kind = parser->token.kind;
    *more = kind == TOKEN_DOT || kind == TOKEN_DOTS || kind == TOKEN_LBRACKET;
    if (!*more)
        return 0;
    if (*out) {
        int rc = selected_from_call(parser, *out, at);
        if (rc < 0)
            return rc;
    }
    if (parse_accept(&token, parser, TOKEN_DOT))
        return parse_after_dot(out, parser, steps);
    if (parse_accept(&token, parser, TOKEN_DOTS))
        return parse_after_dots(out, parser, steps, at);
    parse_accept(&token, parser, TOKEN_LBRACKET);
    return parse_bracket(parser, steps);
}

int selector_parse(struct node **out, struct parser *parser, const struct token *first)
{
    struct steps steps = {0};
    struct token token;
    bool more = true;
    int rc;
    uint32_t at = first ? first->at : parser->token.at;
    *out = NULL;
    if (!first) {
        parse_accept(&token, parser, TOKEN_DOTS);
        rc = parse_after_dots(out, parser, &steps, at);
    } else if (parser->token.kind == TOKEN_LPAREN) {
        rc = parse_call_step(out, parser, &steps, first, true);
    } else {
        rc = add_name(parser, &steps, first);
    }
    while (rc == 0 && more)
        rc = parse_step(out, parser, &steps, &more);
    if (rc < 0 || *out)
        return rc;
    *out = arena_zalloc(parser->build->arena, sizeof(**out));
    (*out)->kind = NODE_PATH;
    (*out)->at = at;
    (*out)->path = path_new(parser->build->arena, steps.items, steps.count);
    return 0;
}

/* ---- redact("path") ---- */

/* Another parser over the text of the argument: its errors are told at the argument's
 * place. */
static int redact_fault(struct parser *outer, const struct token *token,
                        const struct parser *inner, int rc)
{
    uint32_t at = lex_literal_at(outer->text, token, inner->token.at);
    if (rc == -E2BIG)
        return parse_fail(outer, rc, at, "%s", inner->build->err->msg);
    return parse_fail(
        outer, -EINVAL, at,
        "bad literal: no path (expected a path as response.headers[\"Name\"])");
}

/* ['name']: quotes of the other kind, as they need no escape inside a string. */
static bool parse_quoted(struct parser *parser, struct steps *steps)
{
    const char *text = parser->text + parser->token.at;
    uint32_t left = parser->len - parser->token.at;
    if (parser->token.kind != TOKEN_BAD || *text != '\'')
        return false;
    const char *end = memchr(text + 1, '\'', left - 1);
    if (!end)
        return false;
    struct step step = {.kind = STEP_NAME, .name_len = (uint32_t)(end - text - 1)};
    step.name = arena_dup(parser->build->arena, text + 1, step.name_len);
    parser->lex.pos = (uint32_t)(end + 1 - parser->text);
    parser->token = lex_next(&parser->lex);
    return add_step(parser, steps, 0, step) == 0;
}

static int redact_bracket(struct parser *parser, struct steps *steps)
{
    struct token token;
    if (!parse_quoted(parser, steps))
        return parse_bracket(parser, steps);
    return parse_expect(&token, parser, TOKEN_RBRACKET, "`]`");
}

static int redact_name(struct parser *parser, struct steps *steps)
{
    struct token word, token;
    if (parse_accept(&word, parser, TOKEN_STAR))
        return add_step(parser, steps, word.at, (struct step){.kind = STEP_ALL});
    int rc = parse_expect(&word, parser, TOKEN_WORD, "a name");
    if (rc < 0 || !parse_accept(&token, parser, TOKEN_LPAREN))
        return rc < 0 ? rc : add_name(parser, steps, &word);
    const struct func *func = func_find(parser->text + word.at, word.len);
    if (!func || (func->id != FUNC_JSON && func->id != FUNC_XML)) {
        parser->token = word;
        return -EINVAL;
    }
    rc = add_step(parser, steps, word.at,
                  (struct step){.kind = func->id == FUNC_JSON ? STEP_JSON : STEP_XML});
    return rc < 0 ? rc : parse_expect(&token, parser, TOKEN_RPAREN, "`)`");
}

static int redact_step(struct parser *parser, struct steps *steps)
{
    struct token token;
    if (parse_accept(&token, parser, TOKEN_LBRACKET))
        return redact_bracket(parser, steps);
    if (!parse_accept(&token, parser, TOKEN_DOTS))
        return parse_accept(&token, parser, TOKEN_DOT) ? redact_name(parser, steps)
                                                       : -EINVAL;
    int rc = add_step(parser, steps, token.at, (struct step){.kind = STEP_DESCEND});
    parse_accept(&token, parser, TOKEN_DOT);
    if (rc == 0 && parse_accept(&token, parser, TOKEN_LBRACKET))
        return redact_bracket(parser, steps);
    return rc < 0 ? rc : redact_name(parser, steps);
}

int parse_redact_path(struct path **out, struct parser *parser,
                      const struct literal *literal, const struct token *token)
{
    struct err ignored = {0};
    struct build build = *parser->build;
    struct parser inner = {
        .build = &build, .text = literal->value.text, .len = literal->value.len};
    struct steps steps = {0};
    build.err = &ignored;
    lex_init(&inner.lex, inner.text, inner.len);
    inner.token = lex_next(&inner.lex);
    int rc = inner.token.kind == TOKEN_DOTS || inner.token.kind == TOKEN_LBRACKET
                 ? redact_step(&inner, &steps)
                 : redact_name(&inner, &steps);
    while (rc == 0 && inner.token.kind != TOKEN_END)
        rc = redact_step(&inner, &steps);
    if (rc < 0)
        return redact_fault(parser, token, &inner, rc);
    *out = path_new(parser->build->arena, steps.items, steps.count);
    return 0;
}
