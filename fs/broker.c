#include "fs/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kfl/base/err.h"
#include "kfl/base/mem.h"

/* fuse(4) from Linux 6.9 on; older headers do not have them. */
struct backing_map {
    int32_t fd;
    uint32_t flags;
    uint64_t padding;
};
#define BACKING_OPEN  _IOW(229, 1, struct backing_map)
#define BACKING_CLOSE _IOW(229, 2, uint32_t)

#define PASSED_MAX 2

enum request_type {
    REQUEST_SOCKET,
    REQUEST_REGISTER,
    REQUEST_RELEASE,
    REQUEST_UNMOUNT
};

struct request {
    enum request_type type;
    int32_t a, b, c;
};

struct broker {
    pthread_mutex_t lock;
    int fd;
    pid_t pid;
};

/* One datagram with up to PASSED_MAX descriptors; *count is room, then how many came.
 */
static ssize_t receive(int fd, void *data, size_t size, int *fds, size_t *count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(PASSED_MAX * sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = data, .iov_len = size};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t n;
    do
        n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    *count = 0;
    struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        *count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(header), *count * sizeof(int));
    }
    return n < 0 ? -errno : n;
}

static int transmit(int fd, const void *data, size_t size, const int *fds, size_t count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(PASSED_MAX * sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    memset(&control, 0, sizeof control);
    if (count) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    }
    ssize_t n;
    do
        n = sendmsg(fd, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

/* ---- the broker's side */

static int unmount(const char *mountpoint)
{
    if (geteuid() == 0)
        return umount2(mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW) ? -errno : 0;
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0) {
        execlp("fusermount3", "fusermount3", "-u", "-z", "-q", "--", mountpoint,
               (char *)NULL);
        _exit(127);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

static int carry_out(const struct request *request, const int *fds, size_t count,
                     const char *mountpoint, int *made)
{
    struct backing_map map = {0};
    uint32_t id = (uint32_t)request->a;
    int r;
    switch (request->type) {
    case REQUEST_SOCKET:
        if (request->a != AF_PACKET)
            return -EPERM;
        *made = socket(request->a, request->b, request->c);
        return *made < 0 ? -errno : 0;
    case REQUEST_REGISTER:
        if (count != 2)
            return -EINVAL;
        map.fd = fds[1];
        r = ioctl(fds[0], BACKING_OPEN, &map);
        return r < 0 ? -errno : r;
    case REQUEST_RELEASE:
        if (count != 1)
            return -EINVAL;
        r = ioctl(fds[0], BACKING_CLOSE, &id);
        return r < 0 ? -errno : r;
    case REQUEST_UNMOUNT:
        return unmount(mountpoint);
    }
    return -EINVAL;
}

static void serve(int fd, const char *mountpoint)
{
    struct request request;
    int fds[PASSED_MAX];
    size_t count;
    while (receive(fd, &request, sizeof request, fds, &count) == sizeof request) {
        int made = -1;
        int32_t result = carry_out(&request, fds, count, mountpoint, &made);
        for (size_t i = 0; i < count; i++)
            close(fds[i]);
        if (transmit(fd, &result, sizeof result, &made, made >= 0 ? 1 : 0))
            break;
        if (made >= 0)
            close(made);
    }
}

/* What the daemon holds must end with it (the kernel's connection, a pipe that somebody
 * reads to its end), so nothing of it is kept open here. */
static void run(int fd, const char *mountpoint)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    prctl(PR_SET_NAME, "trafficfs-broker");
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; null >= 0 && i < 3; i++)
        dup2(null, i);
    if (fd != 3) {
        dup2(fd, 3);
        fd = 3;
    }
    close_range(4, ~0U, 0);
    serve(fd, mountpoint);
    _exit(0);
}

/* ---- the daemon's side */

int broker_start(struct broker **out, const char *mountpoint, struct err *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return err_set(err, -errno, "can't make the broker's sockets: errno=%d", errno);
    pid_t pid = fork();
    if (pid < 0) {
        int r = err_set(err, -errno, "can't start the broker: errno=%d", errno);
        close(pair[0]);
        close(pair[1]);
        return r;
    }
    if (pid == 0)
        run(pair[1], mountpoint);
    close(pair[1]);
    struct broker *broker = mem_zalloc(sizeof *broker);
    pthread_mutex_init(&broker->lock, NULL);
    broker->fd = pair[0];
    broker->pid = pid;
    *out = broker;
    return 0;
}

void broker_stop(struct broker *broker)
{
    close(broker->fd);
    while (waitpid(broker->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    pthread_mutex_destroy(&broker->lock);
    free(broker);
}

static int ask(struct broker *broker, const struct request *request, const int *fds,
               size_t count, int *made)
{
    int32_t result = -EPIPE;
    int got[PASSED_MAX];
    size_t got_count = 0;
    pthread_mutex_lock(&broker->lock);
    int r = transmit(broker->fd, request, sizeof *request, fds, count);
    if (!r) {
        ssize_t n = receive(broker->fd, &result, sizeof result, got, &got_count);
        r = n == sizeof result ? result : -EPIPE;
    }
    pthread_mutex_unlock(&broker->lock);
    if (made && got_count == 1 && r >= 0) {
        *made = got[0];
        return r;
    }
    for (size_t i = 0; i < got_count; i++)
        close(got[i]);
    return r;
}

int broker_open_socket(struct broker *broker, int domain, int type, int protocol)
{
    struct request request = {
        .type = REQUEST_SOCKET, .a = domain, .b = type, .c = protocol};
    int made = -EPIPE;
    int r = ask(broker, &request, NULL, 0, &made);
    return r < 0 ? r : made;
}

int broker_register(struct broker *broker, int device, int fd)
{
    struct request request = {.type = REQUEST_REGISTER};
    int fds[] = {device, fd};
    return ask(broker, &request, fds, 2, NULL);
}

int broker_release(struct broker *broker, int device, int id)
{
    struct request request = {.type = REQUEST_RELEASE, .a = id};
    return ask(broker, &request, &device, 1, NULL);
}

int broker_unmount(struct broker *broker)
{
    struct request request = {.type = REQUEST_UNMOUNT};
    return ask(broker, &request, NULL, 0, NULL);
}
