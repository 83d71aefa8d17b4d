/* SPDX-License-Identifier: Apache-2.0 */

#ifndef HOST_PA_WATCH_H
#define HOST_PA_WATCH_H 1

/* Where this host's provider addresses are and whether they work: the kernel's
 * addresses and links, followed by its notifications.
 *
 * Threads: one, the one that runs the main loop. */

#include <stdbool.h>
#include <stddef.h>

struct host_view;
struct in6_addr;
struct ovsdb_idl;
struct pa_watch;

struct pa_watch *pa_watch_create(void);
void pa_watch_destroy(struct pa_watch *);

/* Says which addresses to follow.  Returns true if they are other ones than
 * before. */
bool pa_watch_set(struct pa_watch *, const struct in6_addr *pas, size_t n);

/* Returns true if something has changed about the addresses. */
bool pa_watch_run(struct pa_watch *);
void pa_watch_wait(struct pa_watch *);

/* Adds what is known of the addresses to a view; for those on internal ports
 * of bridges also by what the Open_vSwitch database says. */
void pa_watch_fill(const struct pa_watch *, struct ovsdb_idl *,
                   struct host_view *);

#endif /* host/pa-watch.h */
