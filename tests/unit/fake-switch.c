/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "fake-switch.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "datapath-ext/messages.h"
#include "hash.h"
#include "openflow/nicira-ext.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-bundle.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-switch.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vconn.h"
#include "util.h"

struct fake_bundle {
    struct ovs_list list_node;
    uint32_t id;
    struct ovs_list msgs;       /* Contains "struct ofpbuf"s. */
};

/* The flows. */

static uint32_t
fake_hash(const struct ofputil_flow_mod *fm)
{
    return minimatch_hash(&fm->match, hash_2words(fm->table_id,
                                                  fm->priority));
}

struct fake_flow *
fake_find(const struct fake *fake, const struct ofputil_flow_mod *fm)
{
    struct fake_flow *f;

    HMAP_FOR_EACH_WITH_HASH (f, hmap_node, fake_hash(fm), &fake->flows) {
        if (f->fm.table_id == fm->table_id && f->fm.priority == fm->priority
            && minimatch_equal(&f->fm.match, &fm->match)) {
            return f;
        }
    }
    return NULL;
}

static void
fake_flow_free(struct fake *fake, struct fake_flow *f)
{
    hmap_remove(&fake->flows, &f->hmap_node);
    minimatch_destroy(&f->fm.match);
    free(f->fm.ofpacts);
    free(f);
}

static enum ofperr
fake_flow_mod(struct fake *fake, const struct ofp_header *oh, bool check_only)
{
    uint64_t stub[1024 / 8];
    struct ofpbuf ofpacts = OFPBUF_STUB_INITIALIZER(stub);
    struct ofputil_flow_mod fm;
    enum ofperr error = ofputil_decode_flow_mod(
        &fm, oh, ofputil_protocol_from_ofp_version(oh->version), NULL, NULL,
        &ofpacts, OFPP_MAX, 255);

    ck_assert_int_eq(error, 0);
    if (fm.table_id == fake->refuse_table && fm.command == OFPFC_ADD) {
        error = OFPERR_OFPFMFC_TABLE_FULL;
    } else if (!check_only) {
        struct fake_flow *f = fake_find(fake, &fm);

        fake->n_flow_mods++;
        if (f) {
            fake_flow_free(fake, f);
        }
        if (fm.command == OFPFC_ADD) {
            f = xmalloc(sizeof *f);
            f->fm = fm;
            minimatch_clone(&f->fm.match, &fm.match);
            f->fm.ofpacts = xmemdup(fm.ofpacts, fm.ofpacts_len);
            hmap_insert(&fake->flows, &f->hmap_node, fake_hash(&fm));
        } else {
            ck_assert_int_eq(fm.command, OFPFC_DELETE_STRICT);
        }
    }
    minimatch_destroy(&fm.match);
    ofpbuf_uninit(&ofpacts);
    return error;
}

/* Answers. */

static void
fake_send(struct fake *fake, struct ofpbuf *msg)
{
    ovs_list_push_back(&fake->tx, &msg->list_node);
}

static void
fake_flush(struct fake *fake)
{
    while (!ovs_list_is_empty(&fake->tx)) {
        struct ofpbuf *msg = ofpbuf_from_list(
            ovs_list_pop_front(&fake->tx));
        int error = vconn_send(fake->conn, msg);

        if (error == EAGAIN) {
            ovs_list_push_front(&fake->tx, &msg->list_node);
            return;
        } else if (error) {
            ofpbuf_delete(msg);
        }
    }
}

static void
fake_dump(struct fake *fake, const struct ofp_header *oh)
{
    struct ovs_list replies;
    struct fake_flow *f;
    struct ofpbuf *reply;

    fake->n_dumps++;
    ofpmp_init(&replies, oh);
    HMAP_FOR_EACH (f, hmap_node, &fake->flows) {
        struct ofputil_flow_stats fs = {
            .cookie = f->fm.new_cookie,
            .table_id = f->fm.table_id,
            .priority = f->fm.priority,
            .ofpacts = f->fm.ofpacts,
            .ofpacts_len = f->fm.ofpacts_len,
        };

        minimatch_expand(&f->fm.match, &fs.match);
        ofputil_append_flow_stats_reply(&fs, &replies, NULL);
    }
    LIST_FOR_EACH_POP (reply, list_node, &replies) {
        if (fake->hold_dump) {
            ovs_list_push_back(&fake->held, &reply->list_node);
        } else {
            fake_send(fake, reply);
        }
    }
}

void
fake_release_dump(struct fake *fake)
{
    struct ofpbuf *reply;

    fake->hold_dump = false;
    LIST_FOR_EACH_POP (reply, list_node, &fake->held) {
        fake_send(fake, reply);
    }
}

/* The datapath extension. */

static void
fake_flush_spaces(struct fake *fake)
{
    store_clear(&fake->spaces);
    store_clear(&fake->ports);
}

static size_t
fake_n_spaces_with(const struct fake *fake, const struct space_entry *entries,
                   size_t n)
{
    size_t total = hmap_count(&fake->spaces.entries);

    for (size_t i = 0; i < n; i++) {
        total += !store_get(&fake->spaces, &entries[i].key);
    }
    return total;
}

static enum ofperr
fake_space_mod(struct fake *fake, const struct ofp_header *oh)
{
    enum hnv_space_command command;
    struct space_entry *entries;
    size_t n;

    if (!fake->hnv_version) {
        return OFPERR_OFPBRC_BAD_SUBTYPE;
    }
    ck_assert_int_eq(hnv_space_mod_decode(oh, &command, &entries, &n), 0);
    if (command == HNV_SPACE_FLUSH) {
        fake_flush_spaces(fake);
    }

    bool of_ports = (command == HNV_SPACE_PUT_PORT
                     || command == HNV_SPACE_DELETE_PORT);
    struct store *store = of_ports ? &fake->ports : &fake->spaces;

    bool is_full = (command == HNV_SPACE_PUT
                    && fake_n_spaces_with(fake, entries, n)
                       > fake->max_spaces);

    for (size_t i = 0; i < n && !fake->refuse_spaces && !is_full; i++) {
        if (command == HNV_SPACE_DELETE || command == HNV_SPACE_DELETE_PORT) {
            store_remove(store, &entries[i].key);
        } else {
            store_put(store, &entries[i]);
        }
    }
    free(entries);
    fake->generation += is_full ? 0 : n ? n : 1;
    fake->n_space_mods++;
    return fake->refuse_spaces || is_full ? OFPERR_OFPFMFC_TABLE_FULL : 0;
}

/* A few entries at a time; the cursor is a place in the hash map, which no
 * change moves while the test asks. */
static enum ofperr
fake_space_dump(struct fake *fake, const struct ofp_header *oh)
{
    struct hnv_space_query query;
    struct space_entry entries[3];
    struct stored *s;
    uint64_t at = 0;
    size_t n = 0;

    if (!fake->hnv_version) {
        return OFPERR_OFPBRC_BAD_SUBTYPE;
    }
    ck_assert_int_eq(hnv_space_request_decode(oh, &query), 0);
    ck_assert_uint_eq(query.vsid, HNV_ANY_VSID);

    const struct store *store = (query.kind == HNV_KIND_PORT
                                 ? &fake->ports : &fake->spaces);

    HMAP_FOR_EACH (s, hmap_node, &store->entries) {
        if (at++ >= query.cursor.position && n < ARRAY_SIZE(entries)) {
            entries[n++] = s->entry;
        }
    }

    const struct hnv_space_piece piece = {
        .cursor.position = query.cursor.position + n,
        .generation = fake->generation,
        .more = query.cursor.position + n < at,
    };

    fake_send(fake, hnv_space_reply_encode(oh, &piece, entries, n));
    return 0;
}

static enum ofperr
fake_hnv_stats(struct fake *fake, const struct ofp_header *oh)
{
    struct hnv_stats stats = {
        .version = fake->hnv_version,
        .table.generation = fake->generation,
        .table.n_entries[SPACE_BY_CA] = hmap_count(&fake->spaces.entries),
    };

    if (!fake->hnv_version) {
        return OFPERR_OFPBRC_BAD_SUBTYPE;
    }
    fake_send(fake, hnv_stats_reply_encode(oh, &stats));
    return 0;
}

/* Bundles. */

static void
fake_bundle_free(struct fake_bundle *b)
{
    ovs_list_remove(&b->list_node);
    ofpbuf_list_delete(&b->msgs);
    free(b);
}

static struct fake_bundle *
fake_bundle_find(struct fake *fake, uint32_t id)
{
    struct fake_bundle *b;

    LIST_FOR_EACH (b, list_node, &fake->bundles) {
        if (b->id == id) {
            return b;
        }
    }
    return NULL;
}

/* All of the bundle, or nothing. */
static enum ofperr
fake_commit(struct fake *fake, struct fake_bundle *b)
{
    struct ofpbuf *msg;

    fake->n_commits++;
    LIST_FOR_EACH (msg, list_node, &b->msgs) {
        enum ofperr error = fake_flow_mod(fake, msg->data, true);

        if (error) {
            fake_send(fake, ofperr_encode_reply(error, msg->data));
            return OFPERR_OFPBFC_MSG_FAILED;
        }
    }
    LIST_FOR_EACH (msg, list_node, &b->msgs) {
        fake_flow_mod(fake, msg->data, false);
        fake->n_in_bundle++;
    }
    return 0;
}

static enum ofperr
fake_bundle_control(struct fake *fake, const struct ofp_header *oh)
{
    struct ofputil_bundle_ctrl_msg ctrl;
    struct fake_bundle *b;
    enum ofperr error = 0;

    ofputil_decode_bundle_ctrl(oh, &ctrl);
    ck_assert_int_eq(ctrl.flags, OFPBF_ATOMIC | OFPBF_ORDERED);
    b = fake_bundle_find(fake, ctrl.bundle_id);
    if (ctrl.type == OFPBCT_OPEN_REQUEST) {
        ck_assert(!b);
        b = xmalloc(sizeof *b);
        b->id = ctrl.bundle_id;
        ovs_list_init(&b->msgs);
        ovs_list_push_back(&fake->bundles, &b->list_node);
        ctrl.type = OFPBCT_OPEN_REPLY;
    } else {
        ck_assert_int_eq(ctrl.type, OFPBCT_COMMIT_REQUEST);
        ck_assert(b);
        error = fake_commit(fake, b);
        fake_bundle_free(b);
        ctrl.type = OFPBCT_COMMIT_REPLY;
    }
    if (!error) {
        fake_send(fake, ofputil_encode_bundle_ctrl_reply(oh, &ctrl));
    }
    return error;
}

/* A new meter is made, refused if it is there, and then made right. */
static enum ofperr
fake_meter_mod(struct fake *fake, const struct ofp_header *oh)
{
    struct ofputil_meter_mod mod;
    struct ofpbuf bands;

    ofpbuf_init(&bands, 64);
    ck_assert_int_eq(ofputil_decode_meter_mod(oh, &mod, &bands), 0);
    ofpbuf_uninit(&bands);
    ck_assert_uint_lt(mod.meter.meter_id, ARRAY_SIZE(fake->meters));

    bool *there = &fake->meters[mod.meter.meter_id];

    if (mod.command == OFPMC13_ADD && *there) {
        return OFPERR_OFPMMFC_METER_EXISTS;
    }
    ck_assert(mod.command != OFPMC13_MODIFY || *there);
    *there = mod.command != OFPMC13_DELETE;
    return 0;
}

/* The session. */

static enum ofperr
fake_handle(struct fake *fake, const struct ofp_header *oh)
{
    struct ofputil_bundle_add_msg add;
    enum ofptype type;

    ck_assert_int_eq(ofptype_decode(&type, oh), 0);
    if (type == OFPTYPE_FLOW_MOD) {
        return fake_flow_mod(fake, oh, false);
    } else if (type == OFPTYPE_BUNDLE_CONTROL) {
        return fake_bundle_control(fake, oh);
    } else if (type == OFPTYPE_BUNDLE_ADD_MESSAGE) {
        ck_assert_int_eq(ofputil_decode_bundle_add(oh, &add, &type), 0);
        ck_assert_int_eq(type, OFPTYPE_FLOW_MOD);

        struct ofpbuf *msg = ofpbuf_clone_data(add.msg,
                                               ntohs(add.msg->length));
        struct fake_bundle *b = fake_bundle_find(fake, add.bundle_id);

        ck_assert(b);
        ovs_list_push_back(&b->msgs, &msg->list_node);
    } else if (type == OFPTYPE_BARRIER_REQUEST) {
        fake->n_barriers++;
        if (!fake->drop_barriers) {
            fake_send(fake, ofpraw_alloc_reply(OFPRAW_OFPT11_BARRIER_REPLY,
                                               oh, 0));
        }
    } else if (type == OFPTYPE_FLOW_STATS_REQUEST) {
        fake_dump(fake, oh);
    } else if (type == OFPTYPE_SET_CONFIG) {
        struct ofputil_switch_config config;

        ck_assert_int_eq(ofputil_decode_set_config(oh, &config), 0);
        ck_assert_int_eq(config.miss_send_len, UINT16_MAX);
        fake->sees_fragments = config.frag == OFPUTIL_FRAG_NX_MATCH;
    } else if (type == OFPTYPE_SET_PACKET_IN_FORMAT) {
        fake->gives_registers = true;
    } else if (type == OFPTYPE_METER_MOD) {
        return fake_meter_mod(fake, oh);
    } else if (type == OFPTYPE_CT_FLUSH_ZONE) {
        const struct nx_zone_id *id = ofpmsg_body(oh);

        ck_assert_uint_eq(fake->flushed_zone, 0);
        fake->flushed_zone = ntohs(id->zone_id);
    } else if (type == OFPTYPE_FLOW_MONITOR_STATS_REQUEST) {
        if (fake->no_monitor) {
            return OFPERR_OFPBRC_BAD_STAT;
        }

        struct ofpbuf b = ofpbuf_const_initializer(oh, ntohs(oh->length));
        struct ofputil_flow_monitor_request request;

        ck_assert_int_eq(ofputil_decode_flow_monitor_request(&request, &b),
                         0);
        ck_assert_int_eq(request.table_id, OFPTT_ALL);
        fake->watched = true;
    } else if (type == OFPTYPE_HNV_STATS_REQUEST) {
        return fake_hnv_stats(fake, oh);
    } else if (type == OFPTYPE_HNV_SPACE_REQUEST) {
        return fake_space_dump(fake, oh);
    } else if (type == OFPTYPE_HNV_SPACE_MOD) {
        return fake_space_mod(fake, oh);
    } else if (type == OFPTYPE_ECHO_REQUEST) {
        fake_send(fake, ofputil_encode_echo_reply(oh));
    } else {
        ck_abort_msg("unexpected message %s", ofptype_get_name(type));
    }
    return 0;
}

static void
fake_hang_up(struct fake *fake)
{
    struct fake_bundle *b, *next;

    vconn_close(fake->conn);
    fake->conn = NULL;
    LIST_FOR_EACH_SAFE (b, next, list_node, &fake->bundles) {
        fake_bundle_free(b);
    }
    ofpbuf_list_delete(&fake->held);
    ofpbuf_list_delete(&fake->tx);
}

void
fake_run(struct fake *fake)
{
    struct ofpbuf *msg;

    if (!fake->conn && fake->listener) {
        if (pvconn_accept(fake->listener, &fake->conn)) {
            return;
        }
    }
    if (!fake->conn) {
        return;
    }
    vconn_run(fake->conn);

    int error;

    while (!(error = vconn_recv(fake->conn, &msg))) {
        enum ofperr ofperr = fake_handle(fake, msg->data);

        if (ofperr) {
            fake_send(fake, ofperr_encode_reply(ofperr, msg->data));
        }
        ofpbuf_delete(msg);
    }
    fake_flush(fake);
    if (error != EAGAIN) {
        fake_hang_up(fake);
    }
}

void
fake_wait(struct fake *fake)
{
    if (fake->conn) {
        vconn_run_wait(fake->conn);
        vconn_recv_wait(fake->conn);
        if (!ovs_list_is_empty(&fake->tx)) {
            vconn_send_wait(fake->conn);
        }
    } else if (fake->listener) {
        pvconn_wait(fake->listener);
    }
}

void
fake_start(struct fake *fake)
{
    char *name = xasprintf("punix:%s", fake->path);

    ck_assert_int_eq(pvconn_open(name, fake->versions, 0, &fake->listener), 0);
    free(name);
}

void
fake_stop(struct fake *fake)
{
    fake_hang_up(fake);
    pvconn_close(fake->listener);
    fake->listener = NULL;
}

void
fake_forget(struct fake *fake)
{
    struct fake_flow *f, *next;

    HMAP_FOR_EACH_SAFE (f, next, hmap_node, &fake->flows) {
        fake_flow_free(fake, f);
    }
    fake_flush_spaces(fake);
}

void
fake_init(struct fake *fake)
{
    static int n;

    memset(fake, 0, sizeof *fake);
    fake->path = xasprintf("%s/hnv-test-switch.%ld.%d",
                           getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp",
                           (long) getpid(), n++);
    fake->versions = 1u << OFP15_VERSION;
    fake->refuse_table = -1;
    fake->max_spaces = SIZE_MAX;
    hmap_init(&fake->flows);
    store_init(&fake->spaces);
    store_init(&fake->ports);
    ovs_list_init(&fake->bundles);
    ovs_list_init(&fake->held);
    ovs_list_init(&fake->tx);
    fake_start(fake);
}

void
fake_uninit(struct fake *fake)
{
    fake_stop(fake);
    fake_forget(fake);
    hmap_destroy(&fake->flows);
    store_uninit(&fake->spaces);
    store_uninit(&fake->ports);
    free(fake->path);
}

void
fake_add(struct fake *fake, const char *text)
{
    enum ofputil_protocol usable;
    struct ofputil_flow_mod fm;
    char *error = parse_ofp_flow_mod_str(&fm, text, NULL, NULL, OFPFC_ADD,
                                         &usable);

    ck_assert_msg(!error, "%s", error);

    struct ofpbuf *msg = ofputil_encode_flow_mod(&fm, OFPUTIL_P_OF15_OXM);

    fake_flow_mod(fake, msg->data, false);
    ofpbuf_delete(msg);
    free(CONST_CAST(struct ofpact *, fm.ofpacts));
    minimatch_destroy(&fm.match);
}

void
fake_tell(struct fake *fake, enum ofp_flow_update_event event)
{
    struct ofputil_flow_update update = { .event = event, .table_id = 5 };
    struct ovs_list replies;
    struct ofpbuf *msg;

    match_init_catchall(&update.match);
    if (event == OFPFME_PAUSED || event == OFPFME_RESUMED) {
        fake_send(fake, ofputil_encode_flow_monitor_pause(
            event, OFPUTIL_P_OF15_OXM));
        return;
    }
    ofputil_start_flow_update(&replies, OFPUTIL_P_OF15_OXM);
    ofputil_append_flow_update(&update, &replies, NULL);
    LIST_FOR_EACH_POP (msg, list_node, &replies) {
        fake_send(fake, msg);
    }
}
