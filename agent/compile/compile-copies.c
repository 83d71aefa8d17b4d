/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include <stdlib.h>
#include "compile/parts.h"
#include "packets.h"
#include "util.h"

/* Broadcast and multicast in subnets that replicate per guest: each guest gets
 * a copy as if it had been sent to it alone.  The destination MAC becomes its
 * own, and so does the IP destination if that is a broadcast or multicast
 * address, for the guest's own CA.  It travels like any packet to one guest,
 * and the receiving host needs to know nothing of this.
 *
 * COPY changes the MAC alone, COPY_IP the address as well.  FLOOD chooses. */

/* What the IP destination is replaced with. */
enum family { FAMILY_NONE, FAMILY_IPV4, FAMILY_IPV6 };

static const char *const family_match[] = { "", "ip,", "ipv6," };

static bool
has_ca(const struct rules_guest *guest, enum family family)
{
    switch (family) {
    case FAMILY_NONE:
        return false;
    case FAMILY_IPV4:
        return guest->ca4 != 0;
    case FAMILY_IPV6:
        return ipv6_addr_is_set(&guest->ca6);
    }
    OVS_NOT_REACHED();
}

/* Actions that make a copy out to 'guest'. */
static char *
make_out(const struct rules_guest *guest, enum family family)
{
    char *mac = xasprintf("set_field:"ETH_ADDR_FMT"->eth_dst,",
                          ETH_ADDR_ARGS(guest->mac));
    char buf[ADDR_STRLEN];
    char *both;

    if (!has_ca(guest, family)) {
        return mac;
    }
    both = (family == FAMILY_IPV4
            ? xasprintf("%sset_field:"IP_FMT"->ip_dst,", mac,
                        IP_ARGS(guest->ca4))
            : xasprintf("%sset_field:%s->ipv6_dst,", mac,
                        addr_format(&guest->ca6, buf)));
    free(mac);
    return both;
}

/* The guests that get their copies with one go: those in the same place, as
 * far as the way there goes, and with or without a CA of the family. */
struct batch {
    enum family family;
    bool with_ca;
    enum space_encap encap;
    bool over_ipv6;
};

/* Who gets copies, and where. */
struct guests {
    struct rules_guest *items;
    size_t n, allocated;
};

static void
add_guest(struct guests *guests, const struct rules_guest *guest)
{
    if (guests->n >= guests->allocated) {
        guests->items = x2nrealloc(guests->items, &guests->allocated,
                                   sizeof *guests->items);
    }
    guests->items[guests->n++] = *guest;
}

static bool
has_address(const struct rules_guest *guest, const struct in6_addr *ca)
{
    return (addr_is_ipv4(ca)
            ? addr_to_ipv4(ca) == guest->ca4
            : addr_equal(ca, &guest->ca6));
}

/* Where else a guest on its way to another host gets copies, as it gets
 * packets, see compile-migrations.c. */
static struct space_where
other_place(const struct rules_guest *guest, const struct rules_migration *m)
{
    struct space_where where = m->to;

    if (where.encap != SPACE_LOCAL && guest->where.encap != SPACE_LOCAL) {
        where.encap = guest->where.encap;
    }
    return where;
}

/* Adds one of the subnet's guests, in each of its places once. */
static void
add_places(struct guests *guests, const struct rules_subnet *subnet,
           const struct rules_guest *guest)
{
    size_t first = guests->n;

    add_guest(guests, guest);
    for (size_t i = 0; i < subnet->n_migrations; i++) {
        const struct rules_migration *m = &subnet->migrations[i];
        struct rules_guest other = *guest;
        bool known = false;

        other.where = other_place(guest, m);
        for (size_t j = first; j < guests->n; j++) {
            known |= space_where_equal(&guests->items[j].where, &other.where);
        }
        if (has_address(guest, &m->ca) && !known) {
            add_guest(guests, &other);
        }
    }
}

static struct guests
list_guests(const struct rules_subnet *subnet)
{
    struct guests guests = { .n = 0 };

    for (size_t i = 0; i < subnet->n_guests; i++) {
        add_places(&guests, subnet, &subnet->guests[i]);
    }
    return guests;
}

static bool
is_in_batch(const struct rules_guest *guest, const struct batch *batch)
{
    return (guest->where.encap == batch->encap
            && (batch->encap == SPACE_LOCAL
                || addr_is_ipv4(&guest->where.pa) != batch->over_ipv6)
            && has_ca(guest, batch->family) == batch->with_ca);
}

static void
copy_locally(struct parts *parts, const struct guests *guests,
             const struct batch *batch)
{
    for (size_t i = 0; i < guests->n; i++) {
        if (is_in_batch(&guests->items[i], batch)) {
            char *out = make_out(&guests->items[i], batch->family);

            parts_add(parts, "", "%sresubmit(,%d),", out, TABLE_LOCAL);
            free(out);
        }
    }
}

/* Which PA is meant goes by which is not zero, so each family's batch takes
 * back what one of the other family may have left. */
static char *
tunnel_prefix(const struct batch *batch)
{
    char *actions = compile_tunnel_actions(batch->encap);
    char *prefix = xasprintf(
        "%sset_field:%#x->"REG_ENCAP",%s",
        (batch->over_ipv6
         ? "set_field:0.0.0.0->tun_src,set_field:0.0.0.0->tun_dst,"
         : "set_field:::->tun_ipv6_src,set_field:::->tun_ipv6_dst,"),
        batch->over_ipv6 ? batch->encap | ENCAP_IPV6 : batch->encap, actions);

    free(actions);
    return prefix;
}

static void
copy_through(struct parts *parts, const struct guests *guests,
             const struct batch *batch)
{
    ofp_port_t port = compile_tunnel_port(parts->cx, batch->encap);
    char *prefix = tunnel_prefix(batch);

    for (size_t i = 0; port != OFPP_NONE && i < guests->n; i++) {
        const struct rules_guest *guest = &guests->items[i];

        if (is_in_batch(guest, batch)) {
            char *out = make_out(guest, batch->family);
            char pa[ADDR_STRLEN];

            parts_add(parts, prefix, "%sset_field:%s->%s,output:%"PRIu32",",
                      out, addr_format(&guest->where.pa, pa),
                      batch->over_ipv6 ? "tun_ipv6_dst" : "tun_dst", port);
            free(out);
        }
    }
    parts->prefix = NULL;
    free(prefix);
}

static void
copy_batches(struct parts *parts, const struct guests *guests,
             enum family family, bool with_ca)
{
    struct batch batch = { .family = family, .with_ca = with_ca };

    for (int over_ipv6 = 0; over_ipv6 < 2; over_ipv6++) {
        batch.over_ipv6 = over_ipv6;
        batch.encap = SPACE_VXLAN;
        copy_through(parts, guests, &batch);
        batch.encap = SPACE_NVGRE;
        copy_through(parts, guests, &batch);
    }
    batch.encap = SPACE_LOCAL;
    copy_locally(parts, guests, &batch);
}

/* Those without a CA come first, while the address is still the packet's
 * own. */
static void
copy_to_guests(struct compile_ctx *cx, const struct rules_subnet *subnet,
               const struct guests *guests, enum family family)
{
    struct parts parts;

    parts_init(&parts, cx, family == FAMILY_NONE ? TABLE_COPY : TABLE_COPY_IP,
               subnet, family_match[family]);
    copy_batches(&parts, guests, family, false);
    if (family != FAMILY_NONE) {
        copy_batches(&parts, guests, family, true);
    }
    parts_finish(&parts, "");
}

/* Sends what FLOOD has for 'destination' to COPY_IP.  Not fragments: Open
 * vSwitch would correct a checksum in each of them, but only the first has
 * one. */
static void
choose(struct compile_ctx *cx, const struct rules_subnet *subnet,
       const char *destination)
{
    plan_add(cx->plan, TABLE_FLOOD, 120, row_cookie(&subnet->row),
             plan_text("%s,"REG_VSID"=%#"PRIx32",ip_frag=no", destination,
                       subnet->vsid),
             plan_text("resubmit(,%d)", TABLE_COPY_IP));
}

/* A prefix's broadcast address; one with fewer than two host bits has none. */
static void
choose_broadcast(struct compile_ctx *cx, const struct rules_subnet *subnet,
                 const struct addr_prefix *net)
{
    if (addr_is_ipv4(&net->addr) && net->plen < 31) {
        ovs_be32 last = (addr_to_ipv4(&net->addr)
                         | ~be32_prefix_mask(net->plen));
        char *destination = xasprintf("ip,nw_dst="IP_FMT, IP_ARGS(last));

        choose(cx, subnet, destination);
        free(destination);
    }
}

void
compile_copies(struct compile_ctx *cx, const struct rules_subnet *subnet)
{
    struct guests guests = list_guests(subnet);

    plan_add(cx->plan, TABLE_FLOOD, 100, row_cookie(&subnet->row),
             plan_text(REG_VSID"=%#"PRIx32, subnet->vsid),
             plan_text("resubmit(,%d)", TABLE_COPY));
    choose(cx, subnet, "ip,nw_dst=255.255.255.255");
    choose(cx, subnet, "ip,nw_dst=224.0.0.0/4");
    choose(cx, subnet, "ipv6,ipv6_dst=ff00::/8");
    for (size_t i = 0; i < subnet->n_prefixes; i++) {
        choose_broadcast(cx, subnet, &subnet->prefixes[i].net);
    }
    copy_to_guests(cx, subnet, &guests, FAMILY_NONE);
    copy_to_guests(cx, subnet, &guests, FAMILY_IPV4);
    copy_to_guests(cx, subnet, &guests, FAMILY_IPV6);
    free(guests.items);
}

static void
keep_address(struct compile_ctx *cx, char *match)
{
    plan_add(cx->plan, TABLE_COPY_IP, 200, 0, match,
             plan_text("resubmit(,%d)", TABLE_COPY));
}

/* Who has no address yet may only send to all (RFC 1122 section 3.2.1.3): a
 * DHCP server's host takes a request from 0.0.0.0 to its own address for a
 * mistake.  IGMP, MLD (RFC 3810) and ND (RFC 4861) prescribe the destination,
 * or say something by it. */
void
compile_copies_of_all(struct compile_ctx *cx)
{
    static const int types[] = {
        130, 131, 132, 133, 134, 135, 136, 137, 143,
    };

    keep_address(cx, xstrdup("ip,nw_src=0.0.0.0"));
    keep_address(cx, xstrdup("ipv6,ipv6_src=::"));
    keep_address(cx, xstrdup("ip,nw_proto=2"));
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        keep_address(cx, xasprintf("icmp6,icmp_type=%d", types[i]));
    }
}
