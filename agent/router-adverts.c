/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "router-adverts.h"
#include <inttypes.h>
#include <stdlib.h>
#include "compile/pipeline.h"
#include "compile/router-advert.h"
#include "dp-packet.h"
#include "model/rules.h"
#include "openvswitch/poll-loop.h"
#include "switch/switch.h"
#include "timeval.h"
#include "to-guest.h"
#include "util.h"

/* The longest that RFC 4861 section 6.2.1 allows, in which many may be lost
 * before a guest thinks that its router is gone. */
enum { INTERVAL_MS = 1800 * 1000 };

void
router_adverts_answer(const struct punt *punt, const struct rules *rules,
                      struct switch_link *link)
{
    const struct rules_subnet *subnet
        = rules_find_subnet(rules, punt->flow.regs[REG_IDX_VSID]);
    struct dp_packet *advert
        = (subnet ? router_advert_answer(rules, subnet, punt->packet,
                                         punt->size) : NULL);

    if (advert) {
        to_guest_send(link, punt->flow.in_port.ofp_port, subnet->vsid,
                      dp_packet_data(advert), dp_packet_size(advert));
        dp_packet_delete(advert);
    }
}

/* Each host's agent tells that host's guests. */
static void
tell_guests(const struct rules *rules, const struct rules_subnet *subnet,
            struct switch_link *link)
{
    struct dp_packet *advert = router_advert_to_all(rules, subnet);

    if (advert) {
        char *actions = xasprintf("set_field:%#"PRIx32"->"REG_VSID","
                                  "resubmit(,%d)",
                                  subnet->vsid, TABLE_FLOOD_LOCAL);

        switch_packet_out(link, dp_packet_data(advert),
                          dp_packet_size(advert), OFPP_CONTROLLER, actions);
        free(actions);
        dp_packet_delete(advert);
    }
}

/* What tell_all() has come through. */
struct telling {
    const struct rules *rules;
    struct switch_link *link;
    bool *told;                 /* By number of subnet. */
};

static void
tell_once(struct telling *telling, uint32_t vsid)
{
    const struct rules *rules = telling->rules;
    const struct rules_subnet *subnet = rules_find_subnet(rules, vsid);

    if (subnet && !telling->told[subnet - rules->subnets]) {
        telling->told[subnet - rules->subnets] = true;
        tell_guests(rules, subnet, telling->link);
    }
}

/* Only of subnets that have ports: the policy may have many more. */
static void
tell_all(const struct rules *rules, struct switch_link *link)
{
    struct telling telling = {
        .rules = rules, .link = link,
        .told = xcalloc(MAX(rules->n_subnets, 1), sizeof *telling.told),
    };

    for (size_t i = 0; i < rules->n_ports; i++) {
        const struct rules_port *port = &rules->ports[i];

        tell_once(&telling, port->vsid);
        for (size_t j = 0; j < port->n_trunks; j++) {
            tell_once(&telling, port->trunks[j].vsid);
        }
    }
    free(telling.told);
}

void
router_adverts_run(struct router_adverts *adverts, const struct rules *rules,
                   struct switch_link *link)
{
    if (time_msec() >= adverts->next_ms) {
        adverts->next_ms = time_msec() + INTERVAL_MS;
        tell_all(rules, link);
    }
}

void
router_adverts_wait(const struct router_adverts *adverts)
{
    poll_timer_wait_until(adverts->next_ms);
}
