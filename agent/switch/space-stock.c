/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "switch/space-stock.h"
#include <stdlib.h>
#include <string.h>
#include "compile/pipeline.h"
#include "flow.h"
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
    struct field ca;            /* 4 bytes. */
    struct field ca6[4];        /* 4 bytes each: a match goes by reg. */
    struct field key_mac;       /* 6 bytes. */
    struct field key_share;     /* 4 bytes. */
    struct field key_spa;       /* 4 bytes: the CA once more. */
    struct field mac;           /* 8 bytes: REG_MAC, with its flags. */
    struct field pa;            /* 4 bytes. */
    struct field pa6[4];        /* 4 bytes each. */
    struct field encap;         /* 4 bytes. */
};

/* What an entry asks for, and where it says that is: each combination is a
 * message of another shape.  PLACE_NO_PA says how, but not which PA. */
enum asked {
    ASKED_CA, ASKED_CA6, ASKED_MAC, ASKED_PA, ASKED_PA6, ASKED_SHARE,
    ASKED_SHARE6, ASKED_OWNER, ASKED_PEER, ASKED_PEER6, N_ASKED
};
enum place {
    PLACE_LOCAL, PLACE_IPV4, PLACE_IPV6, PLACE_NO_PA, PLACE_BALANCED,
    PLACE_BALANCED6, N_PLACES
};

struct space_stock {
    struct template put[N_ASKED][N_PLACES];
    struct template remove[N_ASKED];
};

static void template_init(struct template *, enum ofp_version, int command,
                          enum asked, enum place);
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

    for (enum asked asked = 0; asked < N_ASKED; asked++) {
        for (enum place place = 0; place < N_PLACES; place++) {
            template_init(&s->put[asked][place], version, OFPFC_ADD, asked,
                          place);
        }
        template_init(&s->remove[asked], version, OFPFC_DELETE_STRICT, asked,
                      PLACE_LOCAL);
    }
    return s;
}

void
space_stock_destroy(struct space_stock *s)
{
    free(s);
}

static enum asked
asked_of(const struct space_key *key)
{
    switch (key->kind) {
    case SPACE_BY_CA:
        return addr_is_ipv4(&key->ca) ? ASKED_CA : ASKED_CA6;
    case SPACE_BY_MAC:
        return ASKED_MAC;
    case SPACE_BY_PA:
        return addr_is_ipv4(&key->pa) ? ASKED_PA : ASKED_PA6;
    case SPACE_BY_SHARE:
        return addr_is_ipv4(&key->ca) ? ASKED_SHARE : ASKED_SHARE6;
    case SPACE_BY_OWNER:
        return ASKED_OWNER;
    case SPACE_PEER:
        return addr_is_ipv4(&key->pa) ? ASKED_PEER : ASKED_PEER6;
    }
    OVS_NOT_REACHED();
}

static uint8_t
table_of(enum asked asked)
{
    switch (asked) {
    case ASKED_CA:
    case ASKED_CA6:
    case ASKED_OWNER:
        return TABLE_SPACE_CA;
    case ASKED_MAC:
        return TABLE_SPACE_MAC;
    case ASKED_PA:
    case ASKED_PA6:
        return TABLE_SPACE_PA;
    case ASKED_SHARE:
    case ASKED_SHARE6:
        return TABLE_SPACE_SHARE;
    case ASKED_PEER:
    case ASKED_PEER6:
        return TABLE_PEER;
    case N_ASKED:
        break;
    }
    OVS_NOT_REACHED();
}

static uint16_t
priority_of(enum asked asked)
{
    return asked == ASKED_OWNER ? PRIORITY_SPACE_OWNER : PRIORITY_SPACE;
}

static enum place
place_of(const struct space_entry *e)
{
    const struct space_where *where = &e->where;
    bool is_ipv4 = addr_is_ipv4(&where->pa);

    if (e->key.kind == SPACE_BY_PA) {
        return PLACE_NO_PA;
    }
    if (where->encap == SPACE_BALANCED) {
        return is_ipv4 ? PLACE_BALANCED : PLACE_BALANCED6;
    }
    if (addr_equal(&where->pa, &in6addr_any)) {
        return where->encap == SPACE_LOCAL ? PLACE_LOCAL : PLACE_NO_PA;
    }
    return is_ipv4 ? PLACE_IPV4 : PLACE_IPV6;
}

size_t
space_stock_put(const struct space_stock *s, const struct space_entry *e,
                uint8_t buf[SPACE_STOCK_MESSAGE_MAX])
{
    return template_fill(&s->put[asked_of(&e->key)][place_of(e)], e, buf);
}

size_t
space_stock_remove(const struct space_stock *s, const struct space_key *key,
                   uint8_t buf[SPACE_STOCK_MESSAGE_MAX])
{
    const struct space_entry e = { .key = *key };

    return template_fill(&s->remove[asked_of(key)], &e, buf);
}

bool
space_stock_owns_table(uint8_t table)
{
    return (table == TABLE_SPACE_CA || table == TABLE_SPACE_MAC
            || table == TABLE_SPACE_PA || table == TABLE_SPACE_SHARE
            || table == TABLE_PEER);
}

/* The address in register 'reg' or, if it is IPv6, 'xxreg'. */
static struct in6_addr
stock_get_address__(const struct flow *f, int reg, int xxreg_idx)
{
    ovs_be128 xxreg = hton128(flow_get_xxreg(f, xxreg_idx));
    struct in6_addr address;

    if (is_all_zeros(&xxreg, sizeof xxreg)) {
        return addr_from_ipv4(htonl(f->regs[reg]));
    }
    memcpy(&address, &xxreg, sizeof address);
    return address;
}

bool
space_stock_decode_key(const struct ofputil_flow_stats *fs,
                       struct space_key *ret_key)
{
    const struct flow *f = &fs->match.flow;
    const struct in6_addr ca = stock_get_address__(f, REG_IDX_CA,
                                                   XXREG_IDX_CA6);
    uint32_t vsid = f->regs[REG_IDX_VSID];
    struct in6_addr pa;
    struct space_key key;
    struct match match;

    switch (fs->table_id) {
    case TABLE_SPACE_CA:
        if (fs->priority == PRIORITY_SPACE_OWNER) {
            space_key_init_owner(&key, vsid, &ca);
        } else {
            space_key_init_ca(&key, vsid, &ca);
        }
        break;
    case TABLE_SPACE_MAC:
        space_key_init_mac(&key, vsid, f->dl_dst);
        break;
    case TABLE_SPACE_PA:
        pa = stock_get_address__(f, REG_IDX_PA, XXREG_IDX_PA6);
        space_key_init_pa(&key, &pa);
        break;
    case TABLE_SPACE_SHARE:
        space_key_init_share(&key, vsid, &ca, f->regs[REG_IDX_SHARE]);
        break;
    case TABLE_PEER:
        pa = (f->tunnel.ip_src ? addr_from_ipv4(f->tunnel.ip_src)
              : f->tunnel.ipv6_src);
        space_key_init_peer(&key, f->regs[REG_IDX_DOMAIN], &pa);
        break;
    default:
        return false;
    }
    if (fs->priority != priority_of(asked_of(&key))) {
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
stock_match_xxreg__(struct match *match, int idx, const struct in6_addr *addr)
{
    ovs_be128 value;

    memcpy(&value, addr, sizeof value);
    match_set_xxreg(match, idx, ntoh128(value));
}

static void
stock_match_ca__(const struct space_key *key, struct match *match)
{
    if (addr_is_ipv4(&key->ca)) {
        match_set_reg(match, REG_IDX_CA, ntohl(addr_to_ipv4(&key->ca)));
    } else {
        stock_match_xxreg__(match, XXREG_IDX_CA6, &key->ca);
    }
}

static void
stock_match__(const struct space_key *key, struct match *match)
{
    /* As for any flow that does not say otherwise, the packet is Ethernet. */
    match_init_catchall(match);
    match_set_default_packet_type(match);
    if (key->kind != SPACE_BY_PA) {
        match_set_reg(match, (key->kind == SPACE_PEER
                              ? REG_IDX_DOMAIN : REG_IDX_VSID), key->vsid);
    }
    switch (asked_of(key)) {
    case ASKED_OWNER:
        match_set_dl_type(match, htons(ETH_TYPE_ARP));
        match_set_nw_src(match, addr_to_ipv4(&key->ca));
        stock_match_ca__(key, match);
        break;
    case ASKED_SHARE:
    case ASKED_SHARE6:
        match_set_reg(match, REG_IDX_SHARE, key->share);
        stock_match_ca__(key, match);
        break;
    case ASKED_CA:
    case ASKED_CA6:
        stock_match_ca__(key, match);
        break;
    case ASKED_MAC:
        match_set_dl_dst(match, key->mac);
        break;
    case ASKED_PA:
        match_set_reg(match, REG_IDX_PA, ntohl(addr_to_ipv4(&key->pa)));
        break;
    case ASKED_PA6:
        stock_match_xxreg__(match, XXREG_IDX_PA6, &key->pa);
        break;
    case ASKED_PEER:
        match_set_tun_src(match, addr_to_ipv4(&key->pa));
        break;
    case ASKED_PEER6:
        match_set_tun_ipv6_src(match, &key->pa);
        break;
    case N_ASKED:
        OVS_NOT_REACHED();
    }
}

static void
stock_set_reg__(struct ofpbuf *actions, int reg, ovs_be32 value)
{
    ofpact_put_set_field(actions, mf_from_id(MFF_REG0 + reg), &value,
                         NULL);
}

/* Whose a PA is. */
static void
stock_set_owner__(struct ofpbuf *actions, const struct space_entry *e)
{
    stock_set_reg__(actions, REG_IDX_VSID, htonl(e->vsid));
    if (addr_is_ipv4(&e->ca)) {
        stock_set_reg__(actions, REG_IDX_CA, addr_to_ipv4(&e->ca));
    } else {
        ofpact_put_set_field(actions, mf_from_id(MFF_XXREG0 + XXREG_IDX_CA6),
                             &e->ca, NULL);
    }
}

static void
stock_actions__(const struct space_entry *e, struct ofpbuf *actions)
{
    if (e->key.kind == SPACE_PEER) {
        stock_set_reg__(actions, REG_IDX_PEER, htonl(PEER_KNOWN));
        return;
    }
    if (e->key.kind == SPACE_BY_OWNER) {
        /* No MAC: silence.  But whoever asks from the CA may have it. */
        stock_set_reg__(actions, REG_IDX_ENCAP, htonl(ENCAP_BALANCED));
        return;
    }
    if (e->key.kind == SPACE_BY_PA) {
        stock_set_owner__(actions, e);
    }
    if (e->key.kind != SPACE_BY_MAC) {
        ovs_be64 mac = htonll(pipeline_mac(e));

        ofpact_put_set_field(actions, mf_from_id(MFF_XREG0 + XREG_IDX_MAC),
                             &mac, NULL);
    }
    switch (place_of(e)) {
    case PLACE_LOCAL:
        break;
    case PLACE_IPV4:
        stock_set_reg__(actions, REG_IDX_PA, addr_to_ipv4(&e->where.pa));
        break;
    case PLACE_BALANCED:
        stock_set_reg__(actions, REG_IDX_CA, addr_to_ipv4(&e->where.pa));
        break;
    case PLACE_IPV6:
    case PLACE_BALANCED6:
        ofpact_put_set_field(actions, mf_from_id(MFF_XXREG0 + XXREG_IDX_PA6),
                             &e->where.pa, NULL);
        break;
    case PLACE_NO_PA:
        break;
    case N_PLACES:
        OVS_NOT_REACHED();
    }
    stock_set_reg__(actions, REG_IDX_ENCAP, htonl(pipeline_encap(&e->where)));
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
 * The encapsulation is found as the value for this purpose only; that of an
 * entry for this host is the same in all of them. */
static const uint64_t MARK_COOKIE = 0xc1c2c3c4c5c6c7c8;
static const uint32_t MARK_VSID = 0x00b1b2b3;
static const uint32_t MARK_CA = 0xd1d2d3d4;
static const uint32_t MARK_PA = 0xe1e2e3e4;
static const uint32_t MARK_ENCAP = 0xf1f2f3e0;
static const uint32_t MARK_SHARE = 0x51525354;
static const uint32_t MARK_SPA = 0x61626364;
static const struct in6_addr MARK_CA6 = { .s6_addr = {
    0x20, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77,
    0x78, 0x79, 0x7a, 0x7b, 0x7c, 0x7d, 0x7e, 0x7f,
} };
static const struct in6_addr MARK_PA6 = { .s6_addr = {
    0x20, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87,
    0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f,
} };
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

static void
template_find_ipv6(const struct template *t, const struct in6_addr *mark,
                   struct field fields[4])
{
    for (int i = 0; i < 4; i++) {
        fields[i] = template_find(t, &mark->s6_addr[i * 4], 4);
    }
}

static struct field
template_find_u32(const struct template *t, uint32_t mark)
{
    ovs_be32 be = htonl(mark);

    return template_find(t, &be, sizeof be);
}

static struct space_key
template_key(enum asked asked)
{
    const struct in6_addr ca = addr_from_ipv4(htonl(MARK_CA));
    const struct in6_addr pa = addr_from_ipv4(htonl(MARK_PA));
    struct space_key key;

    switch (asked) {
    case ASKED_CA:
        space_key_init_ca(&key, MARK_VSID, &ca);
        break;
    case ASKED_CA6:
        space_key_init_ca(&key, MARK_VSID, &MARK_CA6);
        break;
    case ASKED_MAC:
        space_key_init_mac(&key, MARK_VSID, MARK_KEY_MAC);
        break;
    case ASKED_PA:
        space_key_init_pa(&key, &pa);
        break;
    case ASKED_PA6:
        space_key_init_pa(&key, &MARK_PA6);
        break;
    case ASKED_SHARE:
        space_key_init_share(&key, MARK_VSID, &ca, MARK_SHARE);
        break;
    case ASKED_SHARE6:
        space_key_init_share(&key, MARK_VSID, &MARK_CA6, MARK_SHARE);
        break;
    case ASKED_OWNER:
        space_key_init_owner(&key, MARK_VSID, &ca);
        break;
    case ASKED_PEER:
        space_key_init_peer(&key, MARK_VSID, &pa);
        break;
    case ASKED_PEER6:
        space_key_init_peer(&key, MARK_VSID, &MARK_PA6);
        break;
    case N_ASKED:
        OVS_NOT_REACHED();
    }
    return key;
}

static struct space_where
template_where(enum place place)
{
    const struct in6_addr pa = addr_from_ipv4(htonl(MARK_PA));

    switch (place) {
    case PLACE_LOCAL:
        return (struct space_where) { .encap = SPACE_LOCAL };
    case PLACE_IPV4:
        return (struct space_where) { MARK_ENCAP, pa };
    case PLACE_IPV6:
        return (struct space_where) { MARK_ENCAP, MARK_PA6 };
    case PLACE_NO_PA:
        return (struct space_where) { .encap = MARK_ENCAP };
    case PLACE_BALANCED:
        return (struct space_where) { SPACE_BALANCED, pa };
    case PLACE_BALANCED6:
        return (struct space_where) { SPACE_BALANCED, MARK_PA6 };
    case N_PLACES:
        break;
    }
    OVS_NOT_REACHED();
}

/* An entry made of marks. */
static struct space_entry
template_entry(enum asked asked, enum place place)
{
    struct space_entry e = {
        .key = template_key(asked),
        .mac = MARK_MAC,
        .where = template_where(place),
    };

    if (e.key.kind == SPACE_BY_PA) {
        e.vsid = MARK_VSID;
        e.ca = (addr_is_ipv4(&e.key.pa)
                ? addr_from_ipv4(htonl(MARK_CA)) : MARK_CA6);
    }
    return e;
}

static void
template_init(struct template *t, enum ofp_version version, int command,
              enum asked asked, enum place place)
{
    const struct space_entry e = template_entry(asked, place);
    struct ofpbuf *actions = ofpbuf_new(256);
    struct match match;

    stock_match__(&e.key, &match);
    if (asked == ASKED_OWNER) {
        match_set_nw_src(&match, htonl(MARK_SPA));
    }
    if (command == OFPFC_ADD) {
        stock_actions__(&e, actions);
    }

    struct ofputil_flow_mod fm = {
        .command = command,
        .table_id = table_of(asked),
        .priority = priority_of(asked),
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
    ovs_be64 mac = htonll(pipeline_mac(&e));

    ovs_assert(msg->size <= sizeof t->msg);
    memcpy(t->msg, msg->data, msg->size);
    t->size = msg->size;
    t->cookie = template_find(t, &cookie, sizeof cookie);
    t->vsid = template_find_u32(t, MARK_VSID);
    t->ca = template_find_u32(t, MARK_CA);
    template_find_ipv6(t, &MARK_CA6, t->ca6);
    t->key_mac = template_find(t, &MARK_KEY_MAC, sizeof MARK_KEY_MAC);
    t->key_share = template_find_u32(t, MARK_SHARE);
    t->key_spa = template_find_u32(t, MARK_SPA);
    t->mac = template_find(t, &mac, sizeof mac);
    t->pa = template_find_u32(t, MARK_PA);
    template_find_ipv6(t, &MARK_PA6, t->pa6);
    if (place == PLACE_IPV4 || place == PLACE_IPV6 || place == PLACE_NO_PA) {
        t->encap = template_find_u32(t, pipeline_encap(&e.where));
    }

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

static void
fill_ipv6__(uint8_t *buf, const struct field fields[4],
            const struct in6_addr *addr)
{
    for (int i = 0; i < 4; i++) {
        fill__(buf, fields[i], &addr->s6_addr[i * 4], 4);
    }
}

static size_t
template_fill(const struct template *t, const struct space_entry *e,
              uint8_t *buf)
{
    bool by_pa = e->key.kind == SPACE_BY_PA;
    const struct in6_addr *ca = by_pa ? &e->ca : &e->key.ca;
    const struct in6_addr *pa = (by_pa || e->key.kind == SPACE_PEER
                                 ? &e->key.pa : &e->where.pa);
    ovs_be64 cookie = htonll(e->cookie);
    ovs_be64 mac = htonll(pipeline_mac(e));

    memcpy(buf, t->msg, t->size);
    fill__(buf, t->cookie, &cookie, sizeof cookie);
    fill_be32__(buf, t->vsid, htonl(by_pa ? e->vsid : e->key.vsid));
    if (e->key.kind == SPACE_BY_MAC) {
        fill__(buf, t->key_mac, &e->key.mac, sizeof e->key.mac);
    } else {
        fill_be32__(buf, t->ca, addr_to_ipv4(ca));
        fill_be32__(buf, t->key_spa, addr_to_ipv4(ca));
        fill_ipv6__(buf, t->ca6, ca);
        fill_be32__(buf, t->key_share, htonl(e->key.share));
    }
    fill__(buf, t->mac, &mac, sizeof mac);
    fill_be32__(buf, t->pa, addr_to_ipv4(pa));
    fill_ipv6__(buf, t->pa6, pa);
    fill_be32__(buf, t->encap, htonl(pipeline_encap(&e->where)));
    return t->size;
}
