/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "to-guest.h"
#include <inttypes.h>
#include <stdlib.h>
#include "compile/pipeline.h"
#include "switch/switch.h"
#include "util.h"

void
to_guest_send(struct switch_link *link, ofp_port_t port, uint32_t vsid,
              const void *packet, size_t size)
{
    char *actions = xasprintf("set_field:%#"PRIx32"->"REG_VSID","
                              "set_field:%"PRIu32"->"REG_OUT_PORT","
                              "resubmit(,%d)", vsid, port, TABLE_DELIVER);

    switch_packet_out(link, packet, size, OFPP_CONTROLLER, actions);
    free(actions);
}
