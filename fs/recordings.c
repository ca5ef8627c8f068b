/* /recordings: a folder a recording, and one a daily run below its iterations/. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/store/store.h"
#include "fs/errorlog.h"
#include "fs/fs.h"
#include "fs/hidden.h"
#include "fs/page.h"
#include "fs/places.h"
#include "fs/shelf.h"
#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/mem.h"
#include "kfl/base/units.h"
#include "kfl/doc.h"
#include "sched/sched.h"

#define MANIFEST_MAX (64u << 20)

static int recordings_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    (void)place;
    attr_folder(st, fs, fs->started_at);
    return 0;
}

static int recordings_list(struct fs *fs, const struct place *place,
                           struct listing *listing)
{
    (void)place;
    char *names = store_list(fs->store);
    for (const char *name = names; *name; name += strlen(name) + 1)
        listing_add(listing, name, true);
    free(names);
    return 0;
}

const struct place_ops recordings_ops = {.stat = recordings_stat,
                                         .list = recordings_list};

/* ---- a recording */

static int64_t info_at(const struct fs *fs, const struct recording_info *info)
{
    if (info->last_at)
        return info->last_at;
    return info->created_at ? info->created_at : fs->started_at;
}

static int recording_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    struct recording_info info;
    int r = store_info(fs->store, place->name, &info);
    if (!r)
        attr_folder(st, fs, info_at(fs, &info));
    return r;
}

static void list_five(struct listing *listing)
{
    listing_add(listing, "recording.pcap", false);
    listing_add(listing, "entries.jsonl", false);
    listing_add(listing, "recording.json", false);
    listing_add(listing, "streams", true);
    listing_add(listing, "entries", true);
}

static int recording_list(struct fs *fs, const struct place *place,
                          struct listing *listing)
{
    struct recording_info info;
    int r = store_info(fs->store, place->name, &info);
    if (r)
        return r;
    list_five(listing);
    listing_add(listing, "expires", false);
    listing_add(listing, "iterations", true);
    return 0;
}

static int recording_make(struct fs *fs, const struct place *place)
{
    struct recording_info info;
    struct err err = {0};
    if (!sched_name_is_valid(place->name))
        return -EINVAL;
    if (!store_info(fs->store, place->name, &info))
        return -EEXIST;
    hidden_forget(fs->hidden, place->path);
    return store_create(fs->store, place->name, &err);
}

static int recording_remove(struct fs *fs, const struct place *place)
{
    struct err err = {0};
    if (sched_is_recording(fs->sched, place->name))
        return -EBUSY;
    return store_remove(fs->store, place->name, &err);
}

static int recording_rename(struct fs *fs, const struct place *from,
                            const struct place *to)
{
    struct err err = {0};
    struct recording_info info;
    if (to->kind != PLACE_RECORDING)
        return -EPERM;
    if (!sched_name_is_valid(to->name))
        return -EINVAL;
    if (sched_is_recording(fs->sched, from->name))
        return -EBUSY;
    if (!store_info(fs->store, to->name, &info))
        return -EEXIST;
    hidden_forget(fs->hidden, to->path);
    int r = store_rename(fs->store, from->name, to->name, &err);
    if (!r)
        hidden_forget(fs->hidden, from->path);
    return r;
}

static int recording_kfl(struct fs *fs, const struct place *place, struct buf *out);

const struct place_ops recording_ops = {
    .stat = recording_stat,
    .list = recording_list,
    .make = recording_make,
    .remove = recording_remove,
    .rename = recording_rename,
    .kfl = recording_kfl,
};

/* ---- iterations */

static int iterations_list(struct fs *fs, const struct place *place,
                           struct listing *listing)
{
    struct iteration *iteration;
    struct iteration_info info;
    char name[CLOCK_TEXT];
    for (unsigned i = 0; (iteration = store_iteration(fs->store, place->name, i));
         i++) {
        iteration_info(iteration, &info);
        listing_add(listing, clock_format_name(name, info.start), true);
        iteration_unref(iteration);
    }
    return 0;
}

const struct place_ops recording_iterations_ops = {.stat = recording_stat,
                                                   .list = iterations_list};

static int iteration_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    struct iteration_info info;
    int r = scope_info(&info, fs, place);
    if (!r)
        attr_folder(st, fs, info.last_at ? info.last_at : info.start);
    return r;
}

static int iteration_list(struct fs *fs, const struct place *place,
                          struct listing *listing)
{
    struct iteration_info info;
    int r = scope_info(&info, fs, place);
    if (!r)
        list_five(listing);
    return r;
}

const struct place_ops recording_iteration_ops = {
    .stat = iteration_stat, .list = iteration_list, .kfl = recording_kfl};

/* ---- recording.json */

static int64_t scope_at(struct fs *fs, const struct place *place)
{
    struct iteration_info info;
    struct recording_info recording;
    if (!scope_info(&info, fs, place) && info.last_at)
        return info.last_at;
    if (!store_info(fs->store, place->name, &recording))
        return info_at(fs, &recording);
    return fs->started_at;
}

static int fill_manifest(struct fs *fs, const struct place *place, struct buf *out)
{
    struct iteration *iteration = NULL;
    if (place->start) {
        iteration = scope_iteration(fs, place);
        if (!iteration)
            return -ENOENT;
    }
    int r = store_manifest(fs->store, place->name, iteration, out);
    if (iteration)
        iteration_unref(iteration);
    return r;
}

static const struct page_maker manifest_page = {.fill = fill_manifest, .at = scope_at};

static int manifest_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    return page_stat(&manifest_page, fs, place, st);
}

static int manifest_open(struct file **out, struct fs *fs, const struct place *place,
                         int flags)
{
    return page_open(out, &manifest_page, fs, place, flags);
}

const struct place_ops recording_manifest_ops = {.stat = manifest_stat,
                                                 .open = manifest_open};

/* The statement of a manifest: an iteration's, or that of a recording's last. */
static const struct doc_value *manifest_kfl(const struct doc_value *manifest)
{
    const struct doc_value *all = doc_get(manifest, "iterations");
    if (!all || all->type != DOC_ARRAY)
        return doc_get(manifest, "kfl");
    if (!all->list || !all->list->count)
        return NULL;
    return doc_get(&all->list->members[all->list->count - 1].value, "kfl");
}

static int recording_kfl(struct fs *fs, const struct place *place, struct buf *out)
{
    struct buf manifest = {0};
    struct arena arena;
    struct doc_value doc;
    struct err err = {0};
    arena_init(&arena, MANIFEST_MAX);
    int r = fill_manifest(fs, place, &manifest);
    if (!r)
        r = doc_parse(&doc, &arena, manifest.data, manifest.len, &err);
    if (!r) {
        const struct doc_value *kfl = manifest_kfl(&doc);
        r = kfl && kfl->type == DOC_STRING ? buf_add(out, kfl->text, kfl->len)
                                           : -ENODATA;
    }
    buf_fini(&manifest);
    arena_fini(&arena);
    return r;
}

/* ---- expires */

static int fill_expires(struct fs *fs, const struct place *place, struct buf *out)
{
    struct recording_info info;
    char time[CLOCK_TEXT];
    int r = store_info(fs->store, place->name, &info);
    if (r)
        return r;
    int64_t at = info.expires_at ? info.expires_at : info.expires_set;
    if (!at)
        at = sched_expires_at(fs->sched, place->name);
    if (at == INT64_MAX)
        return buf_addstr(out, "never\n");
    if (!at)
        return buf_addstr(out, "not while it is recorded\n");
    return buf_addf(out, "%s\n", clock_format(time, at, 0));
}

/* "never", a time, or a duration from now (bare numbers are minutes, as in specs). */
static int parse_expiry(int64_t *at, const char *text, int64_t now)
{
    int64_t duration;
    if (!strcmp(text, "never")) {
        *at = INT64_MAX;
        return 0;
    }
    if (!clock_parse(at, text))
        return 0;
    int r = units_duration(&duration, text, 60 * NS_PER_S);
    if (r)
        return r == -ERANGE ? r : -EINVAL;
    if (duration < 0 || __builtin_add_overflow(now, duration, at))
        return -ERANGE;
    return 0;
}

static int order_expires(struct fs *fs, const struct place *place, const char *text,
                         size_t len)
{
    char word[64];
    int64_t at;
    struct err err = {0};
    while (len && strchr(" \t\r\n", text[len - 1]))
        len--;
    while (len && strchr(" \t", *text)) {
        text++;
        len--;
    }
    if (!len || len >= sizeof word)
        return -EINVAL;
    memcpy(word, text, len);
    word[len] = '\0';
    int r = parse_expiry(&at, word, fs_now(fs));
    if (r)
        err_set(&err, r,
                "`%s` is no expiry (expected never, a time such as "
                "2026-11-23T08:45:00Z, or a duration from now such as 2h)",
                word);
    else
        r = store_set_expiry(fs->store, place->name, at, &err);
    if (r)
        errorlog_add(fs->errors, fs_now(fs), place->path + 1, word, &err);
    return r;
}

static const struct page_maker expires_page = {
    .fill = fill_expires, .at = scope_at, .order = order_expires};

static int expires_stat(struct fs *fs, const struct place *place, struct stat *st)
{
    return page_stat(&expires_page, fs, place, st);
}

static int expires_open(struct file **out, struct fs *fs, const struct place *place,
                        int flags)
{
    return page_open(out, &expires_page, fs, place, flags);
}

const struct place_ops recording_expires_ops = {.stat = expires_stat,
                                                .open = expires_open};
