/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/resolve.h"

#include <stdlib.h>
#include <string.h>
#include "model/locators.h"
#include "model/other-config.h"
#include "model/rules.h"
#include "openvswitch/shash.h"
#include "packets.h"
#include "util.h"
#include "util/addr.h"
#include "uuid.h"

#define TABLE "Physical_Port"

/* Longest name of a port profile, a GUID by rights; and its '\0'. */
#define PORT_NAME_SIZE 256

#define PA_SEPARATORS ", "

static const char *
name_of(const struct stored_row *stored)
{
    return (stored->row.table == ROW_DARV_PORT
            ? stored->row.darv_port.name : stored->row.physical_port.name);
}

const char *
resolver_claim_port_name(struct resolver *r, struct shash *names,
                         const struct stored_row *stored, const char *table)
{
    const char *text = name_of(stored);
    const struct stored_row *holder;
    char name[PORT_NAME_SIZE];

    if (!addr_guid_normalize(text, name, sizeof name)) {
        resolver_complain(r, DIAG_PORT_NAME, stored, table, "name",
                          "Name \"%.300s\" is empty or too long; it should "
                          "be the GUID that the interface has as "
                          "external_ids:iface-id.", text);
        return NULL;
    }
    holder = shash_find_data(names, name);
    if (holder) {
        resolver_complain(r, DIAG_PORT_NAME, stored, table, "name",
                          "Name \"%s\" means the same port as \"%s\" of row "
                          UUID_FMT".", text, name_of(holder),
                          UUID_ARGS(&holder->row.uuid));
        return NULL;
    }
    return shash_add(names, name, stored)->name;
}

/* Reads other_config:pa: PAs of this host, of each family at most one. */
static void
resolve_pinned(struct resolver *r, const struct stored_row *stored,
               struct rules_port *port)
{
    const struct other_config config = {
        .resolver = r,
        .row = stored,
        .table = TABLE,
        .map = &stored->row.physical_port.other_config,
    };
    const char *text = other_config_string(&config, "pa");
    struct in6_addr pinned[N_PA_FAMILIES] = { IN6ADDR_ANY_INIT };
    bool ok = true;

    if (!text) {
        return;
    }

    char *copy = xstrdup(text);
    char *save = NULL;

    for (char *word = strtok_r(copy, PA_SEPARATORS, &save); word && ok;
         word = strtok_r(NULL, PA_SEPARATORS, &save)) {
        struct in6_addr pa;

        ok = (locator_parse_pa(word, &pa) && rules_owns_pa(r->rules, &pa)
              && ipv6_is_zero(&pinned[pa_family(&pa)]));
        if (ok) {
            pinned[pa_family(&pa)] = pa;
        }
    }
    free(copy);
    if (ok) {
        memcpy(port->pinned, pinned, sizeof pinned);
    } else {
        other_config_complain(&config, "pa", "one of this host's tunnel_ips, "
                              "nor one of each IP version");
    }
}

static void
resolve_port(struct resolver *r, struct shash *names,
             const struct stored_row *stored)
{
    struct rules_port *port = &r->rules->ports[r->rules->n_ports++];
    const struct other_config config = {
        .resolver = r, .row = stored, .table = TABLE,
        .map = &stored->row.physical_port.other_config,
    };
    const char *name = resolver_claim_port_name(r, names, stored, TABLE);

    port->row = stored->row.uuid;
    if (!name) {
        port->name = xstrdup(stored->row.physical_port.name);
        port->fault = RULES_PORT_BAD_NAME;
        return;
    }
    port->name = xstrdup(name);
    port->allow_spoof = other_config_bool(&config, "allow_spoof", false);
    resolve_vlans(r, stored, port);
    if (port->fault == RULES_PORT_OK) {
        resolve_pinned(r, stored, port);
    }
}

static int
compare_ports(const void *a_, const void *b_)
{
    const struct rules_port *a = a_;
    const struct rules_port *b = b_;

    bool a_bad = a->fault == RULES_PORT_BAD_NAME;
    bool b_bad = b->fault == RULES_PORT_BAD_NAME;
    int cmp = a_bad != b_bad ? a_bad - b_bad : strcmp(a->name, b->name);

    return cmp ? cmp : uuid_compare_3way(&a->row, &b->row);
}

void
resolve_ports(struct resolver *r)
{
    struct rules *rules = r->rules;
    struct shash names = SHASH_INITIALIZER(&names);
    size_t n;
    const struct stored_row **rows
        = row_store_sort(r->rows, ROW_PHYSICAL_PORT, &n);

    rules->ports = xcalloc(n, sizeof *rules->ports);
    for (size_t i = 0; i < n; i++) {
        resolve_port(r, &names, rows[i]);
    }
    if (rules->n_ports) {
        qsort(rules->ports, rules->n_ports, sizeof *rules->ports,
              compare_ports);
    }
    shash_destroy(&names);
    free(rows);
}
