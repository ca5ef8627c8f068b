/* manifest.json of an iteration: what recording.json shows, and beside it what the
 * store needs to read its segments again without reading all of them. */
#include "capture/store/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <json-c/json_object_iterator.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/store/folder.h"
#include "capture/store/inside.h"
#include "capture/store/recover.h"
#include "capture/store/reserve.h"
#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "kfl/base/mem.h"
#include "kfl/base/sys.h"

#define MANIFEST_MAX  ((size_t)64 * 1024 * 1024)
#define STORE_VERSION 1
#define JSON_STYLE                                                                     \
    (JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE)

static void put_text(struct json_object *to, const char *key, const char *text)
{
    json_object_object_add(to, key, json_object_new_string(text));
}

static void put_number(struct json_object *to, const char *key, uint64_t number)
{
    json_object_object_add(to, key, json_object_new_uint64(number));
}

static void put_signed(struct json_object *to, const char *key, int64_t number)
{
    json_object_object_add(to, key, json_object_new_int64(number));
}

/* 0 is no time: null. */
static void put_time(struct json_object *to, const char *key, int64_t at)
{
    char text[CLOCK_TEXT];
    struct json_object *value = NULL;
    if (at == INT64_MAX)
        value = json_object_new_string("never");
    else if (at != 0)
        value = json_object_new_string(clock_format(text, at, at % NS_PER_S ? 9 : 0));
    json_object_object_add(to, key, value);
}

static struct json_object *losses_object(const struct iteration *iteration)
{
    struct json_object *losses = json_object_new_object();
    for (unsigned i = 0; i < iteration->loss_count; i++)
        put_number(losses, iteration->losses[i].cause, iteration->losses[i].count);
    return losses;
}

static struct json_object *gaps_object(const struct iteration *iteration)
{
    struct json_object *gaps = json_object_new_array();
    for (unsigned i = 0; i < iteration->gap_count; i++) {
        struct json_object *gap = json_object_new_object();
        put_time(gap, "from", iteration->gaps[i].from);
        put_time(gap, "to", iteration->gaps[i].to);
        json_object_array_add(gaps, gap);
    }
    return gaps;
}

static struct json_object *recovery_object(const struct recovery *recovery)
{
    struct json_object *object = json_object_new_object();
    put_number(object, "log_records_cut", recovery->log_records);
    put_number(object, "pcap_bytes_cut", recovery->pcap_bytes);
    put_number(object, "jsonl_bytes_cut", recovery->jsonl_bytes);
    put_number(object, "logs_lost", recovery->logs_lost);
    return object;
}

/* What people see; the iteration is locked. */
static struct json_object *shown_object(const struct iteration *iteration)
{
    const struct totals *totals = &iteration->totals;
    struct json_object *object = json_object_new_object();
    put_text(object, "state", iteration->state);
    put_text(object, "kfl", iteration->kfl);
    put_text(object, "spec", iteration->spec);
    put_time(object, "start", iteration->start);
    put_time(object, "ended", iteration->ended_at);
    put_time(object, "expires", iteration_expires_at(iteration));
    put_number(object, "max_size", iteration->max_size);
    put_text(object, "on_full",
             iteration->on_full == ON_FULL_DROP_OLDEST ? "drop_oldest" : "stop");
    put_number(object, "packets", totals->packets);
    put_number(object, "bytes", totals->caplen);
    put_number(object, "entries", totals->entries);
    put_number(object, "streams", totals->streams);
    put_time(object, "first", totals->first_at);
    put_time(object, "last", totals->last_at);
    json_object_object_add(object, "loss", losses_object(iteration));
    json_object_object_add(object, "gaps", gaps_object(iteration));
    if (iteration->gaps_more > 0)
        put_number(object, "gaps_more", iteration->gaps_more);
    json_object_object_add(object, "recovered", recovery_object(&iteration->recovery));
    struct json_object *versions = json_object_new_object();
    put_number(versions, "store", STORE_VERSION);
    json_object_object_add(object, "versions", versions);
    return object;
}

static struct json_object *span_object(const struct span *span)
{
    struct json_object *object = json_object_new_object();
    put_signed(object, "from", span->min.at);
    put_number(object, "from_tie", span->min.tie);
    put_signed(object, "to", span->max.at);
    put_number(object, "to_tie", span->max.tie);
    json_object_object_add(object, "sorted", json_object_new_boolean(span->sorted));
    return object;
}

static struct json_object *segment_object(const struct segment *segment)
{
    const struct segment_stats *stats = &segment->stats;
    struct json_object *object = json_object_new_object();
    put_number(object, "n", segment->n);
    put_signed(object, "linktype", stats->linktype);
    put_number(object, "records", stats->records);
    put_number(object, "packets", stats->packets);
    put_number(object, "lines", stats->lines);
    put_number(object, "pcap_end", stats->pcap_end);
    put_number(object, "jsonl_end", stats->jsonl_end);
    put_number(object, "line_bytes", stats->line_bytes);
    put_number(object, "caplen", stats->caplen);
    put_number(object, "stream_min", stats->stream_min);
    put_number(object, "stream_max", stats->stream_max);
    put_number(object, "number_max", stats->number_max);
    json_object_object_add(object, "packet_span", span_object(&stats->packet_span));
    json_object_object_add(object, "line_span", span_object(&stats->line_span));
    return object;
}

static struct json_object *private_object(const struct iteration *iteration,
                                          int64_t now)
{
    struct json_object *object = json_object_new_object();
    put_signed(object, "start", iteration->start);
    put_signed(object, "ended", iteration->ended_at);
    put_signed(object, "saved", now);
    put_signed(object, "keep", iteration->keep);
    put_number(object, "entries_gone", iteration->entries_gone);
    struct json_object *gaps = json_object_new_array();
    for (unsigned i = 0; i < iteration->gap_count; i++) {
        json_object_array_add(gaps, json_object_new_int64(iteration->gaps[i].from));
        json_object_array_add(gaps, json_object_new_int64(iteration->gaps[i].to));
    }
    json_object_object_add(object, "gaps", gaps);
    struct json_object *segments = json_object_new_array();
    for (size_t i = 0; i < iteration->count; i++) {
        const struct segment *segment = iteration->segments[i];
        if (segment->sealed && segment->stats.records > 0)
            json_object_array_add(segments, segment_object(segment));
    }
    json_object_object_add(object, "segments", segments);
    return object;
}

/* With a newline; the object is let go. */
static int print_object(struct buf *out, struct json_object *object)
{
    size_t len;
    const char *text = json_object_to_json_string_length(object, JSON_STYLE, &len);
    int result = buf_add(out, text, len);
    if (result == 0)
        result = buf_addch(out, '\n');
    json_object_put(object);
    return result;
}

int manifest_save(struct iteration *iteration)
{
    struct store *store = iteration->store;
    if (!iteration->folder)
        return 0;
    pthread_mutex_lock(&iteration->manifest_lock);
    pthread_mutex_lock(&iteration->lock);
    struct buf text = {0};
    int result = 0, dir = -1;
    bool removed = iteration->removed;
    if (!removed) {
        iteration->manifest_dirty = false;
        struct json_object *object = shown_object(iteration);
        int64_t now = store->options.clock->now(store->options.clock);
        json_object_object_add(object, "store", private_object(iteration, now));
        result = print_object(&text, object);
    }
    pthread_mutex_unlock(&iteration->lock);
    if (removed || result < 0)
        goto out;
    dir = folder_open(iteration->folder, ".", O_RDONLY | O_DIRECTORY);
    result = dir < 0 ? dir
                     : reserve_replace_file(store, dir, "manifest.json", text.data,
                                            text.len);
    if (result < 0)
        iteration->manifest_dirty = true;
out:
    if (dir >= 0)
        close(dir);
    buf_fini(&text);
    pthread_mutex_unlock(&iteration->manifest_lock);
    return result;
}

static struct json_object *recording_object(const struct recording *recording)
{
    struct json_object *object = json_object_new_object();
    put_text(object, "name", recording->name);
    put_time(object, "created", recording->created_at);
    return object;
}

int recording_save(struct store *store, const struct recording *recording)
{
    struct buf text = {0};
    char path[sizeof("recordings//recording.json") + RECORDING_NAME];
    struct json_object *object = json_object_new_object();
    put_signed(object, "created", recording->created_at);
    if (recording->expires_at != EXPIRES_UNSET)
        put_signed(object, "expires", recording->expires_at);
    int result = print_object(&text, object);
    snprintf(path, sizeof(path), "recordings/%s/recording.json", recording->name);
    if (result == 0)
        result = reserve_replace_file(store, store->dir, path, text.data, text.len);
    buf_fini(&text);
    return result;
}

int store_manifest(struct store *store, const char *name, struct iteration *iteration,
                   struct buf *out)
{
    struct json_object *object = NULL;
    pthread_mutex_lock(&store->lock);
    struct recording *recording = recording_find(store, name);
    if (recording) {
        object = recording_object(recording);
        put_time(object, "expires", recording_expires_at(recording));
        struct json_object *list = json_object_new_array();
        for (size_t i = 0; i < recording->count; i++) {
            struct iteration *one = recording->iterations[i];
            if (iteration && one != iteration)
                continue;
            pthread_mutex_lock(&one->lock);
            json_object_array_add(list, shown_object(one));
            pthread_mutex_unlock(&one->lock);
        }
        json_object_object_add(object, "iterations", list);
    }
    pthread_mutex_unlock(&store->lock);
    return object ? print_object(out, object) : -ENOENT;
}

/* ---- reading */

static struct json_object *get(const struct json_object *from, const char *key)
{
    struct json_object *value = NULL;
    json_object_object_get_ex(from, key, &value);
    return value;
}

static uint64_t get_number(const struct json_object *from, const char *key)
{
    return json_object_get_uint64(get(from, key));
}

static int64_t get_signed(const struct json_object *from, const char *key)
{
    return json_object_get_int64(get(from, key));
}

static void get_text(char **out, const struct json_object *from, const char *key)
{
    const char *text = json_object_get_string(get(from, key));
    free(*out);
    *out = mem_strdup(text ? text : "");
}

static void get_span(struct span *span, const struct json_object *from, const char *key)
{
    const struct json_object *object = get(from, key);
    span->min =
        (struct key){get_signed(object, "from"), get_number(object, "from_tie")};
    span->max = (struct key){get_signed(object, "to"), get_number(object, "to_tie")};
    span->sorted = json_object_get_boolean(get(object, "sorted"));
}

static void get_stats(struct segment_stats *stats, const struct json_object *from)
{
    *stats = (struct segment_stats){
        .linktype = (int32_t)get_signed(from, "linktype"),
        .records = (uint32_t)get_number(from, "records"),
        .packets = (uint32_t)get_number(from, "packets"),
        .lines = (uint32_t)get_number(from, "lines"),
        .pcap_end = get_number(from, "pcap_end"),
        .jsonl_end = get_number(from, "jsonl_end"),
        .line_bytes = get_number(from, "line_bytes"),
        .caplen = get_number(from, "caplen"),
        .stream_min = get_number(from, "stream_min"),
        .stream_max = get_number(from, "stream_max"),
        .number_max = get_number(from, "number_max"),
    };
    get_span(&stats->packet_span, from, "packet_span");
    get_span(&stats->line_span, from, "line_span");
}

static void get_losses(struct iteration *iteration, struct json_object *losses)
{
    if (!json_object_is_type(losses, json_type_object))
        return;
    struct json_object_iterator at = json_object_iter_begin(losses);
    struct json_object_iterator end = json_object_iter_end(losses);
    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at))
        iteration_lose(iteration, json_object_iter_peek_name(&at),
                       json_object_get_uint64(json_object_iter_peek_value(&at)));
}

static void get_gaps(struct iteration *iteration, const struct json_object *gaps)
{
    if (!json_object_is_type(gaps, json_type_array))
        return;
    size_t count = json_object_array_length(gaps) / 2;
    for (size_t i = 0; i < count && i < GAPS_MAX; i++)
        iteration->gaps[iteration->gap_count++] = (struct gap){
            json_object_get_int64(json_object_array_get_idx(gaps, 2 * i)),
            json_object_get_int64(json_object_array_get_idx(gaps, 2 * i + 1)),
        };
}

static void get_recovery(struct recovery *recovery, const struct json_object *from)
{
    recovery->log_records = get_number(from, "log_records_cut");
    recovery->pcap_bytes = get_number(from, "pcap_bytes_cut");
    recovery->jsonl_bytes = get_number(from, "jsonl_bytes_cut");
    recovery->logs_lost = get_number(from, "logs_lost");
}

static void load_segments(struct iteration *iteration, const struct json_object *list)
{
    if (!json_object_is_type(list, json_type_array))
        return;
    size_t count = json_object_array_length(list);
    for (size_t i = 0; i < count; i++) {
        const struct json_object *object = json_object_array_get_idx(list, i);
        struct segment_stats stats;
        get_stats(&stats, object);
        recover_known(iteration, (uint32_t)get_number(object, "n"), &stats);
    }
}

static struct json_object *read_object(int dir, const char *name, int *result)
{
    struct buf text = {0};
    struct json_object *object = NULL;
    *result = sys_read_file(dir, name, MANIFEST_MAX, &text);
    if (*result == 0) {
        object = json_tokener_parse(text.data ? text.data : "");
        if (!json_object_is_type(object, json_type_object)) {
            json_object_put(object);
            object = NULL;
            *result = -EBADMSG;
        }
    }
    buf_fini(&text);
    return object;
}

int manifest_load(struct iteration *iteration)
{
    int result;
    int dir = folder_open(iteration->folder, ".", O_RDONLY | O_DIRECTORY);
    if (dir < 0)
        return dir;
    struct json_object *object = read_object(dir, "manifest.json", &result);
    close(dir);
    if (!object)
        return result;
    const struct json_object *own = get(object, "store");
    const char *state = json_object_get_string(get(object, "state"));
    const char *on_full = json_object_get_string(get(object, "on_full"));
    snprintf(iteration->state, sizeof(iteration->state), "%s",
             state ? state : "recording");
    get_text(&iteration->spec, object, "spec");
    get_text(&iteration->kfl, object, "kfl");
    iteration->max_size = get_number(object, "max_size");
    bool drop = on_full && strcmp(on_full, "drop_oldest") == 0;
    iteration->on_full = drop ? ON_FULL_DROP_OLDEST : ON_FULL_STOP;
    iteration->totals.streams = get_number(object, "streams");
    iteration->gaps_more = get_number(object, "gaps_more");
    get_losses(iteration, get(object, "loss"));
    get_recovery(&iteration->recovery, get(object, "recovered"));
    /* The folder's name has no fraction of a second. */
    int64_t start = get_signed(own, "start");
    if (start / NS_PER_S == iteration->start / NS_PER_S)
        iteration->start = start;
    iteration->ended_at = get_signed(own, "ended");
    iteration->saved_at = get_signed(own, "saved");
    iteration->keep = get_signed(own, "keep");
    iteration->entries_gone = get_number(own, "entries_gone");
    get_gaps(iteration, get(own, "gaps"));
    iteration->manifest_dirty = false;
    load_segments(iteration, get(own, "segments"));
    json_object_put(object);
    return 0;
}

int recording_load(struct store *store, struct recording *recording)
{
    char path[sizeof("recordings//recording.json") + RECORDING_NAME];
    int result;
    snprintf(path, sizeof(path), "recordings/%s/recording.json", recording->name);
    struct json_object *object = read_object(store->dir, path, &result);
    if (!object)
        return result;
    recording->created_at = get_signed(object, "created");
    if (get(object, "expires"))
        recording->expires_at = get_signed(object, "expires");
    json_object_put(object);
    return 0;
}
