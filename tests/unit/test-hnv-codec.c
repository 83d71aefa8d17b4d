/* SPDX-License-Identifier: Apache-2.0 */

/* The datapath extension's action and messages: bytes and text, there and back
 * again, and what is neither. */

#include <config.h>
#include "datapath-ext/messages.h"
#include "datapath-ext/odp.h"
#include "datapath-ext/ofpact.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "netlink.h"
#include "odp-util.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-print.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "random-entry.h"
#include "random.h"
#include "unit.h"

#define ROUNDS 20000

/* Of any kind that has a place in a message. */
static struct space_entry
random_entry(void)
{
    enum space_kind kind = random_range(SPACE_BY_OWNER + 1);

    return random_entry_of(kind == SPACE_BY_PA ? SPACE_PEER : kind,
                           random_range(SPACE_VSID_MAX + 1));
}

static void
assert_entry_equal(const struct space_entry *a, const struct space_entry *b)
{
    ck_assert(space_key_equal(&a->key, &b->key));
    ck_assert(eth_addr_equals(a->mac, b->mac));
    ck_assert(space_where_equal(&a->where, &b->where));
    ck_assert_uint_eq(a->cookie, b->cookie);
    ck_assert_uint_eq(a->learned, b->learned);
}

/* A copy with nothing behind it that could be read by mistake. */
static struct ofp_header *
exact_copy(const struct ofpbuf *msg)
{
    return xmemdup(msg->data, msg->size);
}

START_TEST(space_mod_round_trip)
{
    struct space_entry entries[20];

    for (int round = 0; round < 200; round++) {
        size_t n = random_range(ARRAY_SIZE(entries));
        uint8_t version = OFP10_VERSION + random_range(6);
        enum hnv_space_command command;
        struct space_entry *decoded;
        size_t n_decoded;

        for (size_t i = 0; i < n; i++) {
            entries[i] = random_entry();
        }

        struct ofpbuf *msg = hnv_space_mod_encode(version, HNV_SPACE_PUT,
                                                  entries, n);
        ofpmsg_update_length(msg);
        struct ofp_header *oh = exact_copy(msg);

        ck_assert_int_eq(hnv_space_mod_decode(oh, &command, &decoded,
                                              &n_decoded), 0);
        ck_assert_int_eq(command, HNV_SPACE_PUT);
        ck_assert_uint_eq(n_decoded, n);
        for (size_t i = 0; i < n; i++) {
            assert_entry_equal(&entries[i], &decoded[i]);
        }
        free(decoded);
        free(oh);
        ofpbuf_delete(msg);
    }
}
END_TEST

START_TEST(fullest_message_fits)
{
    struct space_entry *entries = xcalloc(HNV_SPACE_MOD_MAX, sizeof *entries);
    struct ofpbuf *msg = hnv_space_mod_encode(OFP13_VERSION, HNV_SPACE_DELETE,
                                              entries, HNV_SPACE_MOD_MAX);

    ck_assert_uint_le(msg->size, UINT16_MAX);
    ofpbuf_delete(msg);
    free(entries);
}
END_TEST

START_TEST(dump_round_trip)
{
    const struct hnv_space_query query = {
        .cursor = { 1, 2, 0x123456789abcdef0 }, .vsid = 7, .kind = SPACE_PEER,
    };
    const struct hnv_space_piece piece = { { 3, 4, 5 }, 6, true };
    struct space_entry entry = random_entry();
    struct hnv_space_piece piece2;
    struct hnv_space_query query2;
    struct space_entry *entries;
    size_t n;

    struct ofpbuf *request = hnv_space_request_encode(OFP13_VERSION, &query);
    ofpmsg_update_length(request);
    ck_assert_int_eq(hnv_space_request_decode(request->data, &query2), 0);
    ck_assert_uint_eq(query2.cursor.set, 1);
    ck_assert_uint_eq(query2.cursor.segment, 2);
    ck_assert_uint_eq(query2.cursor.position, 0x123456789abcdef0);
    ck_assert_uint_eq(query2.vsid, 7);
    ck_assert_uint_eq(query2.kind, SPACE_PEER);
    query2.kind = HNV_KIND_PORT;
    struct ofpbuf *for_ports = hnv_space_request_encode(OFP13_VERSION,
                                                        &query2);
    ofpmsg_update_length(for_ports);
    ck_assert_int_eq(hnv_space_request_decode(for_ports->data, &query2), 0);
    ck_assert_uint_eq(query2.kind, HNV_KIND_PORT);
    ofpbuf_delete(for_ports);

    struct ofpbuf *reply = hnv_space_reply_encode(request->data, &piece,
                                                  &entry, 1);
    ofpmsg_update_length(reply);
    ck_assert_int_eq(hnv_space_reply_decode(reply->data, &piece2, &entries,
                                            &n), 0);
    ck_assert_uint_eq(n, 1);
    ck_assert(piece2.more);
    ck_assert_uint_eq(piece2.generation, 6);
    ck_assert_uint_eq(piece2.cursor.position, 5);
    assert_entry_equal(entries, &entry);
    free(entries);
    ofpbuf_delete(reply);
    ofpbuf_delete(request);
}
END_TEST

static struct ofpbuf *
stats_reply(const struct hnv_stats *stats)
{
    struct ofpbuf *request = hnv_stats_request_encode(OFP13_VERSION);

    ofpmsg_update_length(request);
    struct ofpbuf *reply = hnv_stats_reply_encode(request->data, stats);
    ofpmsg_update_length(reply);
    ofpbuf_delete(request);
    return reply;
}

START_TEST(stats_round_trip)
{
    struct hnv_stats stats = { .version = HNV_WIRE_VERSION }, stats2;

    stats.table.generation = 5;
    stats.table.n_entries[SPACE_BY_OWNER] = 6;
    stats.counts.n[HNV_SWITCH][N_HNV_REASONS - 1] = 7;

    struct ofpbuf *reply = stats_reply(&stats);
    ck_assert_int_eq(hnv_stats_reply_decode(reply->data, &stats2), 0);
    ck_assert(!memcmp(&stats, &stats2, sizeof stats));

    /* There are as many counts as the version has. */
    reply->size -= sizeof(ovs_be64);
    ofpmsg_update_length(reply);
    ck_assert_int_eq(hnv_stats_reply_decode(reply->data, &stats2),
                     OFPERR_OFPBRC_BAD_LEN);
    ofpbuf_delete(reply);
}
END_TEST

/* All else that they say may mean something else. */
START_TEST(stats_of_another_version_only_tell_it)
{
    struct hnv_stats stats = { .version = HNV_WIRE_VERSION - 1 }, stats2;
    const struct hnv_stats want = stats;

    stats.table.generation = 5;
    stats.counts.n[HNV_SWITCH][HNV_REASON_UNKNOWN_MAC] = 7;

    struct ofpbuf *reply = stats_reply(&stats);
    ck_assert_int_eq(hnv_stats_reply_decode(reply->data, &stats2), 0);
    ck_assert(!memcmp(&want, &stats2, sizeof want));

    char *text = ofp_to_string(reply->data, reply->size, NULL, NULL, 2);
    ck_assert(strstr(text, "not known here"));
    ck_assert(!strstr(text, "unknown-mac"));
    free(text);
    ofpbuf_delete(reply);
}
END_TEST

/* Reads a message in all ways there are. */
static void
read_message(const struct ofp_header *oh, size_t size)
{
    enum hnv_space_command command;
    struct hnv_space_piece piece;
    struct space_entry *entries;
    struct hnv_space_query query;
    struct hnv_stats stats;
    enum ofpraw raw;
    size_t n;

    free(ofp_to_string(oh, size, NULL, NULL, 2));
    if (ofpraw_decode(&raw, oh)) {
        return;
    }
    if (raw == OFPRAW_NXT_HNV_SPACE_MOD
        && !hnv_space_mod_decode(oh, &command, &entries, &n)) {
        free(entries);
    } else if (raw == OFPRAW_NXST_HNV_SPACE_REQUEST) {
        hnv_space_request_decode(oh, &query);
    } else if (raw == OFPRAW_NXST_HNV_SPACE_REPLY
               && !hnv_space_reply_decode(oh, &piece, &entries, &n)) {
        free(entries);
    } else if (raw == OFPRAW_NXST_HNV_STATS_REPLY) {
        hnv_stats_reply_decode(oh, &stats);
    }
}

static struct ofpbuf *
random_message(void)
{
    static const enum ofpraw raws[] = {
        OFPRAW_NXT_HNV_SPACE_MOD, OFPRAW_NXST_HNV_SPACE_REQUEST,
        OFPRAW_NXST_HNV_STATS_REQUEST,
    };
    struct ofpbuf *msg = ofpraw_alloc(raws[random_range(ARRAY_SIZE(raws))],
                                      OFP13_VERSION, 0);

    if (random_range(2)) {
        struct ofpbuf *request = msg;

        ofpmsg_update_length(request);
        if (ofpmsg_is_stat_request(request->data)) {
            msg = ofpraw_alloc_stats_reply(request->data, 0);
            ofpbuf_delete(request);
        }
    }

    /* Few bits set, so that much of it is right. */
    size_t n = random_range(4) * 56 + random_range(3) * 8 + random_range(40);
    uint8_t *body = ofpbuf_put_zeros(msg, n);

    for (size_t i = 0; i < n; i++) {
        body[i] = random_range(4) ? 0 : random_range(3) ? random_range(5)
                  : random_uint32();
    }
    ofpmsg_update_length(msg);
    return msg;
}

START_TEST(random_messages_do_no_harm)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct ofpbuf *msg = random_message();
        struct ofp_header *oh = exact_copy(msg);

        read_message(oh, msg->size);
        free(oh);
        ofpbuf_delete(msg);
    }
}
END_TEST

/* The action. */

static struct ofpact_hnv_args
random_args(void)
{
    struct ofpact_hnv_args args = {
        .kind = random_range(N_HNV_KINDS),
        .table = random_range(256),
        .local = HNV_NO_TABLE,
        .refused = HNV_NO_TABLE,
        .vsid = random_range(SPACE_VSID_MAX + 1),
        .vxlan = OFPP_NONE,
        .nvgre = OFPP_NONE,
    };

    if (random_range(2)) {
        args.flags = HNV_REG;
        args.vsid = random_range(16);
    }
    if (args.kind == HNV_ARP) {
        args.flags |= random_range(4) << 1;
    } else if (args.kind == HNV_ADMIT) {
        args.flags |= random_range(2) ? HNV_FORWARDED : 0;
        args.domain = random_range(SPACE_VSID_MAX + 1);
        args.source = random_range(SPACE_VSID_MAX + 1);
        args.refused = random_range(256);
    } else if (args.kind == HNV_FIND) {
        args.key = 1 + random_range(N_HNV_KEYS - 1);
        args.table = random_range(HNV_NO_TABLE);
    } else {
        args.local = random_range(256);
        args.vxlan = u16_to_ofp(1 + random_range(0xfeff));
        args.nvgre = random_range(2) ? OFPP_NONE : u16_to_ofp(5);
        args.mtu = random_range(2) ? 0 : random_range(65536);
    }
    if (args.kind == HNV_ROUTE && random_range(2)) {
        args.next_hop = random_addr();
    }
    if (args.kind == HNV_ARP || args.kind == HNV_ROUTE) {
        args.mac = random_mac();
    }
    return args;
}

static void
assert_args_equal(const struct ofpact_hnv_args *a,
                  const struct ofpact_hnv_args *b)
{
    ck_assert_int_eq(a->kind, b->kind);
    ck_assert_uint_eq(a->flags, b->flags);
    ck_assert_uint_eq(a->table, b->table);
    ck_assert_uint_eq(a->local, b->local);
    ck_assert_uint_eq(a->vsid, b->vsid);
    ck_assert_uint_eq(ofp_to_u16(a->vxlan), ofp_to_u16(b->vxlan));
    ck_assert_uint_eq(ofp_to_u16(a->nvgre), ofp_to_u16(b->nvgre));
    ck_assert_uint_eq(a->mtu, b->mtu);
    ck_assert_uint_eq(a->domain, b->domain);
    ck_assert_uint_eq(a->source, b->source);
    ck_assert_int_eq(a->key, b->key);
    ck_assert_uint_eq(a->refused, b->refused);
    ck_assert(eth_addr_equals(a->mac, b->mac));
    ck_assert(!memcmp(&a->next_hop, &b->next_hop, sizeof a->next_hop));
}

START_TEST(action_round_trip)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct ofpbuf ofpacts, wire, decoded;
        struct ds s = DS_EMPTY_INITIALIZER;
        enum ofputil_protocol protocols;
        struct ofpact_parse_params pp = {
            .ofpacts = &decoded, .usable_protocols = &protocols,
        };
        struct ofpact_format_params fp = { .s = &s };

        ofpbuf_init(&ofpacts, 0);
        ofpbuf_init(&wire, 0);
        ofpbuf_init(&decoded, 0);
        ofpact_put_HNV(&ofpacts)->args = random_args();
        ofpact_put_OUTPUT(&ofpacts)->port = u16_to_ofp(1);
        const struct ofpact_hnv *hnv = ofpact_get_HNV(ofpacts.data);

        ofpacts_put_openflow_actions(ofpacts.data, ofpacts.size, &wire,
                                     OFP13_VERSION);
        ck_assert_int_eq(
            ofpacts_pull_openflow_actions(&wire, wire.size, OFP13_VERSION,
                                          NULL, NULL, &decoded), 0);
        assert_args_equal(&hnv->args, &ofpact_get_HNV(decoded.data)->args);

        ofpacts_format(ofpacts.data, ofpacts.size, &fp);
        ofpbuf_clear(&decoded);
        char *error = ofpacts_parse_actions(ds_cstr(&s), &pp);
        ck_assert_msg(!error, "%s: %s", ds_cstr(&s), error);
        assert_args_equal(&hnv->args, &ofpact_get_HNV(decoded.data)->args);

        ds_destroy(&s);
        ofpbuf_uninit(&decoded);
        ofpbuf_uninit(&wire);
        ofpbuf_uninit(&ofpacts);
    }
}
END_TEST

START_TEST(random_actions_do_no_harm)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct nx_action_hnv *nah = xmalloc(sizeof *nah);
        uint8_t *bytes = (uint8_t *) nah;
        struct ofpbuf wire, decoded;

        for (size_t i = 0; i < sizeof *nah; i++) {
            bytes[i] = random_range(2) ? 0 : random_uint32();
        }
        nah->type = htons(0xffff);
        nah->len = htons(random_range(8) ? sizeof *nah
                         : 8 * random_range(sizeof *nah / 8));
        nah->vendor = htonl(NX_VENDOR_ID);
        nah->subtype = htons(HNV_NXAST_SUBTYPE);
        nah->kind = random_range(N_HNV_KINDS + 2);
        nah->key = random_range(2) ? 0 : random_range(N_HNV_KEYS + 2);
        nah->refused = random_range(4) ? HNV_NO_TABLE : random_range(256);

        ofpbuf_use_const(&wire, nah, sizeof *nah);
        ofpbuf_init(&decoded, 0);
        if (!ofpacts_pull_openflow_actions(&wire, wire.size, OFP13_VERSION,
                                           NULL, NULL, &decoded)) {
            struct ds s = DS_EMPTY_INITIALIZER;
            struct ofpact_format_params fp = { .s = &s };

            const struct ofpact_hnv_args *args
                = &ofpact_get_HNV(decoded.data)->args;

            ck_assert_int_lt(args->kind, N_HNV_KINDS);
            ck_assert_int_lt(args->key, N_HNV_KEYS);
            ck_assert_int_eq(args->kind == HNV_FIND,
                             args->key != HNV_KEY_NONE);
            ofpacts_format(decoded.data, decoded.size, &fp);
            ds_destroy(&s);
        }
        ofpbuf_uninit(&decoded);
        free(nah);
    }
}
END_TEST

START_TEST(datapath_action_round_trip)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct ds s = DS_EMPTY_INITIALIZER;
        struct ofpbuf actions, parsed;
        struct hnv_odp hnv;

        random_bytes(&hnv, sizeof hnv);
        hnv.kind = random_range(N_HNV_KINDS);
        hnv.flags &= HNV_LEARNING | HNV_ROUTER | HNV_FORWARDED;
        if (hnv.kind != HNV_ADMIT) {
            hnv.domain = hnv.source = 0;
        }
        hnv.next_hop = random_addr();
        hnv.asked = random_addr();
        hnv.key = 1 + random_range(N_HNV_KEYS - 1);
        memset(hnv.zeros, 0, sizeof hnv.zeros);
        if (hnv.kind != HNV_ARP) {
            hnv.reply = hnv.asker = 0;
        }
        if (hnv.kind != HNV_FIND) {
            hnv.key = hnv.share = 0;
        }
        if (hnv.kind != HNV_FIND && hnv.kind != HNV_ADMIT) {
            hnv.asked = in6addr_any;
        }
        if (random_range(2)) {
            memset(&hnv.mac, 0, sizeof hnv.mac);
            memset(&hnv.src6, 0, sizeof hnv.src6);
            hnv.src = hnv.rest = 0;
        }

        ofpbuf_init(&actions, 0);
        ofpbuf_init(&parsed, 0);
        nl_msg_put_unspec(&actions, OVS_ACTION_ATTR_HNV, &hnv, sizeof hnv);
        nl_msg_put_u32(&actions, OVS_ACTION_ATTR_OUTPUT, 5);
        format_odp_actions(&s, actions.data, actions.size, NULL);
        ck_assert_int_eq(odp_actions_from_string(ds_cstr(&s), NULL, &parsed),
                         0);
        ck_assert_uint_eq(parsed.size, actions.size);
        ck_assert_msg(!memcmp(parsed.data, actions.data, actions.size), "%s",
                      ds_cstr(&s));

        /* And with a letter of it changed. */
        s.string[random_range(s.length)] = ' ' + random_range(95);
        ofpbuf_clear(&parsed);
        odp_actions_from_string(ds_cstr(&s), NULL, &parsed);

        ds_destroy(&s);
        ofpbuf_uninit(&parsed);
        ofpbuf_uninit(&actions);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("hnv-codec");
    TCase *tc = tcase_create("hnv-codec");

    random_set_seed(unit_seed("hnv-codec"));
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, space_mod_round_trip);
    tcase_add_test(tc, fullest_message_fits);
    tcase_add_test(tc, dump_round_trip);
    tcase_add_test(tc, stats_round_trip);
    tcase_add_test(tc, stats_of_another_version_only_tell_it);
    tcase_add_test(tc, random_messages_do_no_harm);
    tcase_add_test(tc, action_round_trip);
    tcase_add_test(tc, random_actions_do_no_harm);
    tcase_add_test(tc, datapath_action_round_trip);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
