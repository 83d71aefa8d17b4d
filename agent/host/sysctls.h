/* SPDX-License-Identifier: Apache-2.0 */

#ifndef HOST_SYSCTLS_H
#define HOST_SYSCTLS_H 1

/* Settings of network devices (/proc/sys/net) for as long as they are needed.
 *
 * Each round says what is wanted; what no round wants any more gets back the
 * value that it had, unless somebody else has changed it since.
 *
 * Threads: one. */

#include <stdbool.h>

struct sysctls;

struct sysctls *sysctls_create(void);
void sysctls_destroy(struct sysctls *);     /* Leaves all as it is. */

/* As if an earlier round had wanted 'value' and found 'old', or, if that is
 * NULL, 'value' itself. */
void sysctls_adopt(struct sysctls *, const char *folder, const char *device,
                   const char *key, const char *value, const char *old);

/* A round.  'folder' and 'key' are as in "net/FOLDER/DEVICE/KEY". */
void sysctls_start(struct sysctls *);
void sysctls_want(struct sysctls *, const char *folder, const char *device,
                  const char *key, const char *value);
void sysctls_finish(struct sysctls *);

/* True if the host as a whole forwards IPv4. */
bool sysctls_host_forwards(void);

#endif /* host/sysctls.h */
