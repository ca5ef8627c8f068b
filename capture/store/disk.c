/* Segments on disk: three files, each appended to through a buffer. Data reaches the
 * kernel before the log records that commit it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/block.h"
#include "capture/store/folder.h"
#include "capture/store/segment.h"
#include "kfl/base/mem.h"
#include "kfl/base/sys.h"

#define PCAP_BUFFER ((size_t)256 * 1024)
#define TEXT_BUFFER ((size_t)64 * 1024)

/* A file that is appended to; `end` counts what is still in the buffer. */
struct tape {
    int fd;
    uint8_t *bytes;
    size_t len, cap;
    uint64_t end;
};

struct disk {
    struct tape pcap, jsonl, log;
    bool named; /* the folder was synced since the last file was made */
};

static int tape_open(struct tape *tape, struct segment *segment, const char *suffix,
                     size_t cap)
{
    int fd = folder_open_segment(segment, suffix, O_RDWR | O_CREAT | O_EXCL);
    if (fd < 0)
        return fd;
    *tape = (struct tape){.fd = fd, .bytes = mem_alloc(cap), .cap = cap};
    return 0;
}

static void tape_close(struct tape *tape)
{
    if (tape->fd >= 0)
        close(tape->fd);
    free(tape->bytes);
    *tape = (struct tape){.fd = -1};
}

static int tape_flush(struct tape *tape)
{
    if (tape->len == 0)
        return 0;
    int result = sys_pwrite_all(tape->fd, tape->bytes, tape->len,
                                (off_t)(tape->end - tape->len));
    if (result == 0)
        tape->len = 0;
    /* A quota is the disk that there is for us. */
    return result == -EDQUOT ? -ENOSPC : result;
}

/* Room for `size` bytes at the end of the buffer, or NULL with *result. */
static uint8_t *tape_reserve(struct tape *tape, size_t size, int *result)
{
    *result = 0;
    if (tape->cap - tape->len < size)
        *result = tape_flush(tape);
    if (*result < 0)
        return NULL;
    if (tape->cap < size) {
        tape->bytes = mem_realloc(tape->bytes, size);
        tape->cap = size;
    }
    return tape->bytes + tape->len;
}

static void tape_take(struct tape *tape, size_t size)
{
    tape->len += size;
    tape->end += size;
}

static int tape_cut(struct tape *tape, uint64_t end)
{
    if (tape->fd < 0)
        return 0;
    uint64_t flushed = tape->end - tape->len;
    /* A header may be waiting yet. */
    tape->len = end > flushed ? (size_t)(end - flushed) : 0;
    tape->end = end;
    return ftruncate(tape->fd, (off_t)(end - tape->len)) < 0 ? -errno : 0;
}

static int disk_flush(struct segment *segment)
{
    struct disk *disk = segment->private;
    int result = 0;
    if (!disk) {
        disk = segment->private = mem_alloc(sizeof(*disk));
        disk->pcap = disk->jsonl = disk->log = (struct tape){.fd = -1};
        disk->named = false;
        result = tape_open(&disk->log, segment, "log", TEXT_BUFFER);
        if (result < 0)
            return result;
        log_header(disk->log.bytes);
        tape_take(&disk->log, LOG_HEADER);
    }
    if ((result = tape_flush(&disk->pcap)) < 0 ||
        (result = tape_flush(&disk->jsonl)) < 0)
        return result;
    return tape_flush(&disk->log);
}

static int disk_commit(struct segment *segment, const struct record *record,
                       const void *data)
{
    struct disk *disk = segment->private;
    if (disk->log.cap - disk->log.len < LOG_RECORD) {
        int result = disk_flush(segment);
        if (result < 0)
            return result;
    }
    record_encode(disk->log.bytes + disk->log.len, record, data);
    tape_take(&disk->log, LOG_RECORD);
    segment->unsynced = true;
    return 0;
}

static int disk_add_packet(struct segment *segment, struct record *record,
                           struct packet *packet)
{
    struct disk *disk = segment->private;
    struct tape *pcap = &disk->pcap;
    int result = 0;
    if (pcap->fd < 0) {
        disk->named = false;
        result = tape_open(pcap, segment, "pcap", PCAP_BUFFER);
        if (result < 0)
            return result;
        pcap_put_header(pcap->bytes, packet->linktype);
        tape_take(pcap, PCAP_HEADER);
    }
    uint8_t *to = tape_reserve(pcap, record->length, &result);
    if (!to)
        return result;
    pcap_put_record(to, packet->at, packet->caplen, packet->len);
    if (packet->caplen > 0)
        memcpy(to + PCAP_RECORD, packet->data, packet->caplen);
    tape_take(pcap, record->length);
    return disk_commit(segment, record, to);
}

static int disk_add_line(struct segment *segment, struct record *record,
                         const char *line)
{
    struct disk *disk = segment->private;
    struct tape *jsonl = &disk->jsonl;
    int result = 0;
    if (jsonl->fd < 0) {
        disk->named = false;
        result = tape_open(jsonl, segment, "jsonl", TEXT_BUFFER);
        if (result < 0)
            return result;
    }
    uint8_t *to = tape_reserve(jsonl, record->length, &result);
    if (!to)
        return result;
    memcpy(to, line, record->length - 1);
    to[record->length - 1] = '\n';
    tape_take(jsonl, record->length);
    return disk_commit(segment, record, to);
}

static int disk_sync(struct segment *segment)
{
    struct disk *disk = segment->private;
    int result = disk_flush(segment);
    if (result < 0 || !segment->unsynced)
        return result;
    if ((disk->pcap.fd >= 0 && fdatasync(disk->pcap.fd) < 0) ||
        (disk->jsonl.fd >= 0 && fdatasync(disk->jsonl.fd) < 0) ||
        fdatasync(disk->log.fd) < 0)
        return -errno;
    if (!disk->named && (result = folder_sync(segment->folder)) < 0)
        return result;
    disk->named = true;
    segment->unsynced = false;
    return 0;
}

static int disk_cut(struct segment *segment)
{
    struct disk *disk = segment->private;
    const struct segment_stats *stats = &segment->stats;
    uint64_t log_end = LOG_HEADER + (uint64_t)stats->records * LOG_RECORD;
    /* The log first: a record without its data would be torn, data without a record is
     * not. */
    int log = tape_cut(&disk->log, log_end);
    int pcap = tape_cut(&disk->pcap, stats->pcap_end ? stats->pcap_end : PCAP_HEADER);
    int jsonl = tape_cut(&disk->jsonl, stats->jsonl_end);
    segment->next = segment->stats;
    return log < 0 ? log : pcap < 0 ? pcap : jsonl;
}

static void disk_free(struct segment *segment)
{
    struct disk *disk = segment->private;
    if (!disk)
        return;
    tape_close(&disk->pcap);
    tape_close(&disk->jsonl);
    tape_close(&disk->log);
    free(disk);
    segment->private = NULL;
}

const struct medium medium_disk = {
    .add_packet = disk_add_packet,
    .add_line = disk_add_line,
    .flush = disk_flush,
    .sync = disk_sync,
    .cut = disk_cut,
    .seal = disk_free,
    .free = disk_free,
    .memory = 0,
};
