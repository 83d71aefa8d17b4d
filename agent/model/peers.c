/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/peers.h"
#include <stdlib.h>
#include "hash.h"
#include "model/policy.h"
#include "model/rules.h"
#include "util.h"
#include "util/addr.h"

/* A PA that something of a subnet leads to. */
struct subnet_pa {
    struct hmap_node node;      /* In struct subnet_peers' 'pas'. */
    struct in6_addr pa;
    size_t n;                   /* How much of it does. */
};

/* A PA that some subnet of a routing domain has. */
struct peer {
    struct hmap_node node;      /* In struct peers' 'by_key'. */
    uint32_t domain;
    struct in6_addr pa;
    size_t n_subnets;
    bool said;                  /* It was reported. */
    bool dirty;                 /* In struct peers' 'dirty'. */
};

void
peers_init(struct peers *peers)
{
    *peers = (struct peers) { .n_dirty = 0 };
    hmap_init(&peers->by_key);
}

void
peers_uninit(struct peers *peers)
{
    struct peer *peer;

    HMAP_FOR_EACH_POP (peer, node, &peers->by_key) {
        free(peer);
    }
    hmap_destroy(&peers->by_key);
    free(peers->dirty);
}

void
subnet_peers_init(struct subnet_peers *sp)
{
    hmap_init(&sp->pas);
    sp->domain = 0;
}

void
subnet_peers_uninit(struct subnet_peers *sp)
{
    struct subnet_pa *pa;

    HMAP_FOR_EACH_POP (pa, node, &sp->pas) {
        free(pa);
    }
    hmap_destroy(&sp->pas);
}

/* Routing domains. */

static struct peer *
find_peer(const struct peers *peers, const struct space_key *key,
          uint32_t hash)
{
    struct peer *peer;

    HMAP_FOR_EACH_WITH_HASH (peer, node, hash, &peers->by_key) {
        if (peer->domain == key->vsid && addr_equal(&peer->pa, &key->pa)) {
            return peer;
        }
    }
    return NULL;
}

static struct peer *
get_peer(struct peers *peers, uint32_t domain, const struct in6_addr *pa)
{
    struct space_key key;

    space_key_init_peer(&key, domain, pa);

    uint32_t hash = space_key_hash(&key);
    struct peer *peer = find_peer(peers, &key, hash);

    if (!peer) {
        peer = xzalloc(sizeof *peer);
        peer->domain = domain;
        peer->pa = *pa;
        hmap_insert(&peers->by_key, &peer->node, hash);
    }
    return peer;
}

static void
count_in(struct peers *peers, uint32_t domain, const struct in6_addr *pa,
         int n)
{
    struct peer *peer = get_peer(peers, domain, pa);

    peer->n_subnets += n;
    if (!peer->dirty) {
        peer->dirty = true;
        if (peers->n_dirty >= peers->allocated_dirty) {
            peers->dirty = x2nrealloc(peers->dirty, &peers->allocated_dirty,
                                      sizeof *peers->dirty);
        }
        peers->dirty[peers->n_dirty++] = peer;
    }
}

/* One subnet more, or one less, of 'domain' has 'pa'. */
static void
count_subnet(struct peers *peers, uint32_t domain, const struct in6_addr *pa,
             int n)
{
    count_in(peers, domain, pa, n);
    count_in(peers, PEER_ANY_DOMAIN, pa, n);
}

/* Subnets. */

static struct subnet_pa *
find_pa(const struct subnet_peers *sp, const struct in6_addr *pa,
        uint32_t hash)
{
    struct subnet_pa *s;

    HMAP_FOR_EACH_WITH_HASH (s, node, hash, &sp->pas) {
        if (addr_equal(&s->pa, pa)) {
            return s;
        }
    }
    return NULL;
}

void
peers_ref(struct peers *peers, struct subnet_peers *sp,
          const struct in6_addr *pa)
{
    uint32_t hash = hash_bytes(pa, sizeof *pa, 0);
    struct subnet_pa *s = find_pa(sp, pa, hash);

    if (!s) {
        s = xzalloc(sizeof *s);
        s->pa = *pa;
        hmap_insert(&sp->pas, &s->node, hash);
        if (sp->domain) {
            count_subnet(peers, sp->domain, pa, 1);
        }
    }
    s->n++;
}

void
peers_unref(struct peers *peers, struct subnet_peers *sp,
            const struct in6_addr *pa)
{
    struct subnet_pa *s = find_pa(sp, pa, hash_bytes(pa, sizeof *pa, 0));

    ovs_assert(s);
    if (!--s->n) {
        if (sp->domain) {
            count_subnet(peers, sp->domain, pa, -1);
        }
        hmap_remove(&sp->pas, &s->node);
        free(s);
    }
}

static void
change_domain(struct peers *peers, struct subnet_peers *sp, uint32_t domain)
{
    const struct subnet_pa *s;

    HMAP_FOR_EACH (s, node, &sp->pas) {
        if (sp->domain) {
            count_subnet(peers, sp->domain, &s->pa, -1);
        }
        if (domain) {
            count_subnet(peers, domain, &s->pa, 1);
        }
    }
    sp->domain = domain;
}

/* The PAs that the rules name: of the replication list, and of hosts that
 * guests are moving to. */
static void
for_each_pa(struct peers *peers, struct subnet_peers *sp,
            const struct rules_subnet *subnet,
            void (*count)(struct peers *, struct subnet_peers *,
                          const struct in6_addr *pa))
{
    for (size_t i = 0; i < subnet->n_flood; i++) {
        count(peers, sp, &subnet->flood[i].pa);
    }
    for (size_t i = 0; i < subnet->n_migrations; i++) {
        if (subnet->migrations[i].to.encap != SPACE_LOCAL) {
            count(peers, sp, &subnet->migrations[i].to.pa);
        }
    }
}

void
peers_adopt_rules(struct peers *peers, struct subnet_peers *sp,
                  const struct rules_subnet *old,
                  const struct rules_subnet *next)
{
    if (next) {
        for_each_pa(peers, sp, next, peers_ref);
    }
    if (old) {
        for_each_pa(peers, sp, old, peers_unref);
    }

    uint32_t domain = next ? next->domain : 0;

    if (domain != sp->domain) {
        change_domain(peers, sp, domain);
    }
}

/* Telling. */

static void
peer_to_entry(const struct peer *peer, struct space_entry *entry)
{
    *entry = (struct space_entry) { .cookie = 0 };
    space_key_init_peer(&entry->key, peer->domain, &peer->pa);
}

static void
report_peer(struct peers *peers, struct peer *peer,
            const struct policy_sink *sink)
{
    bool now = peer->n_subnets > 0;
    struct space_entry entry;

    peer->dirty = false;
    if (now != peer->said) {
        peer_to_entry(peer, &entry);
        if (now) {
            sink->space_put(&entry, sink->aux);
            peers->n_entries++;
        } else {
            sink->space_remove(&entry.key, sink->aux);
            peers->n_entries--;
        }
        peer->said = now;
    }
    if (!now) {
        hmap_remove(&peers->by_key, &peer->node);
        free(peer);
    }
}

void
peers_report(struct peers *peers, const struct policy_sink *sink)
{
    for (size_t i = 0; i < peers->n_dirty; i++) {
        report_peer(peers, peers->dirty[i], sink);
    }
    peers->n_dirty = 0;
}

bool
peers_find(const struct peers *peers, const struct space_key *key,
           struct space_entry *ret_entry)
{
    const struct peer *peer = find_peer(peers, key, space_key_hash(key));

    if (!peer || !peer->said) {
        return false;
    }
    peer_to_entry(peer, ret_entry);
    return true;
}

void
peers_for_each(const struct peers *peers,
               void (*cb)(const struct space_entry *, void *aux), void *aux)
{
    const struct peer *peer;

    HMAP_FOR_EACH (peer, node, &peers->by_key) {
        if (peer->said) {
            struct space_entry entry;

            peer_to_entry(peer, &entry);
            cb(&entry, aux);
        }
    }
}
