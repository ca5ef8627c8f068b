#include "fs/eval.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "capture/store/cursor.h"
#include "capture/store/store.h"
#include "fs/errorlog.h"
#include "fs/fs.h"
#include "fs/output.h"
#include "fs/pool.h"
#include "fs/saved.h"
#include "fs/source.h"
#include "fs/spool.h"
#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/mem.h"
#include "kfl/doc.h"
#include "kfl/kfl.h"

#define STEP_NS     (5 * NS_PER_MS)
#define LINE_MEMORY (256u << 20)

struct eval {
    struct task task; /* first */
    struct fs *fs;
    char *text;
    struct kfl *kfl;
    struct kfl_run *run;
    struct arena arena;
    struct sources sources;
    struct output *output;
    struct spool *spool;
    bool follow, done;
    _Atomic bool stopped;
    int64_t left; /* of limit(n); -1: no limit */
};

int eval_compile(struct kfl **out, struct fs *fs, const struct place *statement)
{
    struct err err = {0};
    struct kfl_env env = {
        .now_ms = fs_now(fs) / NS_PER_MS,
        .strict = true,
        .saved = saved_text,
        .context = fs->saved,
    };
    int r = kfl_compile(out, statement->text, strlen(statement->text), &env, &err);
    if (!r && statement->form == FORM_PCAP && kfl_redacts(*out)) {
        kfl_unref(*out);
        r = err_set(&err, -EINVAL,
                    "redact() can't be kept in packets (expected another form "
                    "than .pcap)");
    }
    if (r)
        errorlog_add(fs->errors, fs_now(fs), "query", statement->text, &err);
    return r;
}

static void fail(struct eval *eval, int error, const struct err *err)
{
    if (err->msg[0])
        errorlog_add(eval->fs->errors, fs_now(eval->fs), "query", eval->text, err);
    spool_finish(eval->spool, error);
    eval->done = true;
}

static void finish(struct eval *eval)
{
    struct err err = {0};
    int r = output_end(eval->output, &err);
    if (r < 0)
        fail(eval, r, &err);
    eval->done = true;
}

/* One line: 0, 1 the spool is full for now, -errno. */
static int look(struct eval *eval, const struct line *line, const char *record,
                struct err *err)
{
    struct doc_value doc;
    const struct doc_value *emit = NULL;
    arena_reset(&eval->arena);
    int r = doc_parse(&doc, &eval->arena, line->text, line->len, err);
    if (r)
        return r;
    r = kfl_match(eval->run, eval->kfl, &doc, record, &emit, err);
    if (r <= 0)
        return r;
    if (eval->left > 0)
        eval->left--;
    return output_line(eval->output, line, record, emit == &doc ? NULL : emit, &doc);
}

/* True: there is more to do now. */
static bool step(struct eval *eval)
{
    struct line line;
    const char *record;
    struct err err = {0};
    int r = eval->left ? sources_next(&eval->sources, &line, &record) : 0;
    if (r == 0 && eval->follow && eval->left) {
        sources_refresh(&eval->sources);
        r = sources_next(&eval->sources, &line, &record);
        if (!r)
            return false;
    }
    if (r == 0) {
        finish(eval);
        return false;
    }
    if (r > 0)
        r = look(eval, &line, record, &err);
    /* A limit that a regex or a decoder hit is an error that the reader sees. */
    if (r == -ELOOP || r == -E2BIG)
        r = -EIO;
    if (r < 0)
        fail(eval, r, &err);
    return !r;
}

static void run(struct task *task)
{
    struct eval *eval = (struct eval *)task;
    int64_t until = clock_monotonic() + STEP_NS;
    while (!eval->done && !eval->stopped && !spool_full(eval->spool)) {
        if (!step(eval))
            return;
        if (clock_monotonic() > until) {
            pool_submit(eval->fs->pool, task);
            return;
        }
    }
}

static void eval_free(struct task *task)
{
    struct eval *eval = (struct eval *)task;
    if (eval->output)
        output_free(eval->output);
    sources_close(&eval->sources);
    if (eval->spool)
        spool_free(eval->spool);
    kfl_run_free(eval->run);
    kfl_unref(eval->kfl);
    arena_fini(&eval->arena);
    free(eval->text);
    free(eval);
}

static void resume(void *context)
{
    struct eval *eval = context;
    pool_submit(eval->fs->pool, &eval->task);
}

static void warn(struct eval *eval)
{
    const struct err *warning = kfl_warning(eval->kfl);
    if (warning)
        errorlog_add(eval->fs->errors, fs_now(eval->fs), "query", eval->text, warning);
}

static int unknown_recording(struct eval *eval, const char *name, int code)
{
    struct err err = {0};
    err_set(&err, code, "there is no recording `%s`", name);
    errorlog_add(eval->fs->errors, fs_now(eval->fs), "query", eval->text, &err);
    return code;
}

int eval_open(struct eval **out, struct fs *fs, const struct place *statement)
{
    struct kfl *kfl = NULL;
    const char *missing = NULL;
    int r = eval_compile(&kfl, fs, statement);
    if (r)
        return r;
    struct eval *eval = mem_zalloc(sizeof *eval);
    eval->task = (struct task){.run = run, .release = eval_free};
    eval->fs = fs;
    eval->text = mem_strdup(statement->text);
    eval->kfl = kfl;
    eval->run = kfl_run_new();
    eval->follow = statement->form == FORM_FOLLOW;
    eval->left = kfl_limit(kfl) ? kfl_limit(kfl) : -1;
    arena_init(&eval->arena, LINE_MEMORY);
    struct spool_options options = {
        .dirfd = store_dir(fs->store),
        .passing = eval->follow,
        .resume = resume,
        .context = eval,
    };
    eval->spool = spool_new(&options);
    r = sources_open(&eval->sources, fs->store, kfl, statement->form == FORM_PCAP,
                     eval->follow, &missing);
    if (r) {
        if (r == -ENOENT)
            unknown_recording(eval, missing, r);
        eval_free(&eval->task);
        return r;
    }
    eval->output = output_new(fs, statement->form, eval->spool, &eval->sources);
    warn(eval);
    *out = eval;
    return 0;
}

void eval_start(struct eval *eval)
{
    pool_submit(eval->fs->pool, &eval->task);
}

void eval_more(struct eval *eval)
{
    if (eval->follow)
        pool_submit(eval->fs->pool, &eval->task);
}

struct spool *eval_spool(struct eval *eval)
{
    return eval->spool;
}

void eval_close(struct eval *eval)
{
    eval->stopped = true;
    spool_abandon(eval->spool);
    pool_retire(eval->fs->pool, &eval->task);
}
