/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DROP_COUNTERS_H
#define DROP_COUNTERS_H 1

/* "hnv/drops" on the control socket: packets dropped, by reason, as the switch
 * counts them. */

struct switch_link;

void drop_counters_register(struct switch_link *);

#endif /* drop-counters.h */
