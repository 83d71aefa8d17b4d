/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "make-dirs.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "util.h"

int
make_dirs(const char *dir)
{
    if (!mkdir(dir, 0755) || errno == EEXIST) {
        return 0;
    }
    if (errno != ENOENT) {
        return errno;
    }

    char *parent = dir_name(dir);
    int error = strcmp(parent, dir) ? make_dirs(parent) : ENOENT;
    free(parent);
    return error ? error : !mkdir(dir, 0755) || errno == EEXIST ? 0 : errno;
}
