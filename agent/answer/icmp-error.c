/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "answer/icmp-error.h"
#include <netinet/icmp6.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include "csum.h"
#include "dp-packet.h"
#include "flow.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "util.h"
#include "util/addr.h"

/* An error quotes as much of the packet as fits (RFC 1812 section 4.3.2.3,
 * RFC 4443 section 3). */
enum {
    MAX_IPV4_BYTES = 576,
    MAX_IPV6_BYTES = 1280,
};

enum {
    TTL = 64,
    TOS_INTERNETWORK_CONTROL = 0xc0,    /* RFC 1812 section 4.3.2.5. */
};

/* RFC 4443 section 2.4: all below are errors. */
enum { ICMPV6_FIRST_INFORMATIONAL = 128 };

struct icmp_code {
    uint8_t type, code;
};

static struct icmp_code
code_ipv4(enum icmp_error_kind kind, const struct flow *about)
{
    switch (kind) {
    case ICMP_ERROR_TTL:
        return (struct icmp_code) { ICMP_TIME_EXCEEDED, ICMP_EXC_TTL };
    case ICMP_ERROR_NO_ROUTE:
        return (struct icmp_code) { ICMP_DEST_UNREACH, ICMP_NET_UNREACH };
    case ICMP_ERROR_NO_HOST:
        return (struct icmp_code) { ICMP_DEST_UNREACH, ICMP_HOST_UNREACH };
    case ICMP_ERROR_NO_PORT:
        return (struct icmp_code) {
            ICMP_DEST_UNREACH,
            (about->nw_proto == IPPROTO_UDP || about->nw_proto == IPPROTO_TCP
             ? ICMP_PORT_UNREACH : ICMP_PROT_UNREACH),
        };
    case ICMP_ERROR_TOO_BIG:
        return (struct icmp_code) { ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED };
    }
    OVS_NOT_REACHED();
}

static struct icmp_code
code_ipv6(enum icmp_error_kind kind)
{
    switch (kind) {
    case ICMP_ERROR_TTL:
        return (struct icmp_code) { ICMP6_TIME_EXCEEDED,
                                    ICMP6_TIME_EXCEED_TRANSIT };
    case ICMP_ERROR_NO_ROUTE:
        return (struct icmp_code) { ICMP6_DST_UNREACH,
                                    ICMP6_DST_UNREACH_NOROUTE };
    case ICMP_ERROR_NO_HOST:
        return (struct icmp_code) { ICMP6_DST_UNREACH,
                                    ICMP6_DST_UNREACH_ADDR };
    case ICMP_ERROR_NO_PORT:
        return (struct icmp_code) { ICMP6_DST_UNREACH,
                                    ICMP6_DST_UNREACH_NOPORT };
    case ICMP_ERROR_TOO_BIG:
        return (struct icmp_code) { ICMP6_PACKET_TOO_BIG, 0 };
    }
    OVS_NOT_REACHED();
}

/* Of what is not known of ICMP there may be errors that are not known. */
static bool
is_error_ipv4(const struct flow *about)
{
    if (about->nw_proto != IPPROTO_ICMP) {
        return false;
    }
    switch (ntohs(about->tp_src)) {
    case ICMP_ECHO:
    case ICMP_ECHOREPLY:
    case ICMP_TIMESTAMP:
    case ICMP_TIMESTAMPREPLY:
    case ICMP_INFO_REQUEST:
    case ICMP_INFO_REPLY:
    case ICMP_ADDRESS:
    case ICMP_ADDRESSREPLY:
        return false;
    default:
        return true;
    }
}

static bool
is_error_ipv6(const struct flow *about)
{
    uint16_t type = ntohs(about->tp_src);

    return (about->nw_proto == IPPROTO_ICMPV6
            && (type < ICMPV6_FIRST_INFORMATIONAL || type == ND_REDIRECT));
}

/* True for the address of one host: not 0.0.0.0/8, loopback, multicast,
 * reserved, or broadcast. */
static bool
is_one_ipv4(ovs_be32 addr)
{
    uint8_t first = ntohl(addr) >> 24;

    return first != 0 && first != 127 && first < 224;
}

static bool
is_one_ipv6(const struct in6_addr *addr)
{
    return (!IN6_IS_ADDR_UNSPECIFIED(addr) && !IN6_IS_ADDR_LOOPBACK(addr)
            && !IN6_IS_ADDR_MULTICAST(addr) && !IN6_IS_ADDR_V4MAPPED(addr));
}

/* "Packet too big" may be said about multicast, too (RFC 4443 section 2.4),
 * but nobody routes that here. */
static bool
may_answer(const struct flow *about)
{
    if (eth_addr_is_multicast(about->dl_dst)
        || eth_addr_is_multicast(about->dl_src)
        || about->nw_frag & FLOW_NW_FRAG_LATER) {
        return false;
    }
    if (about->dl_type == htons(ETH_TYPE_IP)) {
        return (is_one_ipv4(about->nw_src) && is_one_ipv4(about->nw_dst)
                && !is_error_ipv4(about));
    }
    return (is_one_ipv6(&about->ipv6_src) && is_one_ipv6(&about->ipv6_dst)
            && !is_error_ipv6(about));
}

static void
put_eth(struct ofpbuf *answer, const struct icmp_error *error,
        const struct flow *about)
{
    const struct eth_header eth = {
        .eth_dst = about->dl_src,
        .eth_src = error->mac,
        .eth_type = about->dl_type,
    };

    ofpbuf_put(answer, &eth, sizeof eth);
}

static void
put_ipv4(struct ofpbuf *answer, const struct icmp_error *error,
         const struct flow *about, const void *quoted, size_t n)
{
    struct icmp_code code = code_ipv4(error->kind, about);
    struct icmp_header icmp = {
        .icmp_type = code.type,
        .icmp_code = code.code,
    };
    struct ip_header ip = {
        .ip_ihl_ver = IP_IHL_VER(5, 4),
        .ip_tos = TOS_INTERNETWORK_CONTROL,
        .ip_tot_len = htons(sizeof ip + sizeof icmp + n),
        .ip_frag_off = htons(IP_DF),    /* So the identification is free. */
        .ip_ttl = TTL,
        .ip_proto = IPPROTO_ICMP,
    };

    if (error->kind == ICMP_ERROR_TOO_BIG) {
        icmp.icmp_fields.frag.mtu = htons(error->mtu);
    }
    icmp.icmp_csum = csum_finish(csum_continue(
        csum_continue(0, &icmp, sizeof icmp), quoted, n));
    put_16aligned_be32(&ip.ip_src, addr_to_ipv4(&error->from));
    put_16aligned_be32(&ip.ip_dst, about->nw_src);
    ip.ip_csum = csum(&ip, sizeof ip);

    ofpbuf_put(answer, &ip, sizeof ip);
    ofpbuf_put(answer, &icmp, sizeof icmp);
}

static void
put_ipv6(struct ofpbuf *answer, const struct icmp_error *error,
         const struct flow *about, const void *quoted, size_t n)
{
    struct icmp_code code = code_ipv6(error->kind);
    struct icmp6_data_header icmp = {
        .icmp6_base = { .icmp6_type = code.type, .icmp6_code = code.code },
    };
    struct ovs_16aligned_ip6_hdr ip = {
        .ip6_plen = htons(sizeof icmp + n),
        .ip6_nxt = IPPROTO_ICMPV6,
        .ip6_hlim = TTL,
    };

    put_16aligned_be32(&ip.ip6_flow, htonl(0x60000000));
    memcpy(&ip.ip6_src, &error->from, sizeof ip.ip6_src);
    memcpy(&ip.ip6_dst, &about->ipv6_src, sizeof ip.ip6_dst);
    if (error->kind == ICMP_ERROR_TOO_BIG) {
        put_16aligned_be32(icmp.icmp6_data.be32, htonl(error->mtu));
    }
    icmp.icmp6_base.icmp6_cksum = csum_finish(csum_continue(
        csum_continue(packet_csum_pseudoheader6(&ip), &icmp, sizeof icmp),
        quoted, n));

    ofpbuf_put(answer, &ip, sizeof ip);
    ofpbuf_put(answer, &icmp, sizeof icmp);
}

/* Takes 'packet' apart; false if it is not a whole IP header's worth. */
static bool
parse(const void *packet, size_t size, struct dp_packet *ret_dp,
      struct flow *ret_about)
{
    dp_packet_use_const(ret_dp, packet, size);
    flow_extract(ret_dp, ret_about);
    return (is_ip_any(ret_about) && !eth_type_vlan(ret_about->vlans[0].tpid)
            && dp_packet_l4(ret_dp));
}

bool
icmp_error_is_allowed(const void *packet, size_t size,
                      struct in6_addr *ret_src, struct in6_addr *ret_dst)
{
    struct dp_packet dp;
    struct flow about;

    if (!parse(packet, size, &dp, &about) || !may_answer(&about)) {
        return false;
    }
    if (about.dl_type == htons(ETH_TYPE_IP)) {
        *ret_src = addr_from_ipv4(about.nw_src);
        *ret_dst = addr_from_ipv4(about.nw_dst);
    } else {
        *ret_src = about.ipv6_src;
        *ret_dst = about.ipv6_dst;
    }
    return true;
}

void
icmp_error_compose(const struct icmp_error *error, const void *packet,
                   size_t size, struct ofpbuf *answer)
{
    bool is_ipv4 = addr_is_ipv4(&error->from);
    struct dp_packet dp;
    struct flow about;

    ovs_assert(parse(packet, size, &dp, &about));

    /* Without what only fills the frame up. */
    const char *quoted = dp_packet_l3(&dp);
    const char *end = ((char *) dp_packet_tail(&dp)
                       - dp_packet_l2_pad_size(&dp));
    size_t headers = (is_ipv4 ? IP_HEADER_LEN + ICMP_HEADER_LEN
                      : IPV6_HEADER_LEN + ICMP6_DATA_HEADER_LEN);
    size_t n = MIN(end - quoted,
                   (is_ipv4 ? MAX_IPV4_BYTES : MAX_IPV6_BYTES) - headers);

    put_eth(answer, error, &about);
    if (is_ipv4) {
        put_ipv4(answer, error, &about, quoted, n);
    } else {
        put_ipv6(answer, error, &about, quoted, n);
    }
    ofpbuf_put(answer, quoted, n);
}
