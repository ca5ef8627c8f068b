#include "fs/import.h"

#include <errno.h>

#include "capture/replay.h"
#include "capture/store/store.h"
#include "fs/fs.h"
#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/doc.h"

#define PACKET_MIN   16   /* bytes that a packet takes in a capture file, at least */
#define COMMIT_EVERY 1024 /* packets and entries */
#define STARTS_TRIED 600

struct import {
    struct fs *fs;
    struct iteration *iteration;
    unsigned uncommitted;
    struct buf line;
    int result;
};

static void on_stopped(void *context, struct iteration *iteration, int why)
{
    struct import *import = context;
    (void)iteration;
    if (!import->result)
        import->result = why == -EIO ? -EIO : -ENOSPC;
}

static void commit(struct import *import)
{
    import->uncommitted = 0;
    int r = iteration_commit(import->iteration, fs_now(import->fs));
    if (r < 0 && !import->result)
        import->result = r;
}

/* What can't be recorded is counted there, and does not speak against the rest. */
static void added(struct import *import, int r)
{
    if (r < 0 && r != -EINVAL && r != -E2BIG && !import->result)
        import->result = r;
    if (++import->uncommitted >= COMMIT_EVERY)
        commit(import);
}

static void on_packet(void *context, struct packet *packet, const struct stream *stream)
{
    struct import *import = context;
    if (!import->result)
        added(import, iteration_add_packet(import->iteration, packet, stream->number,
                                           stream->kind));
}

static int on_entry(void *context, const struct entry *entry)
{
    struct import *import = context;
    const struct stream *stream = entry->stream;
    if (import->result)
        return 1;
    buf_clear(&import->line);
    int r = doc_write(&import->line, &entry->doc);
    if (!r)
        r = iteration_add_entry(import->iteration, import->line.data, import->line.len,
                                stream->number, stream->kind, entry->index,
                                entry->done_at);
    added(import, r);
    return import->result ? 1 : 0;
}

/* Folders of iterations have names of whole seconds: the first that is free. */
static int open_iteration(struct import *import, const char *recording, struct err *err)
{
    struct iteration_options options = {.name = recording,
                                        .spec = "",
                                        .kfl = "",
                                        .stopped = on_stopped,
                                        .context = import};
    int64_t start = fs_now(import->fs) / NS_PER_S * NS_PER_S;
    for (unsigned i = 0; i < STARTS_TRIED; i++, start += NS_PER_S) {
        struct iteration *other;
        struct iteration_info info = {0};
        unsigned n = 0;
        for (; (other = store_iteration(import->fs->store, recording, n)); n++) {
            iteration_info(other, &info);
            iteration_unref(other);
            if (info.start == start)
                break;
        }
        if (other)
            continue;
        options.start = start;
        return iteration_open(&import->iteration, import->fs->store, &options, err);
    }
    return err_set(err, -EBUSY, "too many imports at once");
}

static int replay(struct import *import, FILE *in, uint64_t before, struct err *err)
{
    struct replay_options options = {
        .wants = WANT_ALL,
        .before = before,
        .names_file = import->fs->names_file,
        .entry = on_entry,
        .packet = on_packet,
        .context = import,
    };
    int r = replay_stream(in, &options, err);
    if (r == 1) {
        iteration_count_loss(import->iteration, "capture_cut", 1);
        r = 0;
    }
    return import->result ? import->result : r;
}

int import_capture(struct fs *fs, const char *recording, FILE *in, uint64_t size,
                   struct err *err)
{
    struct import import = {.fs = fs};
    struct recording_info info;
    uint64_t first = 0;
    int r = store_info(fs->store, recording, &info);
    if (!r)
        r = store_reserve_numbers(fs->store, size / PACKET_MIN + 1, &first, err);
    if (!r)
        r = open_iteration(&import, recording, err);
    if (r)
        return r;
    r = replay(&import, in, first - 1, err);
    commit(&import);
    if (!r)
        r = import.result;
    if (r && !err->msg[0])
        err_set(err, r,
                r == -ENOSPC ? "there is no room for it in the store"
                             : "the recording can't be written");
    struct err unused = {0};
    iteration_end(import.iteration, r ? "failed" : "finished", fs_now(fs), &unused);
    iteration_unref(import.iteration);
    buf_fini(&import.line);
    if (r && !info.iterations && !store_remove(fs->store, recording, &unused))
        store_create(fs->store, recording, &unused);
    return r;
}
