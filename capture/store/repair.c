/* One segment after a crash: its log says what was committed, its checksums whether
 * that is there. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/store/folder.h"
#include "capture/store/inside.h"
#include "capture/store/reader.h"
#include "capture/store/recover.h"
#include "kfl/base/buf.h"
#include "kfl/base/log.h"
#include "kfl/base/sys.h"

struct repair {
    struct iteration *iteration;
    uint32_t n;
    struct window pcap, jsonl, log;
    uint64_t pcap_size, jsonl_size, log_size;
    bool has_pcap;              /* its header is good */
    struct segment_stats stats; /* of what is good */
};

static uint64_t open_file(struct window *window, struct repair *repair,
                          const char *suffix)
{
    char name[SEGMENT_FILE];
    struct stat st;
    *window = (struct window){.fd = -1};
    int fd = folder_open(repair->iteration->folder,
                         segment_file(name, repair->n, suffix), O_RDWR);
    if (fd < 0)
        return 0;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > UINT32_MAX) {
        close(fd);
        return 0;
    }
    window->fd = fd;
    return (uint64_t)st.st_size;
}

static bool check_packet(struct repair *repair, const struct record *record,
                         const uint8_t *raw)
{
    int64_t at;
    uint32_t caplen, len;
    uint64_t end = repair->stats.pcap_end ? repair->stats.pcap_end : PCAP_HEADER;
    if (!repair->has_pcap || record->offset != end)
        return false;
    const uint8_t *data =
        window_get(&repair->pcap, record->offset, record->length, repair->pcap_size);
    return data && record_check(raw, data, record->length) == 0 &&
           pcap_get_record(&at, &caplen, &len, data) == 0 && at == record->at &&
           caplen == record->length - PCAP_RECORD;
}

static bool is_line(const char *text, size_t len)
{
    return len >= 4 && text[0] == '{' && text[len - 2] == '}' && text[len - 1] == '\n';
}

static bool check_line(struct repair *repair, const struct record *record,
                       const uint8_t *raw)
{
    if (record->offset < repair->stats.jsonl_end)
        return false;
    const uint8_t *data =
        window_get(&repair->jsonl, record->offset, record->length, repair->jsonl_size);
    return data && record_check(raw, data, record->length) == 0 &&
           is_line((const char *)data, record->length);
}

/* The first record that is not whole ends what is committed. */
static void check_log(struct repair *repair)
{
    uint64_t at = LOG_HEADER;
    for (; at + LOG_RECORD <= repair->log_size; at += LOG_RECORD) {
        struct record record;
        const uint8_t *raw = window_get(&repair->log, at, LOG_RECORD, repair->log_size);
        if (!raw || record_decode(&record, raw) < 0 ||
            !(record.kind == RECORD_PACKET ? check_packet(repair, &record, raw)
                                           : check_line(repair, &record, raw)))
            break;
        segment_stats_add(&repair->stats, &record);
    }
    uint64_t torn = repair->log_size - at;
    repair->iteration->recovery.log_records += (torn + LOG_RECORD - 1) / LOG_RECORD;
}

static void log_again(struct repair *repair, struct buf *log,
                      const struct record *record, const void *data)
{
    uint8_t *to = (uint8_t *)buf_reserve(log, LOG_RECORD);
    record_encode(to, record, data);
    log->len += LOG_RECORD;
    segment_stats_add(&repair->stats, record);
}

static void rebuild_packets(struct repair *repair, struct buf *log)
{
    uint64_t at = PCAP_HEADER;
    while (repair->has_pcap && at < repair->pcap_size) {
        uint32_t caplen, len;
        struct record record = {
            .kind = RECORD_PACKET, .flags = RECORD_REBUILT, .offset = (uint32_t)at};
        const uint8_t *data =
            window_get(&repair->pcap, at, PCAP_RECORD, repair->pcap_size);
        if (!data || pcap_get_record(&record.at, &caplen, &len, data) < 0)
            break;
        record.length = PCAP_RECORD + caplen;
        data = window_get(&repair->pcap, at, record.length, repair->pcap_size);
        if (!data)
            break;
        log_again(repair, log, &record, data);
        at += record.length;
    }
}

/* Bytes up to and with the next newline; 0: there is none. */
static size_t line_length(struct repair *repair, uint64_t at)
{
    size_t step = 4096;
    for (;;) {
        uint64_t left = repair->jsonl_size - at;
        size_t size = step < left ? step : (size_t)left;
        const uint8_t *data = window_get(&repair->jsonl, at, size, repair->jsonl_size);
        const uint8_t *end = data && size > 0 ? memchr(data, '\n', size) : NULL;
        if (end)
            return (size_t)(end - data) + 1;
        if (!data || size == left)
            return 0;
        step *= 4;
    }
}

static void rebuild_lines(struct repair *repair, struct buf *log)
{
    size_t length;
    for (uint64_t at = 0; (length = line_length(repair, at)) > 0; at += length) {
        struct record record = {.kind = RECORD_LINE,
                                .flags = RECORD_REBUILT,
                                .offset = (uint32_t)at,
                                .length = (uint32_t)length};
        const uint8_t *data =
            window_get(&repair->jsonl, at, length, repair->jsonl_size);
        if (!data)
            break;
        if (is_line((const char *)data, length))
            log_again(repair, log, &record, data);
    }
}

/* Packets and lines can be read without their log; it is made again without what only
 * it knew. */
static int rebuild_log(struct repair *repair)
{
    struct buf log = {0};
    uint8_t header[LOG_HEADER];
    char name[SEGMENT_FILE];
    log_header(header);
    buf_add(&log, header, sizeof(header));
    rebuild_packets(repair, &log);
    rebuild_lines(repair, &log);
    int result = 0;
    if (repair->stats.records > 0) {
        int dir = folder_open(repair->iteration->folder, ".", O_RDONLY | O_DIRECTORY);
        result = dir < 0 ? dir
                         : sys_replace_file(dir, segment_file(name, repair->n, "log"),
                                            log.data, log.len);
        if (dir >= 0)
            close(dir);
        repair->iteration->recovery.logs_lost++;
    }
    buf_fini(&log);
    return result;
}

/* Bytes that were cut off. */
static uint64_t cut_file(struct window *window, uint64_t size, uint64_t end,
                         int *result)
{
    if (window->fd < 0 || *result < 0)
        return 0;
    /* From here on the manifest vouches for it. */
    if ((size != end && ftruncate(window->fd, (off_t)end) < 0) ||
        fdatasync(window->fd) < 0)
        *result = -errno;
    return *result == 0 && size > end ? size - end : 0;
}

static int cut_torn(struct repair *repair, bool rebuilt)
{
    struct recovery *recovery = &repair->iteration->recovery;
    const struct segment_stats *stats = &repair->stats;
    int result = 0;
    if (!rebuilt)
        cut_file(&repair->log, repair->log_size,
                 LOG_HEADER + (uint64_t)stats->records * LOG_RECORD, &result);
    recovery->pcap_bytes +=
        cut_file(&repair->pcap, repair->pcap_size, stats->pcap_end, &result);
    recovery->jsonl_bytes +=
        cut_file(&repair->jsonl, repair->jsonl_size, stats->jsonl_end, &result);
    return result;
}

static void remove_files(struct repair *repair)
{
    static const char *const suffixes[] = {"log", "jsonl", "pcap"};
    int dir = folder_open(repair->iteration->folder, ".", O_RDONLY | O_DIRECTORY);
    if (dir < 0)
        return;
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
        char name[SEGMENT_FILE];
        unlinkat(dir, segment_file(name, repair->n, suffixes[i]), 0);
    }
    close(dir);
}

struct segment *repair_segment(struct iteration *iteration, uint32_t n)
{
    struct repair repair = {.iteration = iteration, .n = n};
    struct segment *segment = NULL;
    int result = 0;
    uint32_t linktype = 0;
    segment_stats_init(&repair.stats);
    repair.pcap_size = open_file(&repair.pcap, &repair, "pcap");
    repair.jsonl_size = open_file(&repair.jsonl, &repair, "jsonl");
    repair.log_size = open_file(&repair.log, &repair, "log");
    const uint8_t *head = window_get(&repair.pcap, 0, PCAP_HEADER, repair.pcap_size);
    repair.has_pcap = head && pcap_get_header(&linktype, head) == 0;
    head = window_get(&repair.log, 0, LOG_HEADER, repair.log_size);
    bool rebuilt = !head || log_check_header(head) < 0;
    if (rebuilt)
        result = rebuild_log(&repair);
    else
        check_log(&repair);
    if (repair.stats.packets > 0)
        repair.stats.linktype = (int32_t)linktype;
    if (result == 0)
        result = cut_torn(&repair, rebuilt);
    if (result < 0)
        log_error("cannot repair a segment: %s recording=%s n=%u", strerror(-result),
                  iteration->recording->name, n);
    else if (repair.stats.records == 0)
        remove_files(&repair);
    else
        segment = segment_known(iteration->folder, n, &repair.stats);
    window_fini(&repair.pcap);
    window_fini(&repair.jsonl);
    window_fini(&repair.log);
    return segment;
}
