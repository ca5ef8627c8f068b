/* RE2's syntax (https://github.com/google/re2/wiki/Syntax) is what can be matched in
 * linear time: whatever PCRE2 knows beyond it is refused here; what neither knows PCRE2
 * refuses itself. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "kfl/base/err.h"
#include "kfl/regex.h"

#define REPEAT_MAX 1000

struct scan {
    const char *text;
    size_t len, at;
    bool item;     /* something that can be repeated is before `at` */
    bool repeated; /* a repetition is before `at` */
    struct err *err;
    size_t *fault;
};

static int refuse(struct scan *scan, size_t at, const char *what)
{
    *scan->fault = at;
    return err_set(scan->err, -EINVAL, "bad regex: %s (expected RE2 syntax)", what);
}

static char peek(const struct scan *scan, size_t ahead)
{
    return scan->at + ahead < scan->len ? scan->text[scan->at + ahead] : 0;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* At a backslash; `set`: inside brackets. */
static int scan_escape(struct scan *scan, bool set)
{
    char c = peek(scan, 1);
    if (!c)
        return refuse(scan, scan->at, "a backslash at the end");
    if (c >= '1' && c <= '9')
        return refuse(scan, scan->at, "a back reference");
    if ((unsigned char)c >= 0x80 ||
        (is_letter(c) && !strchr(set ? "dDsSwWafnrtpPx" : "dDsSwWafnrtpPxbBAzQE", c)))
        return refuse(scan, scan->at, "an unknown escape");
    if (c == 'Q') {
        const char *rest = scan->text + scan->at + 2;
        const char *end = memmem(rest, scan->len - scan->at - 2, "\\E", 2);
        scan->at = end ? (size_t)(end + 2 - scan->text) : scan->len;
    } else {
        scan->at += 2;
    }
    scan->item = true;
    scan->repeated = false;
    return 0;
}

/* At "[:", inside brackets: the name of a class, else a plain bracket. */
static int scan_class_name(struct scan *scan)
{
    size_t at = scan->at + 2;
    while (at < scan->len && (is_letter(scan->text[at]) || scan->text[at] == '^'))
        at++;
    if (at < scan->len && (scan->text[at] == '<' || scan->text[at] == '>'))
        return refuse(scan, scan->at, "an unknown class");
    if (at + 1 < scan->len && scan->text[at] == ':' && scan->text[at + 1] == ']')
        scan->at = at + 2;
    else
        scan->at++;
    return 0;
}

static int scan_set(struct scan *scan)
{
    size_t start = scan->at++;
    int rc = 0;
    if (peek(scan, 0) == '^')
        scan->at++;
    if (peek(scan, 0) == ']')
        scan->at++;
    while (rc == 0 && scan->at < scan->len && peek(scan, 0) != ']') {
        if (peek(scan, 0) == '\\')
            rc = scan_escape(scan, true);
        else if (peek(scan, 0) == '[' && peek(scan, 1) == ':')
            rc = scan_class_name(scan);
        else
            scan->at++;
    }
    if (rc == 0 && scan->at >= scan->len)
        return refuse(scan, start, "a bracket that is not closed");
    scan->at++;
    scan->item = true;
    scan->repeated = false;
    return rc;
}

/* At "(?". */
static int scan_group_kind(struct scan *scan)
{
    size_t start = scan->at;
    scan->at += 2;
    if (peek(scan, 0) == 'P' && peek(scan, 1) == '<')
        scan->at++;
    if (peek(scan, 0) == '<' && peek(scan, 1) != '=' && peek(scan, 1) != '!') {
        while (scan->at < scan->len && peek(scan, 0) != '>')
            scan->at++;
        scan->at++;
        return 0;
    }
    while (scan->at < scan->len && strchr("imsU-", peek(scan, 0)))
        scan->at++;
    if (peek(scan, 0) != ':' && peek(scan, 0) != ')')
        return refuse(scan, start, "a group that is not of RE2, as a look-around");
    scan->at++;
    return 0;
}

static int scan_group(struct scan *scan)
{
    size_t start = scan->at;
    scan->item = scan->repeated = false;
    if (peek(scan, 1) == '*')
        return refuse(scan, start, "a control verb");
    if (peek(scan, 1) == '?')
        return scan_group_kind(scan);
    scan->at++;
    return 0;
}

/* {n} {n,} {n,m}: its length, 0 if the brace is a plain character. */
static size_t counted(const struct scan *scan, int *most)
{
    size_t at = scan->at + 1;
    int value = 0;
    *most = 0;
    if (!is_digit(peek(scan, 1)))
        return 0;
    for (; at < scan->len && scan->text[at] != '}'; at++) {
        char c = scan->text[at];
        if (c == ',' && at > scan->at + 1 &&
            !memchr(scan->text + scan->at, ',', at - scan->at))
            value = 0;
        else if (is_digit(c))
            value = value <= REPEAT_MAX ? value * 10 + (c - '0') : value;
        else
            return 0;
        *most = value > *most ? value : *most;
    }
    return at < scan->len ? at + 1 - scan->at : 0;
}

static int scan_repeat(struct scan *scan, size_t size)
{
    if (scan->repeated)
        return refuse(scan, scan->at, "a repetition of a repetition");
    if (!scan->item)
        return refuse(scan, scan->at, "nothing to repeat");
    scan->at += size;
    if (peek(scan, 0) == '?')
        scan->at++;
    scan->repeated = true;
    return 0;
}

static int scan_one(struct scan *scan)
{
    int most;
    size_t size;
    switch (peek(scan, 0)) {
    case '\\':
        return scan_escape(scan, false);
    case '[':
        return scan_set(scan);
    case '(':
        return scan_group(scan);
    case '*':
    case '+':
    case '?':
        return scan_repeat(scan, 1);
    case '{':
        size = counted(scan, &most);
        if (size && most > REPEAT_MAX)
            return refuse(scan, scan->at, "more than 1000 repetitions");
        if (size)
            return scan_repeat(scan, size);
        break;
    case '|':
        scan->at++;
        scan->item = scan->repeated = false;
        return 0;
    default:
        break;
    }
    scan->at++;
    scan->item = true;
    scan->repeated = false;
    return 0;
}

int regex_check(const char *pattern, size_t len, size_t *at, struct err *err)
{
    struct scan scan = {.text = pattern, .len = len, .err = err, .fault = at};
    int rc = 0;
    while (rc == 0 && scan.at < len)
        rc = scan_one(&scan);
    return rc;
}
