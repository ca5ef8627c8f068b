/* Appending to an iteration: which segment, how much room, and what happens without
 * any. */
#include <errno.h>
#include <string.h>

#include "capture/block.h"
#include "capture/store/inside.h"
#include "capture/store/limit.h"
#include "capture/store/manifest.h"
#include "capture/store/set.h"
#include "kfl/base/clock.h"
#include "kfl/base/log.h"

#define SAVE_EVERY  NS_PER_S
#define HEADERS     (PCAP_HEADER + LOG_HEADER)
#define RECORDS_MAX (1u << 20) /* of a segment */

static int64_t clock_of(const struct iteration *iteration)
{
    const struct clock *clock = iteration->store->options.clock;
    return clock->now(clock);
}

static void stop(struct iteration *iteration, int why)
{
    if (iteration->has_stopped)
        return;
    iteration->has_stopped = true;
    iteration->why = why;
    if (iteration->stopped)
        iteration->stopped(iteration->context, iteration, why);
}

void append_check_limit(struct iteration *iteration)
{
    if (iteration->entry_limit > 0 &&
        iteration->entries_added >= iteration->entry_limit)
        stop(iteration, 0);
}

static void lose(struct iteration *iteration, const char *cause, uint64_t count)
{
    pthread_mutex_lock(&iteration->lock);
    iteration_lose(iteration, cause, count);
    pthread_mutex_unlock(&iteration->lock);
}

static int after_stop(struct iteration *iteration)
{
    const char *cause = iteration->why == 0            ? "limit"
                        : iteration->why == -EIO       ? "io"
                        : iteration->why == -ESHUTDOWN ? "late"
                                                       : "full";
    lose(iteration, cause, 1);
    return 0;
}

/* What was appended since the last commit could not be written: it is counted, not
 * kept. */
static void cut(struct iteration *iteration, struct segment *segment)
{
    const struct segment_stats *old = &segment->stats, *new = &segment->next;
    uint64_t lost = new->records - old->records;
    uint64_t lines = new->lines - old->lines;
    limit_release(iteration, segment_bytes(segment, new) - segment_bytes(segment, old));
    int result = segment->medium->cut(segment);
    if (result < 0)
        log_error("cannot cut a segment back: %s", strerror(-result));
    lose(iteration, "full", lost);
    iteration->entries_added -= lines;
}

static int publish(struct iteration *iteration, struct segment *segment)
{
    struct segment_stats *old = &segment->stats, *new = &segment->next;
    if (new->records == old->records)
        return 0;
    int result = segment->medium->flush(segment);
    if (result < 0)
        return result;
    pthread_mutex_lock(&iteration->lock);
    struct totals *totals = &iteration->totals;
    totals->packets += new->packets - old->packets;
    totals->caplen += new->caplen - old->caplen;
    totals->entries += new->lines - old->lines;
    totals->line_bytes += new->line_bytes - old->line_bytes;
    totals->disk_bytes += segment_bytes(segment, new) - segment_bytes(segment, old);
    totals->streams += iteration->streams_new;
    totals_span(totals, new);
    segment->stats = segment->next;
    iteration->version++;
    pthread_mutex_unlock(&iteration->lock);
    iteration->streams_new = 0;
    return 0;
}

/* Publishes, syncs and seals one; it leaves the open ones whatever happens. */
static int seal(struct iteration *iteration, unsigned i)
{
    struct segment *segment = iteration->open_segments[i];
    int result = publish(iteration, segment);
    if (result == 0)
        result = segment->medium->sync(segment);
    if (result < 0)
        cut(iteration, segment);
    pthread_mutex_lock(&iteration->lock);
    segment_seal(segment);
    segment->touched_at = clock_of(iteration);
    pthread_mutex_unlock(&iteration->lock);
    iteration->open_count--;
    memmove(&iteration->open_segments[i], &iteration->open_segments[i + 1],
            (iteration->open_count - i) * sizeof(*iteration->open_segments));
    segment_unref(segment);
    iteration->manifest_dirty = true;
    return result;
}

int append_close(struct iteration *iteration)
{
    int result = 0;
    while (iteration->open_count > 0) {
        int one = seal(iteration, 0);
        result = result < 0 ? result : one;
    }
    return result;
}

/* 0 where there is room again, else why there is none. */
static int make_room(struct iteration *iteration, int why)
{
    if (iteration->on_full != ON_FULL_DROP_OLDEST || why == -EIO)
        return why;
    if (limit_drop_oldest(iteration))
        return 0;
    if (iteration->open_count == 0)
        return why;
    int result = append_close(iteration);
    return result < 0 && result != -ENOSPC ? result
           : limit_drop_oldest(iteration)  ? 0
                                           : why;
}

static int charge(struct iteration *iteration, uint64_t bytes)
{
    int result;
    while ((result = limit_charge(iteration, bytes)) < 0) {
        result = make_room(iteration, result);
        if (result < 0)
            break;
    }
    return result;
}

/* The first open segment that takes the link type (-1: a line), or one of its own. */
static int choose(struct segment **out, struct iteration *iteration, int32_t linktype,
                  uint64_t length)
{
    uint64_t most = limit_segment_bytes(iteration);
    for (unsigned i = 0; i < iteration->open_count; i++) {
        struct segment *segment = iteration->open_segments[i];
        const struct segment_stats *next = &segment->next;
        if (linktype >= 0 && next->linktype >= 0 && next->linktype != linktype)
            continue;
        uint64_t end = linktype < 0 ? next->jsonl_end : next->pcap_end;
        if (next->records < RECORDS_MAX && (end == 0 || end + length <= most)) {
            *out = segment;
            return 0;
        }
        int result = seal(iteration, i);
        if (result < 0)
            return result;
        i--;
    }
    if (iteration->open_count == OPEN_MAX) {
        int result = seal(iteration, 0);
        if (result < 0)
            return result;
    }
    /* The number is used up: what failed may have left a file. */
    int result = segment_create(out, iteration->medium, iteration->folder,
                                iteration->next_n++, clock_of(iteration));
    if (result < 0)
        return result;
    iteration->open_segments[iteration->open_count++] = segment_ref(*out);
    pthread_mutex_lock(&iteration->lock);
    iteration_append_segment(iteration, *out);
    pthread_mutex_unlock(&iteration->lock);
    return 0;
}

/* One packet or line on its way in. */
struct adding {
    struct packet *packet; /* NULL: a line */
    const char *line;
    size_t len;
    uint64_t stream;
    enum stream_kind kind;
    uint32_t index;
    int64_t done_at;
};

/* Its room is charged; what of that it does not take is given back. */
static int add_charged(struct iteration *iteration, const struct adding *what,
                       uint64_t length, uint64_t charged)
{
    struct segment *segment;
    int32_t linktype = what->packet ? what->packet->linktype : -1;
    int result = choose(&segment, iteration, linktype, length);
    if (result < 0) {
        limit_release(iteration, charged);
        return result;
    }
    uint64_t before = segment_bytes(segment, &segment->next);
    result = what->packet
                 ? segment_add_packet(segment, what->packet, what->stream, what->kind)
                 : segment_add_line(segment, what->line, what->len, what->stream,
                                    what->kind, what->index, what->done_at);
    limit_release(iteration,
                  charged - (segment_bytes(segment, &segment->next) - before));
    return result;
}

static int add_once(struct iteration *iteration, const struct adding *what,
                    uint64_t length)
{
    uint64_t most = length + LOG_RECORD + HEADERS;
    int result = charge(iteration, most);
    if (result < 0)
        return result;
    result = add_charged(iteration, what, length, most);
    if (result != -ENOSPC && result != -EIO)
        return result;
    /* The disk is full before the limits are: the same is done as for a limit. */
    for (unsigned i = 0; i < iteration->open_count; i++)
        cut(iteration, iteration->open_segments[i]);
    result = make_room(iteration, result);
    if (result == 0)
        result = charge(iteration, most);
    return result < 0 ? result : add_charged(iteration, what, length, most);
}

static int add(struct iteration *iteration, const struct adding *what, uint64_t length)
{
    if (iteration->has_stopped)
        return after_stop(iteration);
    int result = add_once(iteration, what, length);
    if (result == -EINVAL || result == -E2BIG) {
        lose(iteration, "invalid", 1);
        return result;
    }
    if (result < 0) {
        bool full = result == -EDQUOT || result == -EFBIG || result == -ENOSPC;
        stop(iteration, full ? result : -EIO);
        return after_stop(iteration);
    }
    iteration->dirty = true;
    if (iteration->streams && u64set_add(iteration->streams, what->stream))
        iteration->streams_new++;
    return 0;
}

int iteration_add_packet(struct iteration *iteration, struct packet *packet,
                         uint64_t stream, enum stream_kind kind)
{
    struct adding what = {.packet = packet, .stream = stream, .kind = kind};
    return add(iteration, &what, PCAP_RECORD + (uint64_t)packet->caplen);
}

int iteration_add_entry(struct iteration *iteration, const char *line, size_t len,
                        uint64_t stream, enum stream_kind kind, uint32_t index,
                        int64_t done_at)
{
    struct adding what = {.line = line,
                          .len = len,
                          .stream = stream,
                          .kind = kind,
                          .index = index,
                          .done_at = done_at};
    bool had_stopped = iteration->has_stopped;
    int result = add(iteration, &what, len + 1);
    if (result < 0 || had_stopped || iteration->has_stopped)
        return result;
    iteration->entries_added++;
    append_check_limit(iteration);
    return 0;
}

bool append_needs_commit(const struct iteration *iteration)
{
    for (unsigned i = 0; i < iteration->open_count; i++) {
        if (iteration->open_segments[i]->unsynced)
            return true;
    }
    return iteration->dirty || iteration->manifest_dirty;
}

static int sync_due(struct iteration *iteration, int64_t now)
{
    int64_t since = now - iteration->synced_at;
    /* A clock that was set back must not put it off. */
    if (since >= 0 && since < iteration->store->options.sync)
        return 0;
    iteration->synced_at = now;
    for (unsigned i = 0; i < iteration->open_count; i++) {
        struct segment *segment = iteration->open_segments[i];
        int result = segment->unsynced ? segment->medium->sync(segment) : 0;
        if (result < 0)
            return result;
    }
    return 0;
}

static int save_due(struct iteration *iteration, int64_t now)
{
    int64_t since = now - iteration->saved_at;
    if (!iteration->manifest_dirty || (since >= 0 && since < SAVE_EVERY))
        return 0;
    iteration->saved_at = now;
    return manifest_save(iteration);
}

static int commit_memory(struct iteration *iteration, int64_t now)
{
    for (unsigned i = 0; i < iteration->open_count; i++) {
        struct segment *segment = iteration->open_segments[i];
        int64_t age = now - segment->opened_at;
        if (age < 0 || age >= iteration->ttl / 8)
            seal(iteration, i--);
    }
    live_expire(iteration, now);
    return 0;
}

int iteration_commit(struct iteration *iteration, int64_t now)
{
    int result = 0;
    for (unsigned i = 0; iteration->dirty && i < iteration->open_count; i++) {
        int one = publish(iteration, iteration->open_segments[i]);
        if (one < 0) {
            cut(iteration, iteration->open_segments[i]);
            result = one;
        }
    }
    iteration->dirty = false;
    if (iteration->medium->memory > 0)
        return commit_memory(iteration, now);
    if (result == 0)
        result = sync_due(iteration, now);
    /* Dropping makes room for what comes; what was cut is gone and counted. */
    if (result < 0 && make_room(iteration, result == -ENOSPC ? result : -EIO) < 0)
        stop(iteration, result == -ENOSPC ? result : -EIO);
    int saved = save_due(iteration, now);
    return result < 0 ? result : saved;
}
