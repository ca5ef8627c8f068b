/* Specs: whatever the bytes, a spec, no spec, or a refusal with a place inside the
 * text; and what was accepted is accepted again. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kfl/base/err.h"
#include "kfl/kfl.h"
#include "sched/spec.h"
#include "sched/when.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *saved(void *context, const char *name, size_t len)
{
    (void)context;
    return len == 4 && memcmp(name, "slow", 4) == 0 ? "elapsedTime > 500" : NULL;
}

static void require(int truth)
{
    if (!truth)
        abort();
}

static int count_lines(const uint8_t *data, size_t size)
{
    int lines = 1;

    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n' || data[i] == '\r' || data[i] >= 0x80;
    return lines;
}

static void check_spec(const struct spec *spec)
{
    struct kfl *kfl = NULL;
    struct due due;
    struct plan plan = {when_first(spec->start_minute, 0), spec->daily_iterations,
                        spec->duration};

    require(spec_compile(&kfl, spec, 0, NULL) == 0);
    kfl_unref(kfl);
    require(spec->daily_iterations == 1 ||
            (plan.duration > 0 && plan.duration <= WHEN_DAY));
    when_due(&due, &plan, 0, plan.first);
    require(due.over || due.at >= plan.first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spec_env env = {.saved = saved};
    struct spec *spec = NULL, *again = NULL;
    struct err err = {0};
    int status = spec_parse(&spec, (const char *)data, size, &env, &err);

    require(status == 0 || status == 1 || status == -EINVAL);
    require((status == 0) == (spec != NULL));
    if (status == -EINVAL) {
        require(err.code == -EINVAL && err.msg[0]);
        if (size <= SPEC_TEXT_MAX)
            require(err.line >= 1 && err.col >= 1 &&
                    err.line <= count_lines(data, size) + 1);
    }
    if (spec) {
        check_spec(spec);
        require(spec_parse(&again, spec->text, strlen(spec->text), &env, &err) == 0);
        require(spec_same_statement(spec, again) && spec_same_plan(spec, again));
        spec_free(again);
    }
    spec_free(spec);
    return 0;
}
