/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include <stdlib.h>
#include "util.h"

/* Guests on their way to another host: what is for them goes where their
 * mapping says and, in a copy, to one more place.
 *
 * When a packet comes to FORWARD, by its MAC or from the router, the registers
 * say what its mapping says.  So a mapping that changes, as it does in the
 * middle of every move, changes nothing here.  The flows send the packet into
 * FORWARD again, first as it is, then with other registers; REG_PART tells
 * that this was done.
 *
 * What comes from a tunnel never gets here, so a copy makes no copies. */

enum migration_priority {
    PRIORITY_NONE = 220,        /* The copy would go the same way, or there is
                                 * no mapping. */
    PRIORITY_FROM_HERE = 210,   /* The mapping says this host. */
    PRIORITY_COPY = 200,
};

/* A flow for those 'packets' that the mapping sends 'where'.  Takes both texts
 * over. */
static void
add_flow(struct compile_ctx *cx, const struct rules_subnet *subnet,
         enum migration_priority priority, const char *packets, char *where,
         char *actions)
{
    plan_add(cx->plan, TABLE_FORWARD, priority, row_cookie(&subnet->row),
             plan_text(REG_VSID"=%#"PRIx32","REG_PART"=0,%s%s",
                       subnet->vsid, packets, where), actions);
    free(where);
}

/* The packet as it is, and nothing else. */
static char *
no_copy(void)
{
    return plan_text("set_field:1->"REG_PART",resubmit(,%d)", TABLE_FORWARD);
}

/* The packet as it is, and once more after the actions 'change', which are
 * taken over. */
static char *
copy(char *change)
{
    char *actions = plan_text("set_field:1->"REG_PART","
                              "clone(resubmit(,%d)),%sresubmit(,%d)",
                              TABLE_FORWARD, change, TABLE_FORWARD);

    free(change);
    return actions;
}

/* Sends copies to another host, by the mapping's encapsulation, or by that of
 * 'to' if the mapping says this host. */
static void
copy_to_host(struct compile_ctx *cx, const struct rules_subnet *subnet,
             const struct space_where *to, const char *packets)
{
    bool over_ipv6 = !addr_is_ipv4(&to->pa);
    char *same, *set_pa;

    if (over_ipv6) {
        char *pa = pipeline_addr6(&to->pa);

        same = xasprintf(","REG_ENCAP"=%#x/%#x,"REG_PA6"=%s",
                         ENCAP_IPV6, ENCAP_IPV6, pa);
        set_pa = xasprintf("set_field:%s->"REG_PA6",", pa);
        free(pa);
    } else {
        uint32_t pa = ntohl(addr_to_ipv4(&to->pa));

        same = xasprintf(","REG_PA"=%#"PRIx32, pa);
        set_pa = xasprintf("set_field:%#"PRIx32"->"REG_PA",", pa);
    }
    add_flow(cx, subnet, PRIORITY_NONE, packets, same, no_copy());

    add_flow(cx, subnet, PRIORITY_FROM_HERE, packets,
             xasprintf(","REG_ENCAP"=%#x", ENCAP_LOCAL),
             copy(xasprintf("%sset_field:%#"PRIx32"->"REG_ENCAP",", set_pa,
                            pipeline_encap(to))));
    add_flow(cx, subnet, PRIORITY_COPY, packets, xstrdup(""),
             copy(xasprintf("%sset_field:%#x/%#x->"REG_ENCAP",", set_pa,
                            over_ipv6 ? ENCAP_IPV6 : 0, ENCAP_IPV6)));
    free(set_pa);
}

/* Gives copies to this host's own port, if it is there. */
static void
copy_to_port(struct compile_ctx *cx, const struct rules_subnet *subnet,
             const char *packets)
{
    add_flow(cx, subnet, PRIORITY_NONE, packets,
             xasprintf(","REG_ENCAP"=%#x", ENCAP_LOCAL), no_copy());
    add_flow(cx, subnet, PRIORITY_COPY, packets, xstrdup(""),
             copy(xasprintf("set_field:%#x->"REG_ENCAP",", ENCAP_LOCAL)));
}

/* The packets that are for a CA: match and field, by family. */
static const char *const fields_ipv4[] = { "ip,nw_dst", "arp,arp_tpa", NULL };
static const char *const fields_ipv6[] = { "ipv6,ipv6_dst", NULL };

static const char *const *
fields_of(const struct rules_migration *m)
{
    return addr_is_ipv4(&m->ca) ? fields_ipv4 : fields_ipv6;
}

static char *
packets_for(const struct rules_migration *m, const char *field)
{
    char buf[ADDR_STRLEN];

    return xasprintf("%s=%s", field, addr_format(&m->ca, buf));
}

static void
migrate(struct compile_ctx *cx, const struct rules_subnet *subnet,
        const struct rules_migration *m, const char *field)
{
    char *packets = packets_for(m, field);

    add_flow(cx, subnet, PRIORITY_NONE, packets, xstrdup(","REG_ENCAP"=0"),
             no_copy());
    if (m->to.encap == SPACE_LOCAL) {
        copy_to_port(cx, subnet, packets);
    } else {
        copy_to_host(cx, subnet, &m->to, packets);
    }
    free(packets);
}

void
compile_migrations(struct compile_ctx *cx)
{
    for (size_t i = 0; i < cx->rules->n_subnets; i++) {
        const struct rules_subnet *subnet = &cx->rules->subnets[i];

        for (size_t j = 0; j < subnet->n_migrations; j++) {
            const struct rules_migration *m = &subnet->migrations[j];

            for (const char *const *f = fields_of(m); *f; f++) {
                migrate(cx, subnet, m, *f);
            }
        }
    }
}

void
compile_find_migrating(struct compile_ctx *cx,
                       const struct rules_subnet *subnet,
                       enum pipeline_table table, uint16_t priority)
{
    for (size_t i = 0; i < subnet->n_migrations; i++) {
        const struct rules_migration *m = &subnet->migrations[i];

        for (const char *const *f = fields_of(m); *f; f++) {
            char *packets = packets_for(m, *f);

            plan_add(cx->plan, table, priority, row_cookie(&subnet->row),
                     plan_text(REG_VSID"=%#"PRIx32",%s", subnet->vsid,
                               packets),
                     compile_find(cx, FIND_MAC, TABLE_FORWARD));
            free(packets);
        }
    }
}
