/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/resolve.h"

#include <inttypes.h>
#include <stdlib.h>
#include "hmapx.h"
#include "model/rules.h"
#include "packets.h"
#include "util.h"
#include "uuid.h"

/* Physical_Port.vlan_bindings: key 0 is a port's untagged traffic, key N its
 * VLAN N.  A binding that makes no sense is set aside, the port's others
 * hold. */

#define TABLE "Physical_Port"

/* Highest VLAN that a frame can be tagged with; 4095 is reserved (IEEE
 * 802.1Q, table 9-2). */
#define MAX_VLAN 4094

/* What begins a complaint about a binding: nothing if it is about untagged
 * traffic. */
static char *
describe(const struct row_binding *binding)
{
    return (binding->number
            ? xasprintf("VLAN %"PRId64": ", binding->number) : xstrdup(""));
}

static void
diagnose_unusable(struct resolver *r, const struct stored_row *stored,
                  const struct row_binding *binding)
{
    const struct draft_subnet *draft
        = resolver_find_draft(r, &binding->target);
    char *what = describe(binding);
    const char *why;

    if (!draft) {
        resolver_complain(r, DIAG_PORT_SUBNET_UNUSABLE, stored, TABLE,
                          "vlan_bindings",
                          "%sThere is no Logical_Switch "UUID_FMT".", what,
                          UUID_ARGS(&binding->target));
        free(what);
        return;
    }
    if (!draft->vsid_ok) {
        why = "has no usable VSID";
    } else if (!draft->bound) {
        why = "is in no network";
    } else {
        why = "has no usable prefix in a network";
    }
    resolver_complain(r, DIAG_PORT_SUBNET_UNUSABLE, stored, TABLE,
                      "vlan_bindings", "%sLogical_Switch \"%s\" %s.", what,
                      draft->row->row.logical_switch.name, why);
    free(what);
}

static void
diagnose_vlan(struct resolver *r, const struct stored_row *stored,
              const struct row_binding *binding, const char *why)
{
    resolver_complain(r, DIAG_VLAN_BINDING, stored, TABLE, "vlan_bindings",
                      "VLAN %"PRId64" %s; the binding is set aside.",
                      binding->number, why);
}

/* Returns the subnet of a binding, or NULL after saying why it has none.
 * 'taken' are the subnets that the port is in already: by two VLANs of one
 * subnet a guest would hear everything twice. */
static const struct rules_subnet *
resolve_binding(struct resolver *r, const struct stored_row *stored,
                const struct row_binding *binding, struct hmapx *taken)
{
    struct rules_subnet *subnet = resolver_find_subnet(r, &binding->target);

    if (binding->number < 0 || binding->number > MAX_VLAN) {
        diagnose_vlan(r, stored, binding, "cannot be on a wire");
        return NULL;
    }
    if (!subnet) {
        diagnose_unusable(r, stored, binding);
        return NULL;
    }
    if (!hmapx_add(taken, subnet)) {
        diagnose_vlan(r, stored, binding,
                      "is of a subnet that the port is in already");
        return NULL;
    }
    return subnet;
}

static int
compare_bindings(const void *a_, const void *b_)
{
    const struct row_binding *a = a_;
    const struct row_binding *b = b_;

    return a->number < b->number ? -1 : a->number > b->number;
}

/* Of two bindings that cannot both be, the one with the lower key counts, in
 * whatever order they come. */
static struct row_binding *
sort_bindings(const struct row_physical_port *row)
{
    size_t n = row->n_vlan_bindings;
    struct row_binding *bindings
        = xmemdup(row->vlan_bindings, n * sizeof *bindings);

    qsort(bindings, n, sizeof *bindings, compare_bindings);
    return bindings;
}

void
resolve_vlans(struct resolver *r, const struct stored_row *stored,
              struct rules_port *port)
{
    const struct row_physical_port *row = &stored->row.physical_port;

    if (!row->n_vlan_bindings) {
        port->fault = RULES_PORT_UNBOUND;
        return;
    }

    struct row_binding *bindings = sort_bindings(row);
    struct hmapx taken = HMAPX_INITIALIZER(&taken);

    port->trunks = xcalloc(row->n_vlan_bindings, sizeof *port->trunks);
    for (size_t i = 0; i < row->n_vlan_bindings; i++) {
        const struct rules_subnet *subnet
            = resolve_binding(r, stored, &bindings[i], &taken);

        if (subnet && !bindings[i].number) {
            port->vsid = subnet->vsid;
        } else if (subnet) {
            port->trunks[port->n_trunks++] = (struct rules_trunk) {
                .vlan = bindings[i].number, .vsid = subnet->vsid,
            };
        }
    }
    port->fault = (port->vsid || port->n_trunks
                   ? RULES_PORT_OK : RULES_PORT_BAD_SUBNET);
    hmapx_destroy(&taken);
    free(bindings);
}
