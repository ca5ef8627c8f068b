#include "fs/errorlog.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kfl/base/buf.h"
#include "kfl/base/clock.h"
#include "kfl/base/err.h"
#include "kfl/base/mem.h"
#include "kfl/kfl.h"

#define REFUSALS 64
#define TEXT_MAX 4096

struct errorlog {
    pthread_mutex_t lock;
    struct {
        char *words;
        int64_t at;
    } refusals[REFUSALS];
    uint64_t count; /* ever; the last REFUSALS are kept */
};

struct errorlog *errorlog_new(void)
{
    struct errorlog *log = mem_zalloc(sizeof *log);
    pthread_mutex_init(&log->lock, NULL);
    return log;
}

void errorlog_free(struct errorlog *log)
{
    for (size_t i = 0; i < REFUSALS; i++)
        free(log->refusals[i].words);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

void errorlog_add(struct errorlog *log, int64_t at, const char *where, const char *text,
                  const struct err *err)
{
    struct buf words = {0};
    size_t len = strlen(text);
    buf_addf(&words, "%s: ", where);
    kfl_show_error(&words, text, len < TEXT_MAX ? len : TEXT_MAX, err);
    if (words.data[words.len - 1] != '\n')
        buf_addch(&words, '\n');
    char *line = buf_take(&words);
    pthread_mutex_lock(&log->lock);
    size_t last = (size_t)((log->count + REFUSALS - 1) % REFUSALS);
    if (log->refusals[last].words && !strcmp(log->refusals[last].words, line)) {
        log->refusals[last].at = at;
        free(line);
    } else {
        size_t i = (size_t)(log->count++ % REFUSALS);
        free(log->refusals[i].words);
        log->refusals[i].words = line;
        log->refusals[i].at = at;
    }
    pthread_mutex_unlock(&log->lock);
}

void errorlog_show(struct errorlog *log, struct buf *out)
{
    char time[CLOCK_TEXT];
    pthread_mutex_lock(&log->lock);
    uint64_t first = log->count > REFUSALS ? log->count - REFUSALS : 0;
    for (uint64_t i = first; i < log->count; i++) {
        clock_format(time, log->refusals[i % REFUSALS].at, 0);
        buf_addf(out, "%s %s", time, log->refusals[i % REFUSALS].words);
    }
    pthread_mutex_unlock(&log->lock);
}

int64_t errorlog_at(struct errorlog *log)
{
    int64_t at = 0;
    pthread_mutex_lock(&log->lock);
    if (log->count)
        at = log->refusals[(log->count - 1) % REFUSALS].at;
    pthread_mutex_unlock(&log->lock);
    return at;
}
