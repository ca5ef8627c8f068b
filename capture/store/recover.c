/* Reading the store as the last daemon left it, however it ended. */
#include "capture/store/recover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/store/folder.h"
#include "capture/store/inside.h"
#include "capture/store/manifest.h"
#include "capture/store/set.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/log.h"
#include "kfl/base/sys.h"

/* -1: it is not there. */
static int64_t file_size(struct iteration *iteration, uint32_t n, const char *suffix)
{
    char name[SEGMENT_FILE];
    struct stat st;
    int fd = folder_open(iteration->folder, segment_file(name, n, suffix), O_RDONLY);
    if (fd < 0)
        return -1;
    int64_t size = fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ? -1 : st.st_size;
    close(fd);
    return size;
}

static bool has_segment(const struct iteration *iteration, uint32_t n)
{
    for (size_t i = 0; i < iteration->count; i++) {
        if (iteration->segments[i]->n == n)
            return true;
    }
    return false;
}

void recover_known(struct iteration *iteration, uint32_t n,
                   const struct segment_stats *stats)
{
    int64_t log = file_size(iteration, n, "log");
    int64_t pcap = file_size(iteration, n, "pcap");
    int64_t jsonl = file_size(iteration, n, "jsonl");
    if (n == 0 || has_segment(iteration, n))
        return;
    if (n >= iteration->next_n)
        iteration->next_n = n + 1;
    if (log < 0 && pcap < 0 && jsonl < 0) {
        /* It was dropped for room, and the manifest had no time to say so. */
        iteration->entries_gone += stats->lines;
        iteration_lose(iteration, "drop_oldest", stats->records);
        return;
    }
    bool as_known = stats->records > 0 &&
                    log == LOG_HEADER + (int64_t)stats->records * LOG_RECORD &&
                    (pcap < 0 ? 0 : (uint64_t)pcap) == stats->pcap_end &&
                    (jsonl < 0 ? 0 : (uint64_t)jsonl) >= stats->jsonl_end &&
                    stats->packets + (uint64_t)stats->lines == stats->records &&
                    stats->jsonl_end <= UINT32_MAX && stats->pcap_end <= UINT32_MAX;
    if (as_known)
        iteration_append_segment(iteration, segment_known(iteration->folder, n, stats));
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x < y ? -1 : x > y;
}

static int compare_segments(const void *a, const void *b)
{
    const struct segment *const *x = a, *const *y = b;
    return compare_numbers(&(*x)->n, &(*y)->n);
}

/* Segments that are in the folder but not in the manifest. */
static int repair_others(struct iteration *iteration, bool *repaired)
{
    *repaired = false;
    int fd = folder_open(iteration->folder, ".", O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return fd;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        int result = -errno;
        close(fd);
        return result;
    }
    struct dirent *entry;
    while ((entry = readdir(dir))) {
        char *end, name[SEGMENT_FILE];
        unsigned long n = strtoul(entry->d_name, &end, 10);
        if (end == entry->d_name || *end != '.' || n == 0 || n >= UINT32_MAX ||
            strcmp(entry->d_name, segment_file(name, (uint32_t)n, end + 1)) != 0 ||
            has_segment(iteration, (uint32_t)n))
            continue;
        struct segment *segment = repair_segment(iteration, (uint32_t)n);
        if (segment)
            iteration_append_segment(iteration, segment);
        if (n >= iteration->next_n)
            iteration->next_n = (uint32_t)n + 1;
        *repaired = true;
    }
    closedir(dir);
    if (iteration->count > 0)
        qsort(iteration->segments, iteration->count, sizeof(*iteration->segments),
              compare_segments);
    return 0;
}

static void recover_iteration(struct store *store, struct recording *recording,
                              const char *name)
{
    int64_t start;
    char same[CLOCK_TEXT];
    if (clock_parse(&start, name) < 0 ||
        strcmp(clock_format_name(same, start), name) != 0)
        return;
    struct iteration *iteration = iteration_new(store, recording, start);
    snprintf(iteration->state, sizeof(iteration->state), "recording");
    int result = manifest_load(iteration);
    if (result < 0)
        log_warn("no manifest: %s recording=%s iteration=%s", strerror(-result),
                 recording->name, name);
    bool changed = result < 0, repaired;
    result = repair_others(iteration, &repaired);
    if (result < 0)
        log_warn("cannot look into an iteration: %s recording=%s iteration=%s",
                 strerror(-result), recording->name, name);
    if (repaired) {
        iteration_count_streams(iteration);
        u64set_free(iteration->streams);
        iteration->streams = NULL;
    }
    for (size_t i = 0; i < iteration->count; i++) {
        uint64_t number = iteration->segments[i]->stats.number_max;
        if (number >= store->number)
            store->number = number + 1;
    }
    atomic_fetch_add(&store->bytes, iteration->totals.disk_bytes);
    atomic_fetch_add(&recording->bytes, iteration->totals.disk_bytes);
    if ((changed || repaired || iteration->manifest_dirty) &&
        (result = manifest_save(iteration)) < 0)
        log_warn("cannot save a manifest: %s recording=%s iteration=%s",
                 strerror(-result), recording->name, name);
    recording_add_iteration(recording, iteration);
}

/* each(entry's name) of a folder below the store. */
static int each_name(struct store *store, const char *path,
                     void (*each)(struct store *store, void *context, const char *name),
                     void *context)
{
    int fd = openat(store->dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int result = -errno;
        if (fd >= 0)
            close(fd);
        return result;
    }
    struct dirent *entry;
    while ((entry = readdir(dir)))
        each(store, context, entry->d_name);
    closedir(dir);
    return 0;
}

static void each_iteration(struct store *store, void *context, const char *name)
{
    recover_iteration(store, context, name);
}

static void each_recording(struct store *store, void *context, const char *name)
{
    (void)context;
    if (!recording_name_is_valid(name))
        return;
    char path[sizeof("recordings/") + RECORDING_NAME];
    struct recording *recording = recording_new(name);
    int result = recording_load(store, recording);
    if (result < 0) {
        recording->created_at = store->opened_at;
        log_warn("a recording does not say when it was made: %s recording=%s",
                 strerror(-result), name);
    }
    snprintf(path, sizeof(path), "recordings/%s", recording->name);
    result = each_name(store, path, each_iteration, recording);
    if (result == -ENOTDIR) {
        recording_unref(recording);
        return;
    }
    if (result < 0)
        log_warn("cannot look into a recording: %s recording=%s", strerror(-result),
                 name);
    recording_add(store, recording);
}

int recover_store(struct store *store, struct err *err)
{
    int result = sys_remove_tree(store->dir, "trash");
    if (result == 0)
        result = sys_make_dirs(store->dir, "trash");
    if (result == 0)
        result = sys_make_dirs(store->dir, "recordings");
    if (result == 0)
        result = each_name(store, "recordings", each_recording, NULL);
    return result < 0
               ? err_set(err, result, "cannot read the store: %s", strerror(-result))
               : 0;
}
