/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "learn/learner.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include "dp-packet.h"
#include "learn/frames.h"
#include "learn/sighting.h"
#include "model/policy.h"
#include "model/rules.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "util.h"
#include "util/addr.h"

/* A question that was put to a subnet. */
struct question {
    uint32_t vsid;
    struct in6_addr ca;
    long long int asked;
};

/* Questions to remember, so that a stream of packets to an unknown address is
 * one question per second, and the seconds it takes to forget one. */
enum { MAX_QUESTIONS = 64, QUESTION_MS = 1000 };

struct learner {
    struct learner_sink sink;
    struct learner_facts facts;
    struct learner_port *ports;
    struct learner_table *table;

    /* Keys of policy entries that changed since the last review. */
    struct space_key *changed;
    size_t n_changed, allocated_changed;

    struct question questions[MAX_QUESTIONS];
    size_t next_question;       /* The one to be overwritten. */

    /* Figures for people. */
    uint64_t n_verdicts[N_LEARN_VERDICTS];
    uint64_t n_moved, n_probes, n_announced, n_solicited;
};

/* What the table asks for. */

static void
space_put(const struct space_entry *entry, void *learn_)
{
    struct learner *learner = learn_;
    learner->sink.space_put(entry, learner->sink.aux);
}

static void
space_remove(const struct space_key *key, void *learn_)
{
    struct learner *learner = learn_;
    learner->sink.space_remove(key, learner->sink.aux);
}

static void
local_put(const struct learned *l, void *learn_)
{
    struct learner *learner = learn_;
    learner->sink.local_put(l, learner->sink.aux);
}

static void
local_remove(const struct learned *l, void *learn_)
{
    struct learner *learner = learn_;
    learner->sink.local_remove(l, learner->sink.aux);
}

/* Sends 'packet' and deletes it. */
static void
send_frame(struct learner *learner, struct learner_frame frame,
           struct dp_packet *packet)
{
    frame.data = dp_packet_data(packet);
    frame.size = dp_packet_size(packet);
    learner->sink.send(&frame, learner->sink.aux);
    dp_packet_delete(packet);
}

static const struct in6_addr *
find_gateway(const struct rules_subnet *subnet, const struct in6_addr *ca)
{
    for (size_t i = 0; i < subnet->n_prefixes; i++) {
        if (addr_prefix_contains(&subnet->prefixes[i].net, ca)) {
            return &subnet->prefixes[i].gateway;
        }
    }
    return NULL;
}

static void
probe(const struct learned *l, void *learn_)
{
    struct learner *learner = learn_;
    const struct rules *rules = learner->facts.rules;
    const struct rules_subnet *subnet = rules_find_subnet(rules, l->vsid);
    const struct in6_addr *gateway
        = subnet ? find_gateway(subnet, &l->ca) : NULL;

    if (gateway) {
        struct learner_frame frame = {
            .how = LEARN_TO_GUEST, .vsid = l->vsid,
            .ofport = l->place.ofport,
        };

        learner->n_probes++;
        send_frame(learner, frame, frame_probe(&l->ca, l->mac, gateway,
                                               rules->router_mac));
    }
}

/* Where the policy knows the address, other hosts know it, too. */
static void
announce(const struct learned *l, void *learn_)
{
    struct learner *learner = learn_;
    struct space_entry entry;
    struct space_key key;

    space_key_init_ca(&key, l->vsid, &l->ca);
    if (!policy_find_space(learner->facts.policy, &key, &entry)) {
        const struct learner_port *port
            = learner_ports_find(&learner->facts, l->vsid, l->mac);
        struct learner_frame frame = {
            .how = LEARN_AS_GUEST, .vsid = l->vsid,
            .ofport = l->place.ofport, .vlan = port ? port->vlan : 0,
        };

        learner->n_announced++;
        send_frame(learner, frame, frame_announce(&l->ca, l->mac));
    }
}

struct learner *
learner_create(const struct policy *policy, const struct learner_sink *sink)
{
    struct learner *learner = xzalloc(sizeof *learner);

    learner->sink = *sink;
    learner->facts.policy = policy;
    learner->table = learner_table_create(&(struct learner_table_sink) {
        .space_put = space_put,
        .space_remove = space_remove,
        .local_put = local_put,
        .local_remove = local_remove,
        .probe = probe,
        .announce = announce,
        .aux = learner,
    });
    return learner;
}

void
learner_destroy(struct learner *learner)
{
    if (learner) {
        learner_table_destroy(learner->table);
        free(learner->ports);
        free(learner->changed);
        free(learner);
    }
}

/* What learned entries depend on. */

static const struct rules_subnet *
keep(const struct learned *l, void *learn_)
{
    const struct learner *learner = learn_;
    const struct rules_subnet *subnet;

    return (learner_check(&learner->facts, l->vsid, &l->ca, l->mac, &l->place,
                          &subnet) == LEARN_OK ? subnet : NULL);
}

void
learner_adopt(struct learner *learner, const struct rules *rules,
              const struct learner_port *ports, size_t n_ports)
{
    free(learner->ports);
    learner->ports = xmemdup(ports, n_ports * sizeof *ports);
    learner_ports_sort(learner->ports, n_ports);
    learner->facts.rules = rules;
    learner->facts.ports = learner->ports;
    learner->facts.n_ports = n_ports;
    learner->n_changed = 0;
    learner_table_review(learner->table, keep, learner);
}

void
learner_policy_changed(struct learner *learner, const struct space_key *key)
{
    if (!learner_table_has_key(learner->table, key)) {
        return;
    }
    if (learner->n_changed >= learner->allocated_changed) {
        learner->changed = x2nrealloc(learner->changed,
                                      &learner->allocated_changed,
                                      sizeof *learner->changed);
    }
    learner->changed[learner->n_changed++] = *key;
}

void
learner_review(struct learner *learner)
{
    for (size_t i = 0; i < learner->n_changed; i++) {
        const struct space_key *key = &learner->changed[i];

        learner_table_review_key(learner->table, key, keep, learner);
    }
    free(learner->changed);
    learner->changed = NULL;
    learner->n_changed = learner->allocated_changed = 0;
}

/* Sightings. */

/* Where what a packet tells of is.  A claim is its sender's; a hint from a
 * DHCP server may be about any guest, and is of use if that is one of ours. */
static bool
find_place(const struct learner *learner, uint32_t vsid,
           const struct learner_place *from, const struct sighting *s,
           struct learner_place *ret_place)
{
    if (s->kind == SIGHTING_CLAIM) {
        *ret_place = *from;
        return true;
    }

    const struct learner_port *port
        = learner_ports_find(&learner->facts, vsid, s->mac);

    if (port) {
        *ret_place = (struct learner_place) {
            .where.encap = SPACE_LOCAL, .ofport = port->ofport,
        };
    }
    return port != NULL;
}

static enum learner_verdict
take_sighting(struct learner *learner, uint32_t vsid,
              const struct learner_place *from, const struct sighting *s,
              long long int now)
{
    const struct rules_subnet *subnet;
    struct learner_place place;
    enum learner_verdict verdict;
    enum learner_result result;

    if (s->kind == SIGHTING_HINT && from->where.encap != SPACE_LOCAL) {
        learner_table_asked(learner->table, vsid, &s->ca, now);
    }
    if (!find_place(learner, vsid, from, s, &place)) {
        return LEARN_BAD_PLACE;
    }
    verdict = learner_check(&learner->facts, vsid, &s->ca, s->mac, &place,
                            &subnet);
    if (verdict != LEARN_OK) {
        return verdict;
    }
    result = (s->kind == SIGHTING_CLAIM
              ? learner_table_claim(learner->table, subnet, &s->ca, s->mac,
                                    &place, now)
              : learner_table_hint(learner->table, subnet, &s->ca, s->mac,
                                   &place, now));
    learner->n_moved += result == LEARN_MOVED;
    return result == LEARN_FULL ? LEARN_LIMIT : LEARN_OK;
}

void
learner_take(struct learner *learner, uint32_t vsid,
             const struct learner_place *place, const void *frame, size_t size,
             long long int now)
{
    struct sighting s;

    if (learner->facts.rules) {
        enum learner_verdict verdict
            = (sighting_parse(frame, size, &s)
               ? take_sighting(learner, vsid, place, &s, now)
               : LEARN_NO_SENSE);

        learner->n_verdicts[verdict]++;
    }
}

void
learner_restore(struct learner *learner, uint32_t vsid,
                const struct in6_addr *ca, struct eth_addr mac,
                long long int now)
{
    const struct learner_port *port
        = learner_ports_find(&learner->facts, vsid, mac);
    struct sighting s = { .kind = SIGHTING_CLAIM, .ca = *ca, .mac = mac };

    if (port) {
        struct learner_place place = {
            .where.encap = SPACE_LOCAL, .ofport = port->ofport,
        };

        if (take_sighting(learner, vsid, &place, &s, now) == LEARN_OK) {
            learner_table_doubt(learner->table, vsid, ca, now);
        }
    }
}

/* Returns true if 'ca' was asked for just now, and otherwise remembers that it
 * is. */
static bool
was_asked(struct learner *learner, uint32_t vsid, const struct in6_addr *ca,
          long long int now)
{
    for (size_t i = 0; i < MAX_QUESTIONS; i++) {
        const struct question *q = &learner->questions[i];

        if (q->vsid == vsid && addr_equal(&q->ca, ca)
            && now < q->asked + QUESTION_MS) {
            return true;
        }
    }
    learner->questions[learner->next_question] = (struct question) {
        .vsid = vsid, .ca = *ca, .asked = now,
    };
    learner->next_question = (learner->next_question + 1) % MAX_QUESTIONS;
    return false;
}

void
learner_solicit(struct learner *learner, uint32_t vsid,
                const struct in6_addr *ca, long long int now)
{
    const struct rules *rules = learner->facts.rules;
    const struct rules_subnet *subnet
        = rules ? rules_find_subnet(rules, vsid) : NULL;
    const struct in6_addr *gateway
        = subnet ? find_gateway(subnet, ca) : NULL;

    if (gateway && subnet->learning.enabled && !addr_equal(ca, gateway)
        && !was_asked(learner, vsid, ca, now)) {
        struct learner_frame frame = {
            .how = LEARN_TO_SUBNET, .vsid = vsid, .ofport = OFPP_NONE,
        };

        learner->n_solicited++;
        send_frame(learner, frame, frame_solicit(ca, rules->router_mac));
    }
}

long long int
learner_run(struct learner *learner, long long int now)
{
    return learner_table_run(learner->table, now);
}

/* For people. */

struct listing {
    struct ds *out;
    long long int now;
};

static void
format_entry(const struct learned *l, void *listing_)
{
    const struct listing *listing = listing_;
    char ca[ADDR_STRLEN], pa[ADDR_STRLEN];

    ds_put_format(listing->out, "VSID %"PRIu32" CA %s MAC "ETH_ADDR_FMT" ",
                  l->vsid, addr_format(&l->ca, ca), ETH_ADDR_ARGS(l->mac));
    switch (l->place.where.encap) {
    case SPACE_LOCAL:
        ds_put_format(listing->out, "on port %"PRIu32, l->place.ofport);
        break;
    case SPACE_VXLAN:
    case SPACE_NVGRE:
        ds_put_format(listing->out, "at PA %s by %s",
                      addr_format(&l->place.where.pa, pa),
                      l->place.where.encap == SPACE_VXLAN
                      ? "vxlan" : "nvgre");
        break;
    case SPACE_BALANCED:
    case SPACE_REWRITE:
        OVS_NOT_REACHED();
    }
    ds_put_format(listing->out, ", %s %lld s ago, %lld s left\n",
                  l->candidate ? "expected since" : "seen",
                  (listing->now - l->confirmed) / 1000,
                  (l->deadline - listing->now) / 1000);
}

void
learner_format(const struct learner *learner, long long int now,
               struct ds *out)
{
    struct listing listing = { out, now };

    for (size_t i = 0; i < N_LEARN_VERDICTS; i++) {
        if (learner->n_verdicts[i]) {
            ds_put_format(out, "packets, %s: %"PRIu64"\n",
                          learner_verdict_to_string(i),
                          learner->n_verdicts[i]);
        }
    }
    ds_put_format(out, "addresses that moved: %"PRIu64"\n"
                  "sent: %"PRIu64" probes, %"PRIu64" announcements, "
                  "%"PRIu64" questions to a subnet\n"
                  "learned addresses: %"PRIuSIZE"\n",
                  learner->n_moved, learner->n_probes, learner->n_announced,
                  learner->n_solicited, learner_count(learner));
    learner_table_for_each(learner->table, format_entry, &listing);
}

size_t
learner_count(const struct learner *learner)
{
    return learner_table_count(learner->table);
}
