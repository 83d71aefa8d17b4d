/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "switch/encode.h"
#include <inttypes.h>
#include <stdlib.h>
#include "openflow/nicira-ext.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-bundle.h"
#include "openvswitch/ofp-monitor.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-switch.h"
#include "openvswitch/ofpbuf.h"
#include "plan/plan.h"
#include "util.h"

/* A message's length field has 16 bits.  Room is left for what a bundle puts
 * around a message. */
enum { MESSAGE_MAX_BYTES = UINT16_MAX - 64 };

/* Actions as Open vSwitch holds them in memory are at least as long as on the
 * wire, where their length field has 16 bits too. */
enum { ACTIONS_MAX_BYTES = MESSAGE_MAX_BYTES - 1024 };

static struct ofpbuf *encode_text__(const char *text, int command,
                                    enum ofp_version, char **ret_error);
static void encode_flow_text__(const struct plan_flow *, struct ds *);

struct ofpbuf *
encode_plan_put(const struct plan_flow *flow, enum ofp_version version,
                char **ret_error)
{
    struct ds text = DS_EMPTY_INITIALIZER;

    encode_flow_text__(flow, &text);
    ds_put_format(&text, ",cookie=0x%"PRIx64",actions=%s",
                  flow->cookie, flow->actions);

    struct ofpbuf *msg = encode_text__(ds_cstr(&text), OFPFC_ADD, version,
                                       ret_error);

    ds_destroy(&text);
    return msg;
}

struct ofpbuf *
encode_plan_remove(const struct plan_flow *flow, enum ofp_version version,
                   char **ret_error)
{
    struct ds text = DS_EMPTY_INITIALIZER;

    encode_flow_text__(flow, &text);

    struct ofpbuf *msg = encode_text__(ds_cstr(&text), OFPFC_DELETE_STRICT,
                                       version, ret_error);

    ds_destroy(&text);
    return msg;
}

struct ofpbuf *
encode_remove(uint8_t table, uint16_t priority, const struct minimatch *match,
              enum ofp_version version)
{
    struct ofputil_flow_mod fm = {
        .command = OFPFC_DELETE_STRICT,
        .table_id = table,
        .priority = priority,
        .buffer_id = UINT32_MAX,
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
    };

    minimatch_clone(&fm.match, match);

    struct ofpbuf *msg = ofputil_encode_flow_mod(
        &fm, ofputil_protocol_from_ofp_version(version));

    minimatch_destroy(&fm.match);
    return msg;
}

struct ofpbuf *
encode_bundle_control(uint32_t bundle_id, uint16_t type,
                      enum ofp_version version)
{
    struct ofputil_bundle_ctrl_msg ctrl = {
        .bundle_id = bundle_id,
        .type = type,
        .flags = OFPBF_ATOMIC | OFPBF_ORDERED,
    };

    return ofputil_encode_bundle_ctrl_request(version, &ctrl);
}

struct ofpbuf *
encode_bundle_add(uint32_t bundle_id, const struct ofpbuf *msg,
                  enum ofp_version version)
{
    struct ofputil_bundle_add_msg add = {
        .bundle_id = bundle_id,
        .flags = OFPBF_ATOMIC | OFPBF_ORDERED,
        .msg = msg->data,
    };

    return ofputil_encode_bundle_add(version, &add);
}

struct ofpbuf *
encode_config(enum ofp_version version)
{
    struct ofputil_switch_config config = {
        .frag = OFPUTIL_FRAG_NX_MATCH,
        .miss_send_len = UINT16_MAX,
    };

    return ofputil_encode_set_config(&config, version);
}

struct ofpbuf *
encode_watch(enum ofp_version version)
{
    struct ofputil_flow_monitor_request request = {
        .command = OFPFMC_ADD,
        .flags = OFPFMF_REMOVED | OFPFMF_MODIFY,
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
        .table_id = OFPTT_ALL,
    };
    struct ofpbuf *msg = ofpbuf_new(64);

    match_init_catchall(&request.match);
    ofputil_append_flow_monitor_request(
        &request, msg, ofputil_protocol_from_ofp_version(version));
    return msg;
}

struct ofpbuf *
encode_flush_zone(uint16_t zone, enum ofp_version version)
{
    struct ofpbuf *msg = ofpraw_alloc(OFPRAW_NXT_CT_FLUSH_ZONE, version, 0);
    struct nx_zone_id *id = ofpbuf_put_zeros(msg, sizeof *id);

    id->zone_id = htons(zone);
    return msg;
}

bool
encode_decode(const struct ofpbuf *msg, struct encode_decoded *d)
{
    const struct ofp_header *oh = msg->data;

    d->ofpacts = ofpbuf_new(64);

    enum ofperr error = ofputil_decode_flow_mod(
        &d->fm, oh, ofputil_protocol_from_ofp_version(oh->version), NULL,
        NULL, d->ofpacts, OFPP_MAX, UINT8_MAX);

    if (error) {
        ofpbuf_delete(d->ofpacts);
    }
    return !error;
}

void
encode_decoded_uninit(struct encode_decoded *d)
{
    minimatch_destroy(&d->fm.match);
    ofpbuf_delete(d->ofpacts);
}

struct ofpbuf *
encode_actions(const struct ofpact *ofpacts, size_t len,
               enum ofp_version version)
{
    struct ofpbuf *wire = ofpbuf_new(2 * len);

    ofpacts_put_openflow_instructions(ofpacts, len, wire, version);
    return wire;
}

/* What identifies the flow. */
static void
encode_flow_text__(const struct plan_flow *flow, struct ds *text)
{
    ds_put_format(text, "table=%u,priority=%u%s%s", flow->table,
                  flow->priority, flow->match[0] ? "," : "", flow->match);
}

static struct ofpbuf *
encode_text__(const char *text, int command, enum ofp_version version,
              char **ret_error)
{
    enum ofputil_protocol protocol =
        ofputil_protocol_from_ofp_version(version);
    enum ofputil_protocol usable;
    struct ofputil_flow_mod fm;
    struct ofpbuf *msg = NULL;
    char *error = parse_ofp_flow_mod_str(&fm, text, NULL, NULL, command,
                                         &usable);

    if (error) {
        *ret_error = error;
        return NULL;
    }
    if (!(usable & protocol)) {
        error = xasprintf("it has no form in %s",
                          ofputil_protocol_to_string(protocol));
    } else if (fm.ofpacts_len > ACTIONS_MAX_BYTES) {
        error = xstrdup("its actions are too long for a message");
    } else {
        msg = ofputil_encode_flow_mod(&fm, protocol);
        if (msg->size > MESSAGE_MAX_BYTES) {
            ofpbuf_delete(msg);
            msg = NULL;
            error = xstrdup("it is too long for a message");
        }
    }
    free(CONST_CAST(struct ofpact *, fm.ofpacts));
    minimatch_destroy(&fm.match);
    if (error) {
        *ret_error = error;
    }
    return msg;
}
