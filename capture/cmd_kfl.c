/* The `kfl` command: a grep for captures and JSON Lines. Options and output; captures
 * are read by capture/replay.c. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "capture/gather.h"
#include "capture/har.h"
#include "capture/replay.h"
#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/mem.h"
#include "kfl/doc.h"
#include "kfl/kfl.h"

/* As grep: something matched, nothing did, something went wrong. */
enum { EXIT_MATCHED = 0, EXIT_NONE = 1, EXIT_ERROR = 2 };

#define LINE_MAX_BYTES (256u << 20)

enum output { OUTPUT_JSON, OUTPUT_PCAP, OUTPUT_HAR, OUTPUT_COUNT };
enum task { TASK_MATCH, TASK_CHECK, TASK_EXPLAIN, TASK_PATH };

struct app {
    enum task task;
    enum output output;
    const char *statement, *names_file;
    struct kfl *kfl;
    struct kfl_run *run;
    struct arena arena; /* one document */
    struct buf out;
    const char *file;      /* being read */
    struct gather *gather; /* -o pcap */
    int64_t matched, limit;
    unsigned long long har_count;
    int put_error; /* the first errno of standard output */
    bool gathered; /* packets */
    bool failed, stopped;
};

static const char usage[] =
    "usage: kfl [-n | --explain | --path] [-o json|pcap|har|count] [--names FILE] "
    "STATEMENT "
    "[FILE...]\n"
    "\n"
    "Prints the entries of captures (pcap, pcapng) and the lines of JSON Lines files "
    "that match.\n"
    "Without FILE, or where it is -, standard input is read.\n"
    "  -n            only check the statement\n"
    "  --explain     show how the statement groups and what it does\n"
    "  --path        show the statement as a name below /query\n"
    "  -o json       matching entries as JSON Lines (the default)\n"
    "  -o pcap       the whole streams they came from, as one capture\n"
    "  -o har        those of HTTP as an HTTP Archive\n"
    "  -o count      their number\n"
    "  --names FILE  names of addresses: hosts(5) lines or YAML\n"
    "  --            what follows is no option\n"
    "Exit: 0 something matched, 1 nothing, 2 an error.\n";

static void complain(struct app *app, const char *words)
{
    fprintf(stderr, "kfl: %s: %s\n", app->file, words);
    app->failed = true;
}

/* Where nothing can be written, nothing more needs to be read. */
static void put_out(struct app *app)
{
    if (app->out.len &&
        fwrite(app->out.data, 1, app->out.len, stdout) != app->out.len) {
        app->put_error = app->put_error ? app->put_error : errno;
        app->stopped = true;
    }
    buf_clear(&app->out);
}

/* What a full disk did not take is no success. */
static int finish_out(struct app *app, int status)
{
    bool flushed = fflush(stdout) == 0;
    if (flushed && !ferror(stdout))
        return status;
    fprintf(stderr, "kfl: standard output: %s\n",
            strerror(app->put_error ? app->put_error : errno));
    return EXIT_ERROR;
}

static void count_match(struct app *app)
{
    app->matched++;
    if (app->limit && app->matched >= app->limit)
        app->stopped = true;
    put_out(app);
}

/* ---- JSON Lines ---- */

static void put_har(struct app *app, const struct doc_value *doc)
{
    if (har_entry(&app->out, doc, app->har_count) == 1)
        app->har_count++;
}

/* A line goes out as it came in, unless redact() changed it. */
static void judge_line(struct app *app, const struct doc_value *doc, const char *line,
                       size_t len)
{
    struct err err = {0};
    const struct doc_value *emit;
    int rc = kfl_match(app->run, app->kfl, doc, NULL, &emit, &err);
    if (rc < 0)
        complain(app, err.msg);
    if (rc <= 0)
        return;
    if (app->output == OUTPUT_JSON) {
        if (emit == doc)
            buf_add(&app->out, line, len);
        else
            doc_write(&app->out, emit);
        buf_addch(&app->out, '\n');
    } else if (app->output == OUTPUT_HAR) {
        put_har(app, emit);
    }
    count_match(app);
}

/* false: the file is no JSON Lines at all. */
static bool read_line(struct app *app, const char *line, size_t len, uint64_t number)
{
    struct doc_value doc;
    struct err err = {0};
    char words[ERR_TEXT + 64];
    while (len && strchr("\r\n", line[len - 1]))
        len--;
    if (strspn(line, " \t\r\n") >= len)
        return true;
    arena_reset(&app->arena);
    if (doc_parse(&doc, &app->arena, line, len, &err) < 0) {
        snprintf(words, sizeof(words), "%s line %llu: %s",
                 number == 1 ? "neither a capture nor JSON Lines:" : "no JSON in",
                 (unsigned long long)number, err.msg);
        complain(app, words);
        return number > 1;
    }
    judge_line(app, &doc, line, len);
    return true;
}

static void read_lines(struct app *app, FILE *in)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    uint64_t number = 0;
    while (!app->stopped && (len = getline(&line, &cap, in)) > 0)
        if (!read_line(app, line, (size_t)len, ++number))
            break;
    if (ferror(in))
        complain(app, strerror(errno));
    free(line);
}

/* ---- captures ---- */

static void write_entry(struct app *app, const struct doc_value *doc)
{
    doc_write(&app->out, doc);
    if (app->out.len && app->out.data[app->out.len - 1] == '}')
        app->out.len--;
    buf_addstr(&app->out, ",\"record\":\"\"}\n");
}

static int on_entry(void *context, const struct entry *entry)
{
    struct app *app = context;
    struct err err = {0};
    const struct doc_value *emit;
    int rc = kfl_match(app->run, app->kfl, &entry->doc, "", &emit, &err);
    if (rc < 0)
        complain(app, err.msg);
    if (rc > 0) {
        if (app->output == OUTPUT_JSON)
            write_entry(app, emit);
        else if (app->output == OUTPUT_HAR)
            put_har(app, emit);
        else if (app->output == OUTPUT_PCAP)
            gather_choose(app->gather, entry->stream->number);
        count_match(app);
    }
    return app->stopped;
}

/* Where only the answer counts, what the statement does not ask for is not taken apart.
 */
static unsigned wants_of(const struct app *app)
{
    static const struct {
        const char *path;
        enum want want;
    } uses[] = {
        {"request.headers", WANT_HEADERS},
        {"response.headers", WANT_HEADERS},
        {"request.body", WANT_BODY},
        {"response.body", WANT_BODY},
        {"request.postData", WANT_BODY},
        {"response.content", WANT_BODY},
        {"request.truncated", WANT_BODY},
        {"response.truncated", WANT_BODY},
        {"request.path", WANT_PARAMS},
        {"request.pathSegments", WANT_PARAMS},
        {"request.queryString", WANT_PARAMS},
        {"request.cookies", WANT_PARAMS},
        {"response.cookies", WANT_PARAMS},
        {"request.postData", WANT_PARAMS},
        {"response.answers", WANT_RECORDS},
        {"response.authorities", WANT_RECORDS},
        {"response.additionals", WANT_RECORDS},
    };
    unsigned wants = 0;
    if (app->output == OUTPUT_JSON || app->output == OUTPUT_HAR)
        return WANT_ALL;
    for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
        if (kfl_uses(app->kfl, uses[i].path))
            wants |= (unsigned)uses[i].want;
    }
    return wants;
}

static void on_packet(void *context, struct packet *packet, const struct stream *stream)
{
    struct app *app = context;
    if (!kfl_is_everything(app->kfl) && !gather_chosen(app->gather, stream->number))
        return;
    gather_add(app->gather, packet);
    app->gathered = true;
}

static int ignore_entry(void *context, const struct entry *entry)
{
    (void)context;
    (void)entry;
    return 0;
}

/* Which streams match is known only at their end, so their packets are a second
 * reading's. */
static void gather_packets(struct app *app, FILE *in)
{
    struct err err = {0};
    struct replay_options options = {
        .entry = ignore_entry, .packet = on_packet, .context = app};
    rewind(in);
    if (replay_stream(in, &options, &err) < 0)
        complain(app, err.msg);
    gather_next_capture(app->gather);
}

static void read_capture(struct app *app, FILE *in)
{
    struct err err = {0};
    struct replay_options options = {.wants = wants_of(app),
                                     .names_file = app->names_file,
                                     .entry = on_entry,
                                     .context = app};
    int rc = replay_stream(in, &options, &err);
    if (rc < 0)
        complain(app, err.msg[0] ? err.msg : strerror(-rc));
    else if (rc > 0)
        fprintf(stderr, "kfl: %s: warning: %s\n", app->file, err.msg);
    if (rc >= 0 && app->output == OUTPUT_PCAP)
        gather_packets(app, in);
}

/* A capture that comes through a pipe, on disk, where it can be read twice. NULL: told.
 */
static FILE *spool(struct app *app, FILE *in)
{
    char bytes[1 << 14];
    size_t len;
    FILE *copy = tmpfile();
    while (copy && (len = fread(bytes, 1, sizeof(bytes), in)) > 0) {
        if (fwrite(bytes, 1, len, copy) != len)
            break;
    }
    if (copy && !ferror(in) && !ferror(copy) && fseek(copy, 0, SEEK_SET) == 0)
        return copy;
    complain(app, strerror(errno));
    if (copy)
        fclose(copy);
    return NULL;
}

/* ---- inputs ---- */

/* What the input is shows in its first bytes, which a pipe gives once. */
static void read_input(struct app *app, FILE *in)
{
    uint8_t head[4];
    size_t len = 0;
    int c;
    setvbuf(in, NULL, _IOFBF, 1 << 16);
    /* Asked first: a seek that fails forgets bytes that were put back. */
    bool seeks = fseek(in, 0, SEEK_CUR) == 0;
    while (len < sizeof(head) && (c = getc(in)) != EOF)
        head[len++] = (uint8_t)c;
    bool capture = replay_is_capture(head, len);
    while (len)
        ungetc(head[--len], in);
    bool twice = app->output == OUTPUT_PCAP;
    if (capture && twice && !seeks) {
        FILE *copy = spool(app, in);
        if (copy) {
            read_capture(app, copy);
            fclose(copy);
        }
    } else if (capture) {
        read_capture(app, in);
    } else if (twice) {
        complain(app, "packets can only come from a capture");
    } else {
        read_lines(app, in);
    }
}

static void read_file(struct app *app, const char *name)
{
    bool standard = !strcmp(name, "-");
    app->file = standard ? "standard input" : name;
    FILE *in = standard ? stdin : fopen(name, "re");
    if (!in) {
        complain(app, strerror(errno));
        return;
    }
    read_input(app, in);
    if (!standard)
        fclose(in);
}

/* ---- the statement ---- */

static int show_error(const struct app *app, const char *before, const struct err *err)
{
    struct buf out = {0};
    kfl_show_error(&out, app->statement, strlen(app->statement), err);
    fprintf(stderr, "%s%s", before, out.data);
    buf_fini(&out);
    return EXIT_ERROR;
}

static int show_path(const struct app *app)
{
    struct buf out = {0};
    struct err err = {0};
    int rc = kfl_path(&out, app->statement, strlen(app->statement), &err);
    if (rc == 0)
        puts(out.data);
    buf_fini(&out);
    return rc < 0 ? show_error(app, "", &err) : 0;
}

static int compile(struct app *app)
{
    struct err err = {0};
    struct kfl_env env = {.now_ms = clock_system()->now(clock_system()) / NS_PER_MS};
    if (kfl_compile(&app->kfl, app->statement, strlen(app->statement), &env, &err) < 0)
        return show_error(app, "", &err);
    if (app->output == OUTPUT_PCAP && kfl_redacts(app->kfl)) {
        fputs("kfl: packets cannot be redacted: -o pcap and redact() exclude each "
              "other\n",
              stderr);
        return EXIT_ERROR;
    }
    if (kfl_warning(app->kfl))
        show_error(app, "warning: ", kfl_warning(app->kfl));
    return 0;
}

static int explain(struct app *app)
{
    kfl_explain(&app->out, app->kfl);
    put_out(app);
    return 0;
}

static void begin_output(struct app *app)
{
    if (app->output == OUTPUT_PCAP)
        app->gather = gather_new();
    if (app->output == OUTPUT_HAR)
        har_begin(&app->out);
}

static void end_output(struct app *app)
{
    uint64_t left_out = 0;
    if (app->output == OUTPUT_COUNT)
        printf("%lld\n", (long long)app->matched);
    if (app->output == OUTPUT_HAR)
        har_end(&app->out);
    put_out(app);
    if (app->output == OUTPUT_PCAP)
        gather_write(app->gather, stdout, &left_out);
    if (left_out > 0)
        fprintf(stderr,
                "kfl: warning: %llu packets left out: their link type does not fit "
                "with the "
                "others\n",
                (unsigned long long)left_out);
    gather_free(app->gather);
}

static int match_files(struct app *app, char **files)
{
    app->run = kfl_run_new();
    begin_output(app);
    app->limit = kfl_limit(app->kfl);
    arena_init(&app->arena, LINE_MAX_BYTES * (size_t)8);
    if (!*files)
        read_file(app, "-");
    for (; *files && !app->stopped; files++)
        read_file(app, *files);
    end_output(app);
    kfl_run_free(app->run);
    arena_fini(&app->arena);
    if (app->failed)
        return EXIT_ERROR;
    return app->matched || app->gathered ? EXIT_MATCHED : EXIT_NONE;
}

static int parse_output(struct app *app, const char *name)
{
    static const char *const names[] = {[OUTPUT_JSON] = "json",
                                        [OUTPUT_PCAP] = "pcap",
                                        [OUTPUT_HAR] = "har",
                                        [OUTPUT_COUNT] = "count"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!strcmp(name, names[i])) {
            app->output = (enum output)i;
            return 0;
        }
    }
    fprintf(stderr, "kfl: unknown output `%s` (expected json, pcap, har or count)\n",
            name);
    return EXIT_ERROR;
}

/* -1: go on; else the exit status. */
static int parse_options(struct app *app, int argc, char **argv)
{
    enum { OPTION_EXPLAIN = 256, OPTION_PATH, OPTION_NAMES };
    static const struct option options[] = {
        {"explain", no_argument, NULL, OPTION_EXPLAIN},
        {"path", no_argument, NULL, OPTION_PATH},
        {"names", required_argument, NULL, OPTION_NAMES},
        {"output", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "no:h", options, NULL)) >= 0) {
        switch (option) {
        case 'n':
            app->task = TASK_CHECK;
            break;
        case 'o':
            if (parse_output(app, optarg))
                return EXIT_ERROR;
            break;
        case OPTION_EXPLAIN:
            app->task = TASK_EXPLAIN;
            break;
        case OPTION_PATH:
            app->task = TASK_PATH;
            break;
        case OPTION_NAMES:
            app->names_file = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return EXIT_MATCHED;
        default:
            fputs(usage, stderr);
            return EXIT_ERROR;
        }
    }
    if (optind < argc)
        return -1;
    fputs(usage, stderr);
    return EXIT_ERROR;
}

int main(int argc, char **argv)
{
    struct app app = {0};
    int status = parse_options(&app, argc, argv);
    if (status >= 0)
        return status;
    app.statement = argv[optind];
    if (app.task == TASK_PATH)
        return finish_out(&app, show_path(&app));
    status = compile(&app);
    if (status == 0 && app.task == TASK_EXPLAIN)
        status = explain(&app);
    else if (status == 0 && app.task == TASK_MATCH)
        status = match_files(&app, argv + optind + 1);
    kfl_unref(app.kfl);
    buf_fini(&app.out);
    return finish_out(&app, status);
}
