#include "fs/route.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kfl/base/buf.h"
#include "kfl/base/err.h"
#include "kfl/base/mem.h"
#include "kfl/kfl.h"

#define STATEMENT_MAX 65536

struct fixed_name {
    enum place_kind dir;
    const char *name;
    enum place_kind kind;
};

static const struct fixed_name fixed_names[] = {
    {PLACE_ROOT, "README", PLACE_README},
    {PLACE_ROOT, "metrics", PLACE_METRICS},
    {PLACE_ROOT, "jobs", PLACE_JOBS},
    {PLACE_ROOT, "recordings", PLACE_RECORDINGS},
    {PLACE_ROOT, "query", PLACE_QUERY},
    {PLACE_JOB, "spec.yaml", PLACE_SPEC},
    {PLACE_JOB, "status", PLACE_STATUS},
    {PLACE_JOB, "control", PLACE_CONTROL},
    {PLACE_JOB, "log", PLACE_LOG},
    {PLACE_RECORDING, "recording.pcap", PLACE_PCAP},
    {PLACE_RECORDING, "entries.jsonl", PLACE_LINES},
    {PLACE_RECORDING, "recording.json", PLACE_MANIFEST},
    {PLACE_RECORDING, "streams", PLACE_STREAMS},
    {PLACE_RECORDING, "entries", PLACE_ENTRIES},
    {PLACE_RECORDING, "expires", PLACE_EXPIRES},
    {PLACE_RECORDING, "iterations", PLACE_ITERATIONS},
    {PLACE_ITERATION, "recording.pcap", PLACE_PCAP},
    {PLACE_ITERATION, "entries.jsonl", PLACE_LINES},
    {PLACE_ITERATION, "recording.json", PLACE_MANIFEST},
    {PLACE_ITERATION, "streams", PLACE_STREAMS},
    {PLACE_ITERATION, "entries", PLACE_ENTRIES},
    {PLACE_QUERY, "README", PLACE_QUERY_README},
    {PLACE_QUERY, "error_log", PLACE_ERROR_LOG},
};

/* What a folder's other names are; PLACE_KINDS: nothing. */
static enum place_kind free_kind(enum place_kind dir)
{
    switch (dir) {
    case PLACE_JOBS:
        return PLACE_JOB;
    case PLACE_JOB:
        return PLACE_SCRATCH;
    case PLACE_RECORDINGS:
        return PLACE_RECORDING;
    case PLACE_RECORDING:
        return PLACE_IMPORT;
    case PLACE_ITERATIONS:
        return PLACE_ITERATION;
    case PLACE_STREAMS:
        return PLACE_STREAM;
    case PLACE_ENTRIES:
        return PLACE_ENTRY;
    case PLACE_QUERY:
    case PLACE_PREFIX:
        return PLACE_STATEMENT;
    default:
        return PLACE_KINDS;
    }
}

static enum place_kind kind_of(enum place_kind dir, const char *name)
{
    for (size_t i = 0; i < sizeof fixed_names / sizeof fixed_names[0]; i++)
        if (fixed_names[i].dir == dir && !strcmp(fixed_names[i].name, name))
            return fixed_names[i].kind;
    return free_kind(dir);
}

bool place_is_folder(enum place_kind kind)
{
    switch (kind) {
    case PLACE_ROOT:
    case PLACE_JOBS:
    case PLACE_JOB:
    case PLACE_RECORDINGS:
    case PLACE_RECORDING:
    case PLACE_ITERATIONS:
    case PLACE_ITERATION:
    case PLACE_STREAMS:
    case PLACE_ENTRIES:
    case PLACE_QUERY:
    case PLACE_PREFIX:
        return true;
    default:
        return false;
    }
}

void place_root(struct place *place)
{
    *place = (struct place){.kind = PLACE_ROOT, .path = mem_strdup("")};
}

static char *dup_or_null(const char *text)
{
    return text ? mem_strdup(text) : NULL;
}

void place_copy(struct place *out, const struct place *place)
{
    *out = (struct place){
        .kind = place->kind,
        .form = place->form,
        .path = dup_or_null(place->path),
        .name = dup_or_null(place->name),
        .start = dup_or_null(place->start),
        .leaf = dup_or_null(place->leaf),
        .text = dup_or_null(place->text),
    };
}

void place_fini(struct place *place)
{
    free(place->path);
    free(place->name);
    free(place->start);
    free(place->leaf);
    free(place->text);
    *place = (struct place){.kind = PLACE_KINDS};
}

static char *join(const char *left, const char *right)
{
    struct buf buf = {0};
    buf_addf(&buf, "%s/%s", left, right);
    return buf_take(&buf);
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && !strcmp(text + len - end_len, end);
}

/* Is `literal` (behind its quote) a URL that came with one slash? */
static bool lost_slash(const char *literal)
{
    const char *p = literal;
    if (!isalpha((unsigned char)*p))
        return false;
    while (isalnum((unsigned char)*p) || *p == '+' || *p == '.' || *p == '-')
        p++;
    return p - literal > 1 && p[0] == ':' && p[1] == '/' && p[2] != '/' && p[2] != '\0';
}

/* Appends the text with the slashes that its literals lost to the kernel, which makes
 * one of two. A pointer to the first that is left alone, or NULL. */
static const char *restore_slashes(struct buf *whole, const char *text)
{
    const char *first = NULL, *next = NULL;
    bool in_literal = false;
    for (const char *p = text; *p; p++) {
        buf_addch(whole, *p);
        if (p == next) {
            buf_addch(whole, '/');
        } else if (*p == '\\' && in_literal && p[1]) {
            buf_addch(whole, *++p);
        } else if (*p == '"') {
            in_literal = !in_literal;
            if (in_literal && lost_slash(p + 1)) {
                next = strchr(p, '/');
                first = first ? first : next;
            }
        }
    }
    return first;
}

static int check_slashes(const char *text, struct err *err)
{
    struct buf whole = {0}, safe = {0};
    struct err unused = {0};
    int code = 0;
    const char *slash = restore_slashes(&whole, text);
    if (slash) {
        if (kfl_path(&safe, whole.data, whole.len, &unused))
            buf_addstr(&safe, "\\u002f\\u002f for the two");
        code = err_set_at(
            err, -EINVAL, 1, (int)(slash - text) + 1,
            "a slash was lost on the way here (the kernel makes // one slash): %s",
            safe.data);
    }
    buf_fini(&whole);
    buf_fini(&safe);
    return code;
}

static void take_form(struct place *place)
{
    static const struct {
        const char *extension;
        enum form form;
    } forms[] = {
        {".json", FORM_JSON},   {".pcap", FORM_PCAP},     {".har", FORM_HAR},
        {".count", FORM_COUNT}, {".follow", FORM_FOLLOW},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        size_t len = strlen(place->text);
        if (!ends_with(place->text, forms[i].extension))
            continue;
        place->text[len - strlen(forms[i].extension)] = '\0';
        place->form = forms[i].form;
        return;
    }
}

static int step_statement(struct place *child, const struct place *dir,
                          const char *name, struct err *err)
{
    if (dir->kind == PLACE_QUERY && ends_with(name, ".kfl")) {
        child->kind = PLACE_SAVED;
        child->name = mem_dup(name, strlen(name) - strlen(".kfl"));
        return 0;
    }
    child->text = dir->kind == PLACE_PREFIX ? join(dir->text, name) : mem_strdup(name);
    size_t len = strlen(child->text);
    if (len > STATEMENT_MAX)
        return -ENAMETOOLONG;
    if (kfl_shape(child->text, len) == KFL_OPEN) {
        child->kind = PLACE_PREFIX;
        return 0;
    }
    if (ends_with(name, ".kfl"))
        return -ENOENT;
    take_form(child);
    return check_slashes(child->text, err);
}

int route_step(struct place *child, const struct place *dir, const char *name,
               struct err *err)
{
    int r = 0;
    *child = (struct place){.kind = kind_of(dir->kind, name)};
    if (child->kind == PLACE_KINDS)
        return -ENOENT;
    child->path = join(dir->path, name);
    child->leaf = mem_strdup(name);
    if (child->kind == PLACE_JOB || child->kind == PLACE_RECORDING)
        child->name = mem_strdup(name);
    else if (dir->kind != PLACE_QUERY && dir->kind != PLACE_PREFIX)
        child->name = dup_or_null(dir->name);
    if (child->kind == PLACE_ITERATION)
        child->start = mem_strdup(name);
    else
        child->start = dup_or_null(dir->start);
    if (child->kind == PLACE_STATEMENT)
        r = step_statement(child, dir, name, err);
    if (r)
        place_fini(child);
    return r;
}
