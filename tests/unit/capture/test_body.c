#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <zlib.h>
#include <zstd.h>

#include "capture/proto/body.h"
#include "kfl/base/buf.h"
#include "kfl/base/mem.h"

#define TEXT_LEN   320 /* "traffic " forty times */
#define BOMB_LEN   ((size_t)8 << 20)
#define BODY_LIMIT ((size_t)64 << 20)

/* Both by the reference encoder: the text, and eight mebibytes of zeros. */
static const char brotli_text[] =
    "\x1b\x3f\x01\xf8\x25\x40\xaa\x90\xc5\xca\x81\x47\x54\x0e";
static const char brotli_bomb[] =
    "\x9b\xff\xff\x7f\xf8\x27\x00\xe2\xb1\x40\x20\xf7\xfe\x0f";

static char text[TEXT_LEN + 1];

static int make_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEXT_LEN; i += 8)
        memcpy(text + i, "traffic ", 8);
    return 0;
}

/* `window` as deflateInit2() has it. */
static size_t deflated(uint8_t *out, size_t room, int window, const void *in,
                       size_t len)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY),
                     Z_OK);
    z.next_in = (Bytef *)(uintptr_t)in;
    z.avail_in = (uInt)len;
    z.next_out = out;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

static void assert_decodes(const char *codings, const void *in, size_t len)
{
    struct buf out = {.limit = BODY_LIMIT};
    assert_int_equal(body_decode(&out, codings, strlen(codings), in, len), 0);
    assert_int_equal(out.len, TEXT_LEN);
    assert_memory_equal(out.data, text, TEXT_LEN);
    buf_fini(&out);
}

static void every_coding_is_undone(void **state)
{
    (void)state;
    uint8_t bytes[1024];
    size_t len = deflated(bytes, sizeof bytes, 31, text, TEXT_LEN);
    assert_decodes("gzip", bytes, len);
    assert_decodes("X-GZip", bytes, len);
    len = deflated(bytes, sizeof bytes, 15, text, TEXT_LEN);
    assert_decodes("deflate", bytes, len);
    len = deflated(bytes, sizeof bytes, -15, text, TEXT_LEN);
    assert_decodes("deflate", bytes, len);
    len = ZSTD_compress(bytes, sizeof bytes, text, TEXT_LEN, 3);
    assert_decodes("zstd", bytes, len);
    assert_decodes("br", brotli_text, sizeof brotli_text - 1);
    assert_decodes("identity", text, TEXT_LEN);
    assert_decodes("", text, TEXT_LEN);
}

static void lists_and_members_are_undone(void **state)
{
    (void)state;
    uint8_t once[1024], twice[2048];
    size_t len = deflated(once, sizeof once, 31, brotli_text, sizeof brotli_text - 1);
    assert_decodes("br, gzip", once, len);
    len = deflated(once, sizeof once, 31, text, 100);
    memcpy(twice, once, len);
    size_t more = deflated(once, sizeof once, 31, text + 100, TEXT_LEN - 100);
    memcpy(twice + len, once, more);
    assert_decodes("gzip", twice, len + more);
}

static void unknown_codings_leave_the_bytes_alone(void **state)
{
    (void)state;
    struct buf out = {.limit = BODY_LIMIT};
    assert_int_equal(body_decode(&out, "compress", 8, text, TEXT_LEN), -EOPNOTSUPP);
    assert_int_equal(body_decode(&out, "br,br,br,br,br", 14, text, TEXT_LEN),
                     -EOPNOTSUPP);
    assert_int_equal(out.len, 0);
    buf_fini(&out);
}

static void what_is_cut_keeps_its_beginning(void **state)
{
    (void)state;
    uint8_t noise[4096], bytes[8192];
    uint32_t seed = 1;
    for (size_t i = 0; i < sizeof noise; i++) {
        seed = seed * 1664525 + 1013904223;
        noise[i] = (uint8_t)(seed >> 24);
    }
    size_t gzip = deflated(bytes, sizeof bytes, 31, noise, sizeof noise);
    struct buf out = {.limit = BODY_LIMIT};
    assert_int_equal(body_decode(&out, "gzip", 4, bytes, gzip / 2), -EBADMSG);
    assert_true(out.len > 1000 && out.len < sizeof noise);
    assert_memory_equal(out.data, noise, out.len);
    buf_clear(&out);
    assert_int_equal(body_decode(&out, "gzip", 4, "no gzip at all", 14), -EBADMSG);
    assert_int_equal(out.len, 0);
    assert_int_equal(body_decode(&out, "br", 2, brotli_text, 4), -EBADMSG);
    assert_int_equal(body_decode(&out, "zstd", 4, "\x28\xb5\x2f\xfd", 4), -EBADMSG);
    buf_fini(&out);
}

static void bombs_stop_at_the_ratio_and_at_the_limit(void **state)
{
    (void)state;
    uint8_t *zeros = mem_zalloc(BOMB_LEN), *bytes = mem_alloc(1 << 16);
    size_t gzip = deflated(bytes, 1 << 16, 31, zeros, BOMB_LEN);
    struct buf out = {.limit = BODY_LIMIT};
    assert_int_equal(body_decode(&out, "gzip", 4, bytes, gzip), -E2BIG);
    assert_true(out.len < BOMB_LEN);
    buf_clear(&out);
    assert_int_equal(body_decode(&out, "br", 2, brotli_bomb, sizeof brotli_bomb - 1),
                     -E2BIG);
    assert_int_equal(out.len, 1 << 20);
    buf_clear(&out);
    size_t zstd = ZSTD_compress(bytes, 1 << 16, zeros, BOMB_LEN, 3);
    assert_int_equal(body_decode(&out, "zstd", 4, bytes, zstd), -E2BIG);
    buf_clear(&out);
    out.limit = 100;
    assert_int_equal(body_decode(&out, "br", 2, brotli_text, sizeof brotli_text - 1),
                     -E2BIG);
    assert_int_equal(out.len, 100);
    assert_memory_equal(out.data, text, 100);
    buf_fini(&out);
    free(zeros);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_coding_is_undone),
        cmocka_unit_test(lists_and_members_are_undone),
        cmocka_unit_test(unknown_codings_leave_the_bytes_alone),
        cmocka_unit_test(what_is_cut_keeps_its_beginning),
        cmocka_unit_test(bombs_stop_at_the_ratio_and_at_the_limit),
    };
    return cmocka_run_group_tests_name("body", tests, make_text, NULL);
}
