/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DATAPATH_EXT_ACTIONS_PRIVATE_H
#define DATAPATH_EXT_ACTIONS_PRIVATE_H 1

/* What the files of the actions share with each other. */

#include "datapath-ext/actions.h"
#include "dp-packet.h"
#include "unaligned.h"

static inline struct hnv_result
hnv_result(enum hnv_verdict verdict, enum hnv_reason reason)
{
    return (struct hnv_result) { .verdict = verdict, .reason = reason };
}

/* Member by member: to copy what was just written so makes processors wait. */
static inline void
hnv_result_set(struct hnv_result *result, enum hnv_verdict verdict,
               enum hnv_reason reason)
{
    result->verdict = verdict;
    result->reason = reason;
}

/* As csum_finish(), of a sum of a few words. */
static inline ovs_be16
hnv_csum_finish(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return ~sum;
}

/* The protocol above Ethernet and its tags, zero if it is not parsed. */
static inline ovs_be16
hnv_eth_type(const struct dp_packet *packet)
{
    const uint8_t *l3 = dp_packet_l3(packet);

    return (l3 && packet->l2_5_ofs == UINT16_MAX
            ? get_unaligned_be16((const ovs_be16 *) (l3 - 2)) : 0);
}

static inline bool
hnv_is_tagged(const struct dp_packet *packet)
{
    return packet->l3_ofs != ETH_HEADER_LEN;
}

/* From the network header on, without padding that is known of. */
static inline size_t
hnv_l3_size(const struct dp_packet *packet)
{
    return (dp_packet_size(packet) - packet->l3_ofs
            - dp_packet_l2_pad_size(packet));
}

/* Neighbour solicitations, for hnv_arp_execute(): whether 'packet' is one in
 * the form that hnv_nd_reply() can turn into its answer. */
bool hnv_nd_is_plain(const struct dp_packet *packet);
void hnv_nd_target(const struct dp_packet *, struct in6_addr *ret_target);
void hnv_nd_reply(struct dp_packet *, struct eth_addr mac, bool is_router);

#endif /* datapath-ext/actions-private.h */
