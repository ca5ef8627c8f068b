#include "capture/intake.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "capture/block.h"
#include "capture/decode.h"
#include "capture/numbers.h"
#include "capture/worker.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/log.h"
#include "kfl/base/mem.h"
#include "kfl/base/sys.h"

#define LOOK_MS       1000 /* at drops and interfaces, also when it is quiet */
#define ROUND_PACKETS 2048 /* of one source, so that no other starves */
#define EVENTS_MAX    16

/* What the run that is being filled holds for one worker. */
struct share {
    size_t packets, bytes;
};

struct intake {
    struct source **sources;
    bool *away;
    size_t count;
    struct intake_target target;
    struct share *shares;
    struct block *block; /* being filled */
    size_t given;        /* of its packets */
    int epoll, wake;
    _Atomic bool stop;
    bool started;
    pthread_t thread;
    int64_t looked_at; /* at drops and at interfaces that are away, monotonic */
    struct intake_counters counters;
};

const struct intake_counters *intake_counters(const struct intake *intake)
{
    return &intake->counters;
}

static void give(struct intake *intake)
{
    size_t first = intake->given;
    size_t count = intake->block ? block_count(intake->block) - first : 0;
    if (count == 0)
        return;
    for (unsigned i = 0; i < intake->target.worker_count; i++) {
        struct share *share = &intake->shares[i];
        if (share->packets > 0)
            worker_give(intake->target.workers[i], intake->block, first, count,
                        share->packets, share->bytes);
        *share = (struct share){0};
    }
    intake->given += count;
}

/* A block with room for the packet; NULL where memory has its limit. */
static struct packet *place(struct intake *intake, const struct packet *packet)
{
    struct packet *placed = intake->block ? block_add(intake->block, packet) : NULL;
    if (placed)
        return placed;
    give(intake);
    block_unref(intake->block);
    intake->block = NULL;
    intake->given = 0;
    if (intake->target.pool->bytes >= intake->target.pool_limit)
        return NULL;
    size_t room = block_room_for(packet->caplen);
    intake->block =
        block_new(intake->target.pool, room > BLOCK_SIZE ? room : BLOCK_SIZE);
    return block_add(intake->block, packet);
}

static void on_packet(void *context, const struct packet *captured)
{
    struct intake *intake = context;
    struct packet packet = *captured;
    packet.shard = (uint16_t)decode_shard(captured, intake->target.worker_count);
    packet.number = numbers_take(intake->target.numbers);
    intake->counters.packets++;
    intake->counters.bytes += packet.len;
    if (packet.number == 0 || !place(intake, &packet)) {
        intake->counters.dropped_memory++;
        return;
    }
    struct share *share = &intake->shares[packet.shard];
    share->packets++;
    share->bytes += packet.caplen + sizeof packet;
}

/* ---- interfaces come and go */

static int watch(struct intake *intake, size_t i)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};
    int fd = source_fd(intake->sources[i]);
    return epoll_ctl(intake->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static void try_again(struct intake *intake, size_t i)
{
    struct err err;
    if (source_reopen(intake->sources[i], &err) < 0)
        return;
    int rc = watch(intake, i);
    intake->away[i] = rc < 0;
    if (rc == 0)
        log_info("capture goes on: interface=%s", source_iface(intake->sources[i]));
}

static void read_source(struct intake *intake, size_t i)
{
    struct err err;
    if (source_read(intake->sources[i], ROUND_PACKETS, on_packet, intake, &err) >= 0)
        return;
    intake->away[i] = true;
    log_warn("%s: it is tried again", err.msg);
}

static void look_around(struct intake *intake)
{
    int64_t now = clock_monotonic();
    uint64_t kernel = 0, interface = 0;
    if (now - intake->looked_at < LOOK_MS * NS_PER_MS)
        return;
    intake->looked_at = now;
    for (size_t i = 0; i < intake->count; i++) {
        uint64_t k, n;
        if (intake->away[i])
            try_again(intake, i);
        else
            read_source(intake, i); /* one that was down first goes without an event */
        source_drops(intake->sources[i], &k, &n);
        kernel += k;
        interface += n;
    }
    intake->counters.dropped_kernel = kernel;
    intake->counters.dropped_interface = interface;
}

/* Somebody woke us. */
static void hear(struct intake *intake)
{
    uint64_t times;
    if (read(intake->wake, &times, sizeof times) < 0 && errno != EAGAIN)
        log_error("cannot read an event: %s", strerror(errno));
}

/* Returns how long to wait for packets, ms. */
static int tell_given(struct intake *intake)
{
    const struct intake_target *target = &intake->target;
    int64_t now = clock_monotonic();
    int64_t next = target->given ? target->given(target->context, now) : INT64_MAX;
    if (next - now >= LOOK_MS * NS_PER_MS)
        return LOOK_MS;
    return next > now ? (int)((next - now) / NS_PER_MS) + 1 : 0;
}

static void *take(void *context)
{
    struct intake *intake = context;
    struct epoll_event events[EVENTS_MAX];
    int wait_ms = LOOK_MS;
    while (!intake->stop) {
        int count = epoll_wait(intake->epoll, events, EVENTS_MAX, wait_ms);
        for (int i = 0; i < count; i++) {
            if (events[i].data.u64 == intake->count)
                hear(intake);
            else
                read_source(intake, (size_t)events[i].data.u64);
        }
        look_around(intake);
        give(intake);
        wait_ms = tell_given(intake);
    }
    /* What the rings hold yet was captured before the end. */
    for (size_t i = 0; i < intake->count; i++) {
        if (!intake->away[i])
            read_source(intake, i);
    }
    intake->looked_at = 0;
    look_around(intake);
    give(intake);
    return NULL;
}

/* ---- open, start, close */

/* A packet that two sources bring would be taken for two. */
static int check_once(const char *const *ifaces, size_t i, struct err *err)
{
    for (size_t k = 0; k < i; k++) {
        bool any = strcmp(ifaces[i], "any") == 0 || strcmp(ifaces[k], "any") == 0;
        if (any || strcmp(ifaces[i], ifaces[k]) == 0)
            return err_set(err, -EINVAL, "interface %s is in %s already",
                           strcmp(ifaces[i], "any") == 0 ? ifaces[k] : ifaces[i],
                           any ? "any" : "the list");
    }
    return 0;
}

int intake_open(struct intake **out, const char *const *ifaces,
                const struct source_options *like, struct err *err)
{
    struct intake *intake = mem_zalloc(sizeof *intake);
    int rc = 0;
    intake->epoll = intake->wake = -1;
    size_t count = 0;
    while (ifaces[count])
        count++;
    intake->sources = mem_zalloc((count + 1) * sizeof(struct source *));
    intake->away = mem_zalloc((count + 1) * sizeof *intake->away);
    intake->epoll = epoll_create1(EPOLL_CLOEXEC);
    intake->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (intake->epoll < 0 || intake->wake < 0)
        rc = err_set(err, -errno, "cannot wait for packets: %s", strerror(errno));
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = check_once(ifaces, i, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct source_options options = *like;
        options.iface = ifaces[i];
        rc = source_open(&intake->sources[i], &options, err);
        intake->count += rc == 0;
        if (rc == 0 && (rc = watch(intake, i)) < 0)
            err_set(err, rc, "cannot wait for packets of %s: %s", ifaces[i],
                    strerror(-rc));
    }
    if (rc < 0) {
        intake_close(intake);
        return rc;
    }
    *out = intake;
    return 0;
}

int intake_start(struct intake *intake, const struct intake_target *target,
                 struct err *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = intake->count};
    intake->target = *target;
    intake->shares = mem_zalloc(target->worker_count * sizeof *intake->shares);
    if (epoll_ctl(intake->epoll, EPOLL_CTL_ADD, intake->wake, &event) < 0)
        return err_set(err, -errno, "cannot wait for packets: %s", strerror(errno));
    int rc = pthread_create(&intake->thread, NULL, take, intake);
    if (rc != 0)
        return err_set(err, -rc, "cannot start a thread: %s", strerror(rc));
    intake->started = true;
    return 0;
}

void intake_wake(struct intake *intake)
{
    const uint64_t one = 1;
    /* It fails only where the thread is to wake already. */
    (void)sys_write_all(intake->wake, &one, sizeof one);
}

void intake_stop(struct intake *intake)
{
    if (!intake || !intake->started)
        return;
    intake->stop = true;
    intake_wake(intake);
    pthread_join(intake->thread, NULL);
    intake->started = false;
}

void intake_close(struct intake *intake)
{
    if (!intake)
        return;
    intake_stop(intake);
    for (size_t i = 0; i < intake->count; i++)
        source_close(intake->sources[i]);
    if (intake->epoll >= 0)
        close(intake->epoll);
    if (intake->wake >= 0)
        close(intake->wake);
    block_unref(intake->block);
    free(intake->shares);
    free(intake->away);
    free(intake->sources);
    free(intake);
}
