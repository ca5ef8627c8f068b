/* The process that keeps the privileges: what it gives, and what it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fs/broker.h"
#include "kfl/base/err.h"

static int begin(void **state)
{
    struct err err = {0};
    struct broker *broker;
    assert_int_equal(broker_start(&broker, "/nowhere/at/all", &err), 0);
    *state = broker;
    return 0;
}

static int end(void **state)
{
    broker_stop(*state);
    return 0;
}

static void only_packet_sockets_are_given(void **state)
{
    assert_int_equal(broker_open_socket(*state, AF_INET, SOCK_STREAM, 0), -EPERM);
    assert_int_equal(broker_open_socket(*state, AF_INET6, SOCK_RAW, 58), -EPERM);
    int fd = broker_open_socket(*state, AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (geteuid() != 0) {
        assert_int_equal(fd, -EPERM);
        return;
    }
    int domain = 0;
    socklen_t len = sizeof domain;
    assert_true(fd >= 0);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len), 0);
    assert_int_equal(domain, AF_PACKET);
    close(fd);
}

static void only_what_can_back_a_file_is_registered(void **state)
{
    int null = open("/dev/null", O_RDONLY);
    assert_true(broker_register(*state, null, null) < 0);
    assert_true(broker_release(*state, null, 1) < 0);
    /* It goes on after a refusal. */
    assert_int_equal(broker_open_socket(*state, AF_UNIX, SOCK_STREAM, 0), -EPERM);
    close(null);
}

static void what_is_not_mounted_is_not_unmounted(void **state)
{
    assert_true(broker_unmount(*state) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_packet_sockets_are_given, begin, end),
        cmocka_unit_test_setup_teardown(only_what_can_back_a_file_is_registered, begin,
                                        end),
        cmocka_unit_test_setup_teardown(what_is_not_mounted_is_not_unmounted, begin,
                                        end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
