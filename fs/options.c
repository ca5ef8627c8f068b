#include "fs/options.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/mem.h"
#include "kfl/base/units.h"

const char options_help[] =
    "usage: trafficfs [options] [SOURCE] MOUNTPOINT\n"
    "\n"
    "Each option may be given as --key=value or in -o key=value,key=value.\n"
    "  iface=any            interface to capture; several: iface=eth0,iface=lo\n"
    "  bpf=FILTER           capture filter, see pcap-filter(7)\n"
    "  store=DIR            where recordings are (/var/lib/trafficfs)\n"
    "  storage_limit=5Gi    disk that recordings may take\n"
    "  pcap_ttl=10s         how long live packets are kept\n"
    "  json_ttl=5m          how long live entries are kept\n"
    "  live_limit=256Mi     memory for live traffic\n"
    "  names=FILE           names of addresses: hosts(5) lines or YAML\n"
    "  user=NAME            whom the daemon runs as\n"
    "  snaplen=262144       bytes of a packet that are captured\n"
    "  buffer=64Mi          ring of each interface\n"
    "  sync=5s              how often recordings are made safe from power loss\n"
    "  workers=N            threads that dissect (one a spare core)\n"
    "  no_capture           only read what was recorded\n"
    "  -f                   stay in the foreground\n"
    "  -d                   the same, and show each request\n"
    "  -o OPTION            also FUSE's own: allow_other, ...\n"
    "  -h, --help  -V, --version\n";

enum type { TYPE_TEXT, TYPE_LIST, TYPE_SIZE, TYPE_DURATION, TYPE_U32, TYPE_FLAG };

struct key {
    const char *name;
    enum type type;
    size_t offset;
};

#define KEY(name, type, field)                                                         \
    {                                                                                  \
        name, type, offsetof(struct options, field)                                    \
    }

static const struct key keys[] = {
    KEY("iface", TYPE_LIST, ifaces),
    KEY("bpf", TYPE_TEXT, bpf),
    KEY("store", TYPE_TEXT, store),
    KEY("storage_limit", TYPE_SIZE, storage_limit),
    KEY("pcap_ttl", TYPE_DURATION, pcap_ttl),
    KEY("json_ttl", TYPE_DURATION, json_ttl),
    KEY("live_limit", TYPE_SIZE, live_limit),
    KEY("names", TYPE_TEXT, names_file),
    KEY("user", TYPE_TEXT, user),
    KEY("snaplen", TYPE_U32, snaplen),
    KEY("buffer", TYPE_SIZE, buffer),
    KEY("sync", TYPE_DURATION, sync),
    KEY("workers", TYPE_U32, workers),
    KEY("no_capture", TYPE_FLAG, no_capture),
    KEY("foreground", TYPE_FLAG, foreground),
    KEY("debug", TYPE_FLAG, debug),
    KEY("help", TYPE_FLAG, help),
    KEY("version", TYPE_FLAG, version),
};

static const struct key *find_key(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strlen(keys[i].name) == len && !memcmp(keys[i].name, name, len))
            return &keys[i];
    return NULL;
}

static void list_add(char ***list, const char *text, size_t len)
{
    size_t count = 0;
    while (*list && (*list)[count])
        count++;
    *list = mem_realloc(*list, (count + 2) * sizeof **list);
    (*list)[count] = mem_dup(text, len);
    (*list)[count + 1] = NULL;
}

static void add_ifaces(char ***list, const char *value)
{
    while (*value) {
        size_t len = strcspn(value, ",");
        if (len)
            list_add(list, value, len);
        value += len + (value[len] == ',');
    }
}

static int set_number(uint32_t *out, const char *value)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(value, &end, 10);
    if (*value < '0' || *value > '9' || *end || errno || !number || number > UINT32_MAX)
        return -EINVAL;
    *out = (uint32_t)number;
    return 0;
}

static int set_value(struct options *options, const struct key *key, const char *value,
                     struct err *err)
{
    char *field = (char *)options + key->offset;
    int r = 0;
    switch (key->type) {
    case TYPE_TEXT:
        free(*(char **)(void *)field);
        *(char **)(void *)field = mem_strdup(value);
        r = *value ? 0 : -EINVAL;
        break;
    case TYPE_LIST:
        add_ifaces((char ***)(void *)field, value);
        r = *value ? 0 : -EINVAL;
        break;
    case TYPE_SIZE:
        r = units_size((uint64_t *)(void *)field, value);
        break;
    case TYPE_DURATION:
        r = units_duration((int64_t *)(void *)field, value, NS_PER_S);
        break;
    case TYPE_U32:
        r = set_number((uint32_t *)(void *)field, value);
        break;
    case TYPE_FLAG:
        break;
    }
    if (r)
        return err_set(err, -EINVAL, "bad value for option %s: %s", key->name, value);
    return 0;
}

/* One `key` or `key=value`. */
static int set_option(struct options *options, const struct key *key, const char *value,
                      struct err *err)
{
    if (key->type == TYPE_FLAG) {
        if (value)
            return err_set(err, -EINVAL, "option %s takes no value", key->name);
        *(bool *)(void *)((char *)options + key->offset) = true;
        return 0;
    }
    if (!value)
        return err_set(err, -EINVAL, "option %s needs a value", key->name);
    return set_value(options, key, value, err);
}

static int set_one(struct options *options, const char *text, struct err *err)
{
    size_t len = strcspn(text, "=");
    const struct key *key = find_key(text, len);
    if (key)
        return set_option(options, key, text[len] ? text + len + 1 : NULL, err);
    if (*text)
        list_add(&options->passed, text, strlen(text));
    return 0;
}

/* `key=value,key`; a comma in a value is written `\,`. */
static int set_list(struct options *options, const char *text, struct err *err)
{
    struct buf one = {0};
    int r = 0;
    for (;; text++) {
        if (text[0] == '\\' && (text[1] == ',' || text[1] == '\\')) {
            buf_addch(&one, *++text);
        } else if (*text && *text != ',') {
            buf_addch(&one, *text);
        } else {
            r = set_one(options, one.data ? one.data : "", err);
            buf_clear(&one);
            if (r || !*text)
                break;
        }
    }
    buf_fini(&one);
    return r;
}

static int set_long(struct options *options, const char *text, const char *next,
                    int *used, struct err *err)
{
    size_t len = strcspn(text, "=");
    const struct key *key = find_key(text, len);
    if (!key)
        return err_set(err, -EINVAL, "unknown option --%.*s", (int)len, text);
    const char *value = text[len] ? text + len + 1 : NULL;
    if (!value && key->type != TYPE_FLAG && next) {
        value = next;
        *used = 1;
    }
    return set_option(options, key, value, err);
}

static int set_short(struct options *options, const char *text, const char *next,
                     int *used, struct err *err)
{
    switch (text[0]) {
    case 'o':
        if (!text[1] && !next)
            return err_set(err, -EINVAL, "option -o needs a value");
        *used = !text[1];
        return set_list(options, text[1] ? text + 1 : next, err);
    case 'f':
        options->foreground = true;
        break;
    case 'd':
        options->debug = options->foreground = true;
        break;
    case 'h':
        options->help = true;
        break;
    case 'V':
        options->version = true;
        break;
    case 'n': /* mount(8): don't write mtab; it is not written anyway */
    case 'v':
    case 's':
        break;
    default:
        return err_set(err, -EINVAL, "unknown option -%c", text[0]);
    }
    if (text[1])
        return set_short(options, text + 1, next, used, err);
    return 0;
}

static int add_place(struct options *options, const char *text, struct err *err)
{
    if (options->source)
        return err_set(err, -EINVAL, "too many arguments: %s", text);
    options->source = options->mountpoint;
    options->mountpoint = mem_strdup(text);
    return 0;
}

static char *default_store(void)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    struct buf path = {0};
    if (geteuid() == 0)
        buf_addstr(&path, "/var/lib/trafficfs");
    else if (state && *state == '/')
        buf_addf(&path, "%s/trafficfs", state);
    else
        buf_addf(&path, "%s/.local/state/trafficfs", home ? home : "");
    return buf_take(&path);
}

static unsigned default_workers(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 1 ? (unsigned)cores - 1 : 1;
}

static int parse_all(struct options *options, int argc, char *const *argv,
                     struct err *err)
{
    bool only_places = false;
    int r = 0;
    for (int i = 1; !r && i < argc; i++) {
        const char *text = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;
        int used = 0;
        if (only_places || text[0] != '-' || !text[1])
            r = add_place(options, text, err);
        else if (!strcmp(text, "--"))
            only_places = true;
        else if (text[1] == '-')
            r = set_long(options, text + 2, next, &used, err);
        else
            r = set_short(options, text + 1, next, &used, err);
        i += used;
    }
    return r;
}

int options_parse(struct options *options, int argc, char *const *argv, struct err *err)
{
    *options = (struct options){
        .storage_limit = UINT64_C(5) << 30,
        .live_limit = UINT64_C(256) << 20,
        .buffer = UINT64_C(64) << 20,
        .pcap_ttl = 10 * NS_PER_S,
        .json_ttl = 300 * NS_PER_S,
        .sync = 5 * NS_PER_S,
        .snaplen = 262144,
        .workers = default_workers(),
        .store = default_store(),
    };
    int r = parse_all(options, argc, argv, err);
    if (r)
        return r;
    if (!options->ifaces)
        list_add(&options->ifaces, "any", 3);
    if (!options->passed)
        options->passed = mem_zalloc(sizeof *options->passed);
    if (options->debug)
        options->foreground = true;
    if (!options->mountpoint && !options->help && !options->version)
        return err_set(err, -EINVAL,
                       "no mount point given (trafficfs --help tells more)");
    if (options->workers > 64)
        return err_set(err, -EINVAL, "at most 64 workers");
    return 0;
}

static void list_free(char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        free(list[i]);
    free(list);
}

void options_fini(struct options *options)
{
    list_free(options->ifaces);
    list_free(options->passed);
    free(options->bpf);
    free(options->names_file);
    free(options->store);
    free(options->user);
    free(options->source);
    free(options->mountpoint);
    *options = (struct options){0};
}
