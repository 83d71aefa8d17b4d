/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "switch/space-stock.h"
#include <stdlib.h>
#include <string.h>
#include "compile/pipeline.h"
#include "openvswitch/match.h"
#include "openvswitch/meta-flow.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "util/addr.h"
#include "util.h"

/* A value within a template: where it is, or 0 if it is not there. */
struct field {
    uint16_t offset;
};

/* A message, and where in it the values of an entry go. */
struct template {
    uint8_t msg[SPACE_STOCK_MESSAGE_MAX];
    size_t size;
    struct field cookie;        /* 8 bytes. */
    struct field vsid;          /* 4 bytes. */
    struct field key_ca;        /* 4 bytes. */
    struct field key_mac;       /* 6 bytes. */
    struct field mac;           /* 6 bytes. */
    struct field pa;            /* 4 bytes. */
    struct field encap;         /* 4 bytes. */
};

struct space_stock {
    struct template put[2][2];  /* By space_kind, and whether remote. */
    struct template remove[2];  /* By space_kind. */
};

static void template_init(struct template *, enum ofp_version, int command,
                          enum space_kind, enum space_encap);
static size_t template_fill(const struct template *,
                            const struct space_entry *, uint8_t *buf);
static void stock_match__(const struct space_key *, struct match *);
static void stock_actions__(const struct space_entry *, struct ofpbuf *);
static bool stock_set_field_equal__(const struct ofpact_set_field *,
                                    const struct ofpact_set_field *);

struct space_stock *
space_stock_create(enum ofp_version version)
{
    struct space_stock *s = xzalloc(sizeof *s);

    for (int kind = SPACE_BY_CA; kind <= SPACE_BY_MAC; kind++) {
        template_init(&s->put[kind][false], version, OFPFC_ADD, kind,
                      SPACE_LOCAL);
        template_init(&s->put[kind][true], version, OFPFC_ADD, kind,
                      SPACE_VXLAN);
        template_init(&s->remove[kind], version, OFPFC_DELETE_STRICT, kind,
                      SPACE_LOCAL);
    }
    return s;
}

void
space_stock_destroy(struct space_stock *s)
{
    free(s);
}

static bool
stock_key_has_flow__(const struct space_key *key)
{
    return key->kind == SPACE_BY_MAC || addr_is_ipv4(&key->ca);
}

bool
space_stock_has_flow(const struct space_entry *e)
{
    return stock_key_has_flow__(&e->key)
           && (e->where.encap == SPACE_LOCAL || addr_is_ipv4(&e->where.pa));
}

size_t
space_stock_put(const struct space_stock *s, const struct space_entry *e,
                uint8_t buf[SPACE_STOCK_MESSAGE_MAX])
{
    if (!space_stock_has_flow(e)) {
        return 0;
    }
    return template_fill(&s->put[e->key.kind][e->where.encap != SPACE_LOCAL],
                         e, buf);
}

size_t
space_stock_remove(const struct space_stock *s, const struct space_key *key,
                   uint8_t buf[SPACE_STOCK_MESSAGE_MAX])
{
    const struct space_entry e = { .key = *key };

    return (stock_key_has_flow__(key)
            ? template_fill(&s->remove[key->kind], &e, buf)
            : 0);
}

bool
space_stock_owns_table(uint8_t table)
{
    return table == TABLE_SPACE_CA || table == TABLE_SPACE_MAC;
}

bool
space_stock_decode_key(const struct ofputil_flow_stats *fs,
                       struct space_key *ret_key)
{
    const struct flow *f = &fs->match.flow;
    struct space_key key;
    struct match match;

    if (fs->priority != PRIORITY_SPACE) {
        return false;
    }
    if (fs->table_id == TABLE_SPACE_CA) {
        struct in6_addr ca = addr_from_ipv4(htonl(f->regs[REG_IDX_CA]));

        space_key_init_ca(&key, f->regs[REG_IDX_VSID], &ca);
    } else if (fs->table_id == TABLE_SPACE_MAC) {
        space_key_init_mac(&key, f->regs[REG_IDX_VSID], f->dl_dst);
    } else {
        return false;
    }

    /* The flow may match on more, or on less, than such flows do. */
    stock_match__(&key, &match);
    if (!match_equal(&match, &fs->match)) {
        return false;
    }
    *ret_key = key;
    return true;
}

/* The actions are compared one by one: two series of them may differ in
 * memory, where there are gaps between them, and be the same. */
bool
space_stock_is_same(const struct ofputil_flow_stats *fs,
                    const struct space_entry *e)
{
    uint64_t stub[256 / 8];
    struct ofpbuf actions = OFPBUF_STUB_INITIALIZER(stub);

    stock_actions__(e, &actions);

    bool same = (fs->cookie == htonll(e->cookie)
                 && !fs->idle_timeout && !fs->hard_timeout
                 && !fs->flags && !fs->importance
                 && fs->ofpacts_len == actions.size);
    const struct ofpact *a = fs->ofpacts;
    const struct ofpact *b;

    OFPACT_FOR_EACH (b, actions.data, actions.size) {
        if (!same || a->len != b->len || a->type != OFPACT_SET_FIELD
            || !stock_set_field_equal__(ofpact_get_SET_FIELD(a),
                                        ofpact_get_SET_FIELD(b))) {
            same = false;
            break;
        }
        a = ofpact_next(a);
    }
    ofpbuf_uninit(&actions);
    return same;
}

/* An entry's flow. */

static void
stock_match__(const struct space_key *key, struct match *match)
{
    /* As for any flow that does not say otherwise, the packet is Ethernet. */
    match_init_catchall(match);
    match_set_default_packet_type(match);
    match_set_reg(match, REG_IDX_VSID, key->vsid);
    if (key->kind == SPACE_BY_CA) {
        match_set_reg(match, REG_IDX_CA, ntohl(addr_to_ipv4(&key->ca)));
    } else {
        match_set_dl_dst(match, key->mac);
    }
}

static void
stock_set_reg__(struct ofpbuf *actions, int reg, ovs_be32 value)
{
    ofpact_put_set_field(actions, mf_from_id(MFF_REG0 + reg), &value,
                         NULL);
}

static void
stock_actions__(const struct space_entry *e, struct ofpbuf *actions)
{
    if (e->key.kind == SPACE_BY_CA) {
        ovs_be64 mac = htonll(eth_addr_to_uint64(e->mac));

        ofpact_put_set_field(actions, mf_from_id(MFF_XREG0 + XREG_IDX_MAC),
                             &mac, NULL);
    }
    if (e->where.encap != SPACE_LOCAL) {
        stock_set_reg__(actions, REG_IDX_PA, addr_to_ipv4(&e->where.pa));
        stock_set_reg__(actions, REG_IDX_ENCAP, htonl(e->where.encap));
    } else if (e->key.kind == SPACE_BY_MAC) {
        stock_set_reg__(actions, REG_IDX_ENCAP, htonl(SPACE_LOCAL));
    }
}

static bool
stock_set_field_equal__(const struct ofpact_set_field *a,
                        const struct ofpact_set_field *b)
{
    return a->field == b->field
           && !memcmp(a->value, b->value, a->field->n_bytes)
           && !memcmp(ofpact_set_field_mask(a), ofpact_set_field_mask(b),
                      a->field->n_bytes);
}

/* Templates. */

/* Values that occur nowhere else in a message, so that they can be found.
 * The encapsulation is found as the value for this purpose only. */
static const uint64_t MARK_COOKIE = 0xc1c2c3c4c5c6c7c8;
static const uint32_t MARK_VSID = 0x00b1b2b3;
static const uint32_t MARK_CA = 0xd1d2d3d4;
static const uint32_t MARK_PA = 0xe1e2e3e4;
static const uint32_t MARK_ENCAP = 0xf1f2f3f4;
static const struct eth_addr MARK_KEY_MAC
    = ETH_ADDR_C(92,93,94,95,96,97);
static const struct eth_addr MARK_MAC = ETH_ADDR_C(a2,a3,a4,a5,a6,a7);

/* Finds 'mark' in the template; not there if the shape has no such value. */
static struct field
template_find(const struct template *t, const void *mark, size_t n)
{
    struct field field = { 0 };

    for (size_t i = 0; i + n <= t->size; i++) {
        if (!memcmp(t->msg + i, mark, n)) {
            ovs_assert(!field.offset);
            field.offset = i;
        }
    }
    return field;
}

static struct field
template_find_u32(const struct template *t, uint32_t mark)
{
    ovs_be32 be = htonl(mark);

    return template_find(t, &be, sizeof be);
}

static void
template_init(struct template *t, enum ofp_version version, int command,
              enum space_kind kind, enum space_encap encap)
{
    const struct in6_addr mark_ca = addr_from_ipv4(htonl(MARK_CA));
    struct space_entry e = {
        .mac = MARK_MAC,
        .where = { .encap = encap, .pa = addr_from_ipv4(htonl(MARK_PA)) },
    };
    struct ofpbuf *actions = ofpbuf_new(256);
    struct match match;

    if (kind == SPACE_BY_CA) {
        space_key_init_ca(&e.key, MARK_VSID, &mark_ca);
    } else {
        space_key_init_mac(&e.key, MARK_VSID, MARK_KEY_MAC);
    }
    if (encap != SPACE_LOCAL) {
        e.where.encap = (enum space_encap) MARK_ENCAP;
    }
    stock_match__(&e.key, &match);
    if (command == OFPFC_ADD) {
        stock_actions__(&e, actions);
    }

    struct ofputil_flow_mod fm = {
        .command = command,
        .table_id = kind == SPACE_BY_CA ? TABLE_SPACE_CA : TABLE_SPACE_MAC,
        .priority = PRIORITY_SPACE,
        .new_cookie = htonll(command == OFPFC_ADD ? MARK_COOKIE : UINT64_MAX),
        .buffer_id = UINT32_MAX,
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
        .ofpacts = actions->data,
        .ofpacts_len = actions->size,
    };

    minimatch_init(&fm.match, &match);

    struct ofpbuf *msg = ofputil_encode_flow_mod(
        &fm, ofputil_protocol_from_ofp_version(version));
    ovs_be64 cookie = htonll(MARK_COOKIE);

    ovs_assert(msg->size <= sizeof t->msg);
    memcpy(t->msg, msg->data, msg->size);
    t->size = msg->size;
    t->cookie = template_find(t, &cookie, sizeof cookie);
    t->vsid = template_find_u32(t, MARK_VSID);
    t->key_ca = template_find_u32(t, MARK_CA);
    t->key_mac = template_find(t, &MARK_KEY_MAC, sizeof MARK_KEY_MAC);
    t->mac = template_find(t, &MARK_MAC, sizeof MARK_MAC);
    t->pa = template_find_u32(t, MARK_PA);
    t->encap = template_find_u32(t, MARK_ENCAP);

    ofpbuf_delete(msg);
    minimatch_destroy(&fm.match);
    ofpbuf_delete(actions);
}

static void
fill__(uint8_t *buf, struct field field, const void *value, size_t n)
{
    if (field.offset) {
        memcpy(buf + field.offset, value, n);
    }
}

static void
fill_be32__(uint8_t *buf, struct field field, ovs_be32 value)
{
    fill__(buf, field, &value, sizeof value);
}

static size_t
template_fill(const struct template *t, const struct space_entry *e,
              uint8_t *buf)
{
    ovs_be64 cookie = htonll(e->cookie);

    memcpy(buf, t->msg, t->size);
    fill__(buf, t->cookie, &cookie, sizeof cookie);
    fill_be32__(buf, t->vsid, htonl(e->key.vsid));
    if (e->key.kind == SPACE_BY_CA) {
        fill_be32__(buf, t->key_ca, addr_to_ipv4(&e->key.ca));
    } else {
        fill__(buf, t->key_mac, &e->key.mac, sizeof e->key.mac);
    }
    fill__(buf, t->mac, &e->mac, sizeof e->mac);
    fill_be32__(buf, t->pa, addr_to_ipv4(&e->where.pa));
    fill_be32__(buf, t->encap, htonl(e->where.encap));
    return t->size;
}
