#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/store/store.h"
#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "kfl/base/mem.h"
#include "kfl/base/text.h"
#include "sched/floor.h"
#include "sched/spec.h"

/* What readers are shown, copied under the lock so that the store is asked without it.
 */
struct view {
    char name[JOB_NAME];
    const char *state;
    char error[ERR_TEXT + 16];
    char *kfl; /* NULL: waiting */
    bool redacts;
    struct window window;
    int64_t number, count, next_at, missed, keep, last_start;
};

/* A scalar of YAML (YAML 1.2, 7.3): plain where that can be nothing else, else quoted.
 */
static void put_scalar(struct buf *out, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789_.()<>= ";
    static const char *const words[] = {"true", "false", "null"};
    size_t len = strlen(text);
    bool is_word = false;

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        is_word = is_word || strcmp(text, words[i]) == 0;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f) {
            text_json(out, text, len);
            return;
        }
    }
    if (len && !is_word && strspn(text, plain) == len &&
        strchr("abcdefghijklmnopqrstuvwxyz", text[0]) && text[len - 1] != ' ') {
        buf_add(out, text, len);
        return;
    }
    buf_addch(out, '\'');
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\'')
            buf_addch(out, '\'');
        buf_addch(out, text[i]);
    }
    buf_addch(out, '\'');
}

static void put_text(struct buf *out, const char *key, const char *text)
{
    buf_addf(out, "%s:", key);
    if (text && *text) {
        buf_addch(out, ' ');
        put_scalar(out, text);
    }
    buf_addch(out, '\n');
}

static void put_time(struct buf *out, const char *key, int64_t at, const char *never)
{
    char stamp[CLOCK_TEXT];

    if (at == 0)
        buf_addf(out, "%s:\n", key);
    else
        buf_addf(out, "%s: %s\n", key,
                 at == WHEN_NEVER ? never : clock_format(stamp, at, 0));
}

static void put_number(struct buf *out, const char *key, uint64_t number)
{
    buf_addf(out, "%s: %llu\n", key, (unsigned long long)number);
}

static void put_loss(void *context, const char *cause, uint64_t count)
{
    struct buf *out = context;

    if (strcmp(cause, "before_lost") != 0)
        buf_addf(out, ", %s: %llu", cause, (unsigned long long)count);
}

/* Of the iteration that runs or ran last; zeros if it is gone. Adds what it lost for
 * other causes than that it was gone before the match. */
static void find_info(struct sched *sched, const struct view *view,
                      struct iteration_info *info, struct buf *losses)
{
    struct iteration *iteration;

    for (unsigned i = 0;
         view->last_start &&
         (iteration = store_iteration(sched->options.store, view->name, i));
         i++) {
        iteration_info(iteration, info);
        bool found = info->start / NS_PER_S == view->last_start / NS_PER_S;
        if (found)
            iteration_each_loss(iteration, put_loss, losses);
        iteration_unref(iteration);
        if (found)
            return;
    }
    *info = (struct iteration_info){0};
}

static int64_t planned_expiry(const struct window *window, int64_t keep)
{
    if (!window->start)
        return 0;
    if (keep == 0)
        return WHEN_NEVER;
    return window->ends_at == WHEN_NEVER || window->ends_at > WHEN_NEVER - keep
               ? 0
               : window->ends_at + keep;
}

int64_t sched_expires_at(struct sched *sched, const char *name)
{
    int64_t at = 0;

    pthread_mutex_lock(&sched->lock);
    const struct job *job = floor_find(sched, name);
    if (job && job->spec)
        at = planned_expiry(&job->window, job->spec->keep);
    pthread_mutex_unlock(&sched->lock);
    return at;
}

/* What a person said of the whole recording counts more than what the spec did. */
static int64_t expires_at(struct sched *sched, const struct view *view,
                          const struct iteration_info *info)
{
    struct recording_info recording;

    if (info->start && !store_info(sched->options.store, view->name, &recording) &&
        recording.expires_set)
        return recording.expires_set;
    return info->ended_at ? info->expires_at
                          : planned_expiry(&view->window, view->keep);
}

static void write_view(struct sched *sched, struct buf *out, const struct view *view,
                       const struct iteration_info *info, const struct buf *losses)
{
    buf_addf(out, "state: %s\n", view->state);
    put_text(out, "error", view->error);
    if (view->kfl)
        put_text(out, "kfl", *view->kfl ? view->kfl : "everything");
    else
        put_text(out, "kfl", NULL);
    put_text(out, "records",
             !view->kfl      ? NULL
             : view->redacts ? "entries only (redact)"
                             : "packets and entries");
    buf_addf(out, "iteration: %lld", (long long)view->number);
    if (view->count > 0)
        buf_addf(out, " of %lld", (long long)view->count);
    buf_addch(out, '\n');
    put_time(out, "next_start", view->next_at == WHEN_NEVER ? 0 : view->next_at, "");
    put_time(out, "ends_at", view->window.start ? view->window.ends_at : 0,
             "until stopped");
    put_number(out, "packets", info->packets);
    put_number(out, "bytes", info->bytes);
    put_number(out, "entries", info->entries);
    put_number(out, "streams", info->streams);
    buf_addf(out, "dropped: {before_lost: %llu%s}\n",
             (unsigned long long)info->before_lost, losses->len ? losses->data : "");
    put_time(out, "expires_at", expires_at(sched, view, info), "never");
    buf_addf(out, "missed: %lld\n", (long long)view->missed);
}

const char *status_gap(const char *words)
{
    return *words >= '0' && *words <= '9' ? "" : " ";
}

/* Who waits for the end finds the recording closed then. */
const char *status_state(const struct sched *sched, const struct job *job, int64_t now)
{
    return run_is_closing(sched, job->name) ? "recording" : job_state(job, now);
}

static void take_view(struct view *view, const struct sched *sched,
                      const struct job *job, int64_t now)
{
    struct due due;

    *view =
        (struct view){.state = status_state(sched, job, now), .next_at = WHEN_NEVER};
    memcpy(view->name, job->name, sizeof(view->name));
    if (job->refusal[0])
        snprintf(view->error, sizeof(view->error), "spec.yaml:%s%s",
                 status_gap(job->refusal), job->refusal);
    else
        snprintf(view->error, sizeof(view->error), "%s", job->failure);
    if (!job->spec)
        return;
    when_due(&due, &job->plan, job->next, now);
    view->kfl = mem_strdup(job->spec->kfl);
    view->window = job->window;
    view->number = job->window.start ? job->window.number : job->next;
    view->count = job->plan.count;
    view->next_at = due.at;
    view->missed = job_missed(job, now);
    view->keep = job->spec->keep;
    view->last_start = job->last_start;
    view->redacts = job->spec->redacts;
}

int status_write(struct sched *sched, const char *name, struct buf *out)
{
    struct iteration_info info;
    struct buf losses = {0};
    struct view view;
    struct job *job;

    pthread_mutex_lock(&sched->lock);
    job = floor_find(sched, name);
    if (job)
        take_view(&view, sched, job, floor_now(sched));
    pthread_mutex_unlock(&sched->lock);
    if (!job)
        return -ENOENT;
    find_info(sched, &view, &info, &losses);
    write_view(sched, out, &view, &info, &losses);
    buf_fini(&losses);
    free(view.kfl);
    return 0;
}
