/* SPDX-License-Identifier: Apache-2.0 */

/* The policy model against a naive one, which knows no increments: after every
 * few random changes it works out from the rows, in order of arrival, what
 * must hold.  Values are few, so that conflicts abound. */

#include <config.h>
#include "model/peers.h"
#include "model/policy.h"
#include <inttypes.h>
#include <strings.h>
#include "packets.h"
#include "policy-feed.h"
#include "random.h"

#define N_HOSTS 2
#define N_LOCATORS 7
#define N_SETS 3
#define N_SWITCHES 5
#define N_ROUTERS 3
#define N_PORTS 5
#define N_MCASTS 4
#define N_MAPPINGS 40
#define MAX_BINDINGS 4

/* Values. */

static const char *const pa_texts[] = {
    "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.2", "192.0.2.3",
    "2001:db8::1", "nonsense",
};
#define N_PAS 4                 /* The number of different ones. */
static const char *const encap_texts[] = {
    "vxlan_over_ipv4", "vxlan_over_ipv4", "vxlan_over_ipv4",
    "nvgre_over_ipv4", "nvgre_over_ipv4", "vxlan_over_ipv6", "nvgre_over_ipv6",
};
static const char *const router_mac_texts[] = {
    "", "00:aa:00:00:00:01", "00-AA-00-00-00-02", "broken",
};
static const int64_t vsids[] = {
    0, 4095, 0xffffff, 5001, 5001, 5002, 5003, 5004, 5005, 5006, 5007, 5008,
};
static const char *const encapsulation_texts[] = {
    NULL, NULL, "tunnel", "ip_rewrite", "ip_rewrite", "rewrite",
};
static const char *const name_texts[] = { "web", "sql" };
static const char *const port_texts[] = { "{A1}", "a1", "{b2}", "C3", "{}" };
static const char *const mcast_texts[] = {
    "unknown-dst", "UNKNOWN-DST", "01:00:5e:00:00:01",
};
static const char *const mac_texts[] = {
    "02:00:00:00:00:01", "02-00-00-00-00-01", "02:00:00:00:00:02",
    "02:00:00:00:00:03", "02:00:00:00:00:04", "01:00:00:00:00:01",
};
static const char *const ca_texts[] = {
    "10.1.1.2", "10.1.1.3", "10.1.1.3/32", "10.1.1.4", "10.1.1.1",
    "10.1.1.3", "10.1.1.4", "10.1.1.5", "10.1.1.5", "10.1.1.6", "10.1.2.2",
    "10.1.2.9", "fd00:1::2", "", "10.1.1.3/24", "10.1.1",
};
static const char *const type_texts[] = {
    "default", "learning_disabled", "load_balanced", "load_balanced",
};

/* What a key of switch_binding must be read as; no network: refused. */
static const struct prefix_text {
    const char *key;
    const char *net;
    unsigned int plen;
    const char *gateway;
} prefix_texts[] = {
    { "10.1.1.0/24", "10.1.1.0", 24, "10.1.1.1" },
    { "10.1.1.2/24", "10.1.1.0", 24, "10.1.1.2" },
    { "10.1.2.0/24", "10.1.2.0", 24, "10.1.2.1" },
    { "10.1.2.9/25", "10.1.2.0", 25, "10.1.2.9" },
    { "10.1.0.0/16", "10.1.0.0", 16, "10.1.0.1" },
    { "fd00:1::/64", "fd00:1::", 64, "fd00:1::1" },
    { "10.1.1.254/24", "10.1.1.0", 24, "10.1.1.254" },
    { "10.1.1.255/24", NULL, 0, NULL },
    { "10.1.1.7/32", NULL, 0, NULL },
    { "elsewhere", NULL, 0, NULL },
};

#define PICK(ARRAY) ((ARRAY)[random_range(ARRAY_SIZE(ARRAY))])

/* The naive model's rows.  'arrival' 0: no such row. */

struct n_host {
    uint64_t arrival;
    const char *ips[2];
    size_t n_ips;
    const char *mac;
};
struct n_locator {
    uint64_t arrival;
    const char *dst_ip;
    const char *encap;
};
struct n_set {
    uint64_t arrival;
    struct uuid locators[3];
    size_t n;
};

/* Of other_config, and what to make of them; the first is no such key. */
static const struct {
    const char *text;
    bool ok;
    enum rules_replication mode;
} replications[] = {
    { NULL, true, RULES_PER_PA },
    { "per_pa", true, RULES_PER_PA },
    { "per_vm", true, RULES_PER_VM },
    { "per_vm", true, RULES_PER_VM },
    { "multicast", true, RULES_MULTICAST },
    { "per vm", false, RULES_PER_PA },
};
static const struct {
    const char *text;
    bool ok;
} groups[] = {
    { NULL, false },
    { "239.1.2.3", true },
    { "ff0e::77", true },
    { "224.0.0.251", false },
    { "10.1.2.3", false },
    { "fd00::1", false },
    { "group", false },
};

struct n_switch {
    uint64_t arrival;
    const char *name;
    int64_t vsid;
    const char *encapsulation;
    size_t replication;         /* Index in 'replications'. */
    size_t group;               /* Index in 'groups'. */
    bool learns;
};
struct n_router {
    uint64_t arrival;
    const char *name;
    bool routed;
    struct row_binding bindings[MAX_BINDINGS];
    uint64_t arrivals[MAX_BINDINGS];
    size_t n;
};

/* Keys of vlan_bindings, in ascending order. */
static const int64_t vlans[] = { 0, 1, 4094, 4095 };
#define N_VLANS ARRAY_SIZE(vlans)

struct n_port {
    uint64_t arrival;
    const char *name;
    int targets[N_VLANS];       /* By index in 'vlans'; -1: no binding. */
};
struct n_darv_port {
    uint64_t arrival;
    const char *name;
    bool forwards;
};
struct n_mcast {
    uint64_t arrival;
    const char *mac;
    int target;
    int set;
};
struct n_mapping {
    uint64_t arrival;
    const char *mac;
    const char *ca;
    const char *type;
    int target;
    int locator;
};

struct world {
    uint64_t clock;
    struct n_host hosts[N_HOSTS];
    struct n_locator locators[N_LOCATORS];
    struct n_set sets[N_SETS];
    struct n_switch switches[N_SWITCHES];
    struct n_router routers[N_ROUTERS];
    struct n_port ports[N_PORTS];
    struct n_darv_port darv_ports[N_PORTS];
    struct n_mcast mcasts[N_MCASTS];
    struct n_mapping mappings[N_MAPPINGS];
};

/* Feeding a row of the world. */

static void
feed_n_host(struct feed *f, const struct world *w, int n)
{
    feed_host(f, n, w->hosts[n].ips, w->hosts[n].n_ips, w->hosts[n].mac);
}

static void
feed_n_router(struct feed *f, const struct world *w, int n,
              uint64_t up_to_arrival)
{
    const struct n_router *lr = &w->routers[n];
    struct row_binding bindings[MAX_BINDINGS];
    size_t n_bindings = 0;

    for (size_t i = 0; i < lr->n; i++) {
        if (lr->arrivals[i] <= up_to_arrival) {
            bindings[n_bindings++] = lr->bindings[i];
        }
    }
    feed_row(f, ROW_LOGICAL_ROUTER, n, (struct row) {
        .logical_router = {
            .name = lr->name, .enable_logical_router = lr->routed,
            .switch_binding = bindings, .n_switch_binding = n_bindings,
        },
    });
}

static void
feed_n_switch(struct feed *f, const struct world *w, int n)
{
    const struct n_switch *ls = &w->switches[n];
    struct row_pair pairs[4];
    size_t n_pairs = 0;

    if (ls->encapsulation) {
        pairs[n_pairs++] = (struct row_pair) {
            "encapsulation", ls->encapsulation,
        };
    }
    if (groups[ls->group].text) {
        pairs[n_pairs++] = (struct row_pair) {
            "group_pa", groups[ls->group].text,
        };
    }
    if (ls->learns) {
        pairs[n_pairs++] = (struct row_pair) { "learning", "true" };
    }
    if (replications[ls->replication].text) {
        pairs[n_pairs++] = (struct row_pair) {
            "replication", replications[ls->replication].text,
        };
    }
    feed_row(f, ROW_LOGICAL_SWITCH, n, (struct row) {
        .logical_switch = {
            .name = ls->name, .description = "",
            .has_tunnel_key = ls->vsid != 0, .tunnel_key = ls->vsid,
            .other_config = { pairs, n_pairs },
        },
    });
}

static void
feed_n_port(struct feed *f, const struct world *w, int n)
{
    const struct n_port *port = &w->ports[n];
    struct row_binding bindings[N_VLANS];
    size_t n_bindings = 0;

    for (int i = N_VLANS - 1; i >= 0; i--) {
        if (port->targets[i] >= 0) {
            bindings[n_bindings++] = (struct row_binding) {
                .number = vlans[i],
                .target = row_id(ROW_LOGICAL_SWITCH, port->targets[i]),
            };
        }
    }
    feed_row(f, ROW_PHYSICAL_PORT, n, (struct row) {
        .physical_port = {
            .name = port->name, .vlan_bindings = bindings,
            .n_vlan_bindings = n_bindings,
        },
    });
}

static void
feed_n_row(struct feed *f, const struct world *w, enum row_table table, int n)
{
    switch (table) {
    case ROW_GLOBAL:
        break;
    case ROW_PHYSICAL_SWITCH:
        feed_n_host(f, w, n);
        break;
    case ROW_LOCATOR:
        feed_locator(f, n, w->locators[n].dst_ip, w->locators[n].encap);
        break;
    case ROW_LOCATOR_SET:
        feed_locator_set(f, n, w->sets[n].locators, w->sets[n].n);
        break;
    case ROW_LOGICAL_SWITCH:
        feed_n_switch(f, w, n);
        break;
    case ROW_LOGICAL_ROUTER:
        feed_n_router(f, w, n, UINT64_MAX);
        break;
    case ROW_PHYSICAL_PORT:
        feed_n_port(f, w, n);
        break;
    case ROW_MCAST_REMOTE:
        feed_mcast(f, n, w->mcasts[n].mac, w->mcasts[n].target,
                   w->mcasts[n].set);
        break;
    case ROW_UCAST_REMOTE:
        feed_mapping_type(f, n, w->mappings[n].mac, w->mappings[n].ca,
                          w->mappings[n].target, w->mappings[n].locator,
                          w->mappings[n].type);
        break;
    case ROW_DARV_PORT:
        feed_darv_port(f, n, w->darv_ports[n].name,
                       w->darv_ports[n].forwards);
        break;
    }
}

/* Where a row's arrival is kept. */
static uint64_t *
world_arrival(struct world *w, enum row_table table, int n)
{
    switch (table) {
    case ROW_GLOBAL:
        break;
    case ROW_PHYSICAL_SWITCH:
        return &w->hosts[n].arrival;
    case ROW_LOCATOR:
        return &w->locators[n].arrival;
    case ROW_LOCATOR_SET:
        return &w->sets[n].arrival;
    case ROW_LOGICAL_SWITCH:
        return &w->switches[n].arrival;
    case ROW_LOGICAL_ROUTER:
        return &w->routers[n].arrival;
    case ROW_PHYSICAL_PORT:
        return &w->ports[n].arrival;
    case ROW_MCAST_REMOTE:
        return &w->mcasts[n].arrival;
    case ROW_UCAST_REMOTE:
        return &w->mappings[n].arrival;
    case ROW_DARV_PORT:
        return &w->darv_ports[n].arrival;
    }
    OVS_NOT_REACHED();
}

static const int n_rows[N_ROW_TABLES] = {
    [ROW_PHYSICAL_SWITCH] = N_HOSTS,
    [ROW_LOCATOR] = N_LOCATORS,
    [ROW_LOCATOR_SET] = N_SETS,
    [ROW_LOGICAL_SWITCH] = N_SWITCHES,
    [ROW_LOGICAL_ROUTER] = N_ROUTERS,
    [ROW_PHYSICAL_PORT] = N_PORTS,
    [ROW_MCAST_REMOTE] = N_MCASTS,
    [ROW_UCAST_REMOTE] = N_MAPPINGS,
    [ROW_DARV_PORT] = N_PORTS,
};

/* Random changes.  Each returns true if the row loses its place in the order
 * of arrival. */

static bool
change_host(struct n_host *host)
{
    host->n_ips = random_range(3);
    for (size_t i = 0; i < host->n_ips; i++) {
        host->ips[i] = PICK(pa_texts);
    }
    host->mac = PICK(router_mac_texts);
    return false;
}

static bool
change_locator(struct n_locator *locator)
{
    locator->dst_ip = PICK(pa_texts);
    locator->encap = PICK(encap_texts);
    return false;
}

static bool
change_set(struct n_set *set)
{
    struct n_set old = *set;
    size_t n = 1 + random_range(3);

    memset(set->locators, 0, sizeof set->locators);
    for (size_t i = 0; i < n; i++) {
        set->locators[i] = row_id(ROW_LOCATOR, random_range(N_LOCATORS));
    }
    set->n = n;
    return old.n != n || memcmp(old.locators, set->locators,
                                sizeof old.locators);
}

static bool
change_switch(struct n_switch *ls)
{
    int64_t old = ls->vsid;

    if (random_range(3)) {
        ls->vsid = PICK(vsids);
    }
    ls->name = PICK(name_texts);
    ls->encapsulation = PICK(encapsulation_texts);
    ls->replication = random_range(ARRAY_SIZE(replications));
    ls->group = random_range(ARRAY_SIZE(groups));
    ls->learns = !random_range(4);
    return old != ls->vsid;
}

static bool
router_has_key(const struct n_router *lr, const char *key)
{
    for (size_t i = 0; i < lr->n; i++) {
        if (!strcmp(lr->bindings[i].key, key)) {
            return true;
        }
    }
    return false;
}

/* Bindings stay sorted by key, as in the database. */
static void
router_add_binding(struct n_router *lr, const char *key, struct uuid target,
                   uint64_t arrival)
{
    size_t i = lr->n++;

    while (i && strcmp(lr->bindings[i - 1].key, key) > 0) {
        lr->bindings[i] = lr->bindings[i - 1];
        lr->arrivals[i] = lr->arrivals[i - 1];
        i--;
    }
    lr->bindings[i] = (struct row_binding) { .key = key, .target = target };
    lr->arrivals[i] = arrival;
}

static void
router_settle_arrivals(struct world *w, struct n_router *lr)
{
    for (size_t i = 0; i < lr->n; i++) {
        if (!lr->arrivals[i]) {
            lr->arrivals[i] = ++w->clock;
        }
    }
}

/* Most of what is said is said of a few subnets. */
static int
random_switch(void)
{
    return random_range(random_range(3) ? 2 : N_SWITCHES);
}

/* Each old binding mostly stays; new ones come. */
static bool
change_router(struct world *w, struct n_router *lr)
{
    struct n_router old = *lr;
    size_t n_new = random_range(3);

    lr->n = 0;
    for (size_t i = 0; i < old.n; i++) {
        uint32_t fate = random_range(12);

        if (fate > 1) {
            router_add_binding(lr, old.bindings[i].key,
                               old.bindings[i].target, old.arrivals[i]);
        } else if (fate) {
            struct uuid target = row_id(ROW_LOGICAL_SWITCH,
                                        random_switch());
            bool same = uuid_equals(&target, &old.bindings[i].target);

            router_add_binding(lr, old.bindings[i].key, target,
                               same ? old.arrivals[i] : 0);
        }
    }
    for (size_t i = 0; i < n_new && lr->n < MAX_BINDINGS; i++) {
        const char *key = PICK(prefix_texts).key;

        if (!router_has_key(lr, key) && !router_has_key(&old, key)) {
            router_add_binding(lr, key,
                               row_id(ROW_LOGICAL_SWITCH, random_switch()),
                               0);
        }
    }
    router_settle_arrivals(w, lr);
    lr->routed = random_range(2);
    lr->name = PICK(name_texts);
    return false;
}

static bool
change_port(struct n_port *port)
{
    const char *old = port->name;

    if (!old || !random_range(3)) {
        port->name = PICK(port_texts);
    }
    for (size_t i = 0; i < N_VLANS; i++) {
        port->targets[i] = (random_range(i ? 3 : 2)
                            ? -1 : (int) random_range(N_SWITCHES));
    }
    return !old || strcmp(old, port->name);
}

static bool
change_darv_port(struct n_darv_port *port)
{
    const char *old = port->name;

    if (!old || !random_range(3)) {
        port->name = PICK(port_texts);
    }
    port->forwards = random_range(2);
    return !old || strcmp(old, port->name);
}

static bool
change_mcast(struct n_mcast *mcast)
{
    mcast->mac = PICK(mcast_texts);
    mcast->target = random_range(N_SWITCHES);
    mcast->set = random_range(N_SETS);
    return false;
}

/* What a row of the naive model says. */

static bool
read_ca(const char *text, struct in6_addr *ret_ca)
{
    size_t n = strcspn(text, "/");
    char buf[64];

    ovs_strlcpy(buf, text, MIN(n + 1, sizeof buf));
    return (!text[n] || !strcmp(text + n, "/32")) && addr_parse(buf, ret_ca);
}

static bool
read_mapping(const struct n_mapping *m, struct eth_addr *ret_mac,
             struct in6_addr *ret_ca)
{
    return addr_mac_parse(m->mac, ret_mac)
           && (!m->ca[0] || read_ca(m->ca, ret_ca));
}

static bool
is_load_balanced(const struct n_mapping *m)
{
    return !strcmp(m->type, "load_balanced");
}

/* Both spellings of one value are the same value. */
static bool
same_values(const struct n_mapping *a, const struct n_mapping *b)
{
    struct eth_addr mac_a, mac_b;
    struct in6_addr ca_a = in6addr_any, ca_b = in6addr_any;

    return a->target == b->target && a->locator == b->locator
           && is_load_balanced(a) == is_load_balanced(b)
           && read_mapping(a, &mac_a, &ca_a) && read_mapping(b, &mac_b, &ca_b)
           && !memcmp(&mac_a, &mac_b, sizeof mac_a)
           && addr_equal(&ca_a, &ca_b);
}

static bool
change_mapping(struct n_mapping *m)
{
    struct n_mapping old = *m;

    if (!old.mac || !random_range(3)) {
        m->target = random_switch();
        m->type = PICK(type_texts);
    }
    if (!old.mac || random_range(2)) {
        m->mac = PICK(mac_texts);
    }
    if (!old.mac || random_range(2)) {
        m->ca = PICK(ca_texts);
    }
    m->locator = random_range(N_LOCATORS);
    return !old.mac || !same_values(&old, m);
}

/* Changes or makes row 'n' of 'table'. */
static void
change_row(struct world *w, enum row_table table, int n)
{
    uint64_t *arrival = world_arrival(w, table, n);
    bool moves = false;

    switch (table) {
    case ROW_GLOBAL:
        return;
    case ROW_PHYSICAL_SWITCH:
        moves = change_host(&w->hosts[n]);
        break;
    case ROW_LOCATOR:
        moves = change_locator(&w->locators[n]);
        break;
    case ROW_LOCATOR_SET:
        moves = change_set(&w->sets[n]);
        break;
    case ROW_LOGICAL_SWITCH:
        moves = change_switch(&w->switches[n]);
        break;
    case ROW_LOGICAL_ROUTER:
        moves = change_router(w, &w->routers[n]);
        break;
    case ROW_PHYSICAL_PORT:
        moves = change_port(&w->ports[n]);
        break;
    case ROW_MCAST_REMOTE:
        moves = change_mcast(&w->mcasts[n]);
        break;
    case ROW_UCAST_REMOTE:
        moves = change_mapping(&w->mappings[n]);
        break;
    case ROW_DARV_PORT:
        moves = change_darv_port(&w->darv_ports[n]);
        break;
    }
    if (moves || !*arrival) {
        *arrival = ++w->clock;
    }
}

static void
delete_row(struct world *w, enum row_table table, int n)
{
    *world_arrival(w, table, n) = 0;
    if (table == ROW_LOGICAL_ROUTER) {
        w->routers[n].n = 0;
    }
}

/* Mostly mappings, because in most worlds much of the rest must stay for a
 * while for them to be more than dormant. */
static enum row_table
random_table(void)
{
    return random_range(5) ? ROW_UCAST_REMOTE
                           : ROW_PHYSICAL_SWITCH
                             + random_range(N_ROW_TABLES
                                            - ROW_PHYSICAL_SWITCH);
}

static void
random_change(struct world *w, struct feed *f)
{
    enum row_table table = random_table();
    int n = random_range(n_rows[table]);

    if (random_range(table == ROW_UCAST_REMOTE ? 6 : 12)) {
        change_row(w, table, n);
        feed_n_row(f, w, table, n);
        if (!random_range(8)) {
            feed_n_row(f, w, table, n);     /* Once more, the same. */
        }
    } else {
        delete_row(w, table, n);
        feed_delete(f, table, n);
    }
}

/* What must hold. */

struct n_prefix {
    struct rules_prefix prefix;
    int target;
    int router;
};

struct n_placed {
    const struct n_mapping *m;
    int n;
    struct eth_addr mac;
    struct in6_addr ca;
    struct in6_addr pa;
    struct space_where where;
    bool rewrite;
};

struct outcome {
    const struct world *w;
    struct diag_set diags;
    struct in6_addr pas[N_PAS];
    size_t n_pas;
    bool vsid_ok[N_SWITCHES];
    int router_of[N_SWITCHES];          /* -1: not active. */
    struct n_prefix prefixes[N_ROUTERS * MAX_BINDINGS];
    size_t n_prefixes;
    struct n_placed placed[N_MAPPINGS];
    size_t n_placed;
    struct n_placed good[N_MAPPINGS];   /* Placed, or only in conflict. */
    size_t n_good;
    bool rewrite[N_SWITCHES];
    struct space_entry entries[4 * N_MAPPINGS];
    size_t n_entries;
    size_t n_balanced;          /* CAs that several may own. */
};

static void
must_complain(struct outcome *o, enum row_table table, int n,
              const char *column, enum diag_code code)
{
    struct uuid row = row_id(table, n);

    diag_set_add(&o->diags, code, &row, "", column, " ");
}

/* Returns the row with the lowest arrival above 'after', or -1. */
static int
next_by_arrival(const struct world *w, enum row_table table, uint64_t after)
{
    uint64_t best = UINT64_MAX;
    int found = -1;

    for (int i = 0; i < n_rows[table]; i++) {
        uint64_t arrival = *world_arrival(CONST_CAST(struct world *, w),
                                          table, i);

        if (arrival > after && arrival < best) {
            best = arrival;
            found = i;
        }
    }
    return found;
}

#define FOR_EACH_BY_ARRIVAL(N, W, TABLE, ROWS) \
    for (int N = next_by_arrival(W, TABLE, 0); N >= 0; \
         N = next_by_arrival(W, TABLE, (W)->ROWS[N].arrival))

static bool
owns_pa(const struct outcome *o, const struct in6_addr *pa)
{
    for (size_t i = 0; i < o->n_pas; i++) {
        if (addr_equal(&o->pas[i], pa)) {
            return true;
        }
    }
    return false;
}

static bool
host_has_pa(const struct n_host *host)
{
    struct in6_addr pa;

    for (size_t i = 0; i < host->n_ips; i++) {
        if (addr_parse(host->ips[i], &pa)) {
            return true;
        }
    }
    return false;
}

/* The first by name with a PA, or just the first; -1 if there is none. */
static int
choose_host(const struct world *w)
{
    int chosen = -1;

    for (int n = N_HOSTS - 1; n >= 0; n--) {
        const struct n_host *host = &w->hosts[n];

        if (host->arrival
            && (chosen < 0 || host_has_pa(host)
                || !host_has_pa(&w->hosts[chosen]))) {
            chosen = n;
        }
    }
    return chosen;
}

static void
work_out_hosts(struct outcome *o)
{
    int chosen = choose_host(o->w);
    struct eth_addr mac;

    for (int n = 0; n < N_HOSTS; n++) {
        const struct n_host *host = &o->w->hosts[n];

        if (!host->arrival) {
            continue;
        }
        if (n != chosen) {
            if (host->n_ips) {
                must_complain(o, ROW_PHYSICAL_SWITCH, n, "name",
                              DIAG_OTHER_HOST);
            }
            continue;
        }
        for (size_t i = 0; i < host->n_ips; i++) {
            struct in6_addr pa;

            if (!addr_parse(host->ips[i], &pa)) {
                must_complain(o, ROW_PHYSICAL_SWITCH, n, "tunnel_ips",
                              DIAG_BAD_ADDRESS);
            } else if (!owns_pa(o, &pa)) {
                o->pas[o->n_pas++] = pa;
            }
        }
        if (host->mac[0] && !addr_mac_parse(host->mac, &mac)) {
            must_complain(o, ROW_PHYSICAL_SWITCH, n, "distributed_router_mac",
                          DIAG_BAD_MAC);
        }
    }
}

/* Returns true if the locator can be used. */
static bool
read_locator(const struct outcome *o, int n, struct space_where *ret_where)
{
    const struct n_locator *locator = &o->w->locators[n];
    struct space_where where;

    if (!locator->arrival || !addr_parse(locator->dst_ip, &where.pa)
        || addr_is_ipv4(&where.pa) != !!strstr(locator->encap, "ipv4")) {
        return false;
    }
    where.encap = (!strncmp(locator->encap, "vxlan", 5)
                   ? SPACE_VXLAN : SPACE_NVGRE);
    if (owns_pa(o, &where.pa)) {
        where = (struct space_where) { .encap = SPACE_LOCAL };
    }
    *ret_where = where;
    return true;
}

static void
work_out_locators(struct outcome *o)
{
    for (int n = 0; n < N_LOCATORS; n++) {
        struct space_where where;
        struct in6_addr pa;

        if (o->w->locators[n].arrival && !read_locator(o, n, &where)) {
            if (addr_parse(o->w->locators[n].dst_ip, &pa)) {
                must_complain(o, ROW_LOCATOR, n, "encapsulation_type",
                              DIAG_ENCAP_MISMATCH);
            } else {
                must_complain(o, ROW_LOCATOR, n, "dst_ip", DIAG_BAD_ADDRESS);
            }
        }
    }
}

static void
work_out_vsids(struct outcome *o)
{
    FOR_EACH_BY_ARRIVAL (n, o->w, ROW_LOGICAL_SWITCH, switches) {
        const struct n_switch *ls = &o->w->switches[n];

        if (!ls->vsid) {
            continue;
        }
        if (ls->vsid < 4096 || ls->vsid > 0xfffffe) {
            must_complain(o, ROW_LOGICAL_SWITCH, n, "tunnel_key",
                          DIAG_VSID_OUT_OF_RANGE);
            continue;
        }
        o->vsid_ok[n] = true;
        for (int i = 0; i < N_SWITCHES; i++) {
            if (i != n && o->vsid_ok[i]
                && o->w->switches[i].vsid == ls->vsid) {
                must_complain(o, ROW_LOGICAL_SWITCH, n, "tunnel_key",
                              DIAG_VSID_DUPLICATE);
                o->vsid_ok[n] = false;
                break;
            }
        }
    }
}

static const struct prefix_text *
read_prefix(const char *key)
{
    for (size_t i = 0; i < ARRAY_SIZE(prefix_texts); i++) {
        if (!strcmp(prefix_texts[i].key, key)) {
            return prefix_texts[i].net ? &prefix_texts[i] : NULL;
        }
    }
    OVS_NOT_REACHED();
}

static bool
overlaps(const struct outcome *o, int router, const struct addr_prefix *net)
{
    for (size_t i = 0; i < o->n_prefixes; i++) {
        if (o->prefixes[i].router == router
            && addr_prefix_overlaps(&o->prefixes[i].prefix.net, net)) {
            return true;
        }
    }
    return false;
}

static void
work_out_binding(struct outcome *o, int router,
                 const struct row_binding *binding)
{
    const struct prefix_text *text = read_prefix(binding->key);
    int target = binding->target.parts[1];
    struct n_prefix p = { .target = target, .router = router };

    if (o->w->switches[target].arrival && !o->w->switches[target].vsid) {
        must_complain(o, ROW_LOGICAL_SWITCH, target, "tunnel_key",
                      DIAG_VSID_MISSING);
    }
    if (!text) {
        must_complain(o, ROW_LOGICAL_ROUTER, router, "switch_binding",
                      DIAG_BAD_PREFIX);
        return;
    }
    if (!o->vsid_ok[target]) {
        return;
    }
    ck_assert(addr_parse(text->net, &p.prefix.net.addr));
    ck_assert(addr_parse(text->gateway, &p.prefix.gateway));
    p.prefix.net.plen = text->plen;
    if (o->router_of[target] != -1 && o->router_of[target] != router) {
        must_complain(o, ROW_LOGICAL_ROUTER, router, "switch_binding",
                      DIAG_SUBNET_IN_TWO_NETWORKS);
    } else if (overlaps(o, router, &p.prefix.net)) {
        must_complain(o, ROW_LOGICAL_ROUTER, router, "switch_binding",
                      DIAG_PREFIX_OVERLAP);
    } else {
        o->prefixes[o->n_prefixes++] = p;
        o->router_of[target] = router;
    }
}

static void
work_out_subnets(struct outcome *o)
{
    uint64_t done = 0;

    for (int i = 0; i < N_SWITCHES; i++) {
        o->router_of[i] = -1;
    }
    for (;;) {
        uint64_t best = UINT64_MAX;
        int router = -1;
        size_t binding = 0;

        for (int n = 0; n < N_ROUTERS; n++) {
            for (size_t i = 0; i < o->w->routers[n].n; i++) {
                uint64_t arrival = o->w->routers[n].arrivals[i];

                if (arrival > done && arrival < best) {
                    best = arrival;
                    router = n;
                    binding = i;
                }
            }
        }
        if (router < 0) {
            return;
        }
        done = best;
        work_out_binding(o, router, &o->w->routers[router].bindings[binding]);
    }
}

/* Whether the binding of number 'i' holds: to a subnet that is one, and in
 * which the port is not by a lower key; if not, the complaint. */
static bool
binding_holds(const struct outcome *o, const struct n_port *port, size_t i,
              enum diag_code *code)
{
    *code = DIAG_VLAN_BINDING;
    if (vlans[i] > 4094) {
        return false;
    }
    if (o->router_of[port->targets[i]] < 0) {
        *code = DIAG_PORT_SUBNET_UNUSABLE;
        return false;
    }
    for (size_t j = 0; j < i; j++) {
        if (port->targets[j] == port->targets[i]) {
            return false;
        }
    }
    return true;
}

static bool
learns(const struct outcome *o, int n)
{
    return o->w->switches[n].learns && !o->rewrite[n];
}

static enum rules_replication
replication_of(const struct outcome *o, int n)
{
    const struct n_switch *ls = &o->w->switches[n];
    enum rules_replication mode = replications[ls->replication].mode;

    return ((mode == RULES_MULTICAST && !groups[ls->group].ok)
            || (mode == RULES_PER_VM && ls->learns)
            || o->rewrite[n] ? RULES_PER_PA : mode);
}

static void
work_out_replication(struct outcome *o)
{
    for (int n = 0; n < N_SWITCHES; n++) {
        const struct n_switch *ls = &o->w->switches[n];

        if (o->router_of[n] >= 0
            && (!replications[ls->replication].ok
                || (replication_of(o, n)
                    != replications[ls->replication].mode)
                || learns(o, n) != ls->learns)) {
            must_complain(o, ROW_LOGICAL_SWITCH, n, "other_config",
                          DIAG_OTHER_CONFIG);
        }
    }
}

static void
work_out_rewrite(struct outcome *o)
{
    const struct world *w = o->w;

    for (int n = 0; n < N_SWITCHES; n++) {
        const struct n_switch *ls = &w->switches[n];
        const char *text = ls->encapsulation;

        if (ls->arrival && text && !strcmp(text, "rewrite")) {
            must_complain(o, ROW_LOGICAL_SWITCH, n, "other_config",
                          DIAG_OTHER_CONFIG);
        }
        o->rewrite[n] = (o->router_of[n] >= 0 && text
                         && !strcmp(text, "ip_rewrite"));
    }
    for (int n = 0; n < N_SWITCHES; n++) {
        int router = o->router_of[n];

        for (int i = 0; i < N_SWITCHES; i++) {
            if (o->rewrite[n] && !o->rewrite[i] && o->router_of[i] == router
                && w->routers[router].routed) {
                must_complain(o, ROW_LOGICAL_SWITCH, n, "other_config",
                              DIAG_OTHER_CONFIG);
            }
        }
    }
}

static void
work_out_ports(struct outcome *o)
{
    char seen[N_PORTS][64];
    size_t n_seen = 0;

    FOR_EACH_BY_ARRIVAL (n, o->w, ROW_PHYSICAL_PORT, ports) {
        const struct n_port *port = &o->w->ports[n];
        bool ok = addr_guid_normalize(port->name, seen[n_seen], 64);

        for (size_t i = 0; ok && i < n_seen; i++) {
            ok = strcmp(seen[i], seen[n_seen]);
        }
        if (!ok) {
            must_complain(o, ROW_PHYSICAL_PORT, n, "name", DIAG_PORT_NAME);
            continue;
        }
        n_seen++;
        for (size_t i = 0; i < N_VLANS; i++) {
            enum diag_code code;

            if (port->targets[i] >= 0 && !binding_holds(o, port, i, &code)) {
                must_complain(o, ROW_PHYSICAL_PORT, n, "vlan_bindings", code);
            }
        }
    }
}

/* The first to come of those that mean the same port is it. */
static int
find_darv_port(const struct world *w, const char *name)
{
    char other[64];

    FOR_EACH_BY_ARRIVAL (n, w, ROW_DARV_PORT, darv_ports) {
        if (addr_guid_normalize(w->darv_ports[n].name, other, 64)
            && !strcmp(other, name)) {
            return n;
        }
    }
    return -1;
}

static void
work_out_darv_ports(struct outcome *o)
{
    FOR_EACH_BY_ARRIVAL (n, o->w, ROW_DARV_PORT, darv_ports) {
        char name[64];

        if (!addr_guid_normalize(o->w->darv_ports[n].name, name, 64)
            || find_darv_port(o->w, name) != n) {
            must_complain(o, ROW_DARV_PORT, n, "name", DIAG_PORT_NAME);
        }
    }
}

/* Returns the first that is placed by the same CA or, if not 'by_ca', MAC. */
static const struct n_placed *
find_placed(const struct outcome *o, const struct n_placed *new, bool by_ca)
{
    for (size_t i = 0; i < o->n_placed; i++) {
        const struct n_placed *p = &o->placed[i];

        if (p->m->target == new->m->target
            && (by_ca ? p->m->ca[0] && addr_equal(&p->ca, &new->ca)
                      : !memcmp(&p->mac, &new->mac, sizeof p->mac))) {
            return p;
        }
    }
    return NULL;
}

/* Likewise, with IP rewrite, by the same PA. */
static const struct n_placed *
find_placed_by_pa(const struct outcome *o, const struct n_placed *new)
{
    for (size_t i = 0; i < o->n_placed; i++) {
        const struct n_placed *p = &o->placed[i];

        if (p->rewrite && p->m->ca[0] && new->rewrite && new->m->ca[0]
            && addr_equal(&p->pa, &new->pa)) {
            return p;
        }
    }
    return NULL;
}

static bool
same_place(const struct n_placed *a, const struct n_placed *b)
{
    return (a->rewrite
            ? (a->where.encap == SPACE_LOCAL) == (b->where.encap
                                                  == SPACE_LOCAL)
            : addr_equal(&a->where.pa, &b->where.pa));
}

/* Guests with IP rewrite share no CA. */
static bool
is_balanced(const struct n_placed *p)
{
    return is_load_balanced(p->m) && !p->rewrite;
}

static bool
both_balanced(const struct n_placed *a, const struct n_placed *b)
{
    return is_balanced(a) && is_balanced(b);
}

/* Adds to what is placed and returns true, unless 'new' contradicts. */
static bool
place(struct outcome *o, const struct n_placed *new)
{
    const struct n_placed *by_ca
        = new->m->ca[0] ? find_placed(o, new, true) : NULL;
    const struct n_placed *by_mac = find_placed(o, new, false);

    if (by_ca && !both_balanced(by_ca, new)) {
        must_complain(o, ROW_UCAST_REMOTE, new->n, "ipaddr",
                      DIAG_CA_DUPLICATE);
        return false;
    }
    if (by_mac && !same_place(by_mac, new)
        && !both_balanced(by_mac, new)) {
        must_complain(o, ROW_UCAST_REMOTE, new->n, "MAC", DIAG_MAC_CONFLICT);
        return false;
    }
    if (find_placed_by_pa(o, new)) {
        must_complain(o, ROW_UCAST_REMOTE, new->n, "locator",
                      DIAG_PA_DUPLICATE);
        return false;
    }
    o->placed[o->n_placed++] = *new;
    return true;
}

/* Returns true if the CA is in its subnet and not the gateway. */
static bool
check_ca(struct outcome *o, const struct n_placed *p)
{
    for (size_t i = 0; i < o->n_prefixes; i++) {
        const struct n_prefix *prefix = &o->prefixes[i];

        if (prefix->target == p->m->target
            && addr_prefix_contains(&prefix->prefix.net, &p->ca)) {
            if (addr_equal(&prefix->prefix.gateway, &p->ca)) {
                must_complain(o, ROW_UCAST_REMOTE, p->n, "ipaddr",
                              DIAG_CA_IS_GATEWAY);
                return false;
            }
            return true;
        }
    }
    must_complain(o, ROW_UCAST_REMOTE, p->n, "ipaddr",
                  DIAG_CA_OUTSIDE_SUBNET);
    return false;
}

static bool
check_texts(struct outcome *o, struct n_placed *p)
{
    bool mac_ok = addr_mac_parse(p->m->mac, &p->mac);
    bool ca_ok = !p->m->ca[0] || read_ca(p->m->ca, &p->ca);

    if (!mac_ok) {
        must_complain(o, ROW_UCAST_REMOTE, p->n, "MAC", DIAG_BAD_MAC);
    }
    if (!ca_ok) {
        must_complain(o, ROW_UCAST_REMOTE, p->n, "ipaddr", DIAG_BAD_ADDRESS);
    }
    return mac_ok && ca_ok;
}

/* What there is of a CA with several owners, of which 'p' is the first; all
 * but who has which share. */
static void
add_balanced(struct outcome *o, const struct n_placed *p)
{
    struct uuid row = row_id(ROW_UCAST_REMOTE, p->n);
    uint32_t vsid = o->w->switches[p->m->target].vsid;
    struct space_entry entry = {
        .mac = space_balanced_mac(vsid, &p->ca),
        .where = { SPACE_BALANCED, p->ca },
        .cookie = row_cookie(&row),
    };

    space_key_init_ca(&entry.key, vsid, &p->ca);
    o->entries[o->n_entries++] = entry;
    space_key_init_mac(&entry.key, vsid, entry.mac);
    o->entries[o->n_entries++] = entry;
    if (addr_is_ipv4(&p->ca)) {
        space_key_init_owner(&entry.key, vsid, &p->ca);
        memset(&entry.mac, 0, sizeof entry.mac);
        entry.where = (struct space_where) { .encap = SPACE_LOCAL };
        o->entries[o->n_entries++] = entry;
    }
    o->n_balanced++;
}

static bool
check_rewrite(struct outcome *o, const struct n_placed *p)
{
    if (p->rewrite && addr_is_ipv4(&p->ca) != addr_is_ipv4(&p->pa)) {
        must_complain(o, ROW_UCAST_REMOTE, p->n, "locator",
                      DIAG_ENCAP_MISMATCH);
        return false;
    }
    return true;
}

static void
add_entry(struct outcome *o, const struct n_placed *p, enum space_kind kind)
{
    struct space_entry *entry;
    struct uuid row = row_id(ROW_UCAST_REMOTE, p->n);
    uint32_t vsid = o->w->switches[p->m->target].vsid;

    if (kind == SPACE_BY_CA && is_balanced(p)) {
        add_balanced(o, p);
        return;
    }
    entry = &o->entries[o->n_entries++];
    entry->where = p->where;
    if (p->rewrite) {
        entry->where.encap = (p->where.encap == SPACE_LOCAL
                              ? SPACE_LOCAL : SPACE_REWRITE);
        entry->where.pa = kind == SPACE_BY_CA ? p->pa : in6addr_any;
    }
    switch (kind) {
    case SPACE_BY_CA:
        space_key_init_ca(&entry->key, vsid, &p->ca);
        break;
    case SPACE_BY_MAC:
        space_key_init_mac(&entry->key, vsid, p->mac);
        break;
    case SPACE_BY_PA:
        space_key_init_pa(&entry->key, &p->pa);
        entry->vsid = vsid;
        entry->ca = p->ca;
        break;
    case SPACE_PEER:
    case SPACE_BY_SHARE:
    case SPACE_BY_OWNER:
        OVS_NOT_REACHED();
    }
    entry->mac = p->mac;
    entry->cookie = row_cookie(&row);
}

static void
work_out_mappings(struct outcome *o)
{
    FOR_EACH_BY_ARRIVAL (n, o->w, ROW_UCAST_REMOTE, mappings) {
        struct n_placed p = { .m = &o->w->mappings[n], .n = n };

        p.rewrite = o->rewrite[p.m->target];
        addr_parse(o->w->locators[p.m->locator].dst_ip, &p.pa);

        if (check_texts(o, &p) && o->router_of[p.m->target] >= 0
            && read_locator(o, p.m->locator, &p.where)
            && (!p.m->ca[0] || (check_ca(o, &p) && check_rewrite(o, &p)))) {
            o->good[o->n_good++] = p;

            bool first_by_ca = p.m->ca[0] && !find_placed(o, &p, true);
            bool first_by_mac = !find_placed(o, &p, false);

            if (place(o, &p)) {
                if (first_by_ca) {
                    add_entry(o, &p, SPACE_BY_CA);
                }
                if (first_by_mac) {
                    add_entry(o, &p, SPACE_BY_MAC);
                }
                if (p.rewrite && p.m->ca[0]) {
                    add_entry(o, &p, SPACE_BY_PA);
                }
            }
        }
    }
}

static void
work_out(struct outcome *o, const struct world *w)
{
    memset(o, 0, sizeof *o);
    o->w = w;
    diag_set_init(&o->diags);
    work_out_hosts(o);
    work_out_locators(o);
    work_out_vsids(o);
    work_out_subnets(o);
    work_out_rewrite(o);
    work_out_replication(o);
    work_out_ports(o);
    work_out_darv_ports(o);
    work_out_mappings(o);
}

/* Comparison. */

static void
print_diags(const char *title, const struct diag_set *set)
{
    const struct diag *diag;

    printf("%s\n", title);
    DIAG_SET_FOR_EACH (diag, set) {
        printf("  table %u row %u %s %s: %s\n",
               diag->row.parts[2], diag->row.parts[1], diag->column,
               diag_code_to_string(diag->code), diag->text);
    }
}

static void
compare_diags(const struct diag_set *a, const struct diag_set *b,
              bool with_text)
{
    const struct diag *diag;
    bool equal = diag_set_count(a) == diag_set_count(b);

    DIAG_SET_FOR_EACH (diag, a) {
        const struct diag *other = diag_set_find(b, &diag->row, diag->column,
                                                 diag->code);

        equal = equal && other
                && (!with_text || !strcmp(diag->text, other->text));
    }
    if (!equal) {
        print_diags("wanted:", a);
        print_diags("got:", b);
    }
    ck_assert(equal);
}

/* Each share belongs to one of those that are placed at the CA, and each of
 * those has some, if they are few. */
static void
compare_shares(const struct outcome *o, const struct feed *f)
{
    size_t n_shares[N_MAPPINGS] = { 0 };
    struct feed_entry *e;

    HMAP_FOR_EACH (e, node, &f->entries) {
        const struct space_entry *entry = &e->entry;
        bool found = entry->key.kind != SPACE_BY_SHARE;

        for (size_t i = 0; !found && i < o->n_placed; i++) {
            const struct n_placed *p = &o->placed[i];
            struct uuid row = row_id(ROW_UCAST_REMOTE, p->n);

            found = (entry->cookie == row_cookie(&row) && p->m->ca[0]
                     && o->w->switches[p->m->target].vsid == entry->key.vsid
                     && addr_equal(&p->ca, &entry->key.ca)
                     && eth_addr_equals(p->mac, entry->mac)
                     && space_where_equal(&p->where, &entry->where));
            n_shares[i] += found;
        }
        ck_assert(found);
    }
    for (size_t i = 0; i < o->n_placed; i++) {
        const struct n_placed *p = &o->placed[i];

        ck_assert((n_shares[i] > 0)
                  == (p->m->ca[0] && is_balanced(p)));
    }
}

static void
compare_entries(const struct outcome *o, const struct feed *f)
{
    ck_assert_uint_eq(o->n_entries + o->n_balanced * SPACE_N_SHARES,
                      hmap_count(&f->entries));
    compare_shares(o, f);
    for (size_t i = 0; i < o->n_entries; i++) {
        const struct feed_entry *e = feed_find(f, &o->entries[i].key);

        ck_assert_ptr_nonnull(e);
        ck_assert(space_entry_equal(&e->entry, &o->entries[i]));
    }
}

static uint32_t
lowest_vsid(const struct outcome *o, int router)
{
    uint32_t lowest = UINT32_MAX;

    for (int i = 0; i < N_SWITCHES; i++) {
        if (o->router_of[i] == router) {
            lowest = MIN(lowest, o->w->switches[i].vsid);
        }
    }
    return lowest;
}

static void
compare_prefixes(const struct outcome *o, int n,
                 const struct rules_subnet *subnet)
{
    size_t n_prefixes = 0;

    for (size_t i = 0; i < o->n_prefixes; i++) {
        const struct rules_prefix *want = &o->prefixes[i].prefix;
        bool found = false;

        if (o->prefixes[i].target != n) {
            continue;
        }
        n_prefixes++;
        for (size_t j = 0; j < subnet->n_prefixes; j++) {
            const struct rules_prefix *got = &subnet->prefixes[j];

            found = found || (got->net.plen == want->net.plen
                              && addr_equal(&got->net.addr, &want->net.addr)
                              && addr_equal(&got->gateway, &want->gateway));
        }
        ck_assert(found);
    }
    ck_assert_uint_eq(n_prefixes, subnet->n_prefixes);
}

/* Returns how the packet for 'pa' is to be sent, SPACE_LOCAL if it is not;
 * '*ret_here' is true if others are to send it here. */
static enum space_encap
flood_encap(const struct outcome *o, int n, const struct in6_addr *pa,
            bool *ret_here)
{
    enum space_encap encap = SPACE_LOCAL;

    *ret_here = false;

    for (int i = 0; i < N_MCASTS && !o->rewrite[n]; i++) {
        const struct n_mcast *mcast = &o->w->mcasts[i];
        const struct n_set *set = &o->w->sets[mcast->set];

        if (!mcast->arrival || mcast->target != n || !set->arrival
            || strcasecmp(mcast->mac, "unknown-dst")) {
            continue;
        }
        for (size_t j = 0; j < set->n; j++) {
            int l = set->locators[j].parts[1];
            struct space_where where;
            struct in6_addr dst;

            if (!read_locator(o, l, &where)
                || !addr_parse(o->w->locators[l].dst_ip, &dst)
                || !addr_equal(&dst, pa)) {
                continue;
            }
            if (where.encap == SPACE_LOCAL) {
                *ret_here = true;
            } else if (encap == SPACE_LOCAL || where.encap < encap) {
                encap = where.encap;
            }
        }
    }
    return encap;
}

static const char *const all_pas[N_PAS] = {
    "192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1",
};

static void
compare_flood(const struct outcome *o, int n,
              const struct rules_subnet *subnet)
{
    size_t n_flood = 0, n_here = 0;

    for (size_t i = 0; i < N_PAS; i++) {
        struct space_where want;
        bool found = false;
        bool here;

        ck_assert(addr_parse(all_pas[i], &want.pa));
        want.encap = flood_encap(o, n, &want.pa, &here);
        if (here) {
            ck_assert_uint_lt(n_here, subnet->n_flood_here);
            ck_assert(addr_equal(&subnet->flood_here[n_here], &want.pa));
            n_here++;
        }
        for (size_t j = 0; j < subnet->n_flood; j++) {
            found = found || space_where_equal(&subnet->flood[j], &want);
        }
        ck_assert(found == (want.encap != SPACE_LOCAL));
        n_flood += want.encap != SPACE_LOCAL;
    }
    ck_assert_uint_eq(n_flood, subnet->n_flood);
    ck_assert_uint_eq(n_here, subnet->n_flood_here);
    for (size_t i = 1; i < subnet->n_flood; i++) {
        ck_assert(addr_compare(&subnet->flood[i - 1].pa,
                               &subnet->flood[i].pa) < 0);
    }
}

static void
compare_guest(const struct outcome *o, int n, const struct rules_guest *guest)
{
    struct in6_addr ca4 = IN6ADDR_ANY_INIT, ca6 = IN6ADDR_ANY_INIT;
    const struct n_placed *first = NULL;

    for (size_t i = 0; i < o->n_placed; i++) {
        const struct n_placed *p = &o->placed[i];

        if (p->m->target != n || memcmp(&p->mac, &guest->mac, 6)) {
            continue;
        }
        if (!first) {
            first = p;
        }
        if (p->m->ca[0]) {
            struct in6_addr *lowest = addr_is_ipv4(&p->ca) ? &ca4 : &ca6;

            if (addr_equal(lowest, &in6addr_any)
                || addr_compare(&p->ca, lowest) < 0) {
                *lowest = p->ca;
            }
        }
    }
    ck_assert_ptr_nonnull(first);
    ck_assert(space_where_equal(&guest->where, &first->where));
    ck_assert_uint_eq(guest->ca4, addr_equal(&ca4, &in6addr_any)
                      ? 0 : addr_to_ipv4(&ca4));
    ck_assert(addr_equal(&guest->ca6, &ca6));
}

/* Each MAC once, in order, and no MAC of a mapping that holds is missing. */
static void
compare_guests(const struct outcome *o, int n,
               const struct rules_subnet *subnet)
{
    size_t n_guests = 0;

    if (subnet->replication == RULES_PER_VM) {
        for (size_t i = 0; i < o->n_placed; i++) {
            const struct n_placed *p = &o->placed[i];

            n_guests += (p->m->target == n
                         && find_placed(o, p, false) == p);
        }
    }
    ck_assert_uint_eq(subnet->n_guests, n_guests);
    for (size_t i = 0; i < n_guests; i++) {
        ck_assert(!i || memcmp(&subnet->guests[i - 1].mac,
                               &subnet->guests[i].mac, 6) < 0);
        compare_guest(o, n, &subnet->guests[i]);
    }
}

static void
compare_subnets(const struct outcome *o, const struct rules *rules)
{
    size_t n_subnets = 0;

    for (int n = 0; n < N_SWITCHES; n++) {
        const struct n_switch *ls = &o->w->switches[n];
        struct uuid row = row_id(ROW_LOGICAL_SWITCH, n);
        const struct rules_subnet *subnet;

        if (o->router_of[n] < 0) {
            continue;
        }
        n_subnets++;
        subnet = rules_find_subnet(rules, ls->vsid);
        ck_assert_ptr_nonnull(subnet);
        ck_assert(uuid_equals(&subnet->row, &row));
        ck_assert_str_eq(subnet->name, ls->name);
        ck_assert(subnet->routed == o->w->routers[o->router_of[n]].routed);
        ck_assert_uint_eq(subnet->domain, lowest_vsid(o, o->router_of[n]));
        ck_assert(subnet->rewrite == o->rewrite[n]);
        compare_prefixes(o, n, subnet);
        compare_flood(o, n, subnet);
        ck_assert_int_eq(subnet->replication, replication_of(o, n));
        ck_assert(subnet->learning.enabled == learns(o, n));
        compare_guests(o, n, subnet);
    }
    ck_assert_uint_eq(n_subnets, rules->n_subnets);
}

static void
compare_vlans(const struct outcome *o, const struct rules_port *port,
              const struct n_port *want)
{
    bool any_binding = false;
    uint32_t vsid = 0;
    size_t n = 0;

    for (size_t i = 0; i < N_VLANS; i++) {
        enum diag_code code;

        if (want->targets[i] < 0) {
            continue;
        }
        any_binding = true;
        if (!binding_holds(o, want, i, &code)) {
            continue;
        }
        if (!vlans[i]) {
            vsid = o->w->switches[want->targets[i]].vsid;
            continue;
        }
        ck_assert_uint_lt(n, port->n_trunks);
        ck_assert_uint_eq(port->trunks[n].vlan, vlans[i]);
        ck_assert_uint_eq(port->trunks[n].vsid,
                          o->w->switches[want->targets[i]].vsid);
        n++;
    }
    ck_assert_uint_eq(port->vsid, vsid);
    ck_assert_uint_eq(port->n_trunks, n);
    ck_assert_int_eq(port->fault,
                     !any_binding ? RULES_PORT_UNBOUND
                     : !vsid && !n ? RULES_PORT_BAD_SUBNET : RULES_PORT_OK);
}

static void
compare_ports(const struct outcome *o, const struct rules *rules)
{
    size_t n_ports = 0;
    const char *last = "";

    for (int n = 0; n < N_PORTS; n++) {
        n_ports += o->w->ports[n].arrival != 0;
    }
    ck_assert_uint_eq(n_ports, rules->n_ports);
    for (size_t i = 0; i < rules->n_ports; i++) {
        const struct rules_port *port = &rules->ports[i];
        const struct n_port *want = &o->w->ports[port->row.parts[1]];

        ck_assert(want->arrival);
        if (diag_set_find(&o->diags, &port->row, "name", DIAG_PORT_NAME)) {
            ck_assert_int_eq(port->fault, RULES_PORT_BAD_NAME);
            ck_assert_uint_eq(port->vsid, 0);
            continue;
        }
        ck_assert(strcmp(last, port->name) < 0);
        last = port->name;
        compare_vlans(o, port, want);

        int darv = find_darv_port(o->w, port->name);

        ck_assert(port->forwards
                  == (darv >= 0 && o->w->darv_ports[darv].forwards));
    }
}

static void
compare_host(const struct outcome *o, const struct rules *rules)
{
    int chosen = choose_host(o->w);

    if (chosen >= 0) {
        struct uuid row = row_id(ROW_PHYSICAL_SWITCH, chosen);
        char name[16];
        struct eth_addr mac;

        snprintf(name, sizeof name, "host%d", chosen);
        mac = addr_mac_from_name(name);
        ck_assert(uuid_equals(&rules->physical_switch, &row));
        addr_mac_parse(o->w->hosts[chosen].mac, &mac);
        ck_assert(!memcmp(&mac, &rules->router_mac, sizeof mac));
    } else {
        ck_assert(uuid_is_zero(&rules->physical_switch));
    }
    ck_assert_uint_eq(rules->n_pas, o->n_pas);
    for (size_t i = 0; i < o->n_pas; i++) {
        ck_assert(rules_owns_pa(rules, &o->pas[i]));
    }
}

/* True if something in the network of router 'n_router' leads to 'pa'. */
static bool
leads_to(const struct outcome *o, int n_router, const struct in6_addr *pa)
{
    for (size_t i = 0; i < o->n_good; i++) {
        const struct n_placed *p = &o->good[i];

        if (o->router_of[p->m->target] == n_router
            && !p->rewrite && p->where.encap != SPACE_LOCAL
            && addr_equal(&p->where.pa, pa)) {
            return true;
        }
    }
    for (int n = 0; n < N_SWITCHES; n++) {
        bool here;

        if (o->router_of[n] == n_router
            && flood_encap(o, n, pa, &here) != SPACE_LOCAL) {
            return true;
        }
    }
    return false;
}

static uint32_t
domain_of(const struct outcome *o, int n_router)
{
    uint32_t domain = UINT32_MAX;

    for (int n = 0; n < N_SWITCHES; n++) {
        if (o->router_of[n] == n_router) {
            domain = MIN(domain, o->w->switches[n].vsid);
        }
    }
    return domain;
}

static void
compare_peers(const struct outcome *o, const struct feed *f)
{
    size_t n_peers = 0;

    for (int n = 0; n < N_ROUTERS; n++) {
        for (size_t i = 0; i < N_PAS; i++) {
            struct space_key key;
            struct in6_addr pa;

            ck_assert(addr_parse(all_pas[i], &pa));
            if (leads_to(o, n, &pa)) {
                space_key_init_peer(&key, domain_of(o, n), &pa);
                ck_assert_ptr_nonnull(feed_find(f, &key));
                n_peers++;
            }
        }
    }
    for (size_t i = 0; i < N_PAS; i++) {
        bool somewhere = false;
        struct space_key key;
        struct in6_addr pa;

        ck_assert(addr_parse(all_pas[i], &pa));
        for (int n = 0; n < N_ROUTERS; n++) {
            somewhere = somewhere || leads_to(o, n, &pa);
        }
        space_key_init_peer(&key, PEER_ANY_DOMAIN, &pa);
        ck_assert(somewhere == !!feed_find(f, &key));
        n_peers += somewhere;
    }
    ck_assert_uint_eq(n_peers, hmap_count(&f->peers));
}

static void
compare_with_naive(const struct world *w, const struct feed *f)
{
    const struct rules *rules = policy_rules(f->policy);
    struct outcome o;
    size_t n_mappings = 0;

    work_out(&o, w);
    compare_diags(&o.diags, &f->diags, false);
    compare_host(&o, rules);
    compare_subnets(&o, rules);
    compare_ports(&o, rules);
    compare_entries(&o, f);
    compare_peers(&o, f);
    for (int i = 0; i < N_MAPPINGS; i++) {
        n_mappings += w->mappings[i].arrival != 0;
    }
    ck_assert_uint_eq(policy_count_mappings(f->policy), n_mappings);
    diag_set_uninit(&o.diags);
}

/* Feeds the world to a policy that knows nothing yet, in order of arrival; a
 * router grows binding by binding. */
static void
feed_world(struct feed *f, const struct world *w)
{
    for (uint64_t t = 1; t <= w->clock; t++) {
        for (int n = 0; n < N_ROUTERS; n++) {
            const struct n_router *lr = &w->routers[n];

            for (size_t i = 0; i < lr->n; i++) {
                if (lr->arrivals[i] == t) {
                    feed_n_router(f, w, n, t);
                }
            }
        }
        for (int table = 0; table < N_ROW_TABLES; table++) {
            for (int n = 0; n < n_rows[table]; n++) {
                if (*world_arrival(CONST_CAST(struct world *, w),
                                   table, n) == t
                    && table != ROW_LOGICAL_ROUTER) {
                    feed_n_row(f, w, table, n);
                }
            }
        }
    }
}

static void
compare_with_fresh(const struct world *w, const struct feed *f)
{
    struct feed fresh;

    feed_init(&fresh);
    feed_world(&fresh, w);
    feed_settle(&fresh);
    compare_diags(&fresh.diags, &f->diags, true);
    ck_assert(rules_equal(policy_rules(fresh.policy),
                          policy_rules(f->policy)));
    feed_uninit(&fresh);
}

/* A world that has most of what it needs, lest all mappings are dormant. */
static void
populate(struct world *w, struct feed *f)
{
    for (int table = ROW_PHYSICAL_SWITCH; table < N_ROW_TABLES; table++) {
        int n_changes = table == ROW_LOGICAL_ROUTER ? 4 : 1;

        for (int n = 0; n < n_rows[table]; n++) {
            for (int i = 0; i < n_changes; i++) {
                change_row(w, table, n);
                feed_n_row(f, w, table, n);
            }
        }
    }
}

static void
run_world(int n_rounds)
{
    struct world w = { .clock = 0 };
    size_t n_entries = 0;
    struct feed f;

    feed_init(&f);
    populate(&w, &f);
    for (int i = 0; i < n_rounds; i++) {
        int n_changes = 1 + random_range(random_range(4) ? 2 : 12);
        size_t n_told;

        for (int j = 0; j < n_changes; j++) {
            random_change(&w, &f);
        }
        feed_settle(&f);
        compare_with_naive(&w, &f);
        if (!random_range(4)) {
            compare_with_fresh(&w, &f);
        }
        n_told = f.n_told;
        ck_assert(!feed_settle(&f));
        ck_assert_uint_eq(n_told, f.n_told);
        n_entries += hmap_count(&f.entries);
    }
    if (getenv("HNV_TEST_VERBOSE")) {
        printf("%.1f entries on average\n", (double) n_entries / n_rounds);
    }
    feed_uninit(&f);
}

START_TEST(any_sequence_ends_where_a_recompute_ends)
{
    random_set_seed(unit_seed("any_sequence_ends_where_a_recompute_ends"));
    for (int i = 0; i < 25; i++) {
        run_world(400);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("policy-random");
    TCase *tc = tcase_create("all");

    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, any_sequence_ends_where_a_recompute_ends);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
