/* SPDX-License-Identifier: Apache-2.0 */

#ifndef MAKE_DIRS_H
#define MAKE_DIRS_H 1

/* Makes folder 'dir' and those above it that are missing.  Returns 0, also if
 * it is there already, or a positive errno.  Any thread may call it. */
int make_dirs(const char *dir);

#endif /* make-dirs.h */
