/* The engine with a real store, capturing on loopback: jobs begin, change and end while
 * traffic goes on. Needs CAP_NET_RAW for capture, else those cases are skipped. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "capture/capture.h"
#include "capture/store/store.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/sys.h"
#include "kfl/kfl.h"

struct fixture {
    char dir[64], path[96];
    struct store *store;
    struct engine *engine;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t commits;
    unsigned done;
    int result;
};

static bool may_capture(void)
{
    int fd = socket(AF_PACKET, SOCK_RAW, 0);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static void committed(void *context)
{
    struct fixture *f = context;
    pthread_mutex_lock(&f->lock);
    f->commits++;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static int64_t now(void)
{
    return clock_system()->now(clock_system());
}

static void done(void *context, int result)
{
    struct fixture *f = context;
    pthread_mutex_lock(&f->lock);
    f->done++;
    f->result = result;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void wait_done(struct fixture *f, unsigned count)
{
    pthread_mutex_lock(&f->lock);
    while (f->done < count)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

/* Waits for commits until the iteration holds so much. */
static void wait_entries(struct fixture *f, struct iteration *iteration,
                         uint64_t entries, uint64_t packets)
{
    struct iteration_info info;
    pthread_mutex_lock(&f->lock);
    for (;;) {
        iteration_info(iteration, &info);
        if (info.entries >= entries && info.packets >= packets)
            break;
        pthread_cond_wait(&f->changed, &f->lock);
    }
    pthread_mutex_unlock(&f->lock);
}

static int setup(void **state)
{
    struct fixture *f = test_calloc(1, sizeof *f);
    struct err err;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    snprintf(f->dir, sizeof f->dir, "/tmp/test_engine.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/store", f->dir);
    const struct store_options options = {
        .path = f->path,
        .storage_limit = 100 << 20,
        .sync = NS_PER_S,
        .live_limit = 64 << 20,
        .live_packets_ttl = 10 * NS_PER_S,
        .live_entries_ttl = 300 * NS_PER_S,
        .clock = clock_system(),
    };
    assert_int_equal(store_open(&f->store, &options, &err), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    engine_close(f->engine);
    store_close(f->store);
    assert_int_equal(sys_remove_tree(AT_FDCWD, f->dir), 0);
    test_free(f);
    return 0;
}

static void start(struct fixture *f, bool no_capture, const char *bpf)
{
    static const char *const ifaces[] = {"lo", NULL};
    struct err err;
    const struct engine_options options = {
        .ifaces = ifaces,
        .bpf = bpf,
        .snaplen = 262144,
        .ring_bytes = 8 << 20,
        .workers = 2,
        .live_limit = 64 << 20,
        .packets_ttl = 10 * NS_PER_S,
        .no_capture = no_capture,
        .clock = clock_system(),
        .committed = committed,
        .context = f,
    };
    assert_int_equal(engine_open(&f->engine, &options, f->store, &err), 0);
    assert_int_equal(engine_start(f->engine, &err), 0);
}

static struct iteration *record(struct fixture *f, const char *name, const char *text,
                                uint64_t *id)
{
    struct err err;
    struct kfl *kfl;
    struct iteration *iteration;
    struct kfl_env env = {.strict = true, .no_record = true};
    const struct iteration_options options = {
        .name = name, .start = 1700000000 * NS_PER_S, .spec = text, .kfl = text};
    assert_int_equal(store_create(f->store, name, &err), 0);
    assert_int_equal(iteration_open(&iteration, f->store, &options, &err), 0);
    assert_int_equal(kfl_compile(&kfl, text, strlen(text), &env, &err), 0);
    assert_int_equal(
        engine_record(f->engine,
                      &(struct tap_options){.kfl = kfl, .iteration = iteration}, id,
                      &err),
        0);
    kfl_unref(kfl);
    return iteration;
}

/* ---- a server and its client in one thread */

static int listen_on(uint16_t *port)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    *port = ntohs(in.sin_port);
    return fd;
}

static void say(int from, int to, const char *text)
{
    char buf[512];
    size_t len = strlen(text), got = 0;
    assert_int_equal(write(from, text, len), len);
    while (got < len) {
        ssize_t n = read(to, buf, sizeof buf);
        assert_true(n > 0);
        got += (size_t)n;
    }
}

/* One connection with an exchange of that status: 10 packets or so. */
static void exchange(int listener, uint16_t port, const char *status)
{
    char response[128], byte;
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&in, sizeof in), 0);
    int server = accept(listener, NULL, NULL);
    snprintf(response, sizeof response,
             "HTTP/1.1 %s Status\r\nContent-Length: 0\r\n\r\n", status);
    say(client, server, "GET /path HTTP/1.1\r\nHost: example\r\n\r\n");
    say(server, client, response);
    shutdown(client, SHUT_WR);
    assert_int_equal(read(server, &byte, 1), 0);
    close(server);
    assert_int_equal(read(client, &byte, 1), 0);
    close(client);
}

static void test_a_job_records_what_matches(void **state)
{
    struct fixture *f = *state;
    char bpf[64];
    uint16_t port;
    uint64_t errors, all;
    struct iteration_info info;
    struct engine_counters counters;
    if (!may_capture())
        skip();
    int listener = listen_on(&port);
    snprintf(bpf, sizeof bpf, "tcp port %u", port);
    start(f, false, bpf);
    struct iteration *some = record(f, "errors", "response.status == 404", &errors);
    struct iteration *each = record(f, "all", "", &all);
    for (int i = 0; i < 10; i++)
        exchange(listener, port, i % 5 == 0 ? "404" : "200");
    wait_entries(f, some, 2, 2 * 9);
    wait_entries(f, each, 10, 10 * 9);
    engine_unrecord(f->engine, errors, "finished", now(), done, f);
    wait_done(f, 1);
    assert_int_equal(f->result, 0);
    iteration_info(some, &info);
    assert_int_equal(info.entries, 2);
    assert_int_equal(info.streams, 2);
    assert_true(info.ended_at > 0);
    exchange(listener, port, "404");
    wait_entries(f, each, 11, 11 * 9);
    iteration_info(some, &info);
    assert_int_equal(info.entries, 2);
    iteration_info(each, &info);
    assert_int_equal(info.streams, 11);
    engine_counters(f->engine, &counters);
    assert_int_equal(counters.packets, info.packets);
    assert_int_equal(counters.flows_total, 11);
    assert_int_equal(counters.dropped_kernel + counters.dropped_memory +
                         counters.dropped_queue + counters.dropped_writer,
                     0);
    iteration_unref(some);
    iteration_unref(each);
    close(listener);
}

/* What was captured before it is on its way yet. */
static void test_an_end_right_after_traffic_loses_nothing(void **state)
{
    struct fixture *f = *state;
    char bpf[64];
    uint16_t port;
    uint64_t id;
    struct iteration_info info;
    if (!may_capture())
        skip();
    int listener = listen_on(&port);
    snprintf(bpf, sizeof bpf, "tcp port %u", port);
    start(f, false, bpf);
    struct iteration *iteration = record(f, "short", "http", &id);
    for (int i = 0; i < 5; i++)
        exchange(listener, port, "200");
    engine_unrecord(f->engine, id, "finished", now(), done, f);
    engine_unrecord(f->engine, id, "finished", now(), done, f);
    wait_done(f, 2);
    assert_int_equal(f->result, 0);
    iteration_info(iteration, &info);
    assert_int_equal(info.entries, 5);
    assert_true(info.packets >= 5 * 9);
    iteration_unref(iteration);
    close(listener);
}

static void test_a_statement_leaves_promptly_without_traffic(void **state)
{
    struct fixture *f = *state;
    uint64_t id;
    start(f, true, NULL);
    struct iteration *iteration = record(f, "quiet", "http", &id);
    int64_t before = clock_monotonic();
    engine_unrecord(f->engine, id, "finished", now(), done, f);
    wait_done(f, 1);
    assert_int_equal(f->result, 0);
    assert_true(clock_monotonic() - before < NS_PER_S);
    engine_unrecord(f->engine, id, "finished", now(), done, f);
    assert_int_equal(f->done, 2);
    assert_int_equal(f->result, -ENOENT);
    iteration_unref(iteration);
}

static void test_closing_leaves_recordings_open(void **state)
{
    struct fixture *f = *state;
    uint64_t id;
    struct iteration_info info;
    start(f, true, NULL);
    struct iteration *iteration = record(f, "open", "http", &id);
    engine_close(f->engine);
    f->engine = NULL;
    iteration_info(iteration, &info);
    assert_int_equal(info.ended_at, 0);
    iteration_unref(iteration);
}

static void test_statements_come_and_go_under_traffic(void **state)
{
    struct fixture *f = *state;
    uint16_t port;
    char bpf[64], name[32];
    if (!may_capture())
        skip();
    int listener = listen_on(&port);
    snprintf(bpf, sizeof bpf, "tcp port %u", port);
    start(f, false, bpf);
    for (int i = 0; i < 20; i++) {
        uint64_t id;
        struct err err;
        struct kfl *kfl;
        snprintf(name, sizeof name, "job%d", i);
        struct iteration *iteration = record(f, name, i % 2 ? "http" : "", &id);
        exchange(listener, port, "200");
        assert_int_equal(kfl_compile(&kfl, "dns", 3, &(struct kfl_env){0}, &err), 0);
        assert_int_equal(engine_rewrite(f->engine, id, kfl, &err), 0);
        kfl_unref(kfl);
        exchange(listener, port, "200");
        engine_unrecord(f->engine, id, "finished", now(), done, f);
        iteration_unref(iteration);
    }
    wait_done(f, 20);
    close(listener);
}

static void test_an_interface_is_listed_once(void **state)
{
    struct fixture *f = *state;
    static const char *const lists[][3] = {{"any", "lo"}, {"lo", "any"}, {"lo", "lo"}};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct engine_options options = {
            .ifaces = lists[i], .snaplen = 1000, .workers = 1, .clock = clock_system()};
        struct err err;
        assert_int_equal(engine_open(&f->engine, &options, f->store, &err), -EINVAL);
        assert_non_null(strstr(err.msg, "interface lo is in"));
    }
}

/* ---- an interface that goes and comes back, in a network of its own */

static void ip(const char *what, const char *const *args)
{
    int status;
    const char *argv[12] = {"ip", "link", what};
    for (int i = 0; args[i]; i++)
        argv[3 + i] = args[i];
    pid_t child = fork();
    if (child == 0) {
        execvp("ip", (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

#define IP(what, ...) ip(what, (const char *const[]){__VA_ARGS__, NULL})

/* New links say hello (IPv6), so there are packets without more ado. */
static void add_link(void)
{
    IP("add", "tf0", "type", "veth", "peer", "name", "tf1");
    IP("set", "tf0", "up");
    IP("set", "tf1", "up");
}

static uint64_t wait_packets(struct fixture *f, uint64_t before)
{
    int64_t end = clock_monotonic() + 10 * NS_PER_S;
    struct engine_counters counters;
    do {
        sched_yield();
        engine_counters(f->engine, &counters);
    } while (counters.packets <= before && clock_monotonic() < end);
    assert_true(counters.packets > before);
    return counters.packets;
}

static void test_an_interface_may_go_and_come_back(void **state)
{
    struct fixture *f = *state;
    static const char *const ifaces[] = {"tf0", NULL};
    struct engine_options options = {.ifaces = ifaces,
                                     .snaplen = 1000,
                                     .workers = 1,
                                     .packets_ttl = NS_PER_S,
                                     .clock = clock_system()};
    struct err err;
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (!may_capture() || unshare(CLONE_NEWNET) < 0)
        skip();
    add_link();
    assert_int_equal(engine_open(&f->engine, &options, f->store, &err), 0);
    assert_int_equal(engine_start(f->engine, &err), 0);
    uint64_t packets = wait_packets(f, 0);
    IP("set", "tf0", "down");
    IP("del", "tf0");
    add_link();
    wait_packets(f, packets);
    engine_close(f->engine);
    f->engine = NULL;
    assert_int_equal(setns(home, CLONE_NEWNET), 0);
    close(home);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_a_job_records_what_matches),
        CASE(test_an_end_right_after_traffic_loses_nothing),
        CASE(test_a_statement_leaves_promptly_without_traffic),
        CASE(test_closing_leaves_recordings_open),
        CASE(test_statements_come_and_go_under_traffic),
        CASE(test_an_interface_is_listed_once),
        CASE(test_an_interface_may_go_and_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
