/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "switch/punt.h"
#include <stdlib.h>
#include "compile/pipeline.h"
#include "compile/punt.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-packet.h"
#include "openvswitch/ofp-parse.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "switch/channel.h"
#include "switch/switch.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(punt);

struct ofpbuf *
punt_encode_format(enum ofp_version version)
{
    return ofputil_encode_set_packet_in_format(version,
                                               OFPUTIL_PACKET_IN_NXT2);
}

static enum punt_kind
punt_kind(const struct ofputil_packet_in *pin)
{
    uint32_t kind
        = pipeline_punt(pin->flow_metadata.flow.regs[REG_IDX_PUNT]);

    return (pin->userdata_len == 1 && pin->userdata[0] == PUNT_USERDATA
            && kind < N_PUNT_KINDS ? kind : PUNT_NONE);
}

bool
punt_decode(const struct ofp_header *msg, struct punt *ret_punt)
{
    struct ofputil_packet_in pin;
    uint32_t buffer_id;
    size_t total;

    if (ofputil_decode_packet_in(msg, true, NULL, NULL, &pin, &total,
                                 &buffer_id, NULL)
        || total != pin.packet_len) {
        return false;
    }
    *ret_punt = (struct punt) {
        .kind = punt_kind(&pin),
        .packet = pin.packet,
        .size = pin.packet_len,
        .flow = pin.flow_metadata.flow,
    };
    return true;
}

struct ofpbuf *
punt_encode_packet_out(const void *packet, size_t size, ofp_port_t in_port,
                       const char *actions, enum ofp_version version)
{
    enum ofputil_protocol protocol
        = ofputil_protocol_from_ofp_version(version);
    enum ofputil_protocol usable = OFPUTIL_P_ANY;
    struct ofpbuf ofpacts;
    struct ofpact_parse_params pp = {
        .ofpacts = &ofpacts,
        .usable_protocols = &usable,
    };
    struct ofpbuf *msg = NULL;

    ofpbuf_init(&ofpacts, 64);

    char *error = ofpacts_parse_actions(actions, &pp);
    if (error) {
        VLOG_WARN("actions \"%s\": %s; this is a bug", actions, error);
        free(error);
    } else {
        struct ofputil_packet_out po = {
            .packet = packet,
            .packet_len = size,
            .buffer_id = UINT32_MAX,
            .ofpacts = ofpacts.data,
            .ofpacts_len = ofpacts.size,
        };

        match_init_catchall(&po.flow_metadata);
        match_set_in_port(&po.flow_metadata, in_port);
        msg = ofputil_encode_packet_out(&po, protocol);
    }
    ofpbuf_uninit(&ofpacts);
    return msg;
}

static void
send_meter_mod(struct channel *channel, uint16_t command, uint32_t meter)
{
    struct ofputil_meter_band band = {
        .type = OFPMBT13_DROP,
        .rate = PUNT_PACKETS_PER_SECOND,
        .burst_size = PUNT_BURST_PACKETS,
    };
    const struct ofputil_meter_mod mod = {
        .command = command,
        .meter = {
            .meter_id = meter,
            .flags = OFPMF13_PKTPS | OFPMF13_BURST | OFPMF13_STATS,
            .n_bands = command == OFPMC13_DELETE ? 0 : 1,
            .bands = &band,
        },
    };

    channel_send(channel, ofputil_encode_meter_mod(channel_version(channel),
                                                   &mod));
}

void
punt_send_meter(struct channel *channel, uint32_t meter)
{
    send_meter_mod(channel, OFPMC13_ADD, meter);
    send_meter_mod(channel, OFPMC13_MODIFY, meter);
}

void
punt_send_meter_removal(struct channel *channel, uint32_t meter)
{
    send_meter_mod(channel, OFPMC13_DELETE, meter);
}
