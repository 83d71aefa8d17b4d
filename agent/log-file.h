/* SPDX-License-Identifier: Apache-2.0 */

#ifndef LOG_FILE_H
#define LOG_FILE_H 1

/* A file that lines are added to, for other programs to read.
 *
 * When it has grown to its limit it becomes "NAME.1", what that was becomes
 * "NAME.2" and so on, and the oldest goes.  Who wants to do that himself, as
 * logrotate does, moves the file away and then has it reopened.
 *
 * A file that cannot be written to is no reason to stop: lines are lost, which
 * is said once, and again when they are no longer.  Nothing is opened, and no
 * folder made, before the first line.
 *
 * Threads: one at a time. */

#include <stddef.h>

struct log_file;

/* More old files than this are not kept. */
#define LOG_FILE_KEEP 4

/* 'name' is the file's path. */
struct log_file *log_file_create(const char *name, size_t limit_bytes);
void log_file_destroy(struct log_file *);

/* Adds 'line' and a line feed, in one piece. */
void log_file_write(struct log_file *, const char *line);

/* The next line goes to a file of this name as it is then. */
void log_file_reopen(struct log_file *);

#endif /* log-file.h */
