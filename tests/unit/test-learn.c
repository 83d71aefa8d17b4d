/* SPDX-License-Identifier: Apache-2.0 */

/* What packets tell of addresses, what of that is believed, and the space that
 * it becomes part of. */

#include <config.h>
#include "learn/learner.h"
#include <limits.h>
#include <string.h>
#include "dp-packet.h"
#include "learn/frames.h"
#include "learn/sighting.h"
#include "model/overlay.h"
#include "model/policy.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "policy-feed.h"
#include "random.h"

static const struct eth_addr router = ETH_ADDR_C(00,aa,00,00,00,01);
static const struct eth_addr guest = ETH_ADDR_C(02,00,00,00,00,01);
static const struct eth_addr other = ETH_ADDR_C(02,00,00,00,00,02);

static struct in6_addr
addr(const char *text)
{
    struct in6_addr a;

    ck_assert(addr_parse(text, &a));
    return a;
}

/* Packets. */

static bool
parse(const struct dp_packet *p, struct sighting *s)
{
    return sighting_parse(dp_packet_data(p), dp_packet_size(p), s);
}

/* Takes 'p', which must tell just this and, cut off anywhere, nothing. */
static void
check_sighting(struct dp_packet *p, size_t need, enum sighting_kind kind,
               const char *ca, struct eth_addr mac)
{
    struct in6_addr want = addr(ca);
    struct sighting s;

    ck_assert(parse(p, &s));
    ck_assert_int_eq(s.kind, kind);
    ck_assert(addr_equal(&s.ca, &want));
    ck_assert(eth_addr_equals(s.mac, mac));
    for (size_t n = 0; n < need; n++) {
        void *copy = xmemdup(dp_packet_data(p), n);

        ck_assert(!sighting_parse(copy, n, &s));
        free(copy);
    }
    dp_packet_delete(p);
}

static void
check_nothing(struct dp_packet *p)
{
    struct sighting s;

    ck_assert(!parse(p, &s));
    dp_packet_delete(p);
}

static struct dp_packet *
arp(uint16_t op, struct eth_addr sha, const char *spa, const char *tpa)
{
    struct in6_addr s = addr(spa), t = addr(tpa);
    struct dp_packet *p = dp_packet_new(0);

    compose_arp(p, op, sha, eth_addr_broadcast, true, addr_to_ipv4(&s),
                addr_to_ipv4(&t));
    return p;
}

START_TEST(arp_packets)
{
    struct dp_packet *p;

    check_sighting(arp(1, guest, "10.1.1.5", "10.1.1.6"), 42, SIGHTING_CLAIM,
                   "10.1.1.5", guest);
    check_sighting(arp(2, guest, "10.1.1.5", "10.1.1.6"), 42, SIGHTING_CLAIM,
                   "10.1.1.5", guest);
    check_sighting(arp(1, guest, "10.1.1.5", "10.1.1.5"), 42, SIGHTING_CLAIM,
                   "10.1.1.5", guest);
    check_sighting(arp(1, guest, "0.0.0.0", "10.1.1.5"), 42, SIGHTING_HINT,
                   "10.1.1.5", guest);
    check_nothing(arp(2, guest, "0.0.0.0", "10.1.1.5"));
    check_nothing(arp(1, guest, "0.0.0.0", "0.0.0.0"));
    check_nothing(arp(3, guest, "10.1.1.5", "10.1.1.6"));
    check_nothing(arp(1, eth_addr_broadcast, "10.1.1.5", "10.1.1.6"));
    check_nothing(arp(1, eth_addr_zero, "10.1.1.5", "10.1.1.6"));

    /* Who sends it and who it says sends it differ. */
    p = arp(1, guest, "10.1.1.5", "10.1.1.6");
    ((struct eth_header *) dp_packet_data(p))->eth_src = other;
    check_nothing(p);
}
END_TEST

static struct dp_packet *
nd(bool solicit, const char *src, const char *about)
{
    struct in6_addr s = addr(src), a = addr(about);
    struct dp_packet *p = dp_packet_new(0);

    if (solicit) {
        compose_nd_ns(p, guest, &s, &a);
    } else {
        compose_nd_na(p, guest, other, &a, &s, htonl(ND_RSO_OVERRIDE));
    }
    return p;
}

START_TEST(neighbor_discovery)
{
    struct in6_addr ca = addr("fd00::5");
    struct dp_packet *p;

    check_sighting(nd(true, "fd00::5", "fd00::6"), 86, SIGHTING_CLAIM,
                   "fd00::5", guest);
    check_sighting(nd(false, "fd00::6", "fd00::5"), 86, SIGHTING_CLAIM,
                   "fd00::5", guest);
    check_sighting(frame_solicit(&ca, guest), 78, SIGHTING_HINT, "fd00::5",
                   guest);

    p = nd(true, "fd00::5", "fd00::6");
    ((struct eth_header *) dp_packet_data(p))->eth_src = other;
    check_nothing(p);
    p = nd(false, "fd00::5", "fd00::6");
    ((uint8_t *) dp_packet_data(p))[14 + 7] = 254;  /* Hop limit. */
    check_nothing(p);
}
END_TEST

static struct dp_packet *
dhcp(uint8_t type, const uint8_t *before, size_t n)
{
    struct dp_packet *p = dp_packet_new(0);
    uint8_t *data = dp_packet_put_zeros(p, 14 + 20 + 8 + 236);
    const uint8_t cookie[] = { 99, 130, 83, 99 };
    const uint8_t option[] = { 53, 1, type, 255 };

    memset(data, 2, 12);
    data[12] = 0x08;
    data[14] = 0x45;
    data[14 + 9] = IPPROTO_UDP;
    data[34 + 1] = 67;
    data[34 + 3] = 68;
    data[42] = 2;
    data[43] = 1;
    data[44] = 6;
    memcpy(data + 42 + 16, (uint8_t[]) { 10, 1, 1, 5 }, 4);
    memcpy(data + 42 + 28, &guest, 6);
    dp_packet_put(p, cookie, sizeof cookie);
    dp_packet_put(p, before, n);
    dp_packet_put(p, option, sizeof option);
    return p;
}

START_TEST(dhcp_acknowledgements)
{
    const uint8_t options[] = { 0, 0, 1, 4, 255, 255, 255, 0 };
    const uint8_t endless[] = { 1, 200 };
    struct dp_packet *p;

    check_sighting(dhcp(5, options, 0), 285, SIGHTING_HINT, "10.1.1.5",
                   guest);
    check_sighting(dhcp(5, options, sizeof options), 293, SIGHTING_HINT,
                   "10.1.1.5", guest);
    check_nothing(dhcp(2, options, sizeof options));
    check_nothing(dhcp(6, options, sizeof options));
    check_nothing(dhcp(5, endless, sizeof endless));

    p = dhcp(5, options, 0);
    ((uint8_t *) dp_packet_data(p))[14 + 6] = 0x20; /* A fragment. */
    check_nothing(p);
}
END_TEST

START_TEST(what_we_send_tells_what_it_should)
{
    const char *cas[] = { "10.1.1.5", "fd00::5" };
    const char *gateways[] = { "10.1.1.1", "fd00::1" };

    for (size_t i = 0; i < 2; i++) {
        struct in6_addr ca = addr(cas[i]), gateway = addr(gateways[i]);

        check_sighting(frame_announce(&ca, guest), 0, SIGHTING_CLAIM, cas[i],
                       guest);
        check_sighting(frame_probe(&ca, guest, &gateway, router), 0,
                       SIGHTING_CLAIM, gateways[i], router);
        check_sighting(frame_solicit(&ca, router), 0, SIGHTING_HINT, cas[i],
                       router);
    }
}
END_TEST

START_TEST(junk_packets)
{
    random_set_seed(unit_seed("test-learn"));
    for (int i = 0; i < 200000; i++) {
        struct dp_packet *p
            = (i % 3 == 0 ? arp(1, guest, "10.1.1.5", "10.1.1.6")
               : i % 3 == 1 ? nd(i % 2, "fd00::5", "fd00::6")
               : dhcp(5, NULL, 0));
        uint8_t *copy = xmemdup(dp_packet_data(p), dp_packet_size(p));
        struct sighting s;

        for (unsigned int n = random_range(8); n > 0; n--) {
            copy[random_range(dp_packet_size(p))] = random_uint32();
        }
        sighting_parse(copy, random_range(dp_packet_size(p) + 1), &s);
        free(copy);
        dp_packet_delete(p);
    }
}
END_TEST

/* What is believed. */

/* A host with PA 192.0.2.1 and subnet 5001, which learns; the guest's MAC is
 * at port 1.  Locator 0 is this host, 1 another. */
static void
world_init(struct feed *f)
{
    const char *pas[] = { "192.0.2.1" };
    struct row_binding binding[] = {
        bind_prefix("10.1.1.0/24", 0), bind_prefix("fd00::/64", 0),
    };
    const struct row_pair config[] = { { "learning", "true" } };

    feed_init(f);
    feed_host(f, 0, pas, 1, "00:aa:00:00:00:01");
    feed_locator(f, 0, "192.0.2.1", "vxlan_over_ipv4");
    feed_locator(f, 1, "192.0.2.2", "vxlan_over_ipv4");
    feed_row(f, ROW_LOGICAL_SWITCH, 0, (struct row) {
        .logical_switch = {
            .name = "web", .description = "", .has_tunnel_key = true,
            .tunnel_key = 5001, .other_config = { config, 1 },
        },
    });
    feed_router(f, 0, "net", binding, 2);
    feed_settle(f);
}

static const struct learner_place here = { .ofport = OFP_PORT_C(1) };

static struct learner_place
there(const char *pa)
{
    return (struct learner_place) {
        .ofport = OFPP_NONE, .where = { SPACE_VXLAN, addr(pa) },
    };
}

static enum learner_verdict
check(const struct feed *f, const char *ca, struct eth_addr mac,
      struct learner_place place)
{
    static const struct learner_port port = {
        .vsid = 5001, .mac = guest, .ofport = OFP_PORT_C(1),
    };
    const struct learner_facts facts = {
        f->policy, policy_rules(f->policy), &port, 1,
    };
    const struct rules_subnet *subnet;
    struct in6_addr a = addr(ca);

    return learner_check(&facts, 5001, &a, mac, &place, &subnet);
}

START_TEST(places_and_addresses)
{
    struct feed f;

    world_init(&f);
    ck_assert_int_eq(check(&f, "10.1.1.5", guest, here), LEARN_OK);
    ck_assert_int_eq(check(&f, "fd00::5", guest, here), LEARN_OK);
    ck_assert_int_eq(check(&f, "10.1.1.5", other, there("192.0.2.2")),
                     LEARN_OK);

    ck_assert_int_eq(check(&f, "10.1.1.5", other, here), LEARN_BAD_MAC);
    ck_assert_int_eq(check(&f, "10.1.1.5", router, there("192.0.2.2")),
                     LEARN_BAD_MAC);
    ck_assert_int_eq(check(&f, "10.1.1.5", guest, there("192.0.2.2")),
                     LEARN_BAD_PLACE);
    ck_assert_int_eq(check(&f, "10.1.1.5", other, there("192.0.2.1")),
                     LEARN_BAD_PLACE);
    ck_assert_int_eq(check(&f, "10.1.1.1", guest, here), LEARN_BAD_CA);
    ck_assert_int_eq(check(&f, "10.1.1.255", guest, here), LEARN_BAD_CA);
    ck_assert_int_eq(check(&f, "10.1.1.0", guest, here), LEARN_BAD_CA);
    ck_assert_int_eq(check(&f, "10.1.2.5", guest, here), LEARN_BAD_CA);
    ck_assert_int_eq(check(&f, "fe80::5", guest, here), LEARN_BAD_CA);

    feed_switch(&f, 0, "web", 5001);
    feed_settle(&f);
    ck_assert_int_eq(check(&f, "10.1.1.5", guest, here), LEARN_OFF);
    feed_uninit(&f);
}
END_TEST

START_TEST(policy_is_not_contradicted)
{
    struct feed f;

    world_init(&f);
    feed_mapping(&f, 0, "02:00:00:00:00:01", "10.1.1.5", 0, 0);
    feed_mapping(&f, 1, "02:00:00:00:00:02", "10.1.1.6", 0, 1);
    feed_settle(&f);

    /* It says so, too. */
    ck_assert_int_eq(check(&f, "10.1.1.5", guest, here), LEARN_OK);
    ck_assert_int_eq(check(&f, "10.1.1.6", other, there("192.0.2.2")),
                     LEARN_OK);
    /* More addresses of guests that are where it says. */
    ck_assert_int_eq(check(&f, "10.1.1.7", guest, here), LEARN_OK);
    ck_assert_int_eq(check(&f, "10.1.1.7", other, there("192.0.2.2")),
                     LEARN_OK);
    /* Others' addresses, and guests elsewhere. */
    ck_assert_int_eq(check(&f, "10.1.1.6", guest, here), LEARN_POLICY);
    ck_assert_int_eq(check(&f, "10.1.1.5", other, there("192.0.2.2")),
                     LEARN_POLICY);
    ck_assert_int_eq(check(&f, "10.1.1.7", other, there("192.0.2.3")),
                     LEARN_POLICY);

    /* A guest that keeps its addresses. */
    feed_delete(&f, ROW_UCAST_REMOTE, 0);
    feed_mapping_type(&f, 2, "02:00:00:00:00:01", "10.1.1.5", 0, 0,
                      "learning_disabled");
    feed_settle(&f);
    ck_assert_int_eq(check(&f, "10.1.1.5", guest, here), LEARN_OK);
    ck_assert_int_eq(check(&f, "10.1.1.7", guest, here), LEARN_FIXED);
    feed_uninit(&f);
}
END_TEST

/* The space as a whole, but for peers, of which nothing is learned. */

struct whole {
    struct hmap entries;        /* "struct feed_entry"s, as told. */
};

static struct feed_entry *
whole_find(const struct whole *w, const struct space_key *key)
{
    struct feed_entry *e;

    HMAP_FOR_EACH_WITH_HASH (e, node, space_key_hash(key), &w->entries) {
        if (space_key_equal(&e->entry.key, key)) {
            return e;
        }
    }
    return NULL;
}

static void
whole_put(const struct space_entry *entry, void *w_)
{
    struct whole *w = w_;
    struct feed_entry *e = whole_find(w, &entry->key);

    if (entry->key.kind == SPACE_PEER) {
        return;
    }
    if (!e) {
        e = xmalloc(sizeof *e);
        hmap_insert(&w->entries, &e->node, space_key_hash(&entry->key));
    }
    e->entry = *entry;
}

static void
whole_remove(const struct space_key *key, void *w_)
{
    struct whole *w = w_;
    struct feed_entry *e = whole_find(w, key);

    if (key->kind == SPACE_PEER) {
        return;
    }
    ck_assert_ptr_nonnull(e);
    hmap_remove(&w->entries, &e->node);
    free(e);
}

static void
overlay_put_cb(const struct space_entry *entry, void *overlay)
{
    overlay_policy_put(overlay, entry);
}

static void
overlay_remove_cb(const struct space_key *key, void *overlay)
{
    overlay_policy_remove(overlay, key);
}

static void
no_diag(const struct diag *diag OVS_UNUSED, void *aux OVS_UNUSED)
{
}

static void
count_entry(const struct space_entry *entry, void *w_)
{
    struct whole *w = w_;
    struct feed_entry *e = whole_find(w, &entry->key);

    if (entry->key.kind == SPACE_PEER) {
        return;
    }
    ck_assert_ptr_nonnull(e);
    ck_assert(space_entry_equal(&e->entry, entry));
}

#define N_CAS 6

static struct space_entry
learned_entry(unsigned int n)
{
    struct in6_addr ca = addr_from_ipv4(htonl(0x0a010105 + n));
    struct space_entry entry = {
        .mac = other, .learned = true,
        .where = { SPACE_VXLAN, addr("192.0.2.3") },
    };

    space_key_init_ca(&entry.key, 5001, &ca);
    return entry;
}

START_TEST(policy_hides_what_is_learned)
{
    bool learned[N_CAS] = { false }, told[N_CAS] = { false };
    struct whole w = { HMAP_INITIALIZER(&w.entries) };
    struct feed_entry *e;
    struct feed f;

    random_set_seed(unit_seed("test-learn"));
    world_init(&f);

    struct overlay *overlay = overlay_create(
        f.policy, &(struct overlay_sink) { whole_put, whole_remove, &w });
    const struct policy_sink sink = {
        overlay_put_cb, overlay_remove_cb, no_diag, no_diag, overlay,
    };

    for (int i = 0; i < 20000; i++) {
        unsigned int n = random_range(N_CAS);
        struct space_entry entry = learned_entry(n);

        switch (random_range(4)) {
        case 0:
            overlay_learned_put(overlay, &entry);
            learned[n] = true;
            break;
        case 1:
            overlay_learned_remove(overlay, &entry.key);
            learned[n] = false;
            break;
        case 2: {
            char buf[ADDR_STRLEN];

            feed_mapping(&f, n, "02:00:00:00:00:09",
                         addr_format(&entry.key.ca, buf), 0, 1);
            told[n] = true;
            break;
        }
        case 3:
            feed_delete(&f, ROW_UCAST_REMOTE, n);
            told[n] = false;
            break;
        }
        policy_settle(f.policy, &sink);

        size_t n_whole = 0;
        for (n = 0; n < N_CAS; n++) {
            struct space_entry want = learned_entry(n), got;
            bool found = overlay_find(overlay, &want.key, &got);

            ck_assert_int_eq(found, learned[n] || told[n]);
            ck_assert_int_eq(found, whole_find(&w, &want.key) != NULL);
            if (found) {
                ck_assert_int_eq(got.learned, !told[n]);
                count_entry(&got, &w);
            }
            n_whole += found;
        }
        for (n = 0; n < N_CAS && !told[n]; n++) {
            continue;
        }
        ck_assert_uint_eq(hmap_count(&w.entries), n_whole + (n < N_CAS));
        overlay_for_each(overlay, count_entry, &w);
    }
    overlay_destroy(overlay);
    HMAP_FOR_EACH_POP (e, node, &w.entries) {
        free(e);
    }
    hmap_destroy(&w.entries);
    feed_uninit(&f);
}
END_TEST

/* All of it. */

struct heard {
    unsigned int n_to_guest, n_as_guest, n_to_subnet;
    uint16_t vlan;              /* Of the last packet as a guest. */
    size_t n_entries, n_locals;
};

static void
h_put(const struct space_entry *entry OVS_UNUSED, void *h_)
{
    struct heard *h = h_;
    h->n_entries++;
}

static void
h_remove(const struct space_key *key OVS_UNUSED, void *h_)
{
    struct heard *h = h_;
    h->n_entries--;
}

static void
h_local_put(const struct learned *l OVS_UNUSED, void *h_)
{
    struct heard *h = h_;
    h->n_locals++;
}

static void
h_local_remove(const struct learned *l OVS_UNUSED, void *h_)
{
    struct heard *h = h_;
    h->n_locals--;
}

static void
h_send(const struct learner_frame *frame, void *h_)
{
    struct heard *h = h_;

    h->n_to_guest += frame->how == LEARN_TO_GUEST;
    if (frame->how == LEARN_AS_GUEST) {
        h->n_as_guest++;
        h->vlan = frame->vlan;
    }
    h->n_to_subnet += frame->how == LEARN_TO_SUBNET;
}

static void
take(struct learner *learner, struct learner_place place, struct dp_packet *p,
     long long int now)
{
    learner_take(learner, 5001, &place, dp_packet_data(p), dp_packet_size(p),
                 now);
    learner_run(learner, now);
    dp_packet_delete(p);
}

START_TEST(policy_changes_forget)
{
    static const struct learner_port port = {
        .vsid = 5001, .mac = guest, .ofport = OFP_PORT_C(1), .vlan = 10,
    };
    struct heard h = { .n_entries = 0 };
    struct in6_addr unknown = addr("10.1.1.99");
    struct space_entry entry;
    struct feed f;

    world_init(&f);

    struct learner *learner = learner_create(f.policy, &(struct learner_sink) {
        h_put, h_remove, h_local_put, h_local_remove, h_send, &h,
    });

    take(learner, here, arp(1, guest, "10.1.1.5", "10.1.1.6"), 0);
    ck_assert_uint_eq(learner_count(learner), 0);
    learner_adopt(learner, policy_rules(f.policy), &port, 1);
    take(learner, here, arp(1, guest, "10.1.1.5", "10.1.1.6"), 0);
    take(learner, there("192.0.2.2"), arp(2, other, "10.1.1.6", "10.1.1.5"),
         0);
    ck_assert_uint_eq(learner_count(learner), 2);
    ck_assert_uint_eq(h.n_locals, 1);
    ck_assert_uint_eq(h.n_as_guest, 1);
    ck_assert_uint_eq(h.vlan, 10);

    /* The policy puts one of them elsewhere. */
    feed_mapping(&f, 0, "02:00:00:00:00:02", "10.1.1.7", 0, 0);
    feed_settle(&f);
    entry.key.kind = SPACE_BY_MAC;
    space_key_init_mac(&entry.key, 5001, other);
    learner_policy_changed(learner, &entry.key);
    learner_review(learner);
    ck_assert_uint_eq(learner_count(learner), 1);

    /* A stream of packets to an unknown address is one question a second. */
    for (long long int now = 0; now < 5000; now += 10) {
        learner_solicit(learner, 5001, &unknown, now);
    }
    ck_assert_uint_eq(h.n_to_subnet, 5);

    /* The guest is gone. */
    learner_adopt(learner, policy_rules(f.policy), NULL, 0);
    ck_assert_uint_eq(learner_count(learner), 0);
    ck_assert_uint_eq(h.n_locals, 0);
    learner_destroy(learner);
    feed_uninit(&f);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("learn");
    TCase *tc = tcase_create("all");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, arp_packets);
    tcase_add_test(tc, neighbor_discovery);
    tcase_add_test(tc, dhcp_acknowledgements);
    tcase_add_test(tc, what_we_send_tells_what_it_should);
    tcase_add_test(tc, junk_packets);
    tcase_add_test(tc, places_and_addresses);
    tcase_add_test(tc, policy_is_not_contradicted);
    tcase_add_test(tc, policy_hides_what_is_learned);
    tcase_add_test(tc, policy_changes_forget);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
