/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/choose-pa.h"
#include <string.h>
#include "host/host-view.h"
#include "jhash.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "util/diag.h"

/* From worst to best.  With the worst alone a port still has a PA: there is
 * nothing better to do than to try. */
enum pa_health { PA_ABSENT, PA_DOWN, PA_UP };

static enum pa_health
pa_health(const struct host_view *host, const struct in6_addr *pa)
{
    const struct host_pa *known = host_view_find_pa(host, pa);

    return (!known ? PA_UP
            : !known->device ? PA_ABSENT
            : known->up ? PA_UP : PA_DOWN);
}

bool
pa_is_uplink(const struct rules *rules, const struct host_view *host,
             const struct in6_addr *pa)
{
    return !rules->rewrite || pa_health(host, pa) != PA_ABSENT;
}

static uint32_t
pa_weight(const struct rules_port *port, const struct in6_addr *pa)
{
    return jhash_bytes(port->name, strlen(port->name),
                       jhash_bytes(pa, sizeof *pa, 0));
}

/* One PA that could be chosen. */
struct candidate {
    const struct in6_addr *pa;
    enum pa_health health;
    bool pinned;
    uint32_t weight;
};

static bool
is_better(const struct candidate *a, const struct candidate *b)
{
    if (a->health != b->health) {
        return a->health > b->health;
    }
    if (a->pinned != b->pinned) {
        return a->pinned;
    }
    return a->weight > b->weight;
}

void
choose_pas(const struct rules *rules, const struct host_view *host,
           const struct rules_port *port,
           const struct in6_addr *ret_pas[N_PA_FAMILIES])
{
    struct candidate best[N_PA_FAMILIES] = { { .pa = NULL } };

    for (size_t i = 0; i < rules->n_pas; i++) {
        const struct in6_addr *pa = &rules->pas[i];
        enum pa_family family = pa_family(pa);
        const struct candidate candidate = {
            .pa = pa,
            .health = pa_health(host, pa),
            .pinned = addr_equal(pa, &port->pinned[family]),
            .weight = pa_weight(port, pa),
        };

        if (!pa_is_uplink(rules, host, pa)) {
            continue;
        }
        if (!best[family].pa || is_better(&candidate, &best[family])) {
            best[family] = candidate;
        }
    }
    for (size_t i = 0; i < N_PA_FAMILIES; i++) {
        ret_pas[i] = best[i].pa;
    }
}

const struct in6_addr *
choose_working_pa(const struct host_view *host, const struct in6_addr *pas,
                  size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++) {
        if (pa_health(host, &pas[i]) > pa_health(host, &pas[best])) {
            best = i;
        }
    }
    return &pas[best];
}

/* Says what is wrong with a PA, if anything is. */
static void
diagnose_pa(const struct rules *rules, size_t i, const struct host_pa *pa,
            struct ds *text)
{
    const char *gap = text->length ? "  " : "";
    char buf[ADDR_STRLEN];

    addr_format(&rules->pas[i], buf);
    if (!pa->device) {
        ds_put_format(text, "%sNo interface of this host%s%s has PA %s.", gap,
                      rules->pa_vrf ? " in VRF " : "",
                      rules->pa_vrf ? rules->pa_vrf : "", buf);
    } else if (!pa->up) {
        ds_put_format(text, "%sPA %s is on %s, whose uplink is down.", gap,
                      buf, pa->device);
    } else if (!pa->vlan_ok) {
        ds_put_format(text, "%sPA %s is on %s, which is no device of its VLAN "
                      "%u.", gap, buf, pa->device, rules->pa_vlans[i]);
    }
}

void
diagnose_pas(const struct rules *rules, const struct host_view *host,
             struct diag_set *diags)
{
    struct ds text = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < rules->n_pas; i++) {
        const struct host_pa *pa = host_view_find_pa(host, &rules->pas[i]);

        if (pa && pa_is_uplink(rules, host, &rules->pas[i])) {
            diagnose_pa(rules, i, pa, &text);
        }
    }
    if (text.length) {
        diag_set_add(diags, DIAG_PA_ADDRESS, &rules->physical_switch,
                     "Physical_Switch", "tunnel_ips", "%s", ds_cstr(&text));
    }
    ds_destroy(&text);
}
