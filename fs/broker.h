/* The broker: a process of its own that keeps the privileges which the daemon drops,
 * and answers four requests over a socket pair. It ends when the daemon does. */
#pragma once
#include <stdint.h>

struct broker;
struct err;

/* Forks it; before threads are made and privileges dropped. `mountpoint` is what
 * unmount is for. */
int broker_start(struct broker **out, const char *mountpoint, struct err *err);
/* Lets it end, and waits. */
void broker_stop(struct broker *broker);

/* Thread safe; each waits for the answer. Descriptors and ids, or a negative errno. */
/* A packet(7) socket for libpcap; nothing else than AF_PACKET is given. */
int broker_open_socket(struct broker *broker, int domain, int type, int protocol);
/* FUSE passthrough: `fd` becomes a backing file of the connection `device`. */
int broker_register(struct broker *broker, int device, int fd);
int broker_release(struct broker *broker, int device, int id);
int broker_unmount(struct broker *broker);
