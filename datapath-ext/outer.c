/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/outer.h"
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include "csum.h"
#include "datapath-ext/actions-private.h"
#include "unaligned.h"

/* The key of NVGRE is VSID << 8 | FlowID (RFC 7637 section 3.2). */
struct gre_key_header {
    struct gre_base_hdr base;
    ovs_16aligned_be32 key;
};
BUILD_ASSERT_DECL(sizeof(struct gre_key_header) == 8);

struct vxlan_header {
    struct udp_header udp;
    struct vxlanhdr vxlan;
};
BUILD_ASSERT_DECL(ETH_HEADER_LEN + IPV6_HEADER_LEN
                  + sizeof(struct vxlan_header) == OUTER_MAX_LEN);
BUILD_ASSERT_DECL(ETH_HEADER_LEN + IP_HEADER_LEN
                  + sizeof(struct vxlan_header) == OUTER_FIXED_LEN);

/* Preparing. */

static bool
is_ipv4(const struct in6_addr *addr)
{
    return IN6_IS_ADDR_V4MAPPED(addr);
}

static bool
is_sound(const struct outer_params *p)
{
    return ((p->encap == SPACE_VXLAN || p->encap == SPACE_NVGRE)
            && is_ipv4(&p->ip_src) == is_ipv4(&p->ip_dst)
            && !(p->tos & IP_ECN_MASK));
}

/* Appends 'size' zeros to the header. */
static void *
put(struct outer_header *h, size_t size)
{
    void *p = h->bytes + h->len;

    h->len += size;
    return p;
}

static void
put_ethernet(struct outer_header *h, const struct outer_params *p)
{
    struct eth_header *eth = put(h, ETH_HEADER_LEN);

    eth->eth_dst = p->eth_dst;
    eth->eth_src = p->eth_src;
    eth->eth_type = htons(h->is_ipv6 ? ETH_TYPE_IPV6 : ETH_TYPE_IP);
}

static uint8_t
ip_protocol(const struct outer_params *p)
{
    return p->encap == SPACE_VXLAN ? IPPROTO_UDP : IPPROTO_GRE;
}

/* Version, length of the header, and TOS. */
static ovs_be16
first_word(uint8_t tos)
{
    return htons(IP_IHL_VER(5, 4) << 8 | tos);
}

/* The first word, for its TOS, and the length are the packet's. */
static uint32_t
constant_sum(const struct ip_header *ip)
{
    return csum_add16(csum_continue(0, ip, sizeof *ip), ~first_word(0));
}

static void
put_ipv4(struct outer_header *h, const struct outer_params *p)
{
    struct ip_header *ip = put(h, IP_HEADER_LEN);

    ip->ip_ihl_ver = IP_IHL_VER(5, 4);
    ip->ip_ttl = p->ttl;
    ip->ip_proto = ip_protocol(p);
    ip->ip_frag_off = p->dont_fragment ? htons(IP_DF) : 0;
    put_16aligned_be32(&ip->ip_src, in6_addr_get_mapped_ipv4(&p->ip_src));
    put_16aligned_be32(&ip->ip_dst, in6_addr_get_mapped_ipv4(&p->ip_dst));
    h->ip_sum = constant_sum(ip);
}

static void
put_ipv6(struct outer_header *h, const struct outer_params *p)
{
    struct ovs_16aligned_ip6_hdr *ip6 = put(h, IPV6_HEADER_LEN);

    ip6->ip6_hlim = p->ttl;
    ip6->ip6_nxt = ip_protocol(p);
    memcpy(&ip6->ip6_src, &p->ip_src, sizeof ip6->ip6_src);
    memcpy(&ip6->ip6_dst, &p->ip_dst, sizeof ip6->ip6_dst);
}

static void
put_vxlan(struct outer_header *h, const struct outer_params *p)
{
    struct vxlan_header *x = put(h, sizeof *x);

    x->udp.udp_dst = p->udp_dst;
    put_16aligned_be32(&x->vxlan.vx_flags, htonl(VXLAN_FLAGS));
}

static void
put_nvgre(struct outer_header *h)
{
    struct gre_key_header *gre = put(h, sizeof *gre);

    gre->base.flags = htons(GRE_KEY);
    gre->base.protocol = htons(ETH_TYPE_TEB);
}

bool
outer_header_init(struct outer_header *h, const struct outer_params *p)
{
    if (!is_sound(p)) {
        return false;
    }
    memset(h, 0, sizeof *h);
    h->out_port = p->out_port;
    h->encap = p->encap;
    h->is_ipv6 = !is_ipv4(&p->ip_dst);
    h->udp_csum = p->encap == SPACE_VXLAN && (h->is_ipv6 || p->udp_csum);
    h->tos = p->tos;

    put_ethernet(h, p);
    if (h->is_ipv6) {
        put_ipv6(h, p);
    } else {
        put_ipv4(h, p);
    }
    if (p->encap == SPACE_VXLAN) {
        put_vxlan(h, p);
    } else {
        put_nvgre(h);
    }
    return true;
}

/* Pushing. */

/* What the outer header takes over of a packet's ECN.  Congestion that the
 * packet has met before is its own affair; see RFC 3168 section 9.1.1. */
static uint8_t
outer_ecn(uint8_t ecn)
{
    return ecn == IP_ECN_CE ? IP_ECN_ECT_0 : ecn;
}

static uint8_t
ecn_of(const struct dp_packet *packet)
{
    const uint8_t *l3 = dp_packet_l3(packet);
    uint8_t ecn = 0;

    if (!l3 || packet->l2_5_ofs != UINT16_MAX) {
        return 0;
    }

    ovs_be16 type = get_unaligned_be16((const ovs_be16 *) (l3 - 2));
    if (type == htons(ETH_TYPE_IP)) {
        ecn = l3[1] & IP_ECN_MASK;
    } else if (type == htons(ETH_TYPE_IPV6)) {
        ecn = l3[1] >> 4 & IP_ECN_MASK;
    }
    return outer_ecn(ecn);
}

static void
finish_ipv4(struct ip_header *ip, const struct outer_header *h, uint8_t tos,
            size_t len)
{
    uint32_t sum = csum_add16(h->ip_sum, first_word(tos));

    ip->ip_tos = tos;
    ip->ip_tot_len = htons(len);
    ip->ip_csum = hnv_csum_finish(csum_add16(sum, htons(len)));
}

static void
finish_ipv6(struct ovs_16aligned_ip6_hdr *ip6, uint8_t tos, size_t len)
{
    put_16aligned_be32(&ip6->ip6_flow, htonl(UINT32_C(6) << 28
                                             | (uint32_t) tos << 20));
    ip6->ip6_plen = htons(len - IPV6_HEADER_LEN);
}

/* Over the packet, so it costs by the byte. */
static ovs_be16
udp_checksum(const struct udp_header *udp, const void *l3, bool is_ipv6,
             size_t len)
{
    uint32_t sum = (is_ipv6 ? packet_csum_pseudoheader6(l3)
                    : packet_csum_pseudoheader(l3));
    ovs_be16 csum = csum_finish(csum_continue(sum, udp, len));

    return csum ? csum : htons(0xffff);
}

static void
finish_vxlan(struct vxlan_header *x, const void *l3,
             const struct outer_header *h, uint32_t vsid, uint32_t hash,
             size_t len)
{
    x->udp.udp_src = outer_udp_src(hash);
    x->udp.udp_len = htons(len);
    put_16aligned_be32(&x->vxlan.vx_vni, htonl(vsid << 8));
    if (h->udp_csum) {
        x->udp.udp_csum = udp_checksum(&x->udp, l3, h->is_ipv6, len);
    }
}

void
outer_header_fix(struct outer_header *h, uint32_t vsid, uint8_t ecn)
{
    if (h->is_ipv6 || h->encap != SPACE_VXLAN || h->udp_csum
        || h->len != OUTER_FIXED_LEN) {
        return;
    }

    struct ip_header *ip = (void *) (h->bytes + ETH_HEADER_LEN);
    struct vxlan_header *x = (void *) (ip + 1);
    uint8_t tos = h->tos | outer_ecn(ecn);

    ip->ip_tos = tos;
    put_16aligned_be32(&x->vxlan.vx_vni, htonl(vsid << 8));
    h->fixed_sum = csum_add16(h->ip_sum, first_word(tos));
    h->is_fixed = true;
}

/* The most frequent lengths are copied without a call. */
static void
copy_header(void *dst, const struct outer_header *h)
{
    enum {
        IPV4_VXLAN = OUTER_FIXED_LEN,
        IPV4_NVGRE = (ETH_HEADER_LEN + IP_HEADER_LEN
                      + sizeof(struct gre_key_header)),
    };

    if (h->len == IPV4_VXLAN) {
        memcpy(dst, h->bytes, IPV4_VXLAN);
    } else if (h->len == IPV4_NVGRE) {
        memcpy(dst, h->bytes, IPV4_NVGRE);
    } else {
        memcpy(dst, h->bytes, h->len);
    }
}

/* As dp_packet_push_uninit(), which is a call. */
static inline uint8_t *
push_uninit(struct dp_packet *packet, size_t size)
{
    if (OVS_UNLIKELY(dp_packet_headroom(packet) < size)) {
        return dp_packet_push_uninit(packet, size);
    }
    dp_packet_set_data(packet, (char *) dp_packet_data(packet) - size);
    dp_packet_set_size(packet, dp_packet_size(packet) + size);
    return dp_packet_data(packet);
}

void
outer_push(struct dp_packet *packet, const struct outer_header *h,
           uint32_t vsid, uint32_t hash)
{
    uint8_t tos = h->tos | ecn_of(packet);
    size_t l3_len = h->is_ipv6 ? IPV6_HEADER_LEN : IP_HEADER_LEN;
    uint8_t *bytes = push_uninit(packet, h->len);
    size_t len = dp_packet_size(packet) - ETH_HEADER_LEN;
    uint8_t *l3 = bytes + ETH_HEADER_LEN;
    void *l4 = l3 + l3_len;

    copy_header(bytes, h);
    if (h->is_ipv6) {
        finish_ipv6((void *) l3, tos, len);
    } else {
        finish_ipv4((void *) l3, h, tos, len);
    }
    if (h->encap == SPACE_VXLAN) {
        finish_vxlan(l4, l3, h, vsid, hash, len - l3_len);
    } else {
        struct gre_key_header *gre = l4;

        put_16aligned_be32(&gre->key, htonl(vsid << 8 | hash >> 24));
    }

    packet->packet_type = htonl(PT_ETH);
    dp_packet_reset_offsets(packet);
    packet->l3_ofs = ETH_HEADER_LEN;
    packet->l4_ofs = ETH_HEADER_LEN + l3_len;
}
