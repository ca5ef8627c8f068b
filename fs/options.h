/* The program's options: `-o key=value,…`, `--key=value`, `--key value` and flags, as
 * mount(8), fstab and people write them. Knows nothing of the mount; what is not ours
 * is passed on. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

struct options {
    char **ifaces;          /* NULL-terminated, at least one */
    char *bpf, *names_file; /* NULL: none */
    char *store;
    char *user; /* NULL: whoever started it */
    uint64_t storage_limit, live_limit, buffer;
    int64_t pcap_ttl, json_ttl, sync;
    uint32_t snaplen;
    unsigned workers;
    bool no_capture, foreground, debug, help, version;
    char *source; /* as given before the mount point; NULL: none */
    char *mountpoint;
    char **passed; /* options for FUSE ("allow_other"), NULL-terminated */
};

/* Fills in defaults and reads the arguments: 0, or -EINVAL with words. */
int options_parse(struct options *options, int argc, char *const *argv,
                  struct err *err);
void options_fini(struct options *options);
/* For --help. */
extern const char options_help[];
