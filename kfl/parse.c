#include "kfl/parse.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kfl/func.h"
#include "kfl/kfl.h"
#include "kfl/path.h"
#include "kfl/regex.h"
#include "kfl/selector.h"
#include "kfl/value.h"
#include "kfl/words.h"

int parse_fail(const struct parser *parser, int code, uint32_t at, const char *format,
               ...)
{
    char words[ERR_TEXT];
    int line, col;
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof(words), format, args);
    va_end(args);
    lex_position(parser->text, parser->len, at, &line, &col);
    err_set_at(parser->build->err, code, line, col, "%s", words);
    for (; parser->outer; parser = parser->outer) {
        snprintf(words, sizeof(words), "%s",
                 parser->build->err ? parser->build->err->msg : "");
        const char *macro = parser->macro;
        int inner_line = line, inner_col = col;
        lex_position(parser->outer->text, parser->outer->len, parser->macro_at, &line,
                     &col);
        err_set_at(parser->build->err, code, line, col,
                   "in the saved statement `%s`, %d:%d: %s", macro, inner_line,
                   inner_col, words);
    }
    return code;
}

static struct token take(struct parser *parser)
{
    struct token token = parser->token;
    parser->token = lex_next(&parser->lex);
    return token;
}

int parse_unexpected(struct parser *parser, const char *expected)
{
    const struct token *token = &parser->token;
    const char *text = parser->text + token->at;
    int len = token->len > 40 ? 40 : (int)token->len;
    while (len > 1 && token->len > 40 && (text[len] & 0xc0) == 0x80)
        len--;
    switch (token->kind) {
    case TOKEN_END:
        return parse_fail(parser, -EINVAL, token->at,
                          "the statement ends too soon (expected %s)", expected);
    case TOKEN_OPEN:
        return parse_fail(parser, -EINVAL, token->at,
                          "literal not terminated (expected `\"`)");
    case TOKEN_BAD:
        if (strchr(token->why, '('))
            return parse_fail(parser, -EINVAL, token->at, "%s", token->why);
        return parse_fail(parser, -EINVAL, token->at, "%s `%.*s` (expected %s)",
                          token->why, len, text, expected);
    default:
        return parse_fail(parser, -EINVAL, token->at, "unexpected `%.*s` (expected %s)",
                          len, text, expected);
    }
}

/* As above, where a string or regex could stand: an open one could still become good.
 */
int parse_unexpected_literal(struct parser *parser, const char *expected)
{
    if (parser->token.kind == TOKEN_OPEN && !parser->token.doomed && !parser->outer)
        parser->build->open = true;
    return parse_unexpected(parser, expected);
}

int parse_expect(struct token *out, struct parser *parser, enum token_kind kind,
                 const char *expected)
{
    if (parser->token.kind != kind)
        return parse_unexpected(parser, expected);
    *out = take(parser);
    return 0;
}

bool parse_accept(struct token *out, struct parser *parser, enum token_kind kind)
{
    if (parser->token.kind != kind)
        return false;
    *out = take(parser);
    return true;
}

static int new_node(struct node **out, struct parser *parser, enum node_kind kind,
                    uint32_t at)
{
    struct build *build = parser->build;
    if (++build->nodes > PARSE_NODES_MAX)
        return parse_fail(parser, -E2BIG, at,
                          "the statement is too long (at most %d parts)",
                          PARSE_NODES_MAX);
    *out = arena_zalloc(build->arena, sizeof(**out));
    (*out)->kind = (uint8_t)kind;
    (*out)->at = at;
    return 0;
}

/* Every way into a deeper level passes here; leave by build->depth--. */
static int enter(struct parser *parser, uint32_t at)
{
    if (++parser->build->depth <= PARSE_DEPTH_MAX)
        return 0;
    return parse_fail(parser, -E2BIG, at,
                      "the statement is nested too deep (at most %d levels)",
                      PARSE_DEPTH_MAX);
}

static bool token_is(const struct parser *parser, const char *word)
{
    const struct token *token = &parser->token;
    return token->kind == TOKEN_WORD && token->len == strlen(word) &&
           !memcmp(parser->text + token->at, word, token->len);
}

static int parse_expression(struct node **out, struct parser *parser);

static int parse_text(struct node **out, struct build *build,
                      const struct parser *outer, const char *macro, uint32_t macro_at,
                      const char *text, size_t len);

/* ---- literals ---- */

static int new_literal(struct literal **out, struct node **node, struct parser *parser,
                       const struct token *token)
{
    int rc = new_node(node, parser, NODE_LITERAL, token->at);
    if (rc < 0)
        return rc;
    *out = (*node)->literal = arena_zalloc(parser->build->arena, sizeof(**out));
    (*out)->source = parser->text + token->at;
    (*out)->source_len = token->len;
    return 0;
}

static int parse_number(struct node **out, struct parser *parser)
{
    struct token token = take(parser);
    struct literal *literal;
    int rc = new_literal(&literal, out, parser, &token);
    if (rc < 0)
        return rc;
    if (!value_read_number(&literal->value, parser->text + token.at, token.len))
        return parse_fail(
            parser, -EINVAL, token.at,
            "bad literal: a number out of range (expected a 64-bit double)");
    return 0;
}

static int parse_string(struct node **out, struct parser *parser)
{
    struct token token = take(parser);
    struct literal *literal;
    int rc = new_literal(&literal, out, parser, &token);
    if (rc < 0)
        return rc;
    uint32_t len;
    literal->value.type = DOC_STRING;
    literal->value.text = lex_decode(parser->build->arena, parser->text, &token, &len);
    literal->value.len = len;
    literal->raw_len = token.len - 2;
    literal->raw =
        arena_dup(parser->build->arena, parser->text + token.at + 1, token.len - 2);
    return 0;
}

static int parse_regex(struct node **out, struct parser *parser)
{
    struct token token = take(parser);
    struct build *build = parser->build;
    struct literal *literal;
    int rc = new_literal(&literal, out, parser, &token);
    if (rc < 0 || build->syntax_only)
        return rc;
    uint32_t len;
    size_t at = 0;
    struct err err = {0};
    const char *pattern = lex_pattern(build->arena, parser->text, &token, &len);
    rc = regex_new(&literal->regex, pattern, len, &at, &err);
    if (rc < 0)
        return parse_fail(parser, rc,
                          lex_literal_at(parser->text, &token, (uint32_t)at), "%s",
                          err.msg);
    struct regex_ref *ref = arena_alloc(build->arena, sizeof(*ref));
    *ref = (struct regex_ref){build->regexes, literal->regex};
    build->regexes = ref;
    return 0;
}

static int parse_word_literal(struct node **out, struct parser *parser)
{
    struct literal *literal;
    struct token token = parser->token;
    int rc = new_literal(&literal, out, parser, &token);
    if (rc < 0)
        return rc;
    if (!token_is(parser, "nil")) {
        literal->value.type = DOC_BOOL;
        literal->value.boolean = token_is(parser, "true");
    }
    take(parser);
    return 0;
}

/* ---- words: macros, saved statements, unknown ones ---- */

static int group(struct node **out, struct parser *parser, uint32_t at,
                 struct node *inner, const char *name)
{
    int rc = new_node(out, parser, NODE_GROUP, at);
    if (rc < 0)
        return rc;
    (*out)->inner = inner;
    (*out)->name = name;
    return 0;
}

static int expand(struct node **out, struct parser *parser, const struct token *word,
                  const char *text)
{
    struct node *inner;
    const char *name =
        arena_dup(parser->build->arena, parser->text + word->at, word->len);
    /* The key `error` inside the macro `error` is the key. */
    for (const struct parser *p = parser; p->outer; p = p->outer)
        if (!strcmp(p->macro, name))
            return parse_fail(
                parser, -EINVAL, word->at,
                "the saved statement `%s` uses itself (expected no recursion)", name);
    int rc = enter(parser, word->at);
    if (rc < 0)
        return rc;
    text = arena_dup(parser->build->arena, text, strlen(text));
    rc = parse_text(&inner, parser->build, parser, name, word->at, text, strlen(text));
    parser->build->depth--;
    return rc < 0 ? rc : group(out, parser, word->at, inner, name);
}

static const char *saved_text(const struct parser *parser, const char *word,
                              uint32_t len)
{
    const struct kfl_env *env = parser->build->env;
    return env && env->saved ? env->saved(env->context, word, len) : NULL;
}

/* The text of a macro or saved statement that the word is; NULL: none. */
static const char *macro_text(const struct parser *parser, const char *word,
                              uint32_t len)
{
    if (parser->build->syntax_only)
        return NULL;
    if (parser->outer && words_is_key(word, len) &&
        words_macro(parser->macro, strlen(parser->macro)))
        return NULL;
    const char *text = words_macro(word, len);
    return text || words_is_key(word, len) ? text : saved_text(parser, word, len);
}

/* In strict mode a selector must begin with a word that is known. */
static int check_word(struct parser *parser, const struct token *token)
{
    const struct kfl_env *env = parser->build->env;
    const char *word = parser->text + token->at;
    if (!env || !env->strict || words_is_key(word, token->len) ||
        words_macro(word, token->len) || saved_text(parser, word, token->len))
        return 0;
    struct lex again;
    lex_init(&again, parser->text, parser->len);
    bool lone = !parser->outer && parser->token.kind == TOKEN_END &&
                lex_next(&again).at == token->at;
    const char *near = words_near(word, token->len);
    int code = lone ? -ENOENT : -EINVAL, len = token->len > 60 ? 60 : (int)token->len;
    if (near)
        return parse_fail(parser, code, token->at,
                          "unknown word `%.*s` (did you mean `%s`?)", len, word, near);
    return parse_fail(
        parser, code, token->at,
        "unknown word `%.*s` (expected a key of an entry, a macro or a saved "
        "statement)",
        len, word);
}

static int check_helper(struct parser *parser, const struct call *call,
                        const struct token *token)
{
    const struct kfl_env *env = parser->build->env;
    if (call->func && call->func->id == FUNC_RECORD && env && env->no_record)
        return parse_fail(
            parser, -EINVAL, token->at,
            "record() cannot be used in a job (expected a statement over live "
            "traffic)");
    if (call->func || !env || !env->strict)
        return 0;
    const char *near = words_near_helper(call->name, call->name_len);
    int len = token->len > 60 ? 60 : (int)token->len;
    if (near)
        return parse_fail(parser, -EINVAL, token->at,
                          "unknown helper `%.*s` (did you mean `%s`?)", len, call->name,
                          near);
    return parse_fail(parser, -EINVAL, token->at,
                      "unknown helper `%.*s` (expected one of README)", len,
                      call->name);
}

/* ---- calls ---- */

static int parse_arg(struct parser *parser, struct call *call, struct node ***last)
{
    struct node *arg;
    struct lex ahead = parser->lex;
    if (parser->token.kind == TOKEN_WORD && lex_next(&ahead).kind == TOKEN_COLON) {
        take(parser);
        take(parser);
    }
    struct token token = parser->token;
    int rc = parse_expression(&arg, parser);
    if (rc < 0)
        return rc;
    call->arg_count++;
    **last = arg;
    *last = &arg->next;
    return parser->build->syntax_only ? 0 : func_check_arg(parser, call, arg, &token);
}

/* The parenthesis is next. */
static int parse_args(struct parser *parser, struct call *call)
{
    struct token token;
    struct node **last = &call->args;
    int rc = enter(parser, parser->token.at);
    if (rc < 0)
        return rc;
    take(parser);
    if (!parse_accept(&token, parser, TOKEN_RPAREN)) {
        do
            rc = parse_arg(parser, call, &last);
        while (rc == 0 && parse_accept(&token, parser, TOKEN_COMMA));
        if (rc == 0)
            rc = parse_expect(&token, parser, TOKEN_RPAREN, "`)` or `,`");
    }
    parser->build->depth--;
    return rc;
}

int parse_call(struct node **out, struct parser *parser, const struct token *name,
               struct path *receiver)
{
    int rc = new_node(out, parser, NODE_CALL, name->at);
    if (rc < 0)
        return rc;
    struct call *call = (*out)->call =
        arena_zalloc(parser->build->arena, sizeof(*call));
    call->name = arena_dup(parser->build->arena, parser->text + name->at, name->len);
    call->name_len = name->len;
    call->func = func_find(call->name, name->len);
    call->receiver = receiver;
    if (!parser->build->syntax_only)
        rc = check_helper(parser, call, name);
    if (rc == 0)
        rc = parse_args(parser, call);
    if (rc == 0 && !parser->build->syntax_only)
        rc = func_bind(parser, *out);
    return rc;
}

static int parse_word(struct node **out, struct parser *parser)
{
    struct token token = take(parser);
    const char *word = parser->text + token.at, *text;
    enum token_kind next = parser->token.kind;
    if (next == TOKEN_LPAREN)
        return selector_parse(out, parser, &token);
    int rc = parser->build->syntax_only ? 0 : check_word(parser, &token);
    if (rc < 0)
        return rc;
    if (next != TOKEN_DOT && next != TOKEN_DOTS && next != TOKEN_LBRACKET &&
        (text = macro_text(parser, word, token.len)))
        return expand(out, parser, &token, text);
    return selector_parse(out, parser, &token);
}

/* ---- expressions ---- */

static const char a_value[] = "a value, a selector, `!`, `-` or `(`";

static int parse_primary(struct node **out, struct parser *parser)
{
    struct token token;
    switch (parser->token.kind) {
    case TOKEN_NUMBER:
        return parse_number(out, parser);
    case TOKEN_STRING:
        return parse_string(out, parser);
    case TOKEN_REGEX:
        return parse_regex(out, parser);
    case TOKEN_DOTS:
        return selector_parse(out, parser, NULL);
    case TOKEN_WORD:
        if (token_is(parser, "nil") || token_is(parser, "true") ||
            token_is(parser, "false"))
            return parse_word_literal(out, parser);
        if (token_is(parser, "and") || token_is(parser, "or"))
            return parse_unexpected(parser, a_value);
        return parse_word(out, parser);
    case TOKEN_LPAREN: {
        struct node *inner;
        token = take(parser);
        int rc = parse_expression(&inner, parser);
        if (rc == 0)
            rc = parse_expect(&(struct token){0}, parser, TOKEN_RPAREN,
                              "an operator or `)`");
        return rc < 0 ? rc : group(out, parser, token.at, inner, NULL);
    }
    default:
        return parse_unexpected_literal(parser, a_value);
    }
}

static int negate(struct node **out, struct parser *parser, const struct token *sign,
                  struct node *inner)
{
    if (inner->kind == NODE_LITERAL && inner->literal->value.type >= DOC_INT &&
        inner->literal->value.type <= DOC_DOUBLE) {
        struct literal *literal = inner->literal;
        literal->value = value_negate(&literal->value);
        if (literal->source) { /* a time has none */
            literal->source_len +=
                (uint32_t)(literal->source - (parser->text + sign->at));
            literal->source = parser->text + sign->at;
        }
        inner->at = sign->at;
        *out = inner;
        return 0;
    }
    int rc = new_node(out, parser, NODE_NEG, sign->at);
    if (rc == 0)
        (*out)->inner = inner;
    return rc;
}

static int parse_unary(struct node **out, struct parser *parser)
{
    struct node *inner;
    struct token sign = parser->token;
    int rc = enter(parser, sign.at);
    if (rc < 0)
        return rc;
    if (sign.kind == TOKEN_MINUS) {
        take(parser);
        rc = parse_unary(&inner, parser);
        if (rc == 0)
            rc = negate(out, parser, &sign, inner);
    } else if (sign.kind == TOKEN_NOT) {
        take(parser);
        rc = parse_unary(&inner, parser);
        if (rc == 0)
            rc = new_node(out, parser, NODE_NOT, sign.at);
        if (rc == 0)
            (*out)->inner = inner;
    } else {
        rc = parse_primary(out, parser);
    }
    parser->build->depth--;
    return rc;
}

/* The three binary levels, loosest first. */
enum level { LEVEL_LOGICAL, LEVEL_EQUALITY, LEVEL_ORDER, LEVEL_UNARY };

static bool operator_at(enum chain_op *op, const struct parser *parser,
                        enum level level)
{
    static const struct {
        uint8_t kind, level, op;
    } operators[] = {
        {TOKEN_EQ, LEVEL_EQUALITY, CHAIN_EQ}, {TOKEN_NE, LEVEL_EQUALITY, CHAIN_NE},
        {TOKEN_GT, LEVEL_ORDER, CHAIN_GT},    {TOKEN_GE, LEVEL_ORDER, CHAIN_GE},
        {TOKEN_LT, LEVEL_ORDER, CHAIN_LT},    {TOKEN_LE, LEVEL_ORDER, CHAIN_LE},
    };
    if (level == LEVEL_LOGICAL) {
        *op = token_is(parser, "and") ? CHAIN_AND : CHAIN_OR;
        return *op == CHAIN_AND || token_is(parser, "or");
    }
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        if (operators[i].kind == parser->token.kind && operators[i].level == level) {
            *op = (enum chain_op)operators[i].op;
            return true;
        }
    }
    return false;
}

static void warn_mixed(struct parser *parser, const struct node *chain,
                       enum chain_op op)
{
    struct build *build = parser->build;
    int line, col;
    if (chain->links->op > CHAIN_OR || chain->links->op == op || parser->outer ||
        build->warning.code)
        return;
    lex_position(parser->text, parser->len, parser->token.at, &line, &col);
    err_set_at(&build->warning, -EINVAL, line, col,
               op == CHAIN_OR ? "`and` and `or` group left to right, as (… and …) or … "
                                "(expected parentheses that say what is meant)"
                              : "`and` and `or` group left to right, as (… or …) and … "
                                "(expected parentheses that say what is meant)");
}

static int parse_level(struct node **out, struct parser *parser, enum level level)
{
    struct node *node, *chain = NULL;
    struct link **last = NULL;
    enum chain_op op;
    if (level == LEVEL_UNARY)
        return parse_unary(out, parser);
    int rc = parse_level(&node, parser, level + 1);
    while (rc == 0 && operator_at(&op, parser, level)) {
        if (!chain) {
            rc = new_node(&chain, parser, NODE_CHAIN, node->at);
            if (rc < 0)
                return rc;
            chain->first = node;
            last = &chain->links;
        } else {
            warn_mixed(parser, chain, op);
        }
        struct link *link = arena_zalloc(parser->build->arena, sizeof(*link));
        link->op = (uint8_t)op;
        link->at = take(parser).at;
        *last = link;
        last = &link->next;
        rc = parse_level(&link->operand, parser, level + 1);
    }
    *out = chain ? chain : node;
    return rc;
}

static int parse_expression(struct node **out, struct parser *parser)
{
    return parse_level(out, parser, LEVEL_LOGICAL);
}

static int parse_text(struct node **out, struct build *build,
                      const struct parser *outer, const char *macro, uint32_t macro_at,
                      const char *text, size_t len)
{
    struct parser parser = {.build = build,
                            .text = text,
                            .len = (uint32_t)len,
                            .outer = outer,
                            .macro = macro,
                            .macro_at = macro_at};
    *out = NULL;
    if (len > PARSE_TEXT_MAX)
        return parse_fail(&parser, -E2BIG, 0,
                          "the statement is too long (at most %d bytes)",
                          PARSE_TEXT_MAX);
    lex_init(&parser.lex, text, len);
    take(&parser);
    if (parser.token.kind == TOKEN_END)
        return 0;
    int rc = parse_expression(out, &parser);
    if (rc == 0 && parser.token.kind != TOKEN_END)
        rc = parse_unexpected(&parser, "an operator or the end");
    return rc;
}

int parse_statement(struct node **out, struct build *build, const char *text,
                    size_t len)
{
    build->last_record = &build->records;
    return parse_text(out, build, NULL, NULL, 0, text, len);
}
