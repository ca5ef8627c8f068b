/* How libpcap gets its capture socket in a process that may not make one: it cannot be
 * given a descriptor, but it calls socket(2), and the program's own definition of that
 * comes first. */
#pragma once

struct socket_opener {
    int (*open)(void *context, int domain, int type,
                int protocol); /* a descriptor, or -1 with errno */
    void *context;
};

/* While set, socket(2) in this thread goes to the opener; NULL: to the kernel. */
void source_socket_use(const struct socket_opener *opener);
