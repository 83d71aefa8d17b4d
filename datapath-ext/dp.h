/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DATAPATH_EXT_DP_H
#define DATAPATH_EXT_DP_H 1

/* What each userspace datapath has of the extension: its spaces, and counters.
 *
 * All bridges of a datapath share them; so do all sessions that change them.
 *
 * Threads: counters are added to by any thread.  The main thread, which deals
 * with all OpenFlow sessions, is the space table's one writer. */

#include <stdint.h>
#include "datapath-ext/actions.h"
#include "datapath-ext/messages.h"

struct dpif;
struct ds;
struct hnv_dp;

struct hnv_dp *hnv_dp_create(void);

/* The memory of the spaces goes after a grace period, the rest now: no thread
 * forwards packets any more. */
void hnv_dp_destroy(struct hnv_dp *);

/* NULL if that is no userspace datapath: then it knows no spaces.  (In
 * dpif-netdev.c.) */
struct hnv_dp *hnv_dp_from_dpif(const struct dpif *);

/* Calls 'cb' for each userspace datapath.  (In dpif-netdev.c.) */
void hnv_dp_for_each(void (*cb)(const char *name, struct hnv_dp *, void *aux),
                     void *aux);

struct space_table *hnv_dp_spaces(struct hnv_dp *);

/* Adds 'n' packets. */
void hnv_dp_count(struct hnv_dp *, enum hnv_kind, enum hnv_reason, unsigned n);
void hnv_dp_get_stats(struct hnv_dp *, struct hnv_stats *);

/* Registers hnv/space-show and hnv/space-lookup for ovs-appctl(8). */
void hnv_dp_unixctl_init(void);

#endif /* datapath-ext/dp.h */
