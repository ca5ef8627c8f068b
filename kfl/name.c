/* A statement as a path below /query: strings hold slashes as they are, but for what
 * the kernel would rewrite or a query's name would mean. */
#include <errno.h>
#include <string.h>

#include "kfl/base/buf.h"
#include "kfl/base/err.h"
#include "kfl/kfl.h"
#include "kfl/lex.h"

#define NAME_BYTES_MAX 1024 /* what FUSE lets pass, above the usual 255 */
#define PATH_BYTES_MAX 4095

/* One literal's content, as text that is given out piece by piece. */
struct literal_text {
    const char *text;
    size_t len;
    bool is_regex;
};

/* Bytes of the slash at `at`, with the backslash it may be written with; 0: no slash.
 */
static size_t slash_at(const struct literal_text *literal, size_t at)
{
    if (at < literal->len && literal->text[at] == '/')
        return 1;
    return at + 1 < literal->len && literal->text[at] == '\\' &&
                   literal->text[at + 1] == '/'
               ? 2
               : 0;
}

static bool dots_between(const struct literal_text *literal, size_t at)
{
    size_t dots = 0;
    while (at + dots < literal->len && literal->text[at + dots] == '.' && dots < 3)
        dots++;
    return (dots == 1 || dots == 2) && at + dots < literal->len &&
           literal->text[at + dots] == '/';
}

/* Slashes that would not arrive: beside another, before /. and /.., and after a colon,
 * where one slash is taken for two that lost one. */
static bool must_hide(const struct literal_text *literal, size_t at, size_t size)
{
    const char *text = literal->text;
    return (at && (text[at - 1] == '/' || text[at - 1] == ':')) ||
           slash_at(literal, at + size) == 1 || dots_between(literal, at + size);
}

/* Is `at` between \Q and \E, where escapes are plain text? */
static bool is_quoted(const struct literal_text *literal, size_t at)
{
    bool quoted = false;
    if (!literal->is_regex || !memmem(literal->text, literal->len, "\\Q", 2))
        return false;
    for (size_t i = 0; i + 1 < at; i++) {
        if (literal->text[i] != '\\')
            continue;
        char c = literal->text[i + 1];
        quoted = quoted ? c != 'E' : c == 'Q';
        i += !quoted || c == 'Q';
    }
    return quoted;
}

static void add_literal(struct buf *out, const struct literal_text *literal)
{
    for (size_t at = 0; at < literal->len;) {
        size_t size = slash_at(literal, at);
        bool quoted = is_quoted(literal, at);
        if (quoted)
            size = literal->text[at] == '/';
        if (size && must_hide(literal, at, size)) {
            buf_addstr(out, quoted              ? "\\E\\x2f\\Q"
                            : literal->is_regex ? "\\x2f"
                                                : "\\u002f");
            at += size;
            continue;
        }
        /* An escape goes as a whole, so that \\ and a slash are not taken for \/. */
        if (!size)
            size =
                !quoted && literal->text[at] == '\\' && at + 1 < literal->len ? 2 : 1;
        buf_add(out, literal->text + at, size);
        at += size;
    }
}

static void add_token(struct buf *out, const char *text, const struct token *token)
{
    bool is_regex = token->kind == TOKEN_REGEX;
    if (!is_regex && token->kind != TOKEN_STRING) {
        buf_add(out, text + token->at, token->len);
        return;
    }
    struct literal_text literal = {.text = text + token->at + (is_regex ? 2 : 1),
                                   .len = token->len - (is_regex ? 3 : 2),
                                   .is_regex = is_regex};
    buf_addstr(out, is_regex ? "r\"" : "\"");
    add_literal(out, &literal);
    buf_addch(out, '"');
}

/* A comment is white space, and holds slashes: it becomes a blank. */
static void add_between(struct buf *out, const char *text, size_t from, size_t to)
{
    bool comment = memchr(text + from, '/', to - from) != NULL;
    if (comment)
        buf_addch(out, ' ');
    else
        buf_add(out, text + from, to - from);
}

/* Would the name mean something else than the statement? */
static bool is_taken(const char *text)
{
    static const char *const ends[] = {".json",  ".pcap",   ".har",
                                       ".count", ".follow", ".kfl"};
    size_t len = strlen(text);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        size_t end = strlen(ends[i]);
        if (len >= end && !strcmp(text + len - end, ends[i]))
            return true;
    }
    return !strcmp(text, "README") || !strcmp(text, "error_log") || *text == '.';
}

static int check_lengths(const char *path, struct err *err)
{
    if (strlen(path) > PATH_BYTES_MAX)
        return err_set(
            err, -EINVAL,
            "the statement is too long for a path (expected at most %d bytes; save it "
            "as query/NAME.kfl)",
            PATH_BYTES_MAX);
    for (const char *end; *path; path = *end ? end + 1 : end) {
        end = strchrnul(path, '/');
        if (end - path > NAME_BYTES_MAX)
            return err_set(
                err, -EINVAL,
                "a name of %td bytes is too long (expected at most %d between slashes; "
                "save it as query/NAME.kfl)",
                end - path, NAME_BYTES_MAX);
    }
    return 0;
}

static void add_statement(struct buf *out, const char *text, size_t len)
{
    struct lex lex;
    struct token token;
    size_t end = 0;
    lex_init(&lex, text, len);
    while ((token = lex_next(&lex)).kind != TOKEN_END) {
        if (end)
            add_between(out, text, end, token.at);
        add_token(out, text, &token);
        end = token.at + token.len;
    }
}

int kfl_path(struct buf *out, const char *text, size_t len, struct err *err)
{
    struct kfl *kfl;
    struct kfl_env env = {0};
    int rc = kfl_compile(&kfl, text, len, &env, err);
    if (rc < 0)
        return rc == -E2BIG ? -EINVAL : rc;
    bool everything = kfl_is_everything(kfl);
    kfl_unref(kfl);
    struct buf path = {0};
    if (everything)
        buf_addstr(&path, "true");
    else
        add_statement(&path, text, len);
    bool taken = is_taken(path.data);
    rc = check_lengths(path.data, err);
    if (rc == 0)
        rc = buf_addf(out, taken ? "(%s)" : "%s", path.data) < 0
                 ? err_set(err, -EINVAL, "the path is too long")
                 : 0;
    buf_fini(&path);
    return rc;
}
