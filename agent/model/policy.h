/* SPDX-License-Identifier: Apache-2.0 */

#ifndef MODEL_POLICY_H
#define MODEL_POLICY_H 1

/* The policy model: rows become typed policy, a bad row a diagnostic.
 *
 * Fed with row changes in any order, then asked to settle.  Settling has two
 * halves that differ in cost:
 *
 *   - Rules (networks, subnets, ports: few, change rarely) are made anew from
 *     their rows whenever one of those changed, and adopted whole.
 *
 *   - Mappings (many, change all the time) are followed one by one: a changed
 *     Ucast_Macs_Remote row changes the space entries by its CA and by its MAC
 *     and no others.  Only a change of a subnet itself (its VSID, its
 *     prefixes, whether it exists), or of this host's PAs, visits the
 *     mappings of that subnet, or all of them.  Of subnets that replicate per
 *     guest the rules have a list of these; a changed mapping there makes the
 *     list of its own subnet anew, which counts as a change of the rules.
 *
 * Where two rows contradict each other (one VSID twice, one CA twice, a subnet
 * in two networks, overlapping prefixes) the one that has been as it is for
 * longer holds, and the other is set aside until the first is gone or changed.
 *
 * Pure: no files, sockets, clocks.  Ownership: the model copies what it keeps.
 * Threads: one. */

#include <stdbool.h>
#include <stddef.h>
#include "db/rows.h"
#include "model/rules.h"
#include "model/space.h"
#include "util/diag.h"

struct policy;

/* Receives what policy_settle() finds changed. */
struct policy_sink {
    /* An entry is new or says something new. */
    void (*space_put)(const struct space_entry *, void *aux);
    /* An entry is gone. */
    void (*space_remove)(const struct space_key *, void *aux);
    /* A diagnostic is new or has a new text; one is gone. */
    void (*diag_put)(const struct diag *, void *aux);
    void (*diag_remove)(const struct diag *, void *aux);
    void *aux;
};

struct policy *policy_create(void);
void policy_destroy(struct policy *);

/* Says what this host calls itself, NULL if it does not: which of several
 * Physical_Switch rows is its own. */
void policy_set_host_name(struct policy *, const char *name);

/* Takes in one change.  Cheap; nothing is visible before policy_settle(). */
void policy_apply(struct policy *, const struct row_change *);

/* True if policy_settle() would do something. */
bool policy_is_unsettled(const struct policy *);

/* Brings rules, space entries and diagnostics up to date with the rows and
 * reports each difference once to 'sink', whose functions must not call back
 * into the policy.  Returns true if policy_rules() changed. */
bool policy_settle(struct policy *, const struct policy_sink *);

/* The rules as of the last policy_settle().  Valid until the next. */
const struct rules *policy_rules(const struct policy *);

/* Writes the space entry of a key as of the last policy_settle() and returns
 * true, or returns false if there is none. */
bool policy_find_space(const struct policy *, const struct space_key *,
                       struct space_entry *ret_entry);

/* True if a mapping says that the guest with 'mac' keeps its addresses
 * ("learning_disabled").  As of the last policy_settle(). */
bool policy_mac_is_fixed(const struct policy *, uint32_t vsid,
                         struct eth_addr mac);

/* How many there are, by CA or MAC and of peers. */
size_t policy_count_space(const struct policy *);
size_t policy_count_peers(const struct policy *);

/* Walks all space entries.  'cb' must not change the policy. */
void policy_for_each_space(const struct policy *,
                           void (*cb)(const struct space_entry *, void *aux),
                           void *aux);

/* Numbers for memory reports and unixctl. */
size_t policy_count_mappings(const struct policy *);

#endif /* model/policy.h */
