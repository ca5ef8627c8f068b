/* The error log: the last statements and specs that were refused, with a caret under
 * the column. Thread safe. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct errorlog;

struct errorlog *errorlog_new(void);
void errorlog_free(struct errorlog *log);
/* `where` is a file ("query", "jobs/x/spec.yaml"), `text` what was refused. The same
 * refusal as the last is not told twice. */
void errorlog_add(struct errorlog *log, int64_t at, const char *where, const char *text,
                  const struct err *err);
void errorlog_show(struct errorlog *log, struct buf *out);
int64_t errorlog_at(struct errorlog *log); /* of the last refusal, 0: none */
