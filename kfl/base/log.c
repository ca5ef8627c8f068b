#include "kfl/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>

#define LINE_MAX_BYTES 1024

void log_open(const char *program, bool foreground)
{
    openlog(program, LOG_PID | (foreground ? LOG_PERROR : 0), LOG_DAEMON);
}

void log_close(void)
{
    closelog();
}

/* Names from outside may be among the words: what they hold must not start a line of
 * its own. */
static void log_line(int priority, const char *format, va_list args)
{
    char line[LINE_MAX_BYTES];
    if (vsnprintf(line, sizeof(line), format, args) < 0)
        return;
    for (char *c = line; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    }
    syslog(priority, "%s", line);
}

void log_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line(LOG_ERR, format, args);
    va_end(args);
}

void log_warn(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line(LOG_WARNING, format, args);
    va_end(args);
}

void log_info(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line(LOG_INFO, format, args);
    va_end(args);
}
