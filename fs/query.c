#include "fs/query.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "fs/errorlog.h"
#include "fs/eval.h"
#include "fs/expand.h"
#include "fs/fs.h"
#include "fs/page.h"
#include "fs/places.h"
#include "fs/pool.h"
#include "fs/spool.h"
#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "kfl/base/mem.h"
#include "kfl/kfl.h"

#define SHARED_FOR    NS_PER_S
#define SIZE_KNOWN_IN (100 * NS_PER_MS)
#define QUERIES_MAX   4096

struct query {
    struct query *next;
    char *text; /* with its saved statements written out */
    enum form form;
    struct eval *eval;
    int64_t opened_at;
    unsigned opens;
};

struct queries {
    pthread_mutex_t lock;
    struct task task;
    struct fs *fs;
    struct query *list;
    unsigned count;
};

struct query_file {
    struct file file; /* first */
    struct query *query;
};

/* The task is embedded; the offset is its place. */
static struct queries *of_task(struct task *task)
{
    return (struct queries *)(void *)((char *)task - offsetof(struct queries, task));
}

static void tell_followers(struct task *task)
{
    struct queries *queries = of_task(task);
    pthread_mutex_lock(&queries->lock);
    for (struct query *query = queries->list; query; query = query->next)
        eval_more(query->eval);
    pthread_mutex_unlock(&queries->lock);
}

static void queries_release(struct task *task)
{
    struct queries *queries = of_task(task);
    pthread_mutex_destroy(&queries->lock);
    free(queries);
}

struct queries *queries_new(struct fs *fs)
{
    struct queries *queries = mem_zalloc(sizeof *queries);
    pthread_mutex_init(&queries->lock, NULL);
    queries->fs = fs;
    queries->task = (struct task){.run = tell_followers, .release = queries_release};
    return queries;
}

void queries_free(struct queries *queries)
{
    pool_retire(queries->fs->pool, &queries->task);
}

void queries_committed(struct queries *queries)
{
    pool_submit(queries->fs->pool, &queries->task);
}

void queries_end(struct queries *queries)
{
    pthread_mutex_lock(&queries->lock);
    for (struct query *query = queries->list; query; query = query->next)
        if (query->form == FORM_FOLLOW)
            spool_finish(eval_spool(query->eval), 0);
    pthread_mutex_unlock(&queries->lock);
}

static struct query *find_shared(struct queries *queries, const struct place *place,
                                 const char *text)
{
    int64_t since = clock_monotonic() - SHARED_FOR;
    if (place->form == FORM_FOLLOW)
        return NULL;
    for (struct query *query = queries->list; query; query = query->next)
        if (query->form == place->form && query->opened_at >= since &&
            !strcmp(query->text, text))
            return query;
    return NULL;
}

static int query_begin(struct query **out, struct queries *queries,
                       const struct place *place, const char *text)
{
    struct eval *eval;
    if (queries->count >= QUERIES_MAX)
        return -EMFILE;
    int r = eval_open(&eval, queries->fs, place);
    if (r)
        return r;
    struct query *query = mem_zalloc(sizeof *query);
    query->text = mem_strdup(text);
    query->form = place->form;
    query->eval = eval;
    query->opened_at = clock_monotonic();
    query->next = queries->list;
    queries->list = query;
    queries->count++;
    eval_start(eval);
    *out = query;
    return 0;
}

static void query_release(struct queries *queries, struct query *query)
{
    pthread_mutex_lock(&queries->lock);
    bool last = --query->opens == 0;
    if (last) {
        struct query **link = &queries->list;
        while (*link != query)
            link = &(*link)->next;
        *link = query->next;
        queries->count--;
    }
    pthread_mutex_unlock(&queries->lock);
    if (!last)
        return;
    eval_close(query->eval);
    free(query->text);
    free(query);
}

/* ---- a statement's file */

static ssize_t statement_read(struct file *file, void *out, size_t size,
                              uint64_t offset, struct waiter *waiter)
{
    struct query_file *open = (struct query_file *)file;
    return spool_read(eval_spool(open->query->eval), out, size, offset, waiter);
}

static int64_t statement_size(struct file *file, struct waiter *waiter)
{
    struct query_file *open = (struct query_file *)file;
    return spool_size(eval_spool(open->query->eval), waiter);
}

static bool statement_cancel(struct file *file, struct waiter *waiter)
{
    struct query_file *open = (struct query_file *)file;
    return spool_cancel(eval_spool(open->query->eval), waiter);
}

static void statement_close(struct file *file)
{
    struct query_file *open = (struct query_file *)file;
    query_release(file->fs->queries, open->query);
    file_fini(file);
    free(open);
}

static const struct file_ops statement_file_ops = {
    .read = statement_read,
    .size = statement_size,
    .cancel = statement_cancel,
    .close = statement_close,
};

static int statement_open(struct file **out, struct fs *fs, const struct place *place,
                          int flags)
{
    struct queries *queries = fs->queries;
    if ((flags & O_ACCMODE) != O_RDONLY)
        return -EPERM;
    struct buf text = {0};
    expand_statement(&text, fs->saved, place->text);
    buf_addch(&text, '\0');
    pthread_mutex_lock(&queries->lock);
    struct query *query = find_shared(queries, place, text.data);
    int r = query ? 0 : query_begin(&query, queries, place, text.data);
    if (!r)
        query->opens++;
    pthread_mutex_unlock(&queries->lock);
    buf_fini(&text);
    if (r)
        return r;
    struct query_file *open = mem_zalloc(sizeof *open);
    file_init(&open->file, &statement_file_ops, fs);
    open->query = query;
    if (place->form != FORM_FOLLOW)
        open->file.settles_at = query->opened_at + SIZE_KNOWN_IN;
    *out = &open->file;
    return 0;
}

static int statement_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    struct kfl *kfl = NULL;
    int r = eval_compile(&kfl, fs, place);
    if (r)
        return r;
    kfl_unref(kfl);
    attr_file(st, fs, 0, fs_now(fs));
    return 0;
}

static int statement_kfl(struct fs *fs, const struct place *place, struct buf *out)
{
    expand_statement(out, fs->saved, place->text);
    return 0;
}

const struct place_ops query_statement_ops = {
    .stat = statement_stat, .open = statement_open, .kfl = statement_kfl};

static int prefix_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    (void)place;
    attr_folder(st, fs, fs_now(fs));
    return 0;
}

static int prefix_list(struct fs *fs, const struct place *place,
                       struct listing *listing)
{
    (void)fs;
    (void)place;
    (void)listing;
    return 0;
}

const struct place_ops query_prefix_ops = {.stat = prefix_stat, .list = prefix_list};

/* ---- error_log */

void query_refused(struct fs *fs, const struct place *folder, const char *name,
                   const struct err *err)
{
    struct buf text = {0};
    if (folder->text)
        buf_addf(&text, "%s/", folder->text);
    buf_addstr(&text, name);
    errorlog_add(fs->errors, fs_now(fs), "query", text.data, err);
    buf_fini(&text);
}

static int fill_errors(struct fs *fs, const struct place *place, struct buf *out)
{
    (void)place;
    errorlog_show(fs->errors, out);
    return 0;
}

static int64_t errors_at(struct fs *fs, const struct place *place)
{
    (void)place;
    int64_t at = errorlog_at(fs->errors);
    return at ? at : fs->started_at;
}

static const struct page_maker errors_page = {.fill = fill_errors, .at = errors_at};

static int errors_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    return page_stat(&errors_page, fs, place, st);
}

static int errors_open(struct file **out, struct fs *fs, const struct place *place,
                       int flags)
{
    return page_open(out, &errors_page, fs, place, flags);
}

const struct place_ops query_errors_ops = {.stat = errors_stat, .open = errors_open};
