#include "fs/output.h"
#include "fs/fs.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "capture/har.h"
#include "capture/store/cursor.h"
#include "fs/source.h"
#include "fs/spool.h"
#include "kfl/base/buf.h"
#include "kfl/base/err.h"
#include "kfl/base/mem.h"
#include "kfl/doc.h"

#define STREAMS_MAX (1u << 24)

struct output {
    struct fs *fs;
    enum form form;
    struct spool *spool; /* borrowed */
    struct sources *sources;
    struct buf text;
    uint64_t count;
    uint64_t *streams; /* of the matches; for packets */
    size_t stream_count, stream_cap;
};

struct output *output_new(struct fs *fs, enum form form, struct spool *spool,
                          struct sources *sources)
{
    struct output *output = mem_zalloc(sizeof *output);
    output->fs = fs;
    output->form = form;
    output->spool = spool;
    output->sources = sources;
    if (form == FORM_HAR)
        har_begin(&output->text);
    return output;
}

void output_free(struct output *output)
{
    buf_fini(&output->text);
    free(output->streams);
    free(output);
}

/* Hands on what is in the text buffer. */
static int pass_on(struct output *output)
{
    int r = spool_append(output->spool, output->text.data, output->text.len);
    buf_clear(&output->text);
    return r;
}

static int put_json(struct output *output, const struct line *line, const char *record,
                    const struct doc_value *changed)
{
    struct buf stored = {0};
    int r;
    if (changed) {
        r = doc_write(&stored, changed);
        if (!r)
            r = line_put_record(&output->text, stored.data, stored.len, record);
    } else {
        r = line_put_record(&output->text, line->text, line->len, record);
    }
    buf_fini(&stored);
    if (!r)
        r = buf_addch(&output->text, '\n');
    return r ? r : pass_on(output);
}

static int put_har(struct output *output, const struct doc_value *doc)
{
    int r = har_entry(&output->text, doc, output->count);
    if (r < 0)
        return r;
    output->count += (unsigned)r;
    return r ? pass_on(output) : 0;
}

static int note_stream(struct output *output, uint64_t stream)
{
    if (output->stream_count && output->streams[output->stream_count - 1] == stream)
        return 0;
    if (output->stream_count == STREAMS_MAX)
        return -EFBIG;
    if (output->stream_count == output->stream_cap) {
        output->stream_cap = output->stream_cap ? 2 * output->stream_cap : 64;
        output->streams =
            mem_realloc(output->streams, output->stream_cap * sizeof *output->streams);
    }
    output->streams[output->stream_count++] = stream;
    return 0;
}

int output_line(struct output *output, const struct line *line, const char *record,
                const struct doc_value *changed, const struct doc_value *doc)
{
    switch (output->form) {
    case FORM_COUNT:
        output->count++;
        return 0;
    case FORM_HAR:
        return put_har(output, changed ? changed : doc);
    case FORM_PCAP:
        return note_stream(output, line->stream);
    default:
        return put_json(output, line, record, changed);
    }
}

/* ---- packets */

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void sort_streams(struct output *output)
{
    size_t kept = 0;
    if (!output->stream_count)
        return;
    qsort(output->streams, output->stream_count, sizeof *output->streams,
          compare_numbers);
    for (size_t i = 0; i < output->stream_count; i++)
        if (!kept || output->streams[kept - 1] != output->streams[i])
            output->streams[kept++] = output->streams[i];
    output->stream_count = kept;
}

static ssize_t read_view(void *context, void *out, size_t size, uint64_t offset)
{
    return pcap_view_read(context, out, size, offset);
}

static void release_view(void *context)
{
    pcap_view_close(context);
}

static int end_pcap(struct output *output, struct err *err)
{
    static const uint64_t none;
    struct sources *sources = output->sources;
    struct snapshot **snapshots = mem_zalloc((sources->count + 1) * sizeof *snapshots);
    struct pcap_view *view = NULL;
    size_t count = 0;
    sort_streams(output);
    for (size_t i = 0; i < sources->count; i++)
        if (*sources->items[i].record)
            snapshots[count++] = sources->items[i].snapshot;
    if (sources->live_packets)
        snapshots[count++] = sources->live_packets;
    int r = pcap_view_open(&view, snapshots, count,
                           output->stream_count ? output->streams : &none,
                           output->stream_count);
    free(snapshots);
    if (r)
        return err_set(err, r, "the packets can't be read: errno=%d", -r);
    output->fs->left_out += pcap_view_left_out(view);
    struct spool_source source = {
        .read = read_view, .release = release_view, .context = view};
    spool_serve(output->spool, &source, pcap_view_size(view));
    return 0;
}

int output_end(struct output *output, struct err *err)
{
    int r = 0;
    if (output->form == FORM_PCAP)
        return end_pcap(output, err);
    if (output->form == FORM_COUNT) {
        buf_addu(&output->text, output->count);
        buf_addch(&output->text, '\n');
        r = pass_on(output);
    } else if (output->form == FORM_HAR) {
        r = har_end(&output->text);
        if (!r)
            r = pass_on(output);
    }
    if (r >= 0)
        spool_finish(output->spool, 0);
    return r < 0 ? r : 0;
}
