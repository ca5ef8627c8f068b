/* Regular expressions: RE2's syntax run by PCRE2, never for long. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct err;
struct regex;
struct regex_run;

/* -EINVAL with words in *err, and in *at the byte of the pattern where it goes wrong.
 */
int regex_new(struct regex **out, const char *pattern, size_t len, size_t *at,
              struct err *err);
void regex_free(struct regex *regex);

/* A thread's own part of matching. */
struct regex_run *regex_run_new(void);
void regex_run_free(struct regex_run *run);
/* 1 found anywhere in the text, 0 not; -ELOOP too much work, with words. */
int regex_search(struct regex_run *run, const struct regex *regex, const char *text,
                 size_t len, struct err *err);

/* Is it a pattern of RE2, apart from what PCRE2 finds out itself? -EINVAL as regex_new.
 */
int regex_check(const char *pattern, size_t len, size_t *at, struct err *err);
