/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/mapping-check.h"

#include <stdlib.h>
#include <string.h>
#include "db/rows.h"
#include "model/locators.h"
#include "model/mapping.h"
#include "model/mapping-subnet.h"
#include "model/prefix.h"
#include "model/rules.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "util.h"
#include "util/addr.h"
#include "util/diag.h"
#include "uuid.h"

#define TABLE "Ucast_Macs_Remote"

const struct diag_slot mapping_diag_slots[N_MAPPING_DIAG_SLOTS] = {
    { "MAC", DIAG_BAD_MAC },
    { "ipaddr", DIAG_BAD_ADDRESS },
    { "ipaddr", DIAG_CA_OUTSIDE_SUBNET },
    { "ipaddr", DIAG_CA_IS_GATEWAY },
    { "ipaddr", DIAG_CA_RESERVED },
    { "MAC", DIAG_MAC_IS_ROUTER },
    { "ipaddr", DIAG_CA_DUPLICATE },
    { "MAC", DIAG_MAC_CONFLICT },
    { "locator", DIAG_ENCAP_MISMATCH },
    { "locator", DIAG_PA_DUPLICATE },
};

/* Reading. */

/* Parses an address; one with the length of a full prefix is one, too. */
static bool
parse_ca(const char *s, struct in6_addr *ret_ca)
{
    struct addr_prefix prefix;

    if (addr_parse(s, ret_ca)) {
        return true;
    }
    if (!addr_prefix_parse(s, &prefix)
        || prefix.plen != (addr_is_ipv4(&prefix.addr) ? 32 : 128)) {
        return false;
    }
    *ret_ca = prefix.addr;
    return true;
}

void
mapping_forget_row(struct mapping *m)
{
    if (m->bad) {
        free(m->text->mac);
        free(m->text->ipaddr);
        free(m->text);
        m->bad = false;
    }
}

void
mapping_adopt_learning(struct mapping *m, const struct row_ucast *row)
{
    m->learning_disabled = !strcmp(row->mapping_type, "learning_disabled");
}

void
mapping_learn_row(struct mapping *m, const struct row_ucast *row)
{
    bool has_ca = row->ipaddr[0] != '\0';
    struct in6_addr ca = IN6ADDR_ANY_INIT;
    bool mac_ok = addr_mac_parse(row->mac, &m->mac);
    bool ca_ok = !has_ca || parse_ca(row->ipaddr, &ca);

    mapping_forget_row(m);
    m->load_balanced = !strcmp(row->mapping_type, "load_balanced");
    mapping_adopt_learning(m, row);
    m->bad = !mac_ok || !ca_ok;
    m->has_ca = has_ca && !m->bad;
    if (m->bad) {
        m->text = xmalloc(sizeof *m->text);
        m->text->mac = mac_ok ? NULL : xstrdup(row->mac);
        m->text->ipaddr = ca_ok ? NULL : xstrdup(row->ipaddr);
    } else {
        m->ca = ca;
    }
}

static bool
strings_equal(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

/* Of a bad mapping only what is bad about it counts. */
bool
mapping_values_equal(const struct mapping *a, const struct mapping *b)
{
    if (a->bad != b->bad || a->load_balanced != b->load_balanced) {
        return false;
    }
    if (a->bad) {
        return strings_equal(a->text->mac, b->text->mac)
               && strings_equal(a->text->ipaddr, b->text->ipaddr);
    }
    return !memcmp(&a->mac, &b->mac, sizeof a->mac)
           && a->has_ca == b->has_ca
           && (!a->has_ca || addr_equal(&a->ca, &b->ca));
}

/* Checking. */

static void
diagnose_text(const struct mapping *m, struct diag_set *diags)
{
    if (m->text->mac) {
        diag_set_add(diags, DIAG_BAD_MAC, &m->uuid, TABLE, "MAC",
                     "MAC \"%s\" is not the MAC address of a host.",
                     m->text->mac);
    }
    if (m->text->ipaddr) {
        diag_set_add(diags, DIAG_BAD_ADDRESS, &m->uuid, TABLE, "ipaddr",
                     "ipaddr \"%s\" is not an IP address.",
                     m->text->ipaddr);
    }
}

static const struct rules_prefix *
find_prefix(const struct rules_subnet *subnet, const struct in6_addr *ca)
{
    for (size_t i = 0; i < subnet->n_prefixes; i++) {
        if (addr_prefix_contains(&subnet->prefixes[i].net, ca)) {
            return &subnet->prefixes[i];
        }
    }
    return NULL;
}

static void
diagnose_outside(const struct mapping *m, const struct rules_subnet *subnet,
                 struct diag_set *diags)
{
    char buf[ADDR_STRLEN];
    struct ds prefixes = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < subnet->n_prefixes; i++) {
        ds_put_format(&prefixes, "%s%s", i ? ", " : "",
                      addr_prefix_format(&subnet->prefixes[i].net, buf));
    }
    diag_set_add(diags, DIAG_CA_OUTSIDE_SUBNET, &m->uuid, TABLE, "ipaddr",
                 "CA %s is in no prefix of its subnet, VSID %u (%s).",
                 addr_format(&m->ca, buf), subnet->vsid, ds_cstr(&prefixes));
    ds_destroy(&prefixes);
}

static bool
check_ca(const struct mapping *m, const struct rules_subnet *subnet,
         struct diag_set *diags)
{
    const struct rules_prefix *prefix = find_prefix(subnet, &m->ca);
    char buf[ADDR_STRLEN];

    if (!prefix) {
        diagnose_outside(m, subnet, diags);
        return false;
    }
    if (addr_equal(&m->ca, &prefix->gateway)) {
        diag_set_add(diags, DIAG_CA_IS_GATEWAY, &m->uuid, TABLE, "ipaddr",
                     "CA %s is the gateway address of its subnet, VSID %u.",
                     addr_format(&m->ca, buf), subnet->vsid);
        return false;
    }
    if (!prefix_can_be_guest(&prefix->net, &m->ca)) {
        diag_set_add(diags, DIAG_CA_RESERVED, &m->uuid, TABLE, "ipaddr",
                     "CA %s is no guest's: it is the first or the broadcast "
                     "address of its subnet, VSID %u.",
                     addr_format(&m->ca, buf), subnet->vsid);
        return false;
    }
    return true;
}

/* With IP rewrite the PA takes the CA's place in the header. */
static bool
check_rewrite(const struct mapping *m, const struct rules_subnet *subnet,
              struct diag_set *diags)
{
    const struct in6_addr *pa = &m->locator->resolved_pa;
    char buf[ADDR_STRLEN], buf2[ADDR_STRLEN];

    if (!subnet->rewrite || addr_is_ipv4(&m->ca) == addr_is_ipv4(pa)) {
        return true;
    }
    diag_set_add(diags, DIAG_ENCAP_MISMATCH, &m->uuid, TABLE, "locator",
                 "CA %s cannot be rewritten to PA %s, which is not of its "
                 "family.", addr_format(&m->ca, buf), addr_format(pa, buf2));
    return false;
}

bool
mapping_check(const struct mapping *m, const struct eth_addr *router_mac,
              struct diag_set *diags)
{
    const struct rules_subnet *subnet = m->subnet->rules;

    if (m->bad) {
        diagnose_text(m, diags);
        return false;
    }
    if (!subnet || !m->locator->resolved) {
        return false;
    }
    if (eth_addr_equals(m->mac, *router_mac)) {
        diag_set_add(diags, DIAG_MAC_IS_ROUTER, &m->uuid, TABLE, "MAC",
                     "MAC "ETH_ADDR_FMT" is the distributed router's.",
                     ETH_ADDR_ARGS(m->mac));
        return false;
    }
    return (!m->has_ca
            || (check_ca(m, subnet, diags)
                && check_rewrite(m, subnet, diags)));
}

/* Conflicts. */

/* Where 'm' is, as far as the slot of 'kind' knows: a text that said more
 * would change with a holder that makes no difference to others. */
static const char *
format_place(const struct mapping *m, enum space_kind kind,
             char buf[ADDR_STRLEN])
{
    const struct space_where where = mapping_where(m, kind);

    return (where.encap == SPACE_LOCAL ? "this host"
            : addr_equal(&where.pa, &in6addr_any) ? "another host"
            : addr_format(&where.pa, buf));
}

void
mapping_diagnose_conflict(const struct mapping *m,
                          const struct mapping *holder, enum space_kind kind,
                          struct diag_set *diags)
{
    uint32_t vsid = m->subnet->rules->vsid;
    char here[ADDR_STRLEN], there[ADDR_STRLEN], ca[ADDR_STRLEN];

    switch (kind) {
    case SPACE_BY_CA:
        diag_set_add(diags, DIAG_CA_DUPLICATE, &m->uuid, TABLE, "ipaddr",
                     "CA %s in VSID %u is mapped already, to MAC "
                     ETH_ADDR_FMT" at %s by row "UUID_FMT".",
                     addr_format(&m->ca, ca), vsid, ETH_ADDR_ARGS(holder->mac),
                     format_place(holder, kind, there),
                     UUID_ARGS(&holder->uuid));
        break;
    case SPACE_BY_MAC:
        diag_set_add(diags, DIAG_MAC_CONFLICT, &m->uuid, TABLE, "MAC",
                     "MAC "ETH_ADDR_FMT" in VSID %u is at %s already, so it "
                     "cannot be at %s, too.", ETH_ADDR_ARGS(m->mac), vsid,
                     format_place(holder, kind, there),
                     format_place(m, kind, here));
        break;
    case SPACE_BY_PA:
        diag_set_add(diags, DIAG_PA_DUPLICATE, &m->uuid, TABLE, "locator",
                     "PA %s is that of CA %s in VSID %u already, by row "
                     UUID_FMT"; with IP rewrite each CA has its own.",
                     addr_format(&m->locator->resolved_pa, here),
                     addr_format(&holder->ca, ca),
                     holder->subnet->rules->vsid, UUID_ARGS(&holder->uuid));
        break;
    case SPACE_PEER:
    case SPACE_BY_SHARE:
    case SPACE_BY_OWNER:
        OVS_NOT_REACHED();
    }
}
