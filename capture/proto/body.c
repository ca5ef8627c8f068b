#include "capture/proto/body.h"

#include <brotli/decode.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>
#include <zstd.h>

#include "kfl/base/buf.h"
#include "kfl/base/mem.h"

#define STEP        ((size_t)16 * 1024)
#define CODINGS_MAX 4
/* A body up to FREE is decoded whatever its ratio; what is larger was blown up on
 * purpose. */
#define RATIO_FREE  ((size_t)1024 * 1024)
#define RATIO_MAX   ((size_t)256)
#define ZSTD_WINDOW 23

/* How much more may come out, given what went in; 0: none. */
static size_t room(const struct buf *out, size_t in_len)
{
    size_t most;
    if (mem_mul(&most, in_len, RATIO_MAX) < 0 || most < RATIO_FREE)
        most = RATIO_FREE;
    if (out->limit && most > out->limit)
        most = out->limit;
    size_t left = most > out->len ? most - out->len : 0;
    return left < STEP ? left : STEP;
}

static void took(struct buf *out, size_t bytes)
{
    out->len += bytes;
    out->data[out->len] = 0;
}

/* `window` as inflateInit2() has it: 31 gzip, 15 zlib, -15 bare deflate. */
static int inflate_all(struct buf *out, int window, const void *in, size_t in_len)
{
    z_stream z = {0};
    size_t start = out->len;
    int rc = Z_OK, result = 0;
    if (in_len > UINT32_MAX)
        return -E2BIG;
    if (inflateInit2(&z, window) != Z_OK)
        return -ENOMEM;
    z.next_in = (Bytef *)(uintptr_t)in;
    z.avail_in = (uInt)in_len;
    while (result == 0) {
        size_t step = room(out, in_len);
        char *to = step > 0 ? buf_reserve(out, step) : NULL;
        if (!to) {
            result = -E2BIG;
            break;
        }
        z.next_out = (Bytef *)to;
        z.avail_out = (uInt)step;
        rc = inflate(&z, Z_NO_FLUSH);
        took(out, step - z.avail_out);
        if (rc == Z_STREAM_END && window > 15 && z.avail_in > 0 && *z.next_in == 0x1f)
            rc = inflateReset(&z); /* members of gzip may follow each other */
        else if (rc == Z_STREAM_END)
            break;
        if (rc != Z_OK)
            result = -EBADMSG;
    }
    inflateEnd(&z);
    /* What was called deflate is often bare, without zlib's header. */
    if (result == -EBADMSG && window == 15 && out->len == start)
        return inflate_all(out, -15, in, in_len);
    return result;
}

static int brotli_all(struct buf *out, const void *in, size_t in_len)
{
    BrotliDecoderState *state = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    const uint8_t *next = in;
    size_t left = in_len;
    int result = 0;
    if (!state)
        return -ENOMEM;
    for (;;) {
        size_t step = room(out, in_len), avail = step;
        char *to = step > 0 ? buf_reserve(out, step) : NULL;
        if (!to) {
            result = -E2BIG;
            break;
        }
        uint8_t *next_out = (uint8_t *)to;
        BrotliDecoderResult rc =
            BrotliDecoderDecompressStream(state, &left, &next, &avail, &next_out, NULL);
        took(out, step - avail);
        if (rc == BROTLI_DECODER_RESULT_SUCCESS)
            break;
        if (rc != BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) {
            result = -EBADMSG;
            break;
        }
    }
    BrotliDecoderDestroyInstance(state);
    return result;
}

static int zstd_all(struct buf *out, const void *in, size_t in_len)
{
    ZSTD_DStream *stream = ZSTD_createDStream();
    ZSTD_inBuffer input = {in, in_len, 0};
    int result = 0;
    if (!stream)
        return -ENOMEM;
    /* The window is memory that the peer chooses: RFC 8878 names 8 MiB for the web. */
    ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, ZSTD_WINDOW);
    for (;;) {
        size_t step = room(out, in_len);
        char *to = step > 0 ? buf_reserve(out, step) : NULL;
        if (!to) {
            result = -E2BIG;
            break;
        }
        ZSTD_outBuffer output = {to, step, 0};
        size_t rc = ZSTD_decompressStream(stream, &output, &input);
        took(out, output.pos);
        if (rc == 0 && input.pos == input.size)
            break;
        if (ZSTD_isError(rc) || (input.pos == input.size && output.pos < output.size)) {
            result = -EBADMSG;
            break;
        }
    }
    ZSTD_freeDStream(stream);
    return result;
}

enum coding { CODING_GZIP, CODING_DEFLATE, CODING_BR, CODING_ZSTD };

static int decode_one(struct buf *out, enum coding coding, const void *in,
                      size_t in_len)
{
    switch (coding) {
    case CODING_GZIP:
        return inflate_all(out, 31, in, in_len);
    case CODING_DEFLATE:
        return inflate_all(out, 15, in, in_len);
    case CODING_BR:
        return brotli_all(out, in, in_len);
    case CODING_ZSTD:
        return zstd_all(out, in, in_len);
    }
    return -EOPNOTSUPP;
}

static int coding_of(const char *word, size_t len)
{
    static const struct {
        const char *name;
        enum coding coding;
    } names[] = {{"gzip", CODING_GZIP},
                 {"x-gzip", CODING_GZIP},
                 {"deflate", CODING_DEFLATE},
                 {"br", CODING_BR},
                 {"zstd", CODING_ZSTD}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i].name) == len && strncasecmp(names[i].name, word, len) == 0)
            return (int)names[i].coding;
    }
    return -EOPNOTSUPP;
}

/* The list as it was applied; the count, or -EOPNOTSUPP. */
static int parse_codings(enum coding out[CODINGS_MAX], const char *text, size_t len)
{
    int count = 0;
    for (size_t i = 0; i < len;) {
        size_t start = i;
        while (i < len && text[i] != ',' && text[i] != ' ' && text[i] != '\t')
            i++;
        size_t size = i - start;
        while (i < len && (text[i] == ',' || text[i] == ' ' || text[i] == '\t'))
            i++;
        if (size == 0 ||
            (size == 8 && strncasecmp(text + start, "identity", size) == 0))
            continue;
        int coding = coding_of(text + start, size);
        if (coding < 0 || count == CODINGS_MAX)
            return -EOPNOTSUPP;
        out[count++] = (enum coding)coding;
    }
    return count;
}

int body_decode(struct buf *out, const char *codings, size_t codings_len,
                const void *in, size_t in_len)
{
    enum coding list[CODINGS_MAX];
    struct buf from = {0}, to = {.limit = out->limit};
    int count = parse_codings(list, codings, codings_len);
    if (count < 0)
        return count;
    if (count == 0 || in_len == 0)
        return buf_add(out, in, in_len);
    int result = 0;
    for (int i = count; i-- > 0;) {
        int rc = decode_one(&to, list[i], in, in_len);
        if (rc < 0 && result == 0)
            result = rc;
        buf_fini(&from);
        from = to;
        to = (struct buf){.limit = out->limit};
        in = from.data;
        in_len = from.len;
        if (in_len == 0)
            break;
    }
    if (buf_add(out, from.data, from.len) < 0)
        result = -E2BIG;
    buf_fini(&from);
    return result;
}
