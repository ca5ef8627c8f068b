#include "sched/yaml.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "kfl/base/err.h"
#include "kfl/base/mem.h"

#define NO_PATCH  SIZE_MAX
#define KEY_SHOWN 64 /* characters of a key in an error */

struct yaml_reader {
    yaml_parser_t parser;
    bool parser_open;
    char *text; /* a copy, in which the character at `patch` is an `x` */
    size_t len, patch;
    char patched;
    const char *verbatim;
    size_t pairs; /* that were read */
    int key_line; /* of the last key */
    bool begun, flow, in_verbatim;
    yaml_event_t key, value; /* of the last pair */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_space(char c)
{
    return is_blank(c) || c == '\n' || c == '\r';
}

static size_t char_size(const char *text, size_t len)
{
    size_t size = 1;

    while (size < len && ((unsigned char)text[size] & 0xc0) == 0x80)
        size++;
    return size;
}

struct place place_of(const char *text, size_t byte)
{
    struct place place = {1, 1};

    for (size_t i = 0; i < byte; i++) {
        if (text[i] == '\n') {
            place.line++;
            place.col = 1;
        } else if (((unsigned char)text[i] & 0xc0) != 0x80) {
            place.col++;
        }
    }
    return place;
}

size_t place_byte(const char *text, size_t len, struct place place)
{
    size_t at = 0;

    for (int line = 1; line < place.line && at < len; line++) {
        while (at < len && text[at] != '\n')
            at++;
        at += at < len;
    }
    for (int col = 1; col < place.col && at < len && text[at] != '\n'; col++)
        at += char_size(text + at, len - at);
    return at;
}

/* libyaml counts characters. */
static size_t byte_of_mark(const struct yaml_reader *reader, const yaml_mark_t *mark)
{
    size_t at = 0;

    for (size_t i = 0; i < mark->index && at < reader->len; i++)
        at += char_size(reader->text + at, reader->len - at);
    return at;
}

static struct place place_of_mark(const yaml_mark_t *mark)
{
    return (struct place){(int)mark->line + 1, (int)mark->column + 1};
}

static void parser_restart(struct yaml_reader *reader)
{
    if (reader->parser_open)
        yaml_parser_delete(&reader->parser);
    if (!yaml_parser_initialize(&reader->parser))
        abort();
    reader->parser_open = true;
    yaml_parser_set_encoding(&reader->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader->parser, (const unsigned char *)reader->text,
                                 reader->len);
}

struct yaml_reader *yaml_open(const char *text, size_t len, const char *verbatim)
{
    struct yaml_reader *reader = mem_zalloc(sizeof(*reader));

    reader->text = mem_dup(text, len);
    reader->len = len;
    reader->patch = NO_PATCH;
    reader->verbatim = verbatim;
    parser_restart(reader);
    return reader;
}

void yaml_close(struct yaml_reader *reader)
{
    if (!reader)
        return;
    yaml_event_delete(&reader->key);
    yaml_event_delete(&reader->value);
    yaml_parser_delete(&reader->parser);
    free(reader->text);
    free(reader);
}

static int refuse(struct err *err, struct place at, const char *words)
{
    return err_set_at(err, -EINVAL, at.line, at.col, "%s", words);
}

static int refuse_yaml(const struct yaml_reader *reader, struct err *err)
{
    const yaml_parser_t *parser = &reader->parser;
    const char *problem = parser->problem ? parser->problem : "no YAML";
    struct place at = place_of_mark(&parser->problem_mark);

    if (parser->error == YAML_READER_ERROR)
        at = place_of(reader->text, parser->problem_offset < reader->len
                                        ? parser->problem_offset
                                        : reader->len);
    /* libyaml looks ahead: it can stumble over the first value before it gives its key.
     */
    if ((reader->in_verbatim && at.line == reader->key_line) ||
        (reader->pairs == 0 && strstr(reader->text, reader->verbatim)))
        return err_set_at(err, -EINVAL, at.line, at.col,
                          "%s (put the whole statement in quotes: %s: '…')", problem,
                          reader->verbatim);
    return err_set_at(err, -EINVAL, at.line, at.col, "%s", problem);
}

static int event_next(struct yaml_reader *reader, yaml_event_t *event, struct err *err)
{
    yaml_event_delete(event);
    if (!yaml_parser_parse(&reader->parser, event))
        return refuse_yaml(reader, err);
    return 0;
}

static bool is_null(const yaml_event_t *event)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};

    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (strcmp((const char *)event->data.scalar.value, words[i]) == 0)
            return true;
    return false;
}

/* Where the value of a key that ends at `at` begins with what YAML would not take for
 * text; NO_PATCH: it does not. */
static size_t trap_after(const struct yaml_reader *reader, size_t at)
{
    const char *text = reader->text;

    while (at < reader->len && is_blank(text[at]))
        at++;
    if (at >= reader->len || text[at] != ':')
        return NO_PATCH;
    at++;
    while (at < reader->len && is_space(text[at]))
        at++;
    if (at >= reader->len || !is_blank(text[at - 1]) || !strchr("!&*@`%", text[at]))
        return NO_PATCH;
    return at;
}

/* The same where the key is not known yet: libyaml scans a mapping in braces before it
 * gives it. */
static size_t search_trap(const struct yaml_reader *reader)
{
    size_t size = strlen(reader->verbatim), trap, end;
    const char *key = reader->text;

    while ((key = strstr(key, reader->verbatim))) {
        end = (size_t)(key - reader->text) + size;
        if (end < reader->len && strchr("'\"", reader->text[end]))
            end++;
        trap = trap_after(reader, end);
        if (trap != NO_PATCH)
            return trap;
        key += size;
    }
    return NO_PATCH;
}

/* Begins again, with an `x` where a value has its trap: all places stay as they are. */
static void patch(struct yaml_reader *reader, size_t at)
{
    reader->patch = at;
    reader->patched = reader->text[at];
    reader->text[at] = 'x';
    parser_restart(reader);
}

/* Up to the first key: 1 a mapping begins, 0 there is none. */
static int begin(struct yaml_reader *reader, struct err *err)
{
    yaml_event_t *event = &reader->key;
    size_t trap;
    int status;

    for (;;) {
        status = event_next(reader, event, err);
        trap = status < 0 && reader->patch == NO_PATCH ? search_trap(reader) : NO_PATCH;
        if (trap != NO_PATCH) {
            patch(reader, trap);
            continue;
        }
        if (status < 0)
            return status;
        switch (event->type) {
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_START_EVENT:
            continue;
        case YAML_MAPPING_START_EVENT:
            reader->flow = event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
            reader->begun = true;
            return 1;
        case YAML_SCALAR_EVENT:
            return is_null(event) ? 0 : -ENOTSUP;
        case YAML_SEQUENCE_START_EVENT:
            return refuse(err, place_of_mark(&event->start_mark),
                          "a list is no spec (expected `key: value` lines)");
        case YAML_ALIAS_EVENT:
            return refuse(err, place_of_mark(&event->start_mark),
                          "an alias is no spec (expected `key: value` lines)");
        default:
            return 0;
        }
    }
}

/* What follows the mapping must be the end. */
static int finish(struct yaml_reader *reader, struct err *err)
{
    yaml_event_t *event = &reader->key;
    int status;

    reader->in_verbatim = false;
    for (;;) {
        status = event_next(reader, event, err);
        if (status < 0)
            return status;
        if (event->type == YAML_STREAM_END_EVENT || event->type == YAML_NO_EVENT)
            return 0;
        if (event->type == YAML_DOCUMENT_START_EVENT)
            return refuse(err, place_of_mark(&event->start_mark),
                          "a second document (expected one spec)");
    }
}

static int read_key(struct yaml_reader *reader, struct err *err)
{
    yaml_event_t *event = &reader->key;
    int status = event_next(reader, event, err);
    size_t trap;

    if (status < 0)
        return status;
    if (event->type == YAML_MAPPING_END_EVENT)
        return finish(reader, err);
    if (event->type != YAML_SCALAR_EVENT ||
        strlen((const char *)event->data.scalar.value) != event->data.scalar.length)
        return refuse(err, place_of_mark(&event->start_mark),
                      "no key of a spec (expected a plain word)");
    reader->key_line = (int)event->start_mark.line + 1;
    reader->in_verbatim =
        strcmp((const char *)event->data.scalar.value, reader->verbatim) == 0;
    if (!reader->in_verbatim)
        return 1;
    trap = trap_after(reader, byte_of_mark(reader, &event->end_mark));
    if (trap == NO_PATCH)
        return 1;
    patch(reader, trap);
    /* Stream, document, mapping, the pairs so far, and this key again. */
    for (size_t i = 0; i < 3 + 2 * reader->pairs + 1 && status >= 0; i++)
        status = event_next(reader, event, err);
    return status < 0 ? status : 1;
}

static int read_value(struct yaml_reader *reader, struct err *err)
{
    yaml_event_t *event = &reader->value;
    const char *key = (const char *)reader->key.data.scalar.value, *what;
    int status = event_next(reader, event, err);
    struct place at;

    if (status < 0)
        return status;
    at = place_of_mark(&event->start_mark);
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        if (!event->data.scalar.tag && !event->data.scalar.anchor)
            return 1;
        what = event->data.scalar.tag ? "tag" : "anchor";
        break;
    case YAML_ALIAS_EVENT:
        what = "alias";
        break;
    case YAML_SEQUENCE_START_EVENT:
        what = "list";
        break;
    default:
        what = "mapping";
    }
    if (reader->in_verbatim)
        return err_set_at(
            err, -EINVAL, at.line, at.col,
            "YAML takes this for a%s %s: put the statement in quotes (%s: '…')",
            *what == 'a' ? "n" : "", what, key);
    return err_set_at(err, -EINVAL, at.line, at.col, "`%.*s` takes one value, no %s",
                      KEY_SHOWN, key, what);
}

bool yaml_found(const struct yaml_reader *reader)
{
    return reader->begun;
}

static void find_cut(const struct yaml_reader *reader, struct yaml_pair *pair)
{
    size_t end = byte_of_mark(reader, &reader->value.end_mark), at = end;

    while (at < reader->len && is_blank(reader->text[at]))
        at++;
    if (at >= reader->len)
        return;
    if ((reader->text[at] == '#' && at > end) ||
        (reader->flow && strchr(",[]{}", reader->text[at])) ||
        reader->text[at] == ':') {
        pair->cut = reader->text[at];
        pair->cut_at = place_of(reader->text, at);
    }
}

/* Gives the value back what patch() took. */
static int unpatch(const struct yaml_reader *reader, struct err *err)
{
    const yaml_event_t *value = &reader->value;
    size_t start = byte_of_mark(reader, &value->start_mark);

    if (reader->patch == NO_PATCH || reader->patch < start ||
        reader->patch >= byte_of_mark(reader, &value->end_mark))
        return 0;
    if (reader->patch == start && value->data.scalar.length > 0) {
        value->data.scalar.value[0] = (unsigned char)reader->patched;
        return 0;
    }
    return refuse(err, place_of(reader->text, reader->patch),
                  "this is not read as it looks (put each value in quotes)");
}

int yaml_next(struct yaml_reader *reader, struct yaml_pair *pair, struct err *err)
{
    yaml_event_t *value = &reader->value;
    int status = 1;

    if (!reader->begun)
        status = begin(reader, err);
    if (status > 0)
        status = read_key(reader, err);
    if (status > 0)
        status = read_value(reader, err);
    if (status <= 0)
        return status;
    reader->pairs++;
    status = unpatch(reader, err);
    if (status < 0)
        return status;
    *pair = (struct yaml_pair){
        .key = (const char *)reader->key.data.scalar.value,
        .value = is_null(value) ? NULL : (const char *)value->data.scalar.value,
        .value_len = value->data.scalar.length,
        .key_at = place_of_mark(&reader->key.start_mark),
        .value_at = place_of_mark(&value->start_mark),
    };
    if (value->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        find_cut(reader, pair);
    return 1;
}

/* ---- a place in a value, in the text: both are walked in step */

struct walk {
    const char *raw, *value;
    size_t raw_at, raw_end, at, to, end; /* `to` is where the walk ends, in the value */
};

/* Bytes of white space at the walk's place in the text, if a line ends in it. */
static size_t line_break(const struct walk *walk)
{
    size_t end = walk->raw_at;
    bool broken = false;

    for (; end < walk->raw_end && is_space(walk->raw[end]); end++)
        broken = broken || walk->raw[end] == '\n' || walk->raw[end] == '\r';
    return broken ? end - walk->raw_at : 0;
}

/* Bytes of the escape sequence of a double-quoted scalar. */
static size_t escape_size(char kind)
{
    switch (kind) {
    case 'x':
        return 4;
    case 'u':
        return 6;
    case 'U':
        return 10;
    default:
        return 2;
    }
}

static bool walk_step(struct walk *walk, yaml_scalar_style_t style)
{
    const char *raw = walk->raw + walk->raw_at;
    size_t left = walk->raw_end - walk->raw_at, space = line_break(walk),
           end = walk->at;

    if (space) {
        while (end < walk->to && is_space(walk->value[end]))
            end++;
        if (end == walk->to && (end == walk->end || is_space(walk->value[end])))
            return false;
        walk->at = end;
        walk->raw_at += space;
        return true;
    }
    if (style == YAML_DOUBLE_QUOTED_SCALAR_STYLE && *raw == '\\' && left > 1) {
        if (is_space(raw[1]) && raw[1] != ' ' && raw[1] != '\t') {
            walk->raw_at += 1;
            walk->raw_at += line_break(walk);
            return true;
        }
        walk->raw_at += escape_size(raw[1]);
    } else if (style == YAML_SINGLE_QUOTED_SCALAR_STYLE && *raw == '\'' && left > 1) {
        walk->raw_at += 2;
    } else {
        walk->raw_at += char_size(raw, left);
    }
    walk->at += char_size(walk->value + walk->at, walk->to - walk->at);
    return true;
}

struct place yaml_locate(const struct yaml_reader *reader, struct place in_value)
{
    const yaml_event_t *event = &reader->value;
    yaml_scalar_style_t style = event->data.scalar.style;
    const char *value = (const char *)event->data.scalar.value;
    struct walk walk = {
        .raw = reader->text,
        .value = value,
        .raw_at = byte_of_mark(reader, &event->start_mark),
        .raw_end = byte_of_mark(reader, &event->end_mark),
        .to = place_byte(value, event->data.scalar.length, in_value),
        .end = event->data.scalar.length,
    };

    if (style == YAML_SINGLE_QUOTED_SCALAR_STYLE ||
        style == YAML_DOUBLE_QUOTED_SCALAR_STYLE)
        walk.raw_at++;
    if (style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE) {
        while (walk.raw_at < walk.raw_end && walk.raw[walk.raw_at] != '\n')
            walk.raw_at++;
        walk.raw_at += line_break(&walk);
        while (walk.at < walk.to && is_space(value[walk.at]))
            walk.at++;
    }
    while (walk.at < walk.to && walk.raw_at < walk.raw_end)
        if (!walk_step(&walk, style))
            break;
    return place_of(reader->text,
                    walk.raw_at < reader->len ? walk.raw_at : reader->len);
}
