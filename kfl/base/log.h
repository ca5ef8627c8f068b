/* The daemon's log: one line an event, "what failed: why key=value", never payload. */
#pragma once
#include <stdbool.h>

/* Lines go to syslog(3), and to stderr too while in the foreground. `program` must
 * stay valid until log_close. */
void log_open(const char *program, bool foreground);
void log_close(void);

__attribute__((format(printf, 1, 2))) void log_error(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_warn(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_info(const char *format, ...);
