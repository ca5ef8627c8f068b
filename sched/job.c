#include "sched/job.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/store/store.h"
#include "kfl/base/clock.h"
#include "kfl/base/log.h"
#include "kfl/base/mem.h"
#include "kfl/base/sys.h"
#include "sched/spec.h"

#define STATE_FILE "state.json"
#define SPEC_FILE  "spec.yaml"
#define LOG_FILE   "log"
#define PATH_TEXT  (sizeof(JOB_FOLDER "//" STATE_FILE) + JOB_NAME)
#define STATE_MAX  (4 * SPEC_TEXT_MAX * SPEC_SAVED_MAX)

static const char *const end_names[] = {
    [ENDED_NOT] = "",      [ENDED_FINISHED] = "finished", [ENDED_STOPPED] = "stopped",
    [ENDED_FULL] = "full", [ENDED_FAILED] = "failed",
};

const char *job_end_name(enum job_end ended)
{
    return end_names[ended];
}

struct job *job_new(const char *name, int64_t now)
{
    struct job *job = mem_zalloc(sizeof(*job));

    memcpy(job->name, name, strlen(name) + 1);
    job->created_at = job->changed_at = now;
    return job;
}

void job_free(struct job *job)
{
    if (!job)
        return;
    spec_free(job->spec);
    buf_fini(&job->log);
    free(job);
}

/* ---- state.json: all that must change together is in the one file that a rename
 * replaces */

static void put_int(json_object *object, const char *key, int64_t value)
{
    json_object_object_add(object, key, json_object_new_int64(value));
}

static void put_text(json_object *object, const char *key, const char *text)
{
    json_object_object_add(object, key, json_object_new_string(text));
}

static json_object *state_of(const struct job *job)
{
    json_object *state = json_object_new_object(), *saved;

    put_int(state, "version", 1);
    put_int(state, "created_at", job->created_at);
    put_int(state, "changed_at", job->changed_at);
    put_text(state, "refusal", job->refusal);
    put_text(state, "failure", job->failure);
    if (!job->spec)
        return state;
    put_text(state, "spec", job->spec->text);
    saved = json_object_new_object();
    for (size_t i = 0; i < job->spec->saved_count; i++)
        put_text(saved, job->spec->saved[i].name, job->spec->saved[i].text);
    json_object_object_add(state, "saved", saved);
    put_int(state, "first", job->plan.first);
    put_int(state, "next", job->next);
    put_int(state, "noticed", job->noticed);
    put_int(state, "missed", job->missed);
    put_text(state, "ended", end_names[job->ended]);
    put_int(state, "last_start", job->last_start);
    put_int(state, "window_start", job->window.start);
    put_int(state, "window_ends_at", job->window.ends_at);
    put_int(state, "window_number", job->window.number);
    return state;
}

static int replace(const struct job *job, struct store *store, const char *name,
                   const char *text, size_t len)
{
    char path[PATH_TEXT];

    snprintf(path, sizeof(path), JOB_FOLDER "/%s/%s", job->name, name);
    return store_replace_file(store, path, text, len);
}

static int tell(struct err *err, const struct job *job, int status)
{
    if (status < 0)
        return err_set(err, status, "the state of job %s was not saved: %s", job->name,
                       strerror(-status));
    return 0;
}

int job_save(const struct job *job, struct store *store, struct err *err)
{
    json_object *state = state_of(job);
    const char *text = json_object_to_json_string_ext(state, JSON_C_TO_STRING_PRETTY);
    int status = replace(job, store, STATE_FILE, text, strlen(text));

    json_object_put(state);
    return tell(err, job, status);
}

int job_save_spec(const struct job *job, struct store *store, struct err *err)
{
    const char *text = job->spec->text;

    return tell(err, job, replace(job, store, SPEC_FILE, text, strlen(text)));
}

static int64_t get_int(const json_object *object, const char *key)
{
    json_object *value = json_object_object_get(object, key);

    return value ? json_object_get_int64(value) : 0;
}

static const char *get_text(const json_object *object, const char *key)
{
    json_object *value = json_object_object_get(object, key);
    const char *text = value && json_object_is_type(value, json_type_string)
                           ? json_object_get_string(value)
                           : "";

    return text;
}

static const char *find_saved(void *context, const char *name, size_t len)
{
    struct json_object_iterator at = json_object_iter_begin(context);
    struct json_object_iterator end = json_object_iter_end(context);

    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
        const char *key = json_object_iter_peek_name(&at);

        if (strlen(key) == len && memcmp(key, name, len) == 0)
            return json_object_get_string(json_object_iter_peek_value(&at));
    }
    return NULL;
}

static enum job_end parse_end(const char *name)
{
    for (size_t i = 0; i < sizeof(end_names) / sizeof(*end_names); i++)
        if (strcmp(name, end_names[i]) == 0)
            return (enum job_end)i;
    return ENDED_NOT;
}

static void copy_words(char out[ERR_TEXT], const char *words)
{
    size_t len = strnlen(words, ERR_TEXT - 1);

    memcpy(out, words, len);
    out[len] = 0;
}

static int read_spec(struct job *job, const json_object *state, struct err *err)
{
    json_object *saved = json_object_object_get(state, "saved");
    const char *text = get_text(state, "spec");
    struct spec_env env = {
        .saved = json_object_is_type(saved, json_type_object) ? find_saved : NULL,
        .context = saved,
    };
    int status;

    if (!json_object_object_get(state, "spec"))
        return 0;
    status = spec_parse(&job->spec, text, strlen(text), &env, err);
    if (status != 0)
        return status < 0 ? status : err_set(err, -EINVAL, "the spec holds no key");
    job->plan = (struct plan){
        .first = get_int(state, "first"),
        .count = job->spec->daily_iterations,
        .duration = job->spec->duration,
    };
    job->next = get_int(state, "next");
    job->noticed = get_int(state, "noticed");
    job->missed = get_int(state, "missed");
    job->ended = parse_end(get_text(state, "ended"));
    job->last_start = get_int(state, "last_start");
    job->window = (struct window){
        .start = get_int(state, "window_start"),
        .ends_at = get_int(state, "window_ends_at"),
        .number = get_int(state, "window_number"),
    };
    return 0;
}

/* A job whose state can't be read is kept, waiting, with the words in its status. */
static void read_state(struct job *job, const char *text)
{
    json_object *state = json_tokener_parse(text);
    struct err err = {0};
    char words[ERR_TEXT];

    if (!json_object_is_type(state, json_type_object)) {
        copy_words(job->failure, "its state was damaged and is lost");
    } else {
        job->created_at = get_int(state, "created_at");
        job->changed_at = get_int(state, "changed_at");
        copy_words(job->refusal, get_text(state, "refusal"));
        copy_words(job->failure, get_text(state, "failure"));
        if (read_spec(job, state, &err) < 0)
            copy_words(job->failure, err_text(&err, words, sizeof(words)));
    }
    json_object_put(state);
}

static int read_log(struct job *job, int folder_fd)
{
    char *end;
    int status = sys_read_file(folder_fd, LOG_FILE, 2 * JOB_LOG_MAX, &job->log);

    if (status < 0)
        return status == -ENOENT ? 0 : status;
    /* A line that a crash cut. */
    end = job->log.len ? memrchr(job->log.data, '\n', job->log.len) : NULL;
    if (end && end + 1 == job->log.data + job->log.len)
        return 0;
    job->log.len = end ? (size_t)(end + 1 - job->log.data) : 0;
    return sys_replace_file(folder_fd, LOG_FILE, job->log.data, job->log.len);
}

int job_load(struct job **out, int jobs_fd, const char *name, struct err *err)
{
    struct buf text = {0};
    struct job *job = NULL;
    int folder_fd, status;

    folder_fd = openat(jobs_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder_fd < 0)
        return err_set(err, -errno, "job %s was not read: %s", name, strerror(errno));
    status = sys_read_file(folder_fd, STATE_FILE, STATE_MAX, &text);
    if (status < 0)
        goto out;
    job = job_new(name, 0);
    read_state(job, text.len ? text.data : "");
    status = read_log(job, folder_fd);
    if (status < 0)
        log_warn("log of a job was not read: %s job=%s", strerror(-status), name);
    status = 0;
out:
    close(folder_fd);
    buf_fini(&text);
    *out = job;
    if (status < 0)
        return err_set(err, status, "job %s was not read: %s", name, strerror(-status));
    return 0;
}

int job_delete(int jobs_fd, const char *name, struct err *err)
{
    int folder_fd =
        openat(jobs_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int status = 0;

    /* Without its state it is no job any more, however far the rest comes. */
    if (folder_fd >= 0) {
        if (unlinkat(folder_fd, STATE_FILE, 0) < 0 && errno != ENOENT)
            status = -errno;
        if (status == 0)
            status = sys_sync_dir(folder_fd);
        close(folder_fd);
    }
    if (status == 0)
        status = sys_remove_tree(jobs_fd, name);
    if (status < 0)
        return err_set(err, status, "job %s was not deleted: %s", name,
                       strerror(-status));
    return 0;
}

/* ---- log */

void job_log_add(struct job *job, int64_t at, const char *words)
{
    char stamp[CLOCK_TEXT], *cut;
    size_t from = job->log.len;

    buf_addf(&job->log, "%s %s\n", clock_format(stamp, at, 0), words);
    for (size_t i = from; i + 1 < job->log.len; i++)
        if ((unsigned char)job->log.data[i] < ' ' || job->log.data[i] == 0x7f)
            job->log.data[i] = ' ';
    if (job->log.len <= JOB_LOG_MAX)
        return;
    cut =
        memchr(job->log.data + job->log.len / 2, '\n', job->log.len - job->log.len / 2);
    job->log.len -= (size_t)(cut + 1 - job->log.data);
    memmove(job->log.data, cut + 1, job->log.len);
}

static int append_log(const struct job *job, struct store *store, size_t from)
{
    char path[PATH_TEXT];
    int fd, status;

    snprintf(path, sizeof(path), JOB_FOLDER "/%s/" LOG_FILE, job->name);
    fd =
        openat(store_dir(store), path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    status = sys_write_all(fd, job->log.data + from, job->log.len - from);
    close(fd);
    return status;
}

int job_log_write(struct job *job, struct store *store, size_t from)
{
    int status = -ESTALE;

    if (!job->log_behind && from <= job->log.len)
        status = append_log(job, store, from);
    if (status < 0)
        status = replace(job, store, LOG_FILE, job->log.data, job->log.len);
    job->log_behind = status < 0;
    return status;
}

/* ---- state */

int64_t job_missed(const struct job *job, int64_t now)
{
    struct due due;

    if (!job->spec)
        return 0;
    when_due(&due, &job->plan, job->next, now);
    return job->missed + due.index - job->next;
}

const char *job_state(const struct job *job, int64_t now)
{
    struct due due;

    if (!job->spec)
        return "waiting";
    if (job->window.start)
        return "recording";
    if (job->ended == ENDED_FULL || job->ended == ENDED_FAILED)
        return end_names[job->ended];
    when_due(&due, &job->plan, job->next, now);
    return due.over ? "finished" : "scheduled";
}
