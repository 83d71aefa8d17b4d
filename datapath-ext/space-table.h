/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DATAPATH_EXT_SPACE_TABLE_H
#define DATAPATH_EXT_SPACE_TABLE_H 1

/* The spaces, as the datapath holds them.
 *
 * What is kept is what agent/model/space.h describes, entry for entry.  Beside
 * it stand the local ports, by subnet and MAC: an entry for this host does not
 * name a port.
 *
 * A table per kind of key.  A table is 128 segments, chosen by 7 bits of the
 * key's hash; a segment is an array of buckets of four slots, and what does
 * not fit its bucket is in the next one that has room.  A slot is a key and
 * one word, so a look-up reads one cache line:
 *
 *                    words of a slot      bytes    also, read by no packet
 *     CA, peer (v4)  key           value   16      8 (the cookie)
 *     MAC, port      key  key/value        16      8
 *     all others     key  CA  CA   value   32      8
 *
 * Memory: a segment is made anew, half full, before more than three quarters
 * of its slots are in use, or when less than three eighths are.  So, in a
 * table of many, an entry takes 32 to 64 bytes, or 54 to 107 of those others:
 * an IPv4 mapping, by CA and by MAC together, at most 128, and an IPv6 mapping
 * 171.  Segments grow one by one, so there is never much of two versions.  A
 * place that entries lead to takes 80 bytes; the table itself 0.12 MB.
 *
 * What readers see.  An entry never moves within its segment.  A change to
 * where it is, is one store; so is that it comes or goes.  A slot that was
 * freed is used again after a grace period of ovs-rcu; what needs more than
 * one store (a segment that grows, a CA that gets another MAC) is done in a
 * copy of the segment, whose old version goes after a grace period.  So
 * readers never wait, nor try again, nor miss an entry that is there
 * throughout, nor take one's answer for another's.
 *
 * Threads: any number of readers, which hold what they were given until they
 * quiesce (ovs-rcu.h).  One writer at a time. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "datapath-ext/space-slot.h"
#include "model/space.h"
#include "openvswitch/types.h"

struct space_locators;

/* VSIDs and routing domains have 24 bits. */
#define SPACE_VSID_MAX 0xffffff

/* As many as a batch of packets has (NETDEV_MAX_BURST). */
#define SPACE_BATCH_MAX 32

struct space_table *space_table_create(void);

/* The memory goes after a grace period. */
void space_table_destroy(struct space_table *);

/* The writer. */

/* Adds 'entry' or replaces the one with its key.  Returns 0; EINVAL if a
 * number in it is too large or it is for IP rewrite; ENOSPC if there are more
 * than 4 million places that entries lead to. */
int space_table_put(struct space_table *, const struct space_entry *entry);

/* The same with 'n' of them, of which later ones replace earlier ones.  On
 * error none is put. */
int space_table_put_all(struct space_table *, const struct space_entry *,
                        size_t n);

/* False if there was none. */
bool space_table_remove(struct space_table *, const struct space_key *);

/* The port of the guest with 'mac' in subnet 'vsid'; what number that is, is
 * up to the caller.  Returns 0 or EINVAL. */
int space_table_put_port(struct space_table *, uint32_t vsid,
                         struct eth_addr mac, uint32_t port);
bool space_table_remove_port(struct space_table *, uint32_t vsid,
                             struct eth_addr mac);

/* Removes all entries, but no ports.  Takes milliseconds, however many there
 * are: their memory goes after a grace period, elsewhere.  Readers may see
 * some of them gone and others not yet. */
void space_table_clear(struct space_table *);
void space_table_clear_ports(struct space_table *);

/* The entry with 'key', for people; false if there is none.  Readers may call
 * this, too. */
bool space_table_get(const struct space_table *, const struct space_key *,
                     struct space_entry *ret_entry);

/* Readers. */

/* A question; space-query.h makes them. */
struct space_query {
    struct space_slot slot;     /* The key. */
    uint32_t set;               /* Which table. */
};

struct space_answer {
    bool found;
    bool learned;               /* space_entry.learned */
    struct eth_addr mac;        /* Unless it is what was asked for. */
    union {
        uint32_t locator;       /* Index; see space-locators.h. */
        uint32_t port;          /* Of space_query_port(). */
    };
};

/* Answers 'n' questions, at most SPACE_BATCH_MAX.  Returns a bit for each that
 * was found. */
uint32_t space_table_find(const struct space_table *,
                          const struct space_query *, size_t n,
                          struct space_answer *ret_answers);

/* Where answers lead to; lives as long as the table. */
struct space_locators *space_table_locators(const struct space_table *);

/* Everything, piece by piece. */

/* Where a dump has come to.  It may rest while entries come and go, and while
 * the thread quiesces: what is there from the first piece to the last one is
 * in exactly one of them. */
struct space_cursor {
    uint32_t set;
    uint32_t segment;
    uint64_t position;          /* Of hashes. */
};                              /* Any numbers do no harm. */

#define SPACE_CURSOR_INITIALIZER { 0, 0, 0 }

/* Calls 'cb' for each entry of the next piece, of which there are a few.
 * False if there was no piece any more. */
bool space_table_dump(const struct space_table *, struct space_cursor *,
                      void (*cb)(const struct space_entry *, void *aux),
                      void *aux);

/* The same for local ports, each with its key by MAC.  The cursor is one for
 * ports only. */
bool space_table_dump_ports(const struct space_table *, struct space_cursor *,
                            void (*cb)(const struct space_key *,
                                       uint32_t port, void *aux),
                            void *aux);

struct space_table_stats {
    uint64_t generation;        /* One more for each entry or port that is
                                 * put, or removed even if it is not there;
                                 * another after all were removed. */
    uint64_t n_entries[SPACE_BY_OWNER + 1]; /* By enum space_kind. */
    uint64_t n_ports;
    uint64_t n_locators;
    uint64_t n_copies;          /* Of segments, so far. */
    uint64_t bytes;             /* All memory, but for what waits for a grace
                                 * period. */
};

/* The writer's, or roughly right. */
void space_table_get_stats(const struct space_table *,
                           struct space_table_stats *);

#endif /* datapath-ext/space-table.h */
