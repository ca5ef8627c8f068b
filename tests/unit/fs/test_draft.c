/* Files that are written as a whole: what is judged when, and what takes effect. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "fs/draft.h"
#include "fs/fs.h"
#include "kfl/base/buf.h"

struct world {
    struct fs fs; /* first */
    struct buf applied;
    unsigned judged, applies;
};

static int judge(struct fs *fs, const struct place *place, const char *text, size_t len)
{
    struct world *world = (struct world *)fs;
    (void)place;
    world->judged++;
    return len >= 3 && !memcmp(text, "bad", 3) ? -EINVAL : 0;
}

static int apply(struct fs *fs, const struct place *place, const char *text, size_t len)
{
    struct world *world = (struct world *)fs;
    int r = judge(fs, place, text, len);
    if (r)
        return r;
    world->applies++;
    buf_clear(&world->applied);
    return buf_add(&world->applied, text, len);
}

static const struct draft_ops ops = {.judge = judge, .apply = apply};

static struct file *open_draft(struct world *world, int flags)
{
    struct place place = {.kind = PLACE_SPEC};
    struct buf text = {0};
    buf_addstr(&text, "old\n");
    return draft_new(&ops, &world->fs, &place, flags, &text);
}

static void a_good_document_takes_effect_at_the_close(void **state)
{
    struct world world = {0};
    struct file *file = open_draft(&world, O_WRONLY | O_TRUNC);
    (void)state;
    assert_int_equal(file->ops->write(file, "new\n", 4, 0), 4);
    assert_int_equal(world.judged, 1);
    assert_int_equal(world.applies, 0);
    assert_int_equal(file->ops->flush(file, NULL), 0);
    assert_string_equal(world.applied.data, "new\n");
    /* A second close without a write is no second document. */
    assert_int_equal(file->ops->flush(file, NULL), 0);
    assert_int_equal(world.applies, 1);
    file_unref(file);
    buf_fini(&world.applied);
}

static void a_bad_one_is_refused_by_the_write(void **state)
{
    struct world world = {0};
    struct file *file = open_draft(&world, O_WRONLY | O_TRUNC);
    (void)state;
    assert_int_equal(file->ops->write(file, "bad\n", 4, 0), -EINVAL);
    assert_int_equal(file->ops->flush(file, NULL), 0);
    assert_int_equal(world.applies, 0);
    file_unref(file);
}

static void what_comes_in_pieces_is_judged_at_the_close(void **state)
{
    struct world world = {0};
    char piece[4096];
    struct file *file = open_draft(&world, O_WRONLY | O_TRUNC);
    (void)state;
    memset(piece, ' ', sizeof piece);
    memcpy(piece, "bad", 3);
    assert_int_equal(file->ops->write(file, piece, sizeof piece, 0), sizeof piece);
    assert_int_equal(file->ops->write(file, "x\n", 2, sizeof piece), 2);
    assert_int_equal(world.judged, 0);
    assert_int_equal(file->ops->flush(file, NULL), -EINVAL);
    assert_int_equal(world.applies, 0);
    file_unref(file);
}

static void truncation_alone_changes_nothing(void **state)
{
    struct world world = {0};
    struct file *file = open_draft(&world, O_WRONLY | O_TRUNC);
    (void)state;
    assert_int_equal(file->ops->truncate(file, 0), 0);
    assert_int_equal(file->ops->flush(file, NULL), 0);
    assert_int_equal(world.applies, 0);
    file_unref(file);
}

static void appending_keeps_what_was_there(void **state)
{
    struct world world = {0};
    char out[16];
    struct file *file = open_draft(&world, O_RDWR);
    (void)state;
    assert_int_equal(file->ops->size(file, NULL), 4);
    assert_int_equal(file->ops->write(file, "more\n", 5, 4), 5);
    assert_int_equal(file->ops->read(file, out, sizeof out, 0, NULL), 9);
    assert_memory_equal(out, "old\nmore\n", 9);
    assert_int_equal(file->ops->flush(file, NULL), 0);
    assert_string_equal(world.applied.data, "old\nmore\n");
    file_unref(file);
    buf_fini(&world.applied);
}

static void nobody_writes_without_end(void **state)
{
    struct world world = {0};
    struct file *file = open_draft(&world, O_WRONLY);
    (void)state;
    assert_int_equal(file->ops->write(file, "x", 1, UINT64_MAX), -EFBIG);
    assert_int_equal(file->ops->write(file, "x", 1, 1 << 20), -EFBIG);
    assert_int_equal(file->ops->truncate(file, UINT64_MAX), -EFBIG);
    file_unref(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_document_takes_effect_at_the_close),
        cmocka_unit_test(a_bad_one_is_refused_by_the_write),
        cmocka_unit_test(what_comes_in_pieces_is_judged_at_the_close),
        cmocka_unit_test(truncation_alone_changes_nothing),
        cmocka_unit_test(appending_keeps_what_was_there),
        cmocka_unit_test(nobody_writes_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
