/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "switch/switch.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>
#include "compile/pipeline.h"
#include "datapath-ext/messages.h"
#include "fatal-signal.h"
#include "hash.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/match.h"
#include "openvswitch/meta-flow.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-bundle.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/ofp-monitor.h"
#include "openflow/nicira-ext.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-switch.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vconn.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "plan/plan.h"
#include "random-entry.h"
#include "random.h"
#include "switch/encode.h"
#include "switch/space-hnv.h"
#include "switch/space-stock.h"
#include "timeval.h"
#include "unit.h"
#include "util.h"
#include "util/addr.h"

/* A naive store of the wanted space entries. */

struct stored {
    struct hmap_node hmap_node;
    struct space_entry entry;
};

struct store {
    struct hmap entries;
};

static struct stored *
store_find__(const struct store *store, const struct space_key *key)
{
    struct stored *s;

    HMAP_FOR_EACH_WITH_HASH (s, hmap_node, space_key_hash(key),
                             &store->entries) {
        if (space_key_equal(&s->entry.key, key)) {
            return s;
        }
    }
    return NULL;
}

static bool
store_find(const struct space_key *key, struct space_entry *ret_entry,
           void *store)
{
    struct stored *s = store_find__(store, key);

    if (s) {
        *ret_entry = s->entry;
    }
    return s != NULL;
}

static void
store_for_each(void (*cb)(const struct space_entry *, void *cb_aux),
               void *cb_aux, void *store_)
{
    struct store *store = store_;
    struct stored *s;

    HMAP_FOR_EACH (s, hmap_node, &store->entries) {
        cb(&s->entry, cb_aux);
    }
}

static void
store_put(struct store *store, const struct space_entry *e)
{
    struct stored *s = store_find__(store, &e->key);

    if (!s) {
        s = xmalloc(sizeof *s);
        hmap_insert(&store->entries, &s->hmap_node, space_key_hash(&e->key));
    }
    s->entry = *e;
}

static void
store_remove(struct store *store, const struct space_key *key)
{
    struct stored *s = store_find__(store, key);

    if (s) {
        hmap_remove(&store->entries, &s->hmap_node);
        free(s);
    }
}

static void
store_uninit(struct store *store)
{
    struct stored *s;

    HMAP_FOR_EACH_POP (s, hmap_node, &store->entries) {
        free(s);
    }
    hmap_destroy(&store->entries);
}

/* A switch, as far as this takes.
 *
 * A flow is the message that put it, which is enough to compare with what the
 * link would send, and to answer with. */

struct fake_flow {
    struct hmap_node hmap_node;
    struct ofputil_flow_mod fm;
};

struct fake_bundle {
    struct ovs_list list_node;
    uint32_t id;
    struct ovs_list msgs;       /* Contains "struct ofpbuf"s. */
};

struct fake {
    char *path;
    struct pvconn *listener;
    struct vconn *conn;
    struct hmap flows;
    struct ovs_list bundles;
    struct ovs_list tx;         /* Contains "struct ofpbuf"s. */

    /* The datapath extension. */
    uint32_t hnv_version;       /* 0: it has none. */
    struct store spaces;
    struct store ports;         /* By MAC, the cookie being the port. */
    uint64_t generation;
    bool refuse_spaces;

    /* What goes wrong. */
    int refuse_table;           /* Flows in this table are refused, or -1. */
    bool drop_barriers;
    bool sees_fragments;        /* It was told to. */
    bool gives_registers;       /* Likewise, along with packets. */
    bool meters[8];             /* By number: it is there. */
    uint16_t flushed_zone;      /* 0 for none. */
    bool watched;               /* Likewise, to tell of others' changes. */
    bool no_monitor;            /* It cannot. */
    bool hold_dump;             /* Keep the answer to a dump for later. */
    struct ovs_list held;

    /* What happened. */
    unsigned int n_flow_mods, n_commits, n_dumps, n_barriers, n_in_bundle;
    unsigned int n_space_mods;
    uint32_t versions;
};

static uint32_t
fake_hash(const struct ofputil_flow_mod *fm)
{
    return minimatch_hash(&fm->match, hash_2words(fm->table_id,
                                                  fm->priority));
}

static struct fake_flow *
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

static void
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
    struct stored *s;

    HMAP_FOR_EACH_POP (s, hmap_node, &fake->spaces.entries) {
        free(s);
    }
    HMAP_FOR_EACH_POP (s, hmap_node, &fake->ports.entries) {
        free(s);
    }
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

    for (size_t i = 0; i < n && !fake->refuse_spaces; i++) {
        if (command == HNV_SPACE_DELETE || command == HNV_SPACE_DELETE_PORT) {
            store_remove(store, &entries[i].key);
        } else {
            store_put(store, &entries[i]);
        }
    }
    free(entries);
    fake->generation += n ? n : 1;
    fake->n_space_mods++;
    return fake->refuse_spaces ? OFPERR_OFPFMFC_TABLE_FULL : 0;
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

static void
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

static void
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

static void
fake_start(struct fake *fake)
{
    char *name = xasprintf("punix:%s", fake->path);

    ck_assert_int_eq(pvconn_open(name, fake->versions, 0, &fake->listener), 0);
    free(name);
}

/* The connection is lost; what is on the switch is not. */
static void
fake_stop(struct fake *fake)
{
    fake_hang_up(fake);
    pvconn_close(fake->listener);
    fake->listener = NULL;
}

/* What a process that is killed leaves: nothing. */
static void
fake_forget(struct fake *fake)
{
    struct fake_flow *f, *next;

    HMAP_FOR_EACH_SAFE (f, next, hmap_node, &fake->flows) {
        fake_flow_free(fake, f);
    }
    fake_flush_spaces(fake);
}

/* A plan of 'n' flows.  'variant' changes the actions of some of them. */
static struct plan *
make_plan(int n, int variant)
{
    struct plan *plan = plan_create();

    for (int i = 0; i < n; i++) {
        plan_add(plan, TABLE_ADMIT, 100, 0x1000 + i,
                 plan_text("in_port=%d,dl_src=0a:00:00:00:00:%02x", i + 1, i),
                 plan_text("set_field:%d->reg0,move:NXM_OF_ETH_SRC[0..31]->"
                           "NXM_NX_REG7[],resubmit(,20)",
                           i % 2 ? variant : i));
        plan_add(plan, TABLE_RESOLVE, 50, 0x2000 + i,
                 plan_text("ip,reg0=%#x,nw_dst=10.%d.0.0/16", i, i),
                 plan_text("load:%d->NXM_NX_REG1[],dec_ttl,"
                           "set_field:0a:00:00:00:00:01->dl_dst,goto_table:%d",
                           variant, TABLE_ROUTE));
    }
    plan_add(plan, TABLE_DELIVER, 1, 0, xstrdup(""), xstrdup("drop"));
    ck_assert(!plan_sort(plan));
    return plan;
}

/* The link and its switch. */

struct fixture {
    struct fake fake;
    struct store store;
    struct switch_link *sw;
    char *target;
    bool remakes;               /* fixture_set_plan() was called; with: */
    int n, variant;
};

/* Of make_plan(), for the backend that the link has, now and later. */
static void
fixture_set_plan(struct fixture *f, int n, int variant)
{
    struct plan *plan = make_plan(n, variant);

    f->remakes = true;
    f->n = n;
    f->variant = variant;
    plan->spaces = switch_has_spaces(f->sw);
    for (int i = 0; plan->spaces && i < n; i++) {
        plan_add_guest(plan, &(struct plan_guest) {
            .vsid = 5000 + i % 3,
            .mac.ea[5] = i,
            .port = u16_to_ofp(1 + i + variant),
        });
    }
    plan_sort(plan);
    switch_set_plan(f->sw, plan);
}

static void
fixture_init(struct fixture *f)
{
    static int n;

    memset(f, 0, sizeof *f);
    f->fake.path = xasprintf("%s/hnv-test-switch.%ld.%d",
                             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp",
                             (long) getpid(), n++);
    f->fake.versions = 1u << OFP15_VERSION;
    f->fake.refuse_table = -1;
    hmap_init(&f->fake.flows);
    hmap_init(&f->fake.spaces.entries);
    hmap_init(&f->fake.ports.entries);
    ovs_list_init(&f->fake.bundles);
    ovs_list_init(&f->fake.held);
    ovs_list_init(&f->fake.tx);
    fake_start(&f->fake);

    hmap_init(&f->store.entries);

    struct space_source source = {
        .find = store_find,
        .for_each = store_for_each,
        .aux = &f->store,
    };

    f->sw = switch_create(&source);
    f->target = xasprintf("unix:%s", f->fake.path);
    switch_set_target(f->sw, f->target);
}

static void
fixture_uninit(struct fixture *f)
{
    switch_destroy(f->sw);
    fake_stop(&f->fake);
    fake_forget(&f->fake);
    hmap_destroy(&f->fake.flows);
    hmap_destroy(&f->fake.spaces.entries);
    hmap_destroy(&f->fake.ports.entries);
    free(f->fake.path);
    free(f->target);
    store_uninit(&f->store);
}

static void
fixture_turn(struct fixture *f)
{
    switch_wait(f->sw);
    fake_wait(&f->fake);
    poll_timer_wait(20);
    poll_block();
    fake_run(&f->fake);
    switch_run(f->sw);
    if (f->remakes
        && switch_plan(f->sw)->spaces != switch_has_spaces(f->sw)) {
        fixture_set_plan(f, f->n, f->variant);
    }
}

/* Runs until 'condition'; a test that gets stuck fails here. */
#define RUN_UNTIL(F, CONDITION)                                         \
    for (long long int until = time_msec() + 10000; !(CONDITION); ) {   \
        fixture_turn(F);                                                \
        ck_assert_msg(time_msec() < until, "never: %s", #CONDITION);    \
    }

static void
fixture_run_for(struct fixture *f, int ms)
{
    long long int until = time_msec() + ms;

    while (time_msec() < until) {
        fixture_turn(f);
    }
}

static void
fixture_put(struct fixture *f, const struct space_entry *e)
{
    store_put(&f->store, e);
    switch_space_put(f->sw, e);
}

static void
fixture_remove(struct fixture *f, const struct space_key *key_)
{
    struct space_key key = *key_;

    store_remove(&f->store, &key);
    switch_space_remove(f->sw, &key);
}

static uint64_t
fixture_flush(struct fixture *f)
{
    uint64_t seq = switch_flush(f->sw);

    RUN_UNTIL(f, switch_acked(f->sw) >= seq);
    return seq;
}

static void
check_message(struct fake *fake, const void *data)
{
    const struct ofp_header *oh = data;
    struct ofpbuf *msg = ofpbuf_clone_data(oh, ntohs(oh->length));
    struct encode_decoded d;

    ck_assert(encode_decode(msg, &d));

    struct fake_flow *flow = fake_find(fake, &d.fm);

    ck_assert(flow);
    ck_assert(flow->fm.new_cookie == d.fm.new_cookie);

    struct ofpbuf *have = encode_actions(flow->fm.ofpacts,
                                         flow->fm.ofpacts_len, oh->version);
    struct ofpbuf *want = encode_actions(d.fm.ofpacts, d.fm.ofpacts_len,
                                         oh->version);

    ck_assert(ofpbuf_equal(have, want));
    ofpbuf_delete(have);
    ofpbuf_delete(want);
    encode_decoded_uninit(&d);
    ofpbuf_delete(msg);
}

/* The switch has what is wanted, and nothing else. */
static void
check_in_step(struct fixture *f)
{
    struct space_stock *stock = space_stock_create(OFP15_VERSION);
    const struct plan *plan = switch_plan(f->sw);
    size_t n_wanted = plan->n;
    struct stored *s;

    HMAP_FOR_EACH (s, hmap_node, &f->store.entries) {
        uint64_t buf[SPACE_STOCK_MESSAGE_MAX / 8];

        if (switch_has_spaces(f->sw) && !space_hnv_leaves(&s->entry)) {
            continue;
        }
        space_stock_put(stock, &s->entry, (uint8_t *) buf);
        check_message(&f->fake, buf);
        n_wanted++;
    }
    for (size_t i = 0; i < plan->n; i++) {
        char *error;
        struct ofpbuf *msg = encode_plan_put(&plan->flows[i], OFP15_VERSION,
                                             &error);

        ck_assert(msg);
        check_message(&f->fake, msg->data);
        ofpbuf_delete(msg);
    }
    ck_assert_uint_eq(hmap_count(&f->fake.flows), n_wanted);
    space_stock_destroy(stock);
}

static void
check_guests(struct fixture *f, bool used)
{
    const struct plan *plan = switch_plan(f->sw);
    struct stored *s;

    HMAP_FOR_EACH (s, hmap_node, &f->fake.ports.entries) {
        ck_assert(plan_has_guest(plan, &(struct plan_guest) {
            .vsid = s->entry.key.vsid,
            .mac = s->entry.key.mac,
            .port = u16_to_ofp(s->entry.cookie),
        }));
    }
    ck_assert_uint_eq(hmap_count(&f->fake.ports.entries),
                      used ? plan->n_guests : 0);
}

/* The datapath has what it is to have, which is nothing if 'used' is false. */
static void
check_spaces(struct fixture *f, bool used)
{
    size_t n_wanted = 0;
    struct stored *s;

    HMAP_FOR_EACH (s, hmap_node, &f->store.entries) {
        if (used && space_hnv_holds(&s->entry)) {
            struct hnv_wire_entry want, have;
            struct stored *there = store_find__(&f->fake.spaces,
                                                &s->entry.key);

            ck_assert(there);
            hnv_entry_encode(&s->entry, &want);
            hnv_entry_encode(&there->entry, &have);
            ck_assert(!memcmp(&want, &have, sizeof want));
            n_wanted++;
        }
    }
    ck_assert_uint_eq(hmap_count(&f->fake.spaces.entries), n_wanted);
    check_guests(f, used);
}

static bool
status_says(const struct fixture *f, const char *what)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    switch_format_status(f->sw, &s);

    bool says = strstr(ds_cstr(&s), what) != NULL;

    ds_destroy(&s);
    return says;
}

static void
random_change(struct fixture *f)
{
    struct space_entry e = random_entry_among(100);

    if (random_range(3)) {
        fixture_put(f, &e);
    } else {
        fixture_remove(f, &e.key);
    }
}

/* Encoding. */

static void
check_space_roundtrip(const struct space_stock *stock,
                      const struct space_entry *e)
{
    uint64_t buf[SPACE_STOCK_MESSAGE_MAX / 8];
    size_t size = space_stock_put(stock, e, (uint8_t *) buf);
    struct ofpbuf msg = ofpbuf_const_initializer(buf, size);
    const struct ofp_header *oh = (const void *) buf;
    struct encode_decoded d;

    ck_assert_uint_eq(ntohs(oh->length), size);
    ck_assert(encode_decode(&msg, &d));
    ck_assert_int_eq(d.fm.command, OFPFC_ADD);
    ck_assert_int_eq(d.fm.priority, (e->key.kind == SPACE_BY_OWNER
                                     ? PRIORITY_SPACE_OWNER
                                     : PRIORITY_SPACE));
    ck_assert(!d.fm.flags && !d.fm.idle_timeout && !d.fm.hard_timeout);

    /* What a switch would report of it. */
    struct ofputil_flow_stats fs = {
        .cookie = d.fm.new_cookie,
        .table_id = d.fm.table_id,
        .priority = d.fm.priority,
        .ofpacts = d.fm.ofpacts,
        .ofpacts_len = d.fm.ofpacts_len,
    };
    struct space_key key;
    struct space_entry other = *e;

    minimatch_expand(&d.fm.match, &fs.match);
    ck_assert(space_stock_decode_key(&fs, &key));
    ck_assert(space_key_equal(&key, &e->key));
    ck_assert(space_stock_is_same(&fs, e));
    other.cookie++;
    ck_assert(!space_stock_is_same(&fs, &other));

    /* A flow that matches on more is none of an entry's. */
    match_set_in_port(&fs.match, 1);
    ck_assert(!space_stock_decode_key(&fs, &key));

    struct minimatch match;

    minimatch_clone(&match, &d.fm.match);
    encode_decoded_uninit(&d);

    size = space_stock_remove(stock, &e->key, (uint8_t *) buf);
    msg = ofpbuf_const_initializer(buf, size);
    ck_assert(encode_decode(&msg, &d));
    ck_assert_int_eq(d.fm.command, OFPFC_DELETE_STRICT);
    ck_assert_int_eq(d.fm.priority, fs.priority);
    ck_assert_int_eq(d.fm.table_id, fs.table_id);
    ck_assert(minimatch_equal(&d.fm.match, &match));
    minimatch_destroy(&match);
    encode_decoded_uninit(&d);
}

START_TEST(a_space_entry_survives_encoding)
{
    enum ofp_version versions[] = { OFP14_VERSION, OFP15_VERSION };

    random_set_seed(unit_seed("a_space_entry_survives_encoding"));
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        struct space_stock *stock = space_stock_create(versions[i]);

        for (int j = 0; j < 5000; j++) {
            struct space_entry e = random_entry_among(65536);

            check_space_roundtrip(stock, &e);
        }
        space_stock_destroy(stock);
    }
}
END_TEST

START_TEST(a_space_entry_reads_as_documented)
{
    struct space_stock *stock = space_stock_create(OFP15_VERSION);
    uint64_t buf[SPACE_STOCK_MESSAGE_MAX / 8];
    struct in6_addr ca = addr_from_ipv4(htonl(0x0a01010b));
    struct space_entry e = {
        .mac = ETH_ADDR_C(02,00,00,00,00,07),
        .where = { SPACE_NVGRE, addr_from_ipv4(htonl(0xc0a80214)) },
        .cookie = 0x77,
    };
    struct ds s = DS_EMPTY_INITIALIZER;

    space_key_init_ca(&e.key, 5001, &ca);
    space_stock_put(stock, &e, (uint8_t *) buf);
    ck_assert(!ofputil_flow_mod_format(&s, (const void *) buf, NULL, NULL,
                                       1));
    ck_assert_str_eq(ds_cstr(&s), " ADD table:40 priority=100,reg0=0x1389,"
                     "reg2=0xa01010b cookie:0x77 actions="
                     "set_field:0x20000000007->xreg4,"
                     "set_field:0xc0a80214->reg3,set_field:0x2->reg4");
    ds_destroy(&s);
    space_stock_destroy(stock);
}
END_TEST

START_TEST(an_ipv6_entry_reads_as_documented)
{
    struct space_stock *stock = space_stock_create(OFP15_VERSION);
    uint64_t buf[SPACE_STOCK_MESSAGE_MAX / 8];
    struct space_entry e = {
        .mac = ETH_ADDR_C(02,00,00,00,00,07),
        .where = { .encap = SPACE_VXLAN },
        .cookie = 0x77,
    };
    struct ds s = DS_EMPTY_INITIALIZER;
    struct in6_addr ca;

    ck_assert(addr_parse("2001:db8::1", &ca));
    ck_assert(addr_parse("2001:db8:2::20", &e.where.pa));
    space_key_init_ca(&e.key, 5001, &ca);
    space_stock_put(stock, &e, (uint8_t *) buf);
    ck_assert(!ofputil_flow_mod_format(&s, (const void *) buf, NULL, NULL,
                                       1));
    ck_assert_str_eq(ds_cstr(&s), " ADD table:40 priority=100,reg0=0x1389,"
                     "reg12=0x20010db8,reg13=0,reg14=0,reg15=0x1 cookie:0x77 "
                     "actions=set_field:0x20000000007->xreg4,"
                     "set_field:0x20010db8000200000000000000000020->xxreg3,"
                     "set_field:0x11->reg4");
    ds_destroy(&s);
    space_stock_destroy(stock);
}
END_TEST

static void
check_reads_as(const struct space_stock *stock, const struct space_entry *e,
               const char *wanted)
{
    uint64_t buf[SPACE_STOCK_MESSAGE_MAX / 8];
    struct ds s = DS_EMPTY_INITIALIZER;

    space_stock_put(stock, e, (uint8_t *) buf);
    ck_assert(!ofputil_flow_mod_format(&s, (const void *) buf, NULL, NULL,
                                       1));
    ck_assert_str_eq(ds_cstr(&s), wanted);
    ds_destroy(&s);
}

START_TEST(entries_with_ip_rewrite_read_as_documented)
{
    struct space_stock *stock = space_stock_create(OFP15_VERSION);
    struct in6_addr ca = addr_from_ipv4(htonl(0x0a01010b));
    struct in6_addr pa = addr_from_ipv4(htonl(0xc0a80114));
    struct space_entry e = {
        .mac = ETH_ADDR_C(02,00,00,00,00,07),
        .where = { SPACE_LOCAL, pa },
        .cookie = 0x77,
    };

    space_key_init_ca(&e.key, 5001, &ca);
    check_reads_as(stock, &e, " ADD table:40 priority=100,reg0=0x1389,"
                   "reg2=0xa01010b cookie:0x77 actions="
                   "set_field:0x20000000007->xreg4,"
                   "set_field:0xc0a80114->reg3,set_field:0x20->reg4");

    space_key_init_mac(&e.key, 5001, e.mac);
    e.where = (struct space_where) { .encap = SPACE_REWRITE };
    check_reads_as(stock, &e, " ADD table:42 priority=100,reg0=0x1389,"
                   "dl_dst=02:00:00:00:00:07 cookie:0x77 actions="
                   "set_field:0x4->reg4");

    space_key_init_pa(&e.key, &pa);
    e.vsid = 5001;
    e.ca = ca;
    check_reads_as(stock, &e, " ADD table:104 priority=100,reg3=0xc0a80114 "
                   "cookie:0x77 actions=set_field:0x1389->reg0,"
                   "set_field:0xa01010b->reg2,"
                   "set_field:0x20000000007->xreg4,set_field:0x4->reg4");

    ck_assert(addr_parse("2001:db8::1", &pa));
    ck_assert(addr_parse("fd00::b", &e.ca));
    space_key_init_pa(&e.key, &pa);
    e.where.encap = SPACE_LOCAL;
    check_reads_as(stock, &e, " ADD table:104 priority=100,"
                   "reg12=0x20010db8,reg13=0,reg14=0,reg15=0x1 cookie:0x77 "
                   "actions=set_field:0x1389->reg0,"
                   "set_field:0xfd00000000000000000000000000000b->xxreg3,"
                   "set_field:0x20000000007->xreg4,set_field:0x20->reg4");
    space_stock_destroy(stock);
}
END_TEST

START_TEST(what_encoding_costs)
{
    struct space_stock *stock = space_stock_create(OFP15_VERSION);
    enum { N = 1000000 };
    uint8_t buf[SPACE_STOCK_MESSAGE_MAX];
    struct space_entry e = random_entry_among(65536);
    size_t bytes = 0;
    long long int start = time_usec();

    for (int i = 0; i < N; i++) {
        e.cookie = i;
        bytes += space_stock_put(stock, &e, buf);
    }
    printf("what_encoding_costs: %lld ns and %zu bytes per space entry\n",
           (time_usec() - start) * 1000 / N, bytes / N);
    space_stock_destroy(stock);
}
END_TEST

START_TEST(a_flow_that_is_not_understood_is_left_out)
{
    struct fixture f;
    struct plan *plan = make_plan(2, 0);
    struct ds s = DS_EMPTY_INITIALIZER;

    plan_add(plan, TABLE_LOCAL, 1, 0, xstrdup("no_such_field=1"),
             xstrdup("drop"));
    ck_assert(!plan_sort(plan));
    fixture_init(&f);
    switch_set_plan(f.sw, plan);

    uint64_t seq = switch_flush(f.sw);

    RUN_UNTIL(&f, hmap_count(&f.fake.flows) == plan->n - 1);
    fixture_run_for(&f, 50);
    ck_assert_uint_lt(switch_acked(f.sw), seq);
    switch_format_status(f.sw, &s);
    ck_assert(strstr(ds_cstr(&s), "1 not understood"));
    ds_destroy(&s);
    fixture_uninit(&f);
}
END_TEST

/* The session. */

START_TEST(nothing_is_touched_without_a_plan)
{
    struct fixture f;
    struct space_entry e = random_entry_among(10);

    fixture_init(&f);
    fixture_put(&f, &e);
    ck_assert_uint_gt(switch_flush(f.sw), switch_acked(f.sw));
    fixture_run_for(&f, 200);
    ck_assert(f.fake.conn);
    ck_assert_uint_eq(f.fake.n_flow_mods, 0);
    ck_assert_uint_eq(f.fake.n_dumps, 0);
    ck_assert_uint_eq(switch_acked(f.sw), 0);
    switch_set_plan(f.sw, make_plan(1, 0));
    fixture_flush(&f);
    check_in_step(&f);
    fixture_uninit(&f);
}
END_TEST

START_TEST(random_changes_end_in_step)
{
    struct fixture f;

    random_set_seed(unit_seed("random_changes_end_in_step"));
    fixture_init(&f);
    switch_set_plan(f.sw, make_plan(5, 0));
    for (int round = 0; round < 60; round++) {
        for (int i = random_range(40); i > 0; i--) {
            random_change(&f);
        }
        if (!random_range(4)) {
            switch_set_plan(f.sw, make_plan(random_range(10),
                                            random_range(3)));
        }
        if (!random_range(8) && f.fake.conn) {
            fake_stop(&f.fake);
            if (random_range(2)) {
                fake_forget(&f.fake);
            }
            fixture_turn(&f);
            for (int i = random_range(40); i > 0; i--) {
                random_change(&f);
            }
            fake_start(&f.fake);
        }
        if (random_range(2)) {
            fixture_turn(&f);
        }
        if (random_range(2)) {
            switch_flush(f.sw);
        }
        if (!random_range(3)) {
            fixture_flush(&f);
            check_in_step(&f);
        }
    }
    fixture_flush(&f);
    check_in_step(&f);
    fixture_uninit(&f);
}
END_TEST

/* The same where the switch may have the extension: each time that it comes
 * back it may be another, and the wish changes, too. */
START_TEST(random_changes_end_in_step_on_changing_switches)
{
    struct fixture f;
    bool wished = true;

    random_set_seed(unit_seed("random_changes_on_changing_switches"));
    fixture_init(&f);
    f.fake.hnv_version = HNV_WIRE_VERSION;
    switch_set_backend(f.sw, SWITCH_BACKEND_HNV);
    fixture_set_plan(&f, 5, 0);
    for (int round = 0; round < 40; round++) {
        for (int i = random_range(40); i > 0; i--) {
            random_change(&f);
        }
        if (!random_range(4)) {
            fixture_set_plan(&f, random_range(10), random_range(3));
        }
        if (!random_range(8)) {
            wished = !wished;
            switch_set_backend(f.sw, (wished ? SWITCH_BACKEND_HNV
                                      : SWITCH_BACKEND_STOCK));
        }
        if (!random_range(6) && f.fake.conn) {
            fake_stop(&f.fake);
            if (random_range(2)) {
                fake_forget(&f.fake);
                f.fake.hnv_version = (random_range(3) ? HNV_WIRE_VERSION
                                      : 0);
            }
            fixture_turn(&f);
            for (int i = random_range(40); i > 0; i--) {
                random_change(&f);
            }
            fake_start(&f.fake);
        }
        for (int i = random_range(4); i > 0; i--) {
            fixture_turn(&f);
        }
        if (random_range(2)) {
            switch_flush(f.sw);
        }
        if (!random_range(3)) {
            bool used = wished && f.fake.hnv_version;

            fixture_flush(&f);
            check_in_step(&f);
            check_spaces(&f, used);
            ck_assert(status_says(&f, (used ? "backend: hnv\n"
                                       : "backend: stock\n")));
            ck_assert(status_says(&f, "errors: 0\n"));
        }
    }
    fixture_uninit(&f);
}
END_TEST

START_TEST(the_switch_is_asked_what_it_can)
{
    struct fixture f;

    fixture_init(&f);
    switch_set_backend(f.sw, SWITCH_BACKEND_HNV);
    ck_assert(status_says(&f, "backend: not known\n"));
    fixture_set_plan(&f, 2, 0);
    fixture_flush(&f);
    ck_assert(status_says(&f, "backend: stock\n"));
    ck_assert(status_says(&f, "has no datapath extension"
                          " (OFPBRC_BAD_SUBTYPE)"));
    ck_assert(status_says(&f, "errors: 0\n"));

    fake_stop(&f.fake);
    fixture_run_for(&f, 20);
    f.fake.hnv_version = HNV_WIRE_VERSION + 1;
    fake_start(&f.fake);
    fixture_flush(&f);
    ck_assert(status_says(&f, "backend: stock\n"));
    ck_assert(status_says(&f, "which this agent does not speak"));

    fake_stop(&f.fake);
    fixture_run_for(&f, 20);
    f.fake.hnv_version = HNV_WIRE_VERSION;
    fake_start(&f.fake);
    fixture_flush(&f);
    ck_assert(status_says(&f, "backend: hnv\n"));

    switch_set_backend(f.sw, SWITCH_BACKEND_STOCK);
    fixture_flush(&f);
    ck_assert(status_says(&f, "backend: stock\n"));
    ck_assert(status_says(&f, "which is not to be used"));
    fixture_uninit(&f);
}
END_TEST

START_TEST(entries_travel_many_to_a_message)
{
    struct fixture f;

    fixture_init(&f);
    f.fake.hnv_version = HNV_WIRE_VERSION;
    switch_set_backend(f.sw, SWITCH_BACKEND_HNV);
    fixture_set_plan(&f, 2, 0);
    fixture_flush(&f);
    ck_assert_uint_eq(f.fake.n_space_mods, 1);      /* Guests. */
    for (uint32_t i = 0; i < 2 * HNV_SPACE_MOD_MAX + 1; i++) {
        struct in6_addr ca = addr_from_ipv4(htonl(0x0a000000 + i));
        struct space_entry e = { .where = { SPACE_VXLAN, ca } };

        space_key_init_ca(&e.key, 5000, &ca);
        fixture_put(&f, &e);
    }
    fixture_flush(&f);
    ck_assert_uint_eq(f.fake.n_space_mods, 4);
    check_spaces(&f, true);

    /* And after a reconnect none. */
    fake_stop(&f.fake);
    fixture_run_for(&f, 20);
    fake_start(&f.fake);
    fixture_flush(&f);
    ck_assert_uint_eq(f.fake.n_space_mods, 4);

    /* But one if there is one that differs, and one that is too many. */
    struct stored *s = CONTAINER_OF(hmap_first(&f.fake.spaces.entries),
                                    struct stored, hmap_node);
    struct space_entry extra = s->entry;

    s->entry.where.encap = SPACE_NVGRE;
    extra.key.vsid = 77;
    store_put(&f.fake.spaces, &extra);
    fake_stop(&f.fake);
    fixture_run_for(&f, 20);
    fake_start(&f.fake);
    fixture_flush(&f);
    ck_assert_uint_eq(f.fake.n_space_mods, 6);
    check_spaces(&f, true);
    fixture_uninit(&f);
}
END_TEST

START_TEST(what_the_datapath_refuses_is_tried_again)
{
    struct fixture f;
    struct in6_addr ca = addr_from_ipv4(htonl(0x0a000001));
    struct space_entry e = { .where = { SPACE_VXLAN, ca } };

    fixture_init(&f);
    f.fake.hnv_version = HNV_WIRE_VERSION;
    switch_set_backend(f.sw, SWITCH_BACKEND_HNV);
    fixture_set_plan(&f, 2, 0);
    fixture_flush(&f);

    space_key_init_ca(&e.key, 5000, &ca);
    f.fake.refuse_spaces = true;
    fixture_put(&f, &e);

    uint64_t seq = switch_flush(f.sw);

    RUN_UNTIL(&f, status_says(&f, "refused space entries (OFPFMFC_TABLE"));
    ck_assert_uint_lt(switch_acked(f.sw), seq);
    f.fake.refuse_spaces = false;
    RUN_UNTIL(&f, switch_acked(f.sw) >= seq);
    check_spaces(&f, true);
    fixture_uninit(&f);
}
END_TEST

START_TEST(an_empty_flush_is_acknowledged_at_once)
{
    struct fixture f;

    fixture_init(&f);
    switch_set_plan(f.sw, make_plan(1, 0));
    fixture_flush(&f);

    unsigned int n_barriers = f.fake.n_barriers;
    uint64_t seq = switch_flush(f.sw);

    ck_assert_uint_eq(switch_acked(f.sw), seq);
    ck_assert_uint_eq(f.fake.n_barriers, n_barriers);
    fixture_uninit(&f);
}
END_TEST

START_TEST(after_a_reconnect_only_the_difference_is_sent)
{
    struct fixture f;

    fixture_init(&f);
    for (int i = 0; i < 300; i++) {
        random_change(&f);
    }
    switch_set_plan(f.sw, make_plan(20, 0));
    fixture_flush(&f);
    check_in_step(&f);

    /* With nothing different. */
    unsigned int n_flow_mods = f.fake.n_flow_mods;

    fake_stop(&f.fake);
    fixture_run_for(&f, 50);
    fake_start(&f.fake);
    fixture_flush(&f);
    ck_assert_uint_eq(f.fake.n_flow_mods, n_flow_mods);
    check_in_step(&f);

    /* With one entry, and one of two actions of each kind of rule. */
    fake_stop(&f.fake);
    fixture_run_for(&f, 50);

    struct space_entry e = random_entry_among(10);

    space_key_init_mac(&e.key, 9999, e.mac);
    fixture_put(&f, &e);
    switch_set_plan(f.sw, make_plan(20, 1));
    fake_start(&f.fake);
    fixture_flush(&f);
    check_in_step(&f);
    ck_assert_uint_eq(f.fake.n_flow_mods, n_flow_mods + 1 + 30);
    fixture_uninit(&f);
}
END_TEST

static void
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

START_TEST(leftovers_are_removed)
{
    static const char *const leftovers[] = {
        "table=0,priority=0,actions=NORMAL",
        "table=200,in_port=3,actions=drop",
        /* Of entries that nobody wants. */
        "table=40,priority=100,reg0=7777,reg2=1,actions=set_field:1->xreg4",
        "table=42,priority=100,reg0=7777,dl_dst=02:00:00:00:00:01,"
            "actions=set_field:0x20->reg4",
        /* In these tables, and not of an entry. */
        "table=40,priority=99,reg0=7777,reg2=1,actions=drop",
        "table=40,priority=100,reg0=7777,actions=drop",
        "table=42,priority=100,reg0=7777,ip,actions=drop",
        "table=42,priority=100,actions=drop",
    };
    struct fixture f;

    fixture_init(&f);
    for (size_t i = 0; i < ARRAY_SIZE(leftovers); i++) {
        fake_add(&f.fake, leftovers[i]);
    }
    for (int i = 0; i < 50; i++) {
        random_change(&f);
    }
    switch_set_plan(f.sw, make_plan(3, 0));
    fixture_flush(&f);
    check_in_step(&f);
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_flow_in_the_place_of_an_entry_is_replaced)
{
    struct fixture f;
    struct space_entry e = {
        .mac = ETH_ADDR_C(02,00,00,00,00,01),
        .where = { SPACE_VXLAN, addr_from_ipv4(htonl(0xc0a80001)) },
        .cookie = 5,
    };

    fixture_init(&f);
    space_key_init_mac(&e.key, 7777, e.mac);
    store_put(&f.store, &e);
    fake_add(&f.fake, "table=42,priority=100,reg0=7777,cookie=5,"
             "dl_dst=02:00:00:00:00:01,actions=set_field:0x20->reg4");
    fake_add(&f.fake, "table=0,priority=100,cookie=0x1000,in_port=1,"
             "dl_src=0a:00:00:00:00:00,idle_timeout=60,actions=drop");
    switch_set_plan(f.sw, make_plan(1, 0));
    fixture_flush(&f);
    check_in_step(&f);
    fixture_uninit(&f);
}
END_TEST

START_TEST(changes_while_the_switch_is_read_back_are_not_lost)
{
    struct fixture f;

    random_set_seed(
        unit_seed("changes_while_the_switch_is_read_back_are_not_lost"));
    for (int round = 0; round < 20; round++) {
        fixture_init(&f);
        for (int i = 0; i < 100; i++) {
            random_change(&f);
        }
        switch_set_plan(f.sw, make_plan(5, 0));
        fixture_flush(&f);

        fake_stop(&f.fake);
        fixture_run_for(&f, 20);
        f.fake.hold_dump = true;
        for (int i = 0; i < 100; i++) {
            random_change(&f);
        }
        fake_start(&f.fake);

        unsigned int n_dumps = f.fake.n_dumps;

        RUN_UNTIL(&f, f.fake.n_dumps > n_dumps);
        for (int i = 0; i < 100; i++) {
            random_change(&f);
        }
        switch_set_plan(f.sw, make_plan(6, 1));

        uint64_t seq = switch_flush(f.sw);

        fixture_run_for(&f, 10);
        ck_assert_uint_lt(switch_acked(f.sw), seq);
        fake_release_dump(&f.fake);
        RUN_UNTIL(&f, switch_acked(f.sw) >= seq);
        check_in_step(&f);
        fixture_uninit(&f);
    }
}
END_TEST

START_TEST(a_lost_acknowledgement_comes_after_reconnecting)
{
    struct fixture f;
    struct space_entry e = random_entry_among(10);

    fixture_init(&f);
    switch_set_plan(f.sw, make_plan(3, 0));
    fixture_flush(&f);

    f.fake.drop_barriers = true;
    fixture_put(&f, &e);

    uint64_t seq = switch_flush(f.sw);

    fixture_run_for(&f, 100);
    ck_assert_uint_lt(switch_acked(f.sw), seq);

    fake_stop(&f.fake);
    fixture_run_for(&f, 50);
    f.fake.drop_barriers = false;
    fake_start(&f.fake);
    RUN_UNTIL(&f, switch_acked(f.sw) >= seq);
    check_in_step(&f);
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_plan_is_one_bundle)
{
    struct fixture f;

    fixture_init(&f);
    switch_set_plan(f.sw, make_plan(10, 0));
    fixture_flush(&f);
    ck_assert_uint_eq(f.fake.n_commits, 1);
    ck_assert_uint_eq(f.fake.n_in_bundle, 21);

    switch_set_plan(f.sw, make_plan(8, 0));
    fixture_flush(&f);
    ck_assert_uint_eq(f.fake.n_commits, 2);
    ck_assert_uint_eq(f.fake.n_in_bundle, 21 + 4);
    check_in_step(&f);
    fixture_uninit(&f);
}
END_TEST

START_TEST(the_switch_is_told_to_see_fragments_and_to_tell)
{
    struct fixture f;

    fixture_init(&f);
    switch_set_plan(f.sw, make_plan(1, 0));
    fixture_flush(&f);
    ck_assert(f.fake.sees_fragments);
    ck_assert(f.fake.gives_registers);
    ck_assert(f.fake.watched);
    fixture_uninit(&f);
}
END_TEST

static struct plan *
make_metered_plan(uint32_t meter1, uint32_t meter2)
{
    struct plan *plan = plan_create();

    plan_add_meter(plan, meter2);
    plan_add_meter(plan, meter1);
    plan_add_meter(plan, meter2);
    ck_assert(!plan_sort(plan));
    ck_assert_uint_eq(plan->meters.n, 2);
    return plan;
}

static struct plan *
make_plan_with_zone(uint16_t zone)
{
    struct plan *plan = make_plan(1, 0);

    plan_add_zone(plan, zone);
    plan_sort(plan);
    return plan;
}

START_TEST(connections_of_a_zone_that_goes_are_forgotten)
{
    struct fixture f;

    fixture_init(&f);
    switch_set_plan(f.sw, make_plan_with_zone(7));
    fixture_flush(&f);
    switch_set_plan(f.sw, make_plan_with_zone(7));
    fixture_flush(&f);
    ck_assert_uint_eq(f.fake.flushed_zone, 0);

    switch_set_plan(f.sw, make_plan_with_zone(8));
    fixture_flush(&f);
    ck_assert_uint_eq(f.fake.flushed_zone, 7);
    fixture_uninit(&f);
}
END_TEST

START_TEST(meters_come_and_go_with_the_plan)
{
    struct fixture f;

    fixture_init(&f);
    f.fake.meters[1] = true;    /* Of an agent that was here before. */
    switch_set_plan(f.sw, make_metered_plan(1, 2));
    fixture_flush(&f);
    ck_assert(f.fake.meters[1] && f.fake.meters[2]);

    switch_set_plan(f.sw, make_metered_plan(2, 3));
    fixture_flush(&f);
    ck_assert(!f.fake.meters[1] && f.fake.meters[2] && f.fake.meters[3]);

    /* None of this was trouble. */
    fixture_run_for(&f, 50);
    ck_assert_uint_eq(f.fake.n_dumps, 1);
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_switch_that_cannot_tell_is_no_trouble)
{
    struct fixture f;

    fixture_init(&f);
    f.fake.no_monitor = true;
    switch_set_plan(f.sw, make_plan(1, 0));
    fixture_flush(&f);
    fixture_run_for(&f, 50);
    ck_assert_uint_eq(f.fake.n_dumps, 1);
    check_in_step(&f);
    fixture_uninit(&f);
}
END_TEST

/* The switch tells of 'event'. */
static void
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

START_TEST(what_somebody_else_deletes_comes_back)
{
    struct fixture f;
    struct space_entry e = random_entry_among(10);

    fixture_init(&f);
    switch_set_plan(f.sw, make_plan(3, 0));
    fixture_put(&f, &e);
    fixture_flush(&f);

    fake_forget(&f.fake);
    fake_tell(&f.fake, OFPFME_REMOVED);
    RUN_UNTIL(&f, f.fake.n_dumps == 2);

    uint64_t seq = switch_flush(f.sw);

    RUN_UNTIL(&f, switch_acked(f.sw) >= seq);
    check_in_step(&f);
    fixture_uninit(&f);
}
END_TEST

START_TEST(own_changes_are_no_trouble)
{
    struct fixture f;

    fixture_init(&f);
    switch_set_plan(f.sw, make_plan(3, 0));
    fixture_flush(&f);
    fake_tell(&f.fake, OFPFME_ABBREV);
    fake_tell(&f.fake, OFPFME_PAUSED);
    fake_tell(&f.fake, OFPFME_REMOVED);
    fake_tell(&f.fake, OFPFME_RESUMED);
    fixture_run_for(&f, 50);
    fixture_flush(&f);
    ck_assert_uint_eq(f.fake.n_dumps, 1);

    fake_tell(&f.fake, OFPFME_MODIFIED);
    RUN_UNTIL(&f, f.fake.n_dumps == 2);
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_flow_too_long_for_a_message_is_not_acknowledged)
{
    struct fixture f;
    struct plan *plan = make_plan(3, 0);
    struct ds actions = DS_EMPTY_INITIALIZER;

    fixture_init(&f);
    for (int i = 0; i < 5000; i++) {
        ds_put_format(&actions, "set_field:%d->reg1,", i);
    }
    ds_put_cstr(&actions, "resubmit(,20)");
    plan_add(plan, TABLE_LOCAL, 1, 0xbad, xstrdup("ip"),
             ds_steal_cstr(&actions));
    ck_assert(!plan_sort(plan));
    switch_set_plan(f.sw, plan);

    uint64_t seq = switch_flush(f.sw);

    RUN_UNTIL(&f, hmap_count(&f.fake.flows) == 7);
    fixture_run_for(&f, 50);
    ck_assert_uint_lt(switch_acked(f.sw), seq);

    switch_set_plan(f.sw, make_plan(3, 1));
    fixture_flush(&f);
    check_in_step(&f);
    fixture_uninit(&f);
}
END_TEST

START_TEST(one_refused_flow_stops_no_other)
{
    struct fixture f;
    struct plan *plan = make_plan(5, 0);
    struct ds s = DS_EMPTY_INITIALIZER;
    struct space_entry e = random_entry_among(10);

    fixture_init(&f);
    f.fake.refuse_table = TABLE_LOCAL;
    plan_add(plan, TABLE_LOCAL, 1, 0xbad, xstrdup("ip"), xstrdup("drop"));
    ck_assert(!plan_sort(plan));
    switch_set_plan(f.sw, plan);

    uint64_t seq = switch_flush(f.sw);

    /* First the bundle fails as a whole, then the flow alone. */
    RUN_UNTIL(&f, hmap_count(&f.fake.flows) == plan->n - 1);
    ck_assert_uint_lt(switch_acked(f.sw), seq);

    /* Others work in the meantime, in spaces and rules, at once. */
    unsigned int n_dumps = f.fake.n_dumps;

    fixture_put(&f, &e);
    plan = make_plan(6, 0);
    plan_add(plan, TABLE_LOCAL, 1, 0xbad, xstrdup("ip"), xstrdup("drop"));
    ck_assert(!plan_sort(plan));
    switch_set_plan(f.sw, plan);
    seq = switch_flush(f.sw);
    RUN_UNTIL(&f, hmap_count(&f.fake.flows) == plan->n - 1 + 1);
    ck_assert_uint_eq(f.fake.n_dumps, n_dumps);
    ck_assert_uint_lt(switch_acked(f.sw), seq);

    /* A person is told. */
    switch_format_status(f.sw, &s);
    ck_assert_msg(strstr(ds_cstr(&s), "trouble"), "%s", ds_cstr(&s));
    ck_assert_msg(strstr(ds_cstr(&s), "cookie=0xbad"), "%s", ds_cstr(&s));
    ck_assert_msg(strstr(ds_cstr(&s), "TABLE_FULL"), "%s", ds_cstr(&s));
    ds_destroy(&s);

    /* It does not ask all the time, and is well again when the switch is. */
    fixture_run_for(&f, 500);
    ck_assert_uint_le(f.fake.n_dumps, n_dumps + 1);
    f.fake.refuse_table = -1;
    RUN_UNTIL(&f, switch_acked(f.sw) >= seq);
    check_in_step(&f);
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_refused_entry_is_tried_again)
{
    struct fixture f;
    struct space_entry e = random_entry_among(10);

    fixture_init(&f);
    switch_set_plan(f.sw, make_plan(2, 0));
    fixture_flush(&f);
    space_key_init_mac(&e.key, 5000, e.mac);
    f.fake.refuse_table = TABLE_SPACE_MAC;
    fixture_put(&f, &e);

    uint64_t seq = switch_flush(f.sw);

    fixture_run_for(&f, 100);
    ck_assert_uint_lt(switch_acked(f.sw), seq);
    f.fake.refuse_table = -1;
    RUN_UNTIL(&f, switch_acked(f.sw) >= seq);
    check_in_step(&f);
    fixture_uninit(&f);
}
END_TEST

START_TEST(a_switch_without_our_versions_is_not_used)
{
    struct fixture f;

    fixture_init(&f);
    fake_stop(&f.fake);
    f.fake.versions = 1u << OFP13_VERSION;
    fake_start(&f.fake);
    switch_set_plan(f.sw, make_plan(1, 0));

    uint64_t seq = switch_flush(f.sw);

    fixture_run_for(&f, 500);
    ck_assert_uint_eq(f.fake.n_dumps, 0);

    fake_stop(&f.fake);
    f.fake.versions = 1u << OFP13_VERSION | 1u << OFP14_VERSION;
    fake_start(&f.fake);
    RUN_UNTIL(&f, switch_acked(f.sw) >= seq);
    fixture_uninit(&f);
}
END_TEST

START_TEST(without_a_target_there_is_no_session)
{
    struct fixture f;

    fixture_init(&f);
    switch_set_plan(f.sw, make_plan(1, 0));
    fixture_flush(&f);
    switch_set_target(f.sw, NULL);
    RUN_UNTIL(&f, !f.fake.conn);
    fixture_run_for(&f, 200);
    ck_assert(!f.fake.conn);
    switch_set_target(f.sw, f.target);
    fixture_flush(&f);
    fixture_uninit(&f);
}
END_TEST

START_TEST(many_entries_are_kept_back_while_congested)
{
    struct fixture f;
    struct space_entry e = random_entry_among(10);

    fixture_init(&f);
    switch_set_plan(f.sw, make_plan(1, 0));
    fixture_flush(&f);
    for (int i = 0; !switch_is_congested(f.sw); i++) {
        e.mac.be16[1] = htons(i);
        space_key_init_mac(&e.key, 5000, e.mac);
        fixture_put(&f, &e);
        ck_assert_int_lt(i, 60000);
    }
    fixture_flush(&f);
    ck_assert(!switch_is_congested(f.sw));
    check_in_step(&f);
    fixture_uninit(&f);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("switch");
    TCase *encode = tcase_create("encode");
    TCase *session = tcase_create("session");

    fatal_ignore_sigpipe();
    vlog_set_levels(NULL, VLF_CONSOLE,
                    getenv("HNV_TEST_LOG") ? VLL_DBG : VLL_OFF);
    tcase_add_test(encode, a_space_entry_survives_encoding);
    tcase_add_test(encode, a_space_entry_reads_as_documented);
    tcase_add_test(encode, an_ipv6_entry_reads_as_documented);
    tcase_add_test(encode, entries_with_ip_rewrite_read_as_documented);
    tcase_add_test(encode, what_encoding_costs);
    suite_add_tcase(suite, encode);

    tcase_set_timeout(session, 60);
    tcase_add_test(session, a_flow_that_is_not_understood_is_left_out);
    tcase_add_test(session, nothing_is_touched_without_a_plan);
    tcase_add_test(session, random_changes_end_in_step);
    tcase_add_test(session, random_changes_end_in_step_on_changing_switches);
    tcase_add_test(session, the_switch_is_asked_what_it_can);
    tcase_add_test(session, entries_travel_many_to_a_message);
    tcase_add_test(session, what_the_datapath_refuses_is_tried_again);
    tcase_add_test(session, an_empty_flush_is_acknowledged_at_once);
    tcase_add_test(session, after_a_reconnect_only_the_difference_is_sent);
    tcase_add_test(session, leftovers_are_removed);
    tcase_add_test(session, a_flow_in_the_place_of_an_entry_is_replaced);
    tcase_add_test(session,
                   changes_while_the_switch_is_read_back_are_not_lost);
    tcase_add_test(session, a_lost_acknowledgement_comes_after_reconnecting);
    tcase_add_test(session, a_plan_is_one_bundle);
    tcase_add_test(session,
                   the_switch_is_told_to_see_fragments_and_to_tell);
    tcase_add_test(session, meters_come_and_go_with_the_plan);
    tcase_add_test(session,
                   connections_of_a_zone_that_goes_are_forgotten);
    tcase_add_test(session, a_switch_that_cannot_tell_is_no_trouble);
    tcase_add_test(session, what_somebody_else_deletes_comes_back);
    tcase_add_test(session, own_changes_are_no_trouble);
    tcase_add_test(session,
                   a_flow_too_long_for_a_message_is_not_acknowledged);
    tcase_add_test(session, one_refused_flow_stops_no_other);
    tcase_add_test(session, a_refused_entry_is_tried_again);
    tcase_add_test(session, a_switch_without_our_versions_is_not_used);
    tcase_add_test(session, without_a_target_there_is_no_session);
    tcase_add_test(session, many_entries_are_kept_back_while_congested);
    suite_add_tcase(suite, session);
    return unit_run(suite);
}
