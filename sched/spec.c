#include "sched/spec.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/mem.h"
#include "kfl/base/text.h"
#include "kfl/base/units.h"
#include "kfl/kfl.h"
#include "sched/when.h"
#include "sched/yaml.h"

#define MINUTE           (60 * NS_PER_S)
#define DURATION_DEFAULT (240 * MINUTE)
#define KEEP_DEFAULT     (2880 * MINUTE)
#define DURATION_MAX     (WHEN_ITERATIONS_MAX * WHEN_DAY)
#define SHOWN            64 /* bytes of a word that an error repeats */
#define COUNT(array)     (sizeof(array) / sizeof(*(array)))

enum key {
    KEY_KFL,
    KEY_START_TIME,
    KEY_DAILY_ITERATIONS,
    KEY_DURATION,
    KEY_EXPIRATION,
    KEY_MAX_SIZE,
    KEY_ON_FULL,
    KEY_COUNT,
};

static const char *const key_names[KEY_COUNT] = {
    [KEY_KFL] = "kfl",
    [KEY_START_TIME] = "start_time",
    [KEY_DAILY_ITERATIONS] = "daily_iterations",
    [KEY_DURATION] = "duration",
    [KEY_EXPIRATION] = "expiration",
    [KEY_MAX_SIZE] = "max_size",
    [KEY_ON_FULL] = "on_full",
};

static const char *const on_full_names[] = {
    [ON_FULL_STOP] = "stop",
    [ON_FULL_DROP_OLDEST] = "drop_oldest",
};

struct reading {
    struct spec *spec;
    const struct spec_env *env;
    struct yaml_reader *yaml;
    struct place key_at[KEY_COUNT], value_at[KEY_COUNT]; /* line 0: not given */
};

const char *spec_template(void)
{
    return "# What this job records, and when. Take the # from the lines you want, or "
           "write a\n"
           "# statement alone:  echo 'http and response.status >= 500' > spec.yaml\n"
           "# While no key is given the job waits; `{}` records everything, at once.\n"
           "\n"
           "# What to record; empty is everything. Quote what holds # or, within {…}, "
           "a comma.\n"
           "#kfl: http and response.status >= 500\n"
           "\n"
           "# When, in UTC: HH:MM, past today means tomorrow. Empty is now.\n"
           "#start_time: 08:45\n"
           "\n"
           "# On how many days in a row; 1 is once, 0 for ever.\n"
           "#daily_iterations: 1\n"
           "\n"
           "# How long each time: minutes, or 90s, 2h, 1d; 0 is until stopped.\n"
           "#duration: 240\n"
           "\n"
           "# How long it is kept after it ends: minutes, or 90s, 2h, 7d; 0 is for "
           "ever.\n"
           "#expiration: 2880\n"
           "\n"
           "# The recording's own limit (500Mi); 0 is the store's.\n"
           "#max_size: 0\n"
           "\n"
           "# At the limit: `stop`, all that is recorded stays, or `drop_oldest`.\n"
           "#on_full: stop\n";
}

void spec_free(struct spec *spec)
{
    if (!spec)
        return;
    for (size_t i = 0; i < spec->saved_count; i++) {
        free(spec->saved[i].name);
        free(spec->saved[i].text);
    }
    free(spec->saved);
    free(spec->text);
    free(spec->kfl);
    free(spec);
}

static struct spec *spec_new(const char *text, size_t len)
{
    struct spec *spec = mem_zalloc(sizeof(*spec));

    spec->text = mem_dup(text, len);
    spec->kfl = mem_strdup("");
    spec->start_minute = WHEN_NOW;
    spec->daily_iterations = 1;
    spec->duration = DURATION_DEFAULT;
    spec->keep = KEEP_DEFAULT;
    return spec;
}

/* ---- the statement */

const char *spec_find_saved(const struct spec *spec, const char *name, size_t len)
{
    for (size_t i = 0; i < spec->saved_count; i++)
        if (strlen(spec->saved[i].name) == len &&
            memcmp(spec->saved[i].name, name, len) == 0)
            return spec->saved[i].text;
    return NULL;
}

/* Finds a saved statement and keeps its text with the spec. */
static const char *keep_saved(void *context, const char *name, size_t len)
{
    struct reading *reading = context;
    struct spec *spec = reading->spec;
    const char *text = spec_find_saved(spec, name, len);

    if (text || !reading->env->saved || spec->saved_count == SPEC_SAVED_MAX)
        return text;
    text = reading->env->saved(reading->env->context, name, len);
    if (!text)
        return NULL;
    spec->saved =
        mem_realloc(spec->saved, (spec->saved_count + 1) * sizeof(*spec->saved));
    spec->saved[spec->saved_count].name = mem_dup(name, len);
    spec->saved[spec->saved_count].text = mem_strdup(text);
    return spec->saved[spec->saved_count++].text;
}

static void forget_saved(struct spec *spec)
{
    for (size_t i = 0; i < spec->saved_count; i++) {
        free(spec->saved[i].name);
        free(spec->saved[i].text);
    }
    spec->saved_count = 0;
}

static const char *saved_of_spec(void *context, const char *name, size_t len)
{
    return spec_find_saved(context, name, len);
}

int spec_compile(struct kfl **out, const struct spec *spec, int64_t now_ms,
                 struct err *err)
{
    struct kfl_env env = {
        .now_ms = now_ms,
        .strict = true,
        .no_record = true,
        .saved = saved_of_spec,
        .context = (void *)spec,
    };

    return kfl_compile(out, spec->kfl, strlen(spec->kfl), &env, err);
}

/* 0 it is a statement, 1 it is one that says nothing (blanks, comments), else its
 * error. */
static int try_statement(struct reading *reading, const char *text, size_t len,
                         struct err *err)
{
    struct kfl_env env = {
        .now_ms = reading->env->now_ms,
        .strict = true,
        .no_record = true,
        .saved = keep_saved,
        .context = reading,
    };
    struct kfl *kfl = NULL;
    int status;

    forget_saved(reading->spec);
    if (memchr(text, 0, len))
        return err_set_at(err, -EINVAL, 1, 1, "a statement holds no NUL");
    status = kfl_compile(&kfl, text, len, &env, err);
    if (status < 0)
        return status;
    status = kfl_is_everything(kfl);
    reading->spec->redacts = kfl_redacts(kfl);
    reading->spec->limit = kfl_limit(kfl);
    kfl_unref(kfl);
    return status;
}

static void set_statement(struct spec *spec, const char *text, size_t len)
{
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        len--;
    free(spec->kfl);
    spec->kfl = mem_dup(text, len);
}

/* Does the error say that the statement came to its end too soon? */
static bool ends_early(const char *text, size_t len, const struct err *err)
{
    size_t at = place_byte(text, len, (struct place){err->line, err->col});

    while (at < len && isspace((unsigned char)text[at]))
        at++;
    return at == len;
}

/* Was the statement cut by a character that YAML took for its own? */
static bool was_cut(const struct yaml_pair *pair, const struct err *err)
{
    if (!pair->cut)
        return false;
    if (strchr("[{:", pair->cut))
        return true;
    if (err->code == 0)
        return false;
    if (kfl_shape(pair->value, pair->value_len) == KFL_OPEN)
        return true;
    return pair->cut != '#' && ends_early(pair->value, pair->value_len, err);
}

static int read_kfl(struct reading *reading, const struct yaml_pair *pair,
                    struct err *err)
{
    struct err words = {0};
    struct place at;
    int status;

    if (!pair->value)
        return 0;
    status = try_statement(reading, pair->value, pair->value_len, &words);
    words.code = status < 0 ? status : 0;
    if (was_cut(pair, &words))
        return err_set_at(
            err, -EINVAL, pair->cut_at.line, pair->cut_at.col,
            "YAML ends the statement at this `%c`: put it in quotes (kfl: '…')",
            pair->cut);
    if (status < 0) {
        at = yaml_locate(reading->yaml, (struct place){words.line, words.col});
        return err_set_at(err, -EINVAL, at.line, at.col, "%s", words.msg);
    }
    set_statement(reading->spec, pair->value, pair->value_len);
    return 0;
}

/* ---- the other keys */

static int refuse_value(const struct yaml_pair *pair, struct err *err,
                        const char *expected)
{
    return err_set_at(err, -EINVAL, pair->value_at.line, pair->value_at.col,
                      "`%.*s` is no %s (expected %s)", SHOWN, pair->value, pair->key,
                      expected);
}

static int read_start_time(struct reading *reading, const struct yaml_pair *pair,
                           struct err *err)
{
    if (when_minute(&reading->spec->start_minute, pair->value) < 0)
        return refuse_value(pair, err, "HH:MM in UTC, such as 08:45");
    return 0;
}

static int read_iterations(struct reading *reading, const struct yaml_pair *pair,
                           struct err *err)
{
    static const char expected[] = "a number of days, 0 for ever, 36500 at most";
    size_t digits = strspn(pair->value, "0123456789");
    long long days;

    if (digits == 0 || digits > 9 || pair->value[digits])
        return refuse_value(pair, err, expected);
    days = strtoll(pair->value, NULL, 10);
    if (days > WHEN_ITERATIONS_MAX)
        return refuse_value(pair, err, expected);
    reading->spec->daily_iterations = days;
    return 0;
}

static int read_duration(int64_t *ns, const struct yaml_pair *pair, struct err *err)
{
    int status = units_duration(ns, pair->value, MINUTE);

    if (status == -ERANGE || (status == 0 && *ns > DURATION_MAX))
        return refuse_value(pair, err, "36500d at most");
    if (status < 0 || *ns < 0)
        return refuse_value(pair, err, "minutes, or 90s, 2h, 1d");
    return 0;
}

static int read_max_size(struct reading *reading, const struct yaml_pair *pair,
                         struct err *err)
{
    if (units_size(&reading->spec->max_size, pair->value) < 0)
        return refuse_value(pair, err, "bytes, or 500Mi, 5Gi; 0 is the store's limit");
    return 0;
}

static int read_on_full(struct reading *reading, const struct yaml_pair *pair,
                        struct err *err)
{
    for (size_t i = 0; i < COUNT(on_full_names); i++) {
        if (strcmp(pair->value, on_full_names[i]) == 0) {
            reading->spec->on_full = (enum on_full)i;
            return 0;
        }
    }
    return refuse_value(pair, err, "stop or drop_oldest");
}

static int read_value(struct reading *reading, enum key key,
                      const struct yaml_pair *pair, struct err *err)
{
    if (key == KEY_KFL)
        return read_kfl(reading, pair, err);
    if (!pair->value)
        return 0;
    if (strlen(pair->value) != pair->value_len)
        return refuse_value(pair, err, "a value without NUL");
    switch (key) {
    case KEY_START_TIME:
        return read_start_time(reading, pair, err);
    case KEY_DAILY_ITERATIONS:
        return read_iterations(reading, pair, err);
    case KEY_DURATION:
        return read_duration(&reading->spec->duration, pair, err);
    case KEY_EXPIRATION:
        return read_duration(&reading->spec->keep, pair, err);
    case KEY_MAX_SIZE:
        return read_max_size(reading, pair, err);
    default:
        return read_on_full(reading, pair, err);
    }
}

/* ---- the document */

static int find_key(enum key *key, const struct yaml_pair *pair, struct err *err)
{
    unsigned best = 4, distance; /* three slips make another word */
    const char *meant = NULL;

    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (strcmp(pair->key, key_names[i]) == 0) {
            *key = (enum key)i;
            return 0;
        }
        distance = text_distance(pair->key, key_names[i], 3);
        if (distance < best && distance < strlen(key_names[i])) {
            best = distance;
            meant = key_names[i];
        }
    }
    if (meant)
        return err_set_at(err, -EINVAL, pair->key_at.line, pair->key_at.col,
                          "unknown key `%.*s` (did you mean `%s`?)", SHOWN, pair->key,
                          meant);
    return err_set_at(
        err, -EINVAL, pair->key_at.line, pair->key_at.col,
        "unknown key `%.*s` (expected kfl, start_time, daily_iterations, duration, "
        "expiration, max_size or on_full)",
        SHOWN, pair->key);
}

/* Limits that concern two keys. */
static int check_whole(const struct reading *reading, struct err *err)
{
    const struct spec *spec = reading->spec;
    struct place at = reading->value_at[KEY_DURATION];

    if (spec->daily_iterations == 1 ||
        (spec->duration > 0 && spec->duration <= WHEN_DAY))
        return 0;
    if (at.line == 0)
        at = reading->value_at[KEY_DAILY_ITERATIONS];
    return err_set_at(err, -EINVAL, at.line, at.col,
                      "with more than one iteration the duration is at most 1d (%s)",
                      spec->duration ? "a longer one given" : "0 is until stopped");
}

/* 0, 1 no key, -EINVAL, -ENOTSUP a lone scalar. */
static int read_document(struct reading *reading, struct err *err)
{
    struct yaml_pair pair;
    enum key key = KEY_KFL;
    int status;

    while ((status = yaml_next(reading->yaml, &pair, err)) > 0) {
        status = find_key(&key, &pair, err);
        if (status < 0)
            return status;
        if (reading->key_at[key].line)
            return err_set_at(err, -EINVAL, pair.key_at.line, pair.key_at.col,
                              "`%s` a second time (the first is on line %d)",
                              key_names[key], reading->key_at[key].line);
        reading->key_at[key] = pair.key_at;
        reading->value_at[key] = pair.value_at;
        status = read_value(reading, key, &pair, err);
        if (status < 0)
            return status;
    }
    if (status < 0)
        return status;
    return yaml_found(reading->yaml) ? check_whole(reading, err) : 1;
}

/* The text's first character that is no white space; NUL: none. */
static char first_char(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!isspace((unsigned char)text[i]))
            return text[i];
    return 0;
}

static int check_bytes(const char *text, size_t len, struct err *err)
{
    struct place at;
    size_t size;

    if (len > SPEC_TEXT_MAX)
        return err_set(err, -EINVAL, "the spec is longer than %d bytes", SPEC_TEXT_MAX);
    if (text_is_utf8(text, len) && !memchr(text, 0, len))
        return 0;
    for (size_t i = 0; i < len; i += size) {
        uint32_t code_point;

        size = text_utf8_next(text + i, len - i, &code_point);
        if (text[i] && text_is_utf8(text + i, size))
            continue;
        at = place_of(text, i);
        return err_set_at(err, -EINVAL, at.line, at.col,
                          "this byte is no text (expected UTF-8)");
    }
    return 0;
}

static int judge(struct reading *reading, const char *text, size_t len, struct err *err)
{
    struct err words = {0};
    char first = first_char(text, len);
    bool quoted = first == '"' || first == '\'';
    int statement = -EINVAL, status;

    if (!quoted)
        statement = try_statement(reading, text, len, &words);
    if (statement == 1)
        return 1;
    if (statement == 0) {
        set_statement(reading->spec, text, len);
        return 0;
    }
    forget_saved(reading->spec);
    reading->yaml = yaml_open(text, len, key_names[KEY_KFL]);
    status = read_document(reading, err);
    if (status == -ENOTSUP && quoted)
        return err_set_at(
            err, -EINVAL, 1, 1,
            "a quoted text is no spec (kfl: '…', or a statement that does not begin "
            "with a quote, expected)");
    if (status == -ENOTSUP)
        return err_set_at(err, -EINVAL, words.line, words.col, "%s", words.msg);
    return status;
}

int spec_parse(struct spec **out, const char *text, size_t len,
               const struct spec_env *env, struct err *err)
{
    static const char mark[] =
        "\xef\xbb\xbf"; /* a byte order mark is no part of the text */
    struct reading reading = {.env = env};
    int status;

    *out = NULL;
    if (len >= 3 && memcmp(text, mark, 3) == 0) {
        text += 3;
        len -= 3;
    }
    status = check_bytes(text, len, err);
    if (status < 0)
        return status;
    reading.spec = spec_new(text, len);
    status = judge(&reading, text, len, err);
    yaml_close(reading.yaml);
    if (status == 0)
        *out = reading.spec;
    else
        spec_free(reading.spec);
    return status;
}

/* ---- comparing */

bool spec_same_statement(const struct spec *a, const struct spec *b)
{
    if (strcmp(a->kfl, b->kfl) != 0 || a->saved_count != b->saved_count)
        return false;
    for (size_t i = 0; i < a->saved_count; i++) {
        const char *other =
            spec_find_saved(b, a->saved[i].name, strlen(a->saved[i].name));

        if (!other || strcmp(other, a->saved[i].text) != 0)
            return false;
    }
    return true;
}

bool spec_same_plan(const struct spec *a, const struct spec *b)
{
    return a->start_minute == b->start_minute &&
           a->daily_iterations == b->daily_iterations && a->duration == b->duration;
}
