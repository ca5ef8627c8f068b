#include "capture/names_file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "kfl/base/buf.h"
#include "kfl/base/err.h"
#include "kfl/base/mem.h"
#include "kfl/base/sys.h"
#include "kfl/base/text.h"

#define FILE_MAX ((size_t)64 * 1024 * 1024)
#define BLANKS   " \t\r"

struct row {
    struct address address;
    struct name name;
    size_t order; /* in the file; of an address that is there twice the first counts */
};

struct names_file {
    struct arena arena; /* of the texts */
    struct row *rows;   /* sorted by address */
    size_t count, cap;
};

static struct row *add_row(struct names_file *file)
{
    if (file->count == file->cap) {
        file->cap = file->cap ? file->cap * 2 : 64;
        file->rows = mem_realloc(file->rows, file->cap * sizeof *file->rows);
    }
    struct row *row = &file->rows[file->count];
    *row = (struct row){.name = {"", "", "", ""}, .order = file->count};
    file->count++;
    return row;
}

static int compare_address(const struct address *a, const struct address *b)
{
    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    return memcmp(a->bytes, b->bytes, a->family == 6 ? 16 : 4);
}

static int compare_rows(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int order = compare_address(&x->address, &y->address);
    if (order == 0)
        order = x->order < y->order ? -1 : x->order > y->order;
    return order;
}

static int parse_address(struct address *out, const char *text)
{
    *out = (struct address){.family = 4};
    if (inet_pton(AF_INET, text, out->bytes) == 1)
        return 0;
    out->family = 6;
    return inet_pton(AF_INET6, text, out->bytes) == 1 ? 0 : -EINVAL;
}

/* hosts(5): an address, its name, aliases that we do not need. */
static int read_hosts(struct names_file *file, char *text, struct err *err)
{
    char *rest = NULL;
    int number = 0;
    for (char *line = text, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        number++;
        line[strcspn(line, "#")] = 0;
        const char *ip = strtok_r(line, BLANKS, &rest);
        if (!ip)
            continue;
        struct row *row = add_row(file);
        if (parse_address(&row->address, ip) < 0)
            return err_set_at(err, -EINVAL, number, (int)(ip - line) + 1,
                              "this is no IP address");
        const char *name = strtok_r(NULL, BLANKS, &rest);
        if (!name)
            return err_set_at(err, -EINVAL, number, (int)(ip - line) + 1,
                              "the address has no name");
        row->name.name = arena_dup(&file->arena, name, strlen(name));
    }
    return 0;
}

static int fail_at(struct err *err, yaml_mark_t mark, const char *what)
{
    return err_set_at(err, -EINVAL, (int)mark.line + 1, (int)mark.column + 1, "%s",
                      what);
}

/* One key and value of a mapping into its row. */
static int read_field(struct names_file *file, struct row *row, const yaml_node_t *key,
                      const yaml_node_t *value, struct err *err)
{
    if (!key || !value || key->type != YAML_SCALAR_NODE ||
        value->type != YAML_SCALAR_NODE)
        return fail_at(err, key ? key->start_mark : (yaml_mark_t){0, 0, 0},
                       "a name is told by plain keys and values");
    const char *word = (const char *)key->data.scalar.value;
    const char *text = (const char *)value->data.scalar.value;
    if (strcmp(word, "ip") == 0)
        return parse_address(&row->address, text) < 0
                   ? fail_at(err, value->start_mark, "this is no IP address")
                   : 0;
    const char **to = strcmp(word, "name") == 0        ? &row->name.name
                      : strcmp(word, "namespace") == 0 ? &row->name.namespace
                      : strcmp(word, "pod") == 0       ? &row->name.pod
                      : strcmp(word, "service") == 0   ? &row->name.service
                                                       : NULL;
    if (!to)
        return fail_at(err, key->start_mark,
                       "unknown key (ip, name, namespace, pod or service)");
    if (!text_is_utf8(text, value->data.scalar.length))
        return fail_at(err, value->start_mark, "this is not UTF-8");
    *to = arena_dup(&file->arena, text, value->data.scalar.length);
    return 0;
}

static int read_yaml(struct names_file *file, const char *text, size_t len,
                     struct err *err)
{
    yaml_parser_t parser;
    yaml_document_t document;
    if (!yaml_parser_initialize(&parser))
        return err_set(err, -ENOMEM, "no memory for the names");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    int rc = 0;
    if (!yaml_parser_load(&parser, &document)) {
        rc = fail_at(err, parser.problem_mark,
                     parser.problem ? parser.problem : "bad YAML");
        yaml_parser_delete(&parser);
        return rc;
    }
    const yaml_node_t *root = yaml_document_get_root_node(&document);
    if (root && root->type != YAML_SEQUENCE_NODE)
        rc = fail_at(err, root->start_mark, "a sequence of mappings is expected");
    if (!root || rc < 0)
        goto out;
    for (const yaml_node_item_t *i = root->data.sequence.items.start;
         i < root->data.sequence.items.top; i++) {
        const yaml_node_t *item = yaml_document_get_node(&document, *i);
        if (!item || item->type != YAML_MAPPING_NODE) {
            rc = fail_at(err, item ? item->start_mark : root->start_mark,
                         "a mapping with ip and name is expected");
            goto out;
        }
        struct row *row = add_row(file);
        for (const yaml_node_pair_t *p = item->data.mapping.pairs.start;
             p < item->data.mapping.pairs.top; p++) {
            rc = read_field(file, row, yaml_document_get_node(&document, p->key),
                            yaml_document_get_node(&document, p->value), err);
            if (rc < 0)
                goto out;
        }
        if (row->address.family == 0) {
            rc = fail_at(err, item->start_mark, "the key ip is missing");
            goto out;
        }
    }
out:
    yaml_document_delete(&document);
    yaml_parser_delete(&parser);
    return rc;
}

/* A line of hosts(5) begins with an address; the items of YAML with a dash or a
 * bracket. */
static bool looks_like_yaml(const char *text)
{
    for (;;) {
        text += strspn(text, BLANKS "\n");
        if (text[0] != '#')
            break;
        text += strcspn(text, "\n");
    }
    return text[0] == '-' || text[0] == '[';
}

int names_file_read(struct names_file **out, const char *path, struct err *err)
{
    struct buf text = {0};
    int rc = sys_read_file(AT_FDCWD, path, FILE_MAX, &text);
    if (rc < 0) {
        buf_fini(&text);
        return err_set(err, rc, "%s: %s", path, strerror(-rc));
    }
    struct names_file *file = mem_zalloc(sizeof *file);
    if (text.len == 0)
        rc = 0;
    else if (looks_like_yaml(text.data))
        rc = read_yaml(file, text.data, text.len, err);
    else
        rc = read_hosts(file, text.data, err);
    buf_fini(&text);
    if (rc < 0) {
        names_file_free(file);
        return rc;
    }
    if (file->count > 0)
        qsort(file->rows, file->count, sizeof *file->rows, compare_rows);
    *out = file;
    return 0;
}

void names_file_free(struct names_file *file)
{
    if (!file)
        return;
    arena_fini(&file->arena);
    free(file->rows);
    free(file);
}

bool names_file_find(const struct names_file *file, const struct address *address,
                     struct name *out)
{
    if (!file)
        return false;
    size_t low = 0, high = file->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_address(&file->rows[middle].address, address) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == file->count || compare_address(&file->rows[low].address, address) != 0)
        return false;
    *out = file->rows[low].name;
    return true;
}

uint64_t names_file_count(const struct names_file *file)
{
    return file ? file->count : 0;
}
