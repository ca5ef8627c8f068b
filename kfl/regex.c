#define PCRE2_CODE_UNIT_WIDTH 8
#include "kfl/regex.h"

#include <errno.h>
#include <pcre2.h>
#include <stdbool.h>
#include <stdlib.h>

#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/mem.h"

#define NEST_MAX      200
#define WINDOW_LEN    512 /* texts up to this are searched at once */
#define SEARCH_BUDGET (500 * NS_PER_MS)
#define WINDOW_BUDGET (2 * NS_PER_MS)
#define JIT_STACK     (512 * 1024)
#define PLAIN_LEN     2048 /* texts up to this have a second chance */
#define PLAIN_SPACE   4096

struct regex {
    pcre2_code *code;
    /* The same for the matcher that does not backtrack; it needs valid UTF-8. */
    pcre2_code *plain;
};

struct regex_run {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

static pcre2_code *compile(const char *pattern, size_t len, uint32_t more, int *code,
                           size_t *at)
{
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context)
        return NULL;
    pcre2_set_parens_nest_limit(context, NEST_MAX);
    pcre2_code *out =
        pcre2_compile((PCRE2_SPTR)pattern, len,
                      PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NO_AUTO_CAPTURE |
                          PCRE2_NEVER_BACKSLASH_C | more,
                      code, at, context);
    pcre2_compile_context_free(context);
    return out;
}

int regex_new(struct regex **out, const char *pattern, size_t len, size_t *at,
              struct err *err)
{
    int code = 0;
    PCRE2_UCHAR words[160] = "no memory";
    int rc = regex_check(pattern, len, at, err);
    if (rc < 0)
        return rc;
    struct regex *regex = mem_zalloc(sizeof(*regex));
    regex->code = compile(pattern, len,
                          PCRE2_MATCH_INVALID_UTF | PCRE2_USE_OFFSET_LIMIT, &code, at);
    if (regex->code)
        regex->plain = compile(pattern, len, 0, &code, at);
    if (!regex->code || !regex->plain) {
        regex_free(regex);
        pcre2_get_error_message(code, words, sizeof(words));
        return err_set(err, -EINVAL, "bad regex: %s", (char *)words);
    }
    pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE);
    *out = regex;
    return 0;
}

void regex_free(struct regex *regex)
{
    if (!regex)
        return;
    pcre2_code_free(regex->code);
    pcre2_code_free(regex->plain);
    free(regex);
}

struct regex_run *regex_run_new(void)
{
    struct regex_run *run = mem_zalloc(sizeof(*run));
    run->data = pcre2_match_data_create(1, NULL);
    run->context = pcre2_match_context_create(NULL);
    run->stack = pcre2_jit_stack_create(32 * 1024, JIT_STACK, NULL);
    if (!run->data || !run->context)
        abort();
    if (run->stack)
        pcre2_jit_stack_assign(run->context, NULL, run->stack);
    pcre2_set_heap_limit(run->context, 4 * 1024);
    return run;
}

void regex_run_free(struct regex_run *run)
{
    if (!run)
        return;
    pcre2_match_data_free(run->data);
    pcre2_match_context_free(run->context);
    pcre2_jit_stack_free(run->stack);
    free(run);
}

/* PCRE2 counts its work anew at each place where a match may begin: so a long text is
 * searched window by window with an eye on the clock. 1, 0, or a code of PCRE2. */
static int search(struct regex_run *run, const struct regex *regex, const char *text,
                  size_t len)
{
    size_t from = 0, window = len <= WINDOW_LEN ? len : 64;
    int64_t began = 0, now = 0;
    pcre2_set_match_limit(run->context,
                          (uint32_t)(len < 1000000 ? 1000 + 16 * len : 16000000));
    for (;;) {
        bool last = len - from <= window;
        pcre2_set_offset_limit(run->context, last ? PCRE2_UNSET : from + window - 1);
        int rc = pcre2_match(regex->code, (PCRE2_SPTR)text, len, from, 0, run->data,
                             run->context);
        if (rc >= 0)
            return 1;
        if (rc != PCRE2_ERROR_NOMATCH)
            return rc;
        if (last)
            return 0;
        int64_t before = now;
        now = clock_monotonic();
        began = began ? began : now;
        if (now - began > SEARCH_BUDGET)
            return PCRE2_ERROR_MATCHLIMIT;
        for (from += window; from < len && ((unsigned char)text[from] & 0xc0) == 0x80;
             from++)
            ;
        if (!before || now - before < WINDOW_BUDGET)
            window *= 2;
    }
}

int regex_search(struct regex_run *run, const struct regex *regex, const char *text,
                 size_t len, struct err *err)
{
    int space[PLAIN_SPACE];
    if (!text)
        text = "";
    int rc = search(run, regex, text, len);
    if (rc >= 0)
        return rc;
    if (len <= PLAIN_LEN) {
        pcre2_set_offset_limit(run->context, PCRE2_UNSET);
        rc = pcre2_dfa_match(regex->plain, (PCRE2_SPTR)text, len, 0, PCRE2_DFA_SHORTEST,
                             run->data, run->context, space, PLAIN_SPACE);
        if (rc >= 0 || rc == PCRE2_ERROR_NOMATCH)
            return rc >= 0;
    }
    return err_set(err, -ELOOP, "a regex needs too much work on a text of %zu bytes",
                   len);
}
