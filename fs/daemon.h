/* The daemon: what runs below the mount, in the order in which it starts and stops. */
#pragma once
#include "fs/fs.h"
#include "fs/privs.h"

struct broker;
struct err;
struct options;

struct daemon {
    struct fs fs;
    struct identity identity;
    struct broker *broker; /* there before daemon_open */
};

/* Recovers the store and opens the interfaces: all that may be refused, and no thread
 * yet. All but the broker must be zero; the options outlive the daemon. */
int daemon_open(struct daemon *daemon, const struct options *options, struct err *err);
/* Starts the threads. */
int daemon_start(struct daemon *daemon, const struct options *options, struct err *err);
/* Stops recording and evaluating; open files may still be closed after it. */
void daemon_stop(struct daemon *daemon);
void daemon_close(struct daemon *daemon);
