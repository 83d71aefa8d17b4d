/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/resolve.h"

#include <stdlib.h>
#include <string.h>
#include "model/other-config.h"
#include "model/rules.h"
#include "openvswitch/shash.h"
#include "util.h"
#include "util/addr.h"
#include "uuid.h"

#define TABLE "Physical_Port"

/* Longest name of a port profile, a GUID by rights; and its '\0'. */
#define PORT_NAME_SIZE 256

/* Writes the port's name as it is compared.  Returns false if it has none that
 * can be used. */
static bool
claim_name(struct resolver *r, struct shash *names,
           const struct stored_row *stored, char name[PORT_NAME_SIZE])
{
    const char *text = stored->row.physical_port.name;
    const struct stored_row *holder;

    if (!addr_guid_normalize(text, name, PORT_NAME_SIZE)) {
        resolver_complain(r, DIAG_PORT_NAME, stored, TABLE, "name",
                          "Name \"%.300s\" is empty or too long; it should "
                          "be the GUID that the interface has as "
                          "external_ids:iface-id.", text);
        return false;
    }
    holder = shash_find_data(names, name);
    if (holder) {
        resolver_complain(r, DIAG_PORT_NAME, stored, TABLE, "name",
                          "Name \"%s\" means the same port as \"%s\" of row "
                          UUID_FMT".", text, holder->row.physical_port.name,
                          UUID_ARGS(&holder->row.uuid));
        return false;
    }
    shash_add(names, name, stored);
    return true;
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
    char name[PORT_NAME_SIZE];

    port->row = stored->row.uuid;
    if (!claim_name(r, names, stored, name)) {
        port->name = xstrdup(stored->row.physical_port.name);
        port->fault = RULES_PORT_BAD_NAME;
        return;
    }
    port->name = xstrdup(name);
    port->allow_spoof = other_config_bool(&config, "allow_spoof", false);
    resolve_vlans(r, stored, port);
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
