/* /jobs: a folder a job, with its spec, status, control and log. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "fs/draft.h"
#include "fs/errorlog.h"
#include "fs/fs.h"
#include "fs/hidden.h"
#include "fs/page.h"
#include "fs/places.h"
#include "fs/scratch.h"
#include "kfl/base/buf.h"
#include "kfl/base/err.h"
#include "kfl/base/log.h"
#include "sched/sched.h"

static int64_t changed_at(struct fs *fs, const struct place *place)
{
    int64_t created = fs->started_at, changed = fs->started_at;
    sched_job_times(fs->sched, place->name, &created, &changed);
    return changed;
}

static int jobs_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    (void)place;
    attr_folder(st, fs, fs->started_at);
    return 0;
}

static int jobs_list(struct fs *fs, const struct place *place, struct listing *listing)
{
    (void)place;
    char *names = sched_job_list(fs->sched);
    for (const char *name = names; *name; name += strlen(name) + 1)
        listing_add(listing, name, true);
    free(names);
    return 0;
}

const struct place_ops jobs_ops = {.stat = jobs_stat, .list = jobs_list};

static int job_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    if (!sched_job_exists(fs->sched, place->name))
        return -ENOENT;
    attr_folder(st, fs, changed_at(fs, place));
    return 0;
}

static int job_list(struct fs *fs, const struct place *place, struct listing *listing)
{
    if (!sched_job_exists(fs->sched, place->name))
        return -ENOENT;
    listing_add(listing, "spec.yaml", false);
    listing_add(listing, "status", false);
    listing_add(listing, "control", false);
    listing_add(listing, "log", false);
    scratch_list(fs->scratch, place->path, listing);
    return 0;
}

static int job_make(struct fs *fs, const struct place *place)
{
    struct err err = {0};
    int r = sched_job_create(fs->sched, place->name, &err);
    if (!r)
        hidden_forget(fs->hidden, place->path);
    return r;
}

static int job_remove(struct fs *fs, const struct place *place)
{
    struct err err = {0};
    int r = sched_job_remove(fs->sched, place->name, &err);
    if (r)
        log_warn("job not removed: %s job=%s", err.msg, place->name);
    else
        scratch_forget_below(fs->scratch, place->path);
    return r;
}

const struct place_ops job_ops = {
    .stat = job_stat, .list = job_list, .make = job_make, .remove = job_remove};

/* ---- status and log */

static int fill_status(struct fs *fs, const struct place *place, struct buf *out)
{
    return sched_job_status(fs->sched, place->name, out);
}

static int fill_log(struct fs *fs, const struct place *place, struct buf *out)
{
    return sched_job_log(fs->sched, place->name, out);
}

static const struct page_maker status_page = {.fill = fill_status, .at = changed_at};
static const struct page_maker log_page = {
    .fill = fill_log, .at = changed_at, .grows = true};

static int status_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    return page_stat(&status_page, fs, place, st);
}

static int status_open(struct file **out, struct fs *fs, const struct place *place,
                       int flags)
{
    return page_open(out, &status_page, fs, place, flags);
}

static int log_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    return page_stat(&log_page, fs, place, st);
}

static int log_page_open(struct file **out, struct fs *fs, const struct place *place,
                         int flags)
{
    return page_open(out, &log_page, fs, place, flags);
}

const struct place_ops job_status_ops = {.stat = status_stat, .open = status_open};
const struct place_ops job_log_ops = {.stat = log_stat, .open = log_page_open};

/* ---- control */

static int fill_control(struct fs *fs, const struct place *place, struct buf *out)
{
    if (!sched_job_exists(fs->sched, place->name))
        return -ENOENT;
    return buf_addstr(
        out, "# write start (now) or stop (end this iteration) to this file\n");
}

static int order_control(struct fs *fs, const struct place *place, const char *text,
                         size_t len)
{
    struct err err = {0};
    int r = sched_job_control(fs->sched, place->name, text, len, &err);
    if (r)
        errorlog_add(fs->errors, fs_now(fs), place->path + 1, text, &err);
    return r;
}

static const struct page_maker control_page = {
    .fill = fill_control, .at = changed_at, .order = order_control};

static int control_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    return page_stat(&control_page, fs, place, st);
}

static int control_open(struct file **out, struct fs *fs, const struct place *place,
                        int flags)
{
    return page_open(out, &control_page, fs, place, flags);
}

const struct place_ops job_control_ops = {.stat = control_stat, .open = control_open};

/* ---- spec.yaml */

static int spec_judge(struct fs *fs, const struct place *place, const char *text,
                      size_t len)
{
    struct err err = {0};
    int r = sched_spec_check(fs->sched, place->name, text, len, &err);
    if (r >= 0)
        return 0;
    /* Refused again the way that leaves its words in the job's status. */
    r = sched_spec_set(fs->sched, place->name, text, len, &err);
    return r < 0 ? r : 0;
}

static int spec_apply(struct fs *fs, const struct place *place, const char *text,
                      size_t len)
{
    struct err err = {0};
    int r = sched_spec_set(fs->sched, place->name, text, len, &err);
    return r < 0 ? r : 0;
}

static const struct draft_ops spec_draft = {.judge = spec_judge, .apply = spec_apply};

static int spec_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    struct buf text = {0};
    int r = sched_job_spec(fs->sched, place->name, &text);
    if (!r)
        attr_file(st, fs, text.len, changed_at(fs, place));
    buf_fini(&text);
    return r;
}

static int spec_open(struct file **out, struct fs *fs, const struct place *place,
                     int flags)
{
    struct buf text = {0};
    int r = sched_job_spec(fs->sched, place->name, &text);
    if (r)
        buf_fini(&text);
    else
        *out = draft_new(&spec_draft, fs, place, flags, &text);
    return r;
}

/* An editor that moved spec.yaml away as its backup makes it anew. */
static int spec_create(struct file **out, struct fs *fs, const struct place *place,
                       int flags)
{
    hidden_forget(fs->hidden, place->path);
    return spec_open(out, fs, place, flags | O_TRUNC);
}

static int spec_rename(struct fs *fs, const struct place *from, const struct place *to)
{
    struct buf text = {0};
    if (to->kind != PLACE_SCRATCH || strcmp(from->name, to->name))
        return -EPERM;
    int r = sched_job_spec(fs->sched, from->name, &text);
    if (!r)
        r = scratch_put(fs->scratch, to->path, text.data, text.len, fs_now(fs));
    if (!r)
        r = hidden_add(fs->hidden, from->path, 0);
    buf_fini(&text);
    return r;
}

const struct place_ops job_spec_ops = {
    .stat = spec_stat, .open = spec_open, .create = spec_create, .rename = spec_rename};

/* ---- what editors put beside it */

static int scratch_judge(struct fs *fs, const struct place *place, const char *text,
                         size_t len)
{
    (void)fs;
    (void)place;
    (void)text;
    (void)len;
    return 0;
}

static int scratch_apply(struct fs *fs, const struct place *place, const char *text,
                         size_t len)
{
    return scratch_put(fs->scratch, place->path, text, len, fs_now(fs));
}

static const struct draft_ops scratch_draft = {.judge = scratch_judge,
                                               .apply = scratch_apply};

static int scratch_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    size_t size;
    int64_t at;
    int r = scratch_get(fs->scratch, place->path, NULL, &size, &at);
    if (!r)
        attr_file(st, fs, size, at);
    return r;
}

static int scratch_open(struct file **out, struct fs *fs, const struct place *place,
                        int flags)
{
    struct buf text = {0};
    size_t size;
    int64_t at;
    int r = scratch_get(fs->scratch, place->path, &text, &size, &at);
    if (!r)
        *out = draft_new(&scratch_draft, fs, place, flags, &text);
    return r;
}

static int scratch_create(struct file **out, struct fs *fs, const struct place *place,
                          int flags)
{
    if (!sched_job_exists(fs->sched, place->name))
        return -ENOENT;
    int r = scratch_put(fs->scratch, place->path, NULL, 0, fs_now(fs));
    return r ? r : scratch_open(out, fs, place, flags);
}

static int scratch_delete(struct fs *fs, const struct place *place)
{
    return scratch_remove(fs->scratch, place->path);
}

static int scratch_rename(struct fs *fs, const struct place *from,
                          const struct place *to)
{
    struct buf text = {0};
    size_t size;
    int64_t at;
    if (strcmp(from->name, to->name ? to->name : ""))
        return -EXDEV;
    int r = scratch_get(fs->scratch, from->path, &text, &size, &at);
    if (r)
        return r;
    if (to->kind == PLACE_SPEC)
        r = spec_apply(fs, to, text.data ? text.data : "", text.len);
    else if (to->kind == PLACE_SCRATCH)
        r = scratch_put(fs->scratch, to->path, text.data, text.len, at);
    else
        r = -EPERM;
    if (!r) {
        scratch_remove(fs->scratch, from->path);
        hidden_forget(fs->hidden, to->path);
    }
    buf_fini(&text);
    return r;
}

const struct place_ops job_scratch_ops = {
    .stat = scratch_stat,
    .open = scratch_open,
    .create = scratch_create,
    .remove = scratch_delete,
    .rename = scratch_rename,
};
