#include "capture/source_socket.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The one variable of its kind: socket(2) has no room for a context. */
static _Thread_local const struct socket_opener *in_use;

void source_socket_use(const struct socket_opener *opener)
{
    in_use = opener;
}

/* Symbols of the executable win over those of libraries, so that libpcap calls this
 * one. */
int socket(int domain, int type, int protocol)
{
    if (in_use)
        return in_use->open(in_use->context, domain, type, protocol);
    return (int)syscall(SYS_socket, domain, type, protocol);
}
