/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "switch/link-private.h"
#include <inttypes.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-util.h"
#include "timeval.h"
#include "util.h"

static const char *
link_state_name__(enum link_state state)
{
    switch (state) {
    case LINK_DOWN: return "not connected";
    case LINK_WAIT_PLAN: return "connected, waiting for a policy";
    case LINK_READBACK: return "reading back what the switch has";
    case LINK_REPAIR: return "repairing what the switch has";
    case LINK_STEADY: return "steady";
    }
    OVS_NOT_REACHED();
}

static void
link_format_backend__(const struct switch_link *sw, struct ds *s)
{
    if (sw->state == LINK_DOWN || sw->asking) {
        ds_put_cstr(s, "backend: not known\n");
        return;
    }
    ds_put_format(s, "backend: %s\nbackend's reason: the switch %s\n",
                  sw->hnv ? "hnv" : "stock", sw->backend_why);
    if (sw->hnv) {
        struct space_hnv_counts counts;

        space_hnv_get_counts(sw->hnv, &counts);
        ds_put_format(s, "datapath entries sent: %"PRIu64" put, %"PRIu64
                      " removed, in %"PRIu64" messages\n",
                      counts.n_puts, counts.n_removes, counts.n_messages);
        ds_put_format(s, "last readback of the datapath: %"PRIuSIZE
                      " entries found, %"PRIuSIZE" missing\n",
                      counts.n_found, counts.n_missing);
    }
}

void
switch_format_status(const struct switch_link *sw, struct ds *s)
{
    const char *target = channel_target(sw->channel);

    ds_put_format(s, "state: %s%s\n", link_state_name__(sw->state),
                  sw->trouble ? ", trouble" : "");
    ds_put_format(s, "target: %s\n", target ? target : "none");
    if (sw->state != LINK_DOWN) {
        ds_put_format(s, "version: %s\n",
                      ofputil_version_to_string(
                          channel_version(sw->channel)));
    }
    link_format_backend__(sw, s);
    ds_put_format(s, "rule flows wanted: %"PRIuSIZE" (%"PRIu64
                  " not understood so far)\n",
                  sw->wanted ? sw->wanted->n : 0, sw->n_bad);
    ds_put_format(s, "space flows sent: %"PRIu64" put, %"PRIu64" removed\n",
                  sw->n_puts, sw->n_removes);
    ds_put_format(s, "bundles sent: %"PRIu64"\n", sw->n_bundles);
    ds_put_format(s, "flushed: %"PRIu64"\nacknowledged: %"PRIu64"\n",
                  sw->flushed, sw->acked);
    ds_put_format(s, "queued: %"PRIuSIZE" bytes\n",
                  channel_queued_bytes(sw->channel));
    ds_put_format(s, "sessions: %"PRIu64"\nreadbacks: %"PRIu64"\n",
                  sw->n_sessions, sw->n_readbacks);
    if (sw->n_readbacks) {
        ds_put_format(s, "last readback: %"PRIuSIZE" flows found, %"PRIuSIZE
                      " space flows missing, %lld ms until repaired\n",
                      sw->readback_flows, sw->readback_missing,
                      sw->readback_ms);
    }
    for (int kind = 0; kind < N_PUNT_KINDS; kind++) {
        ds_put_format(s, "packets taken, %s: %"PRIu64"\n",
                      punt_kind_to_string(kind), sw->n_punts[kind]);
    }
    ds_put_format(s, "packets sent: %"PRIu64"\n", sw->n_packet_outs);
    ds_put_format(s, "errors: %u\n", sw->n_errors);
    if (sw->last_error) {
        ds_put_format(s, "last error: the switch %s\n", sw->last_error);
    }
    if (sw->trouble) {
        ds_put_format(s, "next attempt in: %lld ms\n",
                      MAX(0, sw->retry_at - time_msec()));
    }
}
