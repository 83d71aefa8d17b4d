/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "log-file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "make-dirs.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(log_file);

struct log_file {
    char *name;
    size_t limit_bytes;
    int fd;                     /* -1 if it is not open. */
    size_t size_bytes;          /* If it is. */
    bool failed;                /* The last line was lost. */
};

struct log_file *
log_file_create(const char *name, size_t limit_bytes)
{
    struct log_file *log = xmalloc(sizeof *log);

    *log = (struct log_file) {
        .name = xstrdup(name),
        .limit_bytes = limit_bytes,
        .fd = -1,
    };
    return log;
}

void
log_file_destroy(struct log_file *log)
{
    if (log) {
        log_file_reopen(log);
        free(log->name);
        free(log);
    }
}

void
log_file_reopen(struct log_file *log)
{
    if (log->fd >= 0) {
        close(log->fd);
        log->fd = -1;
    }
}

/* What lines say is no business of everybody's. */
static int
open_file(struct log_file *log)
{
    char *folder = dir_name(log->name);
    int error = make_dirs(folder);
    struct stat s;

    free(folder);
    if (error) {
        return error;
    }
    log->fd = open(log->name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (log->fd < 0) {
        return errno;
    }
    log->size_bytes = fstat(log->fd, &s) ? 0 : s.st_size;
    return 0;
}

/* Number 0 is the file itself. */
static char *
old_name(const struct log_file *log, int number)
{
    return number ? xasprintf("%s.%d", log->name, number) : xstrdup(log->name);
}

static void
rotate(struct log_file *log)
{
    for (int i = LOG_FILE_KEEP; i > 0; i--) {
        char *from = old_name(log, i - 1);
        char *to = old_name(log, i);

        /* Most of the time there are fewer than may be.  If the file itself
         * does not go, the next line finds it too long again. */
        rename(from, to);
        free(to);
        free(from);
    }
    log_file_reopen(log);
}

/* A line is written whole or not at all as far as readers are concerned: the
 * file system takes such short pieces at once, or is full. */
static int
write_line(struct log_file *log, const char *line)
{
    char *text = xasprintf("%s\n", line);
    size_t n = strlen(text);
    int error = 0;

    if (log->fd >= 0 && log->size_bytes
        && log->size_bytes + n > log->limit_bytes) {
        rotate(log);
    }
    if (log->fd < 0) {
        error = open_file(log);
    }
    if (!error) {
        ssize_t written = write(log->fd, text, n);

        error = written < 0 ? errno : written < n ? ENOSPC : 0;
        log->size_bytes += MAX(written, 0);
    }
    free(text);
    return error;
}

void
log_file_write(struct log_file *log, const char *line)
{
    int error = write_line(log, line);

    if (error && !log->failed) {
        VLOG_WARN("%s: lines are lost from now on (%s); see to it that the "
                  "agent may write there and that there is room", log->name,
                  ovs_strerror(error));
    } else if (!error && log->failed) {
        VLOG_INFO("%s: lines are written again", log->name);
    }
    log->failed = error;
}
