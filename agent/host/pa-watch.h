/* SPDX-License-Identifier: Apache-2.0 */

#ifndef HOST_PA_WATCH_H
#define HOST_PA_WATCH_H 1

/* Where this host's provider addresses are and whether they work: the kernel's
 * addresses and links, followed by its notifications.
 *
 * Threads: one, the one that runs the main loop. */

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

struct host_view;
struct ovsdb_idl;
struct pa_watch;

struct pa_watch *pa_watch_create(void);
void pa_watch_destroy(struct pa_watch *);

/* A PA that is wanted, and where it is. */
struct pa_place {
    /* As it is wanted. */
    struct in6_addr addr;
    unsigned int vlan;          /* Tag of its packets; 0 for whatever is. */

    /* As it is. */
    char device[IFNAMSIZ];      /* "" if none has it. */
    bool running;               /* Device is up and has a carrier. */
    char via[IFNAMSIZ];         /* If none has it, a device in whose network
                                 * it is, if any. */
    unsigned int mtu;           /* The device's; 0 if unknown. */
    unsigned int device_vlan;   /* Of a VLAN device; 0 if it is none. */
};

/* Says which addresses to follow, with their VLANs; and, if not NULL, which
 * VRF the devices have to be in to count.  Returns true if that is something
 * else than before. */
bool pa_watch_set(struct pa_watch *, const struct pa_place *, size_t n,
                  const char *vrf);

/* The PAs and where they are, '*ret_n' of them; NULL if pa_watch_set() was not
 * called yet. */
const struct pa_place *pa_watch_places(const struct pa_watch *,
                                       size_t *ret_n);

/* Returns true if something has changed about the addresses. */
bool pa_watch_run(struct pa_watch *);
void pa_watch_wait(struct pa_watch *);

/* Adds what is known of the addresses to a view; for those on internal ports
 * of bridges also by what the Open_vSwitch database says. */
void pa_watch_fill(const struct pa_watch *, struct ovsdb_idl *,
                   struct host_view *);

#endif /* host/pa-watch.h */
