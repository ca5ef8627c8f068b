/* The lexer: what becomes a token, where it stands, what literals mean. */
#include "tests/unit/kfl/kfl_case.h"

#include <stdio.h>

#include "kfl/base/mem.h"
#include "kfl/lex.h"

/* Tokens as "kind@at+len", kinds by a letter. */
static void list(char *out, size_t size, const char *text)
{
    static const char letters[] = "$!\"wnsr()[],:.;*~-=#>g<l";
    struct lex lex;
    struct token token;
    size_t used = 0;
    lex_init(&lex, text, strlen(text));
    do {
        token = lex_next(&lex);
        used += (size_t)snprintf(out + used, size - used, "%s%c%u+%u", used ? " " : "",
                                 letters[token.kind], token.at, token.len);
    } while (token.kind != TOKEN_END && token.kind != TOKEN_BAD &&
             token.kind != TOKEN_OPEN);
}

static void assert_tokens(const char *text, const char *want)
{
    char got[512];
    list(got, sizeof(got), text);
    assert_string_equal(got, want);
}

static void texts_become_tokens(void **state)
{
    (void)state;
    assert_tokens("", "$0+0");
    assert_tokens("  \n", "$0+0");
    assert_tokens("a.b", "w0+1 .1+1 w2+1 $3+0");
    assert_tokens("a..b  ", "w0+1 ;1+2 w3+1 $4+0");
    assert_tokens("==!=>=<=><!-", "=0+2 #2+2 g4+2 l6+2 >8+1 <9+1 ~10+1 -11+1 $12+0");
    assert_tokens("([*],:)", "(0+1 [1+1 *2+1 ]3+1 ,4+1 :5+1 )6+1 $7+0");
    assert_tokens("12 3.14 .5 1e3 2E-7 5.",
                  "n0+2 n3+4 n8+2 n11+3 n15+4 n20+1 .21+1 $22+0");
    assert_tokens("1.2.3 1ex", "n0+3 n3+2 n6+1 w7+2 $9+0");
    assert_tokens("\"a\\\"b\" r\"\\d\\\"\" r", "s0+6 r7+7 w15+1 $16+0");
    assert_tokens("rr\"x\"", "w0+2 s2+3 $5+0");
    assert_tokens("a // b\nc /* d\n*/ e /**/", "w0+1 w7+1 w17+1 $18+0");
    assert_tokens("h\xc3\xa9llo_1 x", "w0+8 w9+1 $10+0");
}

static void what_is_wrong_has_a_place(void **state)
{
    (void)state;
    assert_tokens("a @", "w0+1 !2+1");
    assert_tokens("a = b", "w0+1 !2+1");
    assert_tokens("\xe2\x80\x9cx", "!0+3");
    assert_tokens("\xff", "!0+1");
    assert_tokens("a /* b", "w0+1 !2+2");
    assert_tokens("a / b", "w0+1 !2+1");
    assert_tokens("a \"b\\q\"", "w0+1 !4+1");
    assert_tokens("\"\\u12g4\"", "!1+1");
    assert_tokens("\"\\udc00\"", "!1+1");
    assert_tokens("\"\\ud800x\"", "!1+1");
    assert_tokens("\"a\xff\"", "!2+1");
    assert_tokens("r\"a\xff\"", "!3+1");
    assert_tokens("a \"b", "w0+1 \"2+1");
    assert_tokens("r\"b\\\"", "\"1+1");
    assert_tokens("\"a\nb\"", "\"0+1");
}

static struct token first_token(const char *text)
{
    struct lex lex;
    lex_init(&lex, text, strlen(text));
    return lex_next(&lex);
}

static void some_open_literals_are_doomed(void **state)
{
    (void)state;
    static const char *const open[] = {
        "\"",        "\"a/b",       "\"\\",           "\"\\u00",
        "\"\\ud83d", "\"\\ud83d\\", "\"\\ud83d\\ude", "\"\xc3",
        "r\"",       "r\"(?=",      "r\"\\"};
    static const char *const doomed[] = {
        "\"\\q", "\"\\u0g", "\"\\ud83d\\n", "\"\xff",         "\"\xc3x",
        "\"a\n", "r\"a\nb", "\"\\udc",      "\"\\ud83d\\u00", "\"\\ud83d\\uda"};
    for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
        struct token token = first_token(open[i]);
        if (token.kind != TOKEN_OPEN || token.doomed)
            fail_msg("%s is not open", open[i]);
    }
    for (size_t i = 0; i < sizeof(doomed) / sizeof(doomed[0]); i++) {
        struct token token = first_token(doomed[i]);
        if (token.kind != TOKEN_OPEN || !token.doomed)
            fail_msg("%s is not doomed", doomed[i]);
    }
}

static void literals_are_decoded(void **state)
{
    (void)state;
    struct arena arena = {0};
    uint32_t len;
    const char *text = "\"\\\"\\\\\\/\\n\\t\\r\\u00e9\\ud83d\\ude00x\"";
    struct token token = first_token(text);
    assert_int_equal(token.kind, TOKEN_STRING);
    assert_string_equal(lex_decode(&arena, text, &token, &len),
                        "\"\\/\n\t\r\xc3\xa9\xf0\x9f\x98\x80x");
    assert_int_equal(len, 13);
    assert_int_equal(lex_literal_at(text, &token, 0), 1);
    assert_int_equal(lex_literal_at(text, &token, 3), 7);
    assert_int_equal(lex_literal_at(text, &token, 12), 31);

    text = "r\"\\\"\\d\\\\\"";
    token = first_token(text);
    assert_int_equal(token.kind, TOKEN_REGEX);
    assert_string_equal(lex_pattern(&arena, text, &token, &len), "\"\\d\\\\");
    assert_int_equal(len, 5);
    assert_int_equal(lex_literal_at(text, &token, 1), 4);
    arena_fini(&arena);
}

static void positions_count_characters(void **state)
{
    (void)state;
    int line, col;
    const char *text = "\xc3\xa9 ==\n\t\xf0\x9f\x98\x80x";
    lex_position(text, strlen(text), 0, &line, &col);
    assert_int_equal(line, 1);
    assert_int_equal(col, 1);
    lex_position(text, strlen(text), 3, &line, &col);
    assert_int_equal(col, 3);
    lex_position(text, strlen(text), 11, &line, &col);
    assert_int_equal(line, 2);
    assert_int_equal(col, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_become_tokens),
        cmocka_unit_test(what_is_wrong_has_a_place),
        cmocka_unit_test(some_open_literals_are_doomed),
        cmocka_unit_test(literals_are_decoded),
        cmocka_unit_test(positions_count_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
