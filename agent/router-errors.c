/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "router-errors.h"
#include "answer/router-answer.h"
#include "compile/pipeline.h"
#include "openvswitch/ofpbuf.h"
#include "switch/switch.h"
#include "to-guest.h"

void
router_errors_answer(const struct punt *punt, const struct rules *rules,
                     struct switch_link *link)
{
    uint32_t vsid = pipeline_from(punt->flow.regs[REG_IDX_PUNT]);
    struct ofpbuf answer;

    ofpbuf_init(&answer, 0);
    if (punt->kind == PUNT_TOO_LONG
        ? router_answer_too_long(rules, vsid, punt->flow.regs[REG_IDX_MTU],
                                 punt->packet, punt->size, &answer)
        : router_answer(rules, punt->kind, vsid, punt->packet, punt->size,
                        &answer)) {
        to_guest_send(link, punt->flow.in_port.ofp_port, vsid,
                      answer.data, answer.size);
    }
    ofpbuf_uninit(&answer);
}
