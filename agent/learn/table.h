/* SPDX-License-Identifier: Apache-2.0 */

#ifndef LEARN_TABLE_H
#define LEARN_TABLE_H 1

/* Learned addresses: who has them, since when, and how sure that is.
 *
 * An entry says that in a subnet a customer address (CA) is a MAC's, and where
 * that is: a port of this host, or another host.  A CA has one entry, and a
 * MAC of a subnet is in one place.  Who says otherwise is believed: the
 * address, or the guest, has moved.
 *
 * How an entry ends.  It is confirmed whenever its owner says that the address
 * is his, and is gone when that has not happened for the subnet's age.  A
 * guest of this host that just has nothing to say is asked before that (a
 * probe), thrice; and it is announced to other hosts thrice per age, because
 * they do not ask while they know it.  So an address that is in use stays,
 * here and there.
 *
 * When a MAC shows with an address that it did not have, it may have more than
 * one or it may have changed.  Then its other addresses are doubted: a guest
 * of this host is asked at once and has seconds to answer; an answer is
 * announced.  Other hosts, which have seen the same, give such an entry a few
 * seconds more than that, and so hear of it.
 *
 * A candidate is not an entry yet: a guest of this host that was seen on the
 * way to an address.  It is asked for a while until it says that it has it.
 *
 * Of one port, and of one other host, no more than so many entries and
 * candidates are kept per subnet.  What comes on top is refused.
 *
 * Pure: the time is the caller's, in milliseconds, and never runs backwards.
 * Threads: one. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "model/space.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/types.h"
#include "openvswitch/uuid.h"

struct rules_subnet;

/* Of other hosts, which have many ports, so many times the limit of a port. */
#define LEARN_REMOTE_FACTOR 16

/* How long a guest of this host has that is asked because it is doubted, how
 * often it is asked meanwhile, and what other hosts wait. */
#define LEARN_DOUBT_MS 3000
#define LEARN_DOUBT_PROBES 3
#define LEARN_DOUBT_REMOTE_MS 8000

/* An entry that was confirmed so recently is doubted no sooner than that. */
#define LEARN_SURE_MS 5000

/* An address is announced no more often than that, whoever asks. */
#define LEARN_ANNOUNCE_MS 1000

/* How long a candidate is asked, and how many a guest may have: anybody can
 * say that a guest is about to have an address.  They give way to entries. */
#define LEARN_CANDIDATE_MS 10000
#define LEARN_MAX_CANDIDATES 8

/* Where a guest is. */
struct learner_place {
    struct space_where where;   /* SPACE_LOCAL: a port of this host. */
    ofp_port_t ofport;          /* The port, OFPP_NONE if it is remote. */
};

struct learned {
    uint32_t vsid;
    struct uuid subnet;         /* Logical_Switch. */
    struct in6_addr ca;
    struct eth_addr mac;
    struct learner_place place;
    bool candidate;
    long long int confirmed;    /* When it was seen last. */
    long long int deadline;     /* When it is gone if it is not. */
};

/* What a table does as it changes.  None of these may call back. */
struct learner_table_sink {
    /* Entries for the space. */
    void (*space_put)(const struct space_entry *, void *aux);
    void (*space_remove)(const struct space_key *, void *aux);

    /* An address of a guest of this host is there, or is no more. */
    void (*local_put)(const struct learned *, void *aux);
    void (*local_remove)(const struct learned *, void *aux);

    /* A guest of this host is to be asked; an address of one is to be told
     * to all hosts of its subnet. */
    void (*probe)(const struct learned *, void *aux);
    void (*announce)(const struct learned *, void *aux);
    void *aux;
};

enum learner_result {
    LEARN_NEW,
    LEARN_MOVED,                /* Another had it, or it was elsewhere. */
    LEARN_CONFIRMED,
    LEARN_FULL,                 /* Refused: at the limit. */
};

struct learner_table;

struct learner_table *learner_table_create(const struct learner_table_sink *);
void learner_table_destroy(struct learner_table *);

/* 'mac' at 'place' says that 'ca' is its own. */
enum learner_result learner_table_claim(struct learner_table *,
                                        const struct rules_subnet *,
                                        const struct in6_addr *ca,
                                        struct eth_addr mac,
                                        const struct learner_place *,
                                        long long int now);

/* The guest 'mac' at 'place', on this host, may be about to have 'ca'. */
enum learner_result learner_table_hint(struct learner_table *,
                                       const struct rules_subnet *,
                                       const struct in6_addr *ca,
                                       struct eth_addr mac,
                                       const struct learner_place *,
                                       long long int now);

/* Another host asks for 'ca': if it is of a guest of this host, it is
 * announced again. */
void learner_table_asked(struct learner_table *, uint32_t vsid,
                         const struct in6_addr *ca, long long int now);

/* Doubts the entry of 'ca', if there is one. */
void learner_table_doubt(struct learner_table *, uint32_t vsid,
                         const struct in6_addr *ca, long long int now);

/* Forgets those for which 'keep' returns false.  Looks at all, or only at
 * those of one CA or MAC of a subnet.  The subnet that 'keep' returns is the
 * entry's from then on, NULL forgets it. */
typedef const struct rules_subnet *learner_keep_cb(const struct learned *,
                                                   void *aux);
void learner_table_review(struct learner_table *, learner_keep_cb *,
                          void *aux);
void learner_table_review_key(struct learner_table *, const struct space_key *,
                              learner_keep_cb *, void *aux);

/* True if learner_table_review_key() would look at anything. */
bool learner_table_has_key(const struct learner_table *,
                           const struct space_key *);

/* Does what is due by 'now'; returns when there is something to do again,
 * LLONG_MAX for never. */
long long int learner_table_run(struct learner_table *, long long int now);

/* Reading.  The pointer is good until the table changes. */
const struct learned *learner_table_find(const struct learner_table *,
                                         uint32_t vsid,
                                         const struct in6_addr *ca);
size_t learner_table_count(const struct learner_table *);
void learner_table_for_each(const struct learner_table *,
                            void (*cb)(const struct learned *, void *aux),
                            void *aux);

#endif /* learn/table.h */
