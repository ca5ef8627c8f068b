/* Live capture on loopback: packets and stamps, filters, refusals, and a process that
 * may not open a socket but is handed one. Needs CAP_NET_RAW, else it is skipped. */
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "capture/block.h"
#include "capture/decode.h"
#include "capture/source.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"

static const char *const iface_lo = "lo";

static bool may_capture(void)
{
    int fd = socket(AF_PACKET, SOCK_RAW, 0);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int udp_socket(uint16_t *port)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    *port = ntohs(in.sin_port);
    return fd;
}

static void send_to(int fd, uint16_t port, const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(
        sendto(fd, text, strlen(text), 0, (struct sockaddr *)&in, sizeof in),
        strlen(text));
}

/* Counts the datagrams to a port that carry the text. */
struct seen {
    uint16_t port;
    const char *text;
    unsigned count, others;
    int64_t at;
    uint16_t linktype;
};

static void look(void *context, const struct packet *packet)
{
    struct seen *seen = context;
    struct frame frame;
    if (decode_frame(&frame, packet) != DECODED_IP || decode_transport(&frame) < 0 ||
        frame.kind != STREAM_UDP || frame.dst.port != seen->port) {
        seen->others++;
        return;
    }
    if (frame.payload_len == strlen(seen->text) &&
        memcmp(frame.payload, seen->text, frame.payload_len) == 0) {
        seen->count++;
        seen->at = packet->at;
        seen->linktype = packet->linktype;
    }
}

/* Reads until `count` datagrams were seen or 5 s have passed. */
static void read_until(struct source *source, struct seen *seen, unsigned count)
{
    struct err err;
    int64_t end = clock_monotonic() + 5 * NS_PER_S;
    while (seen->count < count && clock_monotonic() < end) {
        struct pollfd poll_fd = {.fd = source_fd(source), .events = POLLIN};
        poll(&poll_fd, 1, 100);
        assert_true(source_read(source, 1000, look, seen, &err) >= 0);
    }
}

static void sees_packets_of(const char *iface, uint16_t linktype)
{
    struct source_options options = {
        .iface = iface, .snaplen = 262144, .ring_bytes = 4 << 20};
    struct source *source;
    struct err err;
    uint64_t kernel = 1, interface = 1;
    uint16_t port;
    int fd = udp_socket(&port);
    assert_int_equal(source_open(&source, &options, &err), 0);
    int64_t before = clock_system()->now(clock_system());
    send_to(fd, port, "hello");
    send_to(fd, port, "hello");
    struct seen seen = {.port = port, .text = "hello"};
    read_until(source, &seen, 2);
    assert_int_equal(seen.count, 2);
    assert_true(seen.at >= before && seen.at < before + 5 * NS_PER_S);
    source_drops(source, &kernel, &interface);
    assert_int_equal(kernel, 0);
    assert_int_equal(seen.linktype, linktype);
    source_close(source);
    close(fd);
}

static void test_loopback(void **state)
{
    (void)state;
    if (!may_capture())
        skip();
    sees_packets_of(iface_lo, LINK_ETHERNET);
}

static void test_any_sees_each_packet_of_loopback_once(void **state)
{
    (void)state;
    if (!may_capture())
        skip();
    sees_packets_of("any", LINK_LINUX_SLL2);
}

static void test_filter_is_compiled_for_the_link_type_in_use(void **state)
{
    char bpf[64];
    uint16_t wanted, other;
    (void)state;
    if (!may_capture())
        skip();
    int fd = udp_socket(&wanted), fd2 = udp_socket(&other);
    snprintf(bpf, sizeof bpf, "udp dst port %u", wanted);
    struct source_options options = {
        .iface = "any", .bpf = bpf, .snaplen = 262144, .ring_bytes = 4 << 20};
    struct source *source;
    struct err err;
    assert_int_equal(source_open(&source, &options, &err), 0);
    send_to(fd, other, "no");
    send_to(fd, wanted, "yes");
    struct seen seen = {.port = wanted, .text = "yes"};
    read_until(source, &seen, 1);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.others, 0);
    source_close(source);
    close(fd);
    close(fd2);
}

static void test_refusals_say_why(void **state)
{
    struct source_options options = {
        .iface = "nosuch0", .snaplen = 65535, .ring_bytes = 4 << 20};
    struct source *source;
    struct err err;
    (void)state;
    if (!may_capture())
        skip();
    assert_int_equal(source_open(&source, &options, &err), -ENODEV);
    assert_non_null(strstr(err.msg, "nosuch0"));
    options.iface = iface_lo;
    options.bpf = "tcp port and";
    assert_int_equal(source_open(&source, &options, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "filter"));
}

/* ---- a process without privileges, and its parent that opens sockets for it */

static void send_fd(int channel, int fd)
{
    char byte = 0;
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof control};
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(cmsg), &fd, sizeof fd);
    (void)sendmsg(channel, &msg, 0);
}

static int receive_fd(int channel)
{
    char byte;
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof control};
    int fd = -1;
    if (recvmsg(channel, &msg, 0) == 1 && CMSG_FIRSTHDR(&msg))
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof fd);
    return fd;
}

static int ask_parent(void *context, int domain, int type, int protocol)
{
    const int request[3] = {domain, type, protocol};
    const int *channel = context;
    if (write(*channel, request, sizeof request) != sizeof request)
        return -1;
    int fd = receive_fd(*channel);
    if (fd < 0)
        errno = EPERM;
    return fd;
}

/* 0: it could not open a socket itself, but captured through its parent. */
static int captures_unprivileged(int channel, int sender, uint16_t port)
{
    struct source_options options = {.iface = iface_lo,
                                     .snaplen = 262144,
                                     .ring_bytes = 4 << 20,
                                     .open_socket = ask_parent,
                                     .open_context = &channel};
    struct source *source;
    struct err err;
    struct seen seen = {.port = port, .text = "through the parent"};
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 ||
        setresuid(65534, 65534, 65534) < 0)
        return 2;
    if (socket(AF_PACKET, SOCK_RAW, 0) >= 0)
        return 3;
    if (source_open(&source, &options, &err) < 0) {
        dprintf(2, "%s\n", err.msg);
        return 4;
    }
    if (socket(AF_PACKET, SOCK_RAW, 0) >= 0)
        return 5; /* the opener must be for libpcap alone */
    if (sendto(sender, seen.text, strlen(seen.text), 0, (struct sockaddr *)&in,
               sizeof in) < 0)
        return 6;
    int64_t end = clock_monotonic() + 5 * NS_PER_S;
    while (seen.count == 0 && clock_monotonic() < end) {
        struct pollfd poll_fd = {.fd = source_fd(source), .events = POLLIN};
        poll(&poll_fd, 1, 100);
        if (source_read(source, 100, look, &seen, &err) < 0)
            return 7;
    }
    source_close(source);
    return seen.count == 1 ? 0 : 8;
}

static void test_socket_from_a_privileged_parent(void **state)
{
    int channel[2], request[3], status;
    uint16_t port;
    (void)state;
    if (!may_capture() || geteuid() != 0)
        skip();
    int sender = udp_socket(&port);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, channel), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(channel[0]);
        _exit(captures_unprivileged(channel[1], sender, port));
    }
    close(channel[1]);
    while (read(channel[0], request, sizeof request) == sizeof request) {
        int fd = socket(request[0], request[1], request[2]);
        send_fd(channel[0], fd);
        close(fd);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(channel[0]);
    close(sender);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loopback),
        cmocka_unit_test(test_any_sees_each_packet_of_loopback_once),
        cmocka_unit_test(test_filter_is_compiled_for_the_link_type_in_use),
        cmocka_unit_test(test_refusals_say_why),
        cmocka_unit_test(test_socket_from_a_privileged_parent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
