/* KFL, the filter language: the door of the floor. A statement is one boolean
 * expression over one document. Compiled statements are immutable and may be shared by
 * threads; a struct kfl_run is one thread's own. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kfl/base/err.h"

struct buf;
struct doc_value;
struct kfl;
struct kfl_run;

/* What a statement is compiled in. Zero-initialised: as the `kfl` command. */
struct kfl_env {
    int64_t now_ms; /* what now() is, ms since 1970 */
    bool strict;    /* refuse unknown helpers and first words (jobs, /query) */
    bool no_record; /* refuse record() (jobs) */
    /* The text of a saved statement, or NULL; valid until the compile ends. May be
     * NULL. */
    const char *(*saved)(void *context, const char *name, size_t len);
    void *context;
};

/* 0; -EINVAL bad statement; -ENOENT strict and nothing but one unknown word; -E2BIG too
 * long or too deep. Words and position in *err. */
int kfl_compile(struct kfl **out, const char *text, size_t len,
                const struct kfl_env *env, struct err *err);
struct kfl *kfl_ref(struct kfl *kfl);
void kfl_unref(struct kfl *kfl);

/* "line:column: words", the line and a caret under the column. */
void kfl_show_error(struct buf *out, const char *text, size_t len,
                    const struct err *err);
/* `and` mixed with `or` without parentheses: the words, as an error's; NULL: none. */
const struct err *kfl_warning(const struct kfl *kfl);

enum kfl_shape {
    KFL_COMPLETE, /* a whole statement as far as syntax goes */
    KFL_OPEN,     /* ends inside a string or regex literal */
    KFL_WRONG,    /* neither */
};
enum kfl_shape kfl_shape(const char *text, size_t len);

/* Can `name` be a saved statement: an identifier that is no keyword, macro or key of an
 * entry? */
bool kfl_name_is_free(const char *name);

const char *kfl_text(const struct kfl *kfl); /* as given */
bool kfl_redacts(const struct kfl *kfl);
bool kfl_is_everything(const struct kfl *kfl);  /* empty or blank */
int64_t kfl_limit(const struct kfl *kfl);       /* of the first limit(n); 0: none */
size_t kfl_record_count(const struct kfl *kfl); /* names in record("…"), each once */
const char *kfl_record_name(const struct kfl *kfl, size_t i);

/* What is known of documents before they are looked at. */
struct kfl_facts {
    const char *record;     /* name of their recording, "" live; NULL: unknown */
    const char *abbr;       /* protocol.abbr; NULL: unknown */
    int64_t from_ms, to_ms; /* bounds of `timestamp`; both 0: unknown */
};
/* False only if no such document can match. */
bool kfl_may_match(const struct kfl *kfl, const struct kfl_facts *facts);
/* Does the answer depend on anything at or below this path ("response.content")? May
 * err to true. */
bool kfl_uses(const struct kfl *kfl, const char *path);
/* The grouping with all parentheses, the program, and what can be skipped, for people.
 */
void kfl_explain(struct buf *out, const struct kfl *kfl);
/* The statement as a path below /query; -EINVAL with words where none can say it. */
int kfl_path(struct buf *out, const char *text, size_t len, struct err *err);

struct kfl_run *kfl_run_new(void);
void kfl_run_free(struct kfl_run *run);
/* 1 match, 0 none; -ELOOP a regex limit was hit, -E2BIG a json() or xml() too large:
 * words in *err. `record` is what the key "record" is, NULL: what the document says.
 * The document is not changed: where redact() ran, *emit (may be NULL) is a changed
 * copy that lives until the next call, else it is `doc`. */
int kfl_match(struct kfl_run *run, const struct kfl *kfl, const struct doc_value *doc,
              const char *record, const struct doc_value **emit, struct err *err);
