/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "answer/icmp-error.h"
#include "answer/router-answer.h"
#include <string.h>
#include "csum.h"
#include "dp-packet.h"
#include "flow.h"
#include "model/rules.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "random.h"
#include "unit.h"
#include "util.h"
#include "util/addr.h"

static const struct eth_addr GUEST = ETH_ADDR_C(02,00,00,00,00,01);
static const struct eth_addr ROUTER = ETH_ADDR_C(02,00,00,00,00,fe);

static struct in6_addr
addr(const char *s)
{
    struct in6_addr a;

    ck_assert(addr_parse(s, &a));
    return a;
}

/* A packet of 'payload' bytes after its IP header, in a frame that is filled
 * up to the least that Ethernet has. */
struct frame {
    uint8_t data[2048];
    size_t size;
};

static struct frame
make_frame(const char *src, const char *dst, uint8_t proto, uint16_t payload)
{
    struct in6_addr from = addr(src);
    struct in6_addr to = addr(dst);
    bool is_ipv4 = addr_is_ipv4(&from);
    struct frame f = { .size = ETH_HEADER_LEN };
    struct eth_header eth = {
        .eth_dst = ROUTER, .eth_src = GUEST,
        .eth_type = htons(is_ipv4 ? ETH_TYPE_IP : ETH_TYPE_IPV6),
    };

    memcpy(f.data, &eth, sizeof eth);
    if (is_ipv4) {
        struct ip_header *ip = (void *) &f.data[f.size];

        ip->ip_ihl_ver = IP_IHL_VER(5, 4);
        ip->ip_tot_len = htons(sizeof *ip + payload);
        ip->ip_ttl = 1;
        ip->ip_proto = proto;
        put_16aligned_be32(&ip->ip_src, addr_to_ipv4(&from));
        put_16aligned_be32(&ip->ip_dst, addr_to_ipv4(&to));
        ip->ip_csum = csum(ip, sizeof *ip);
        f.size += sizeof *ip;
    } else {
        uint8_t *ip = &f.data[f.size];

        ip[0] = 0x60;
        ip[4] = payload >> 8;
        ip[5] = payload;
        ip[6] = proto;
        ip[7] = 1;
        memcpy(&ip[8], &from, sizeof from);
        memcpy(&ip[24], &to, sizeof to);
        f.size += 40;
    }
    for (int i = 0; i < payload; i++) {
        f.data[f.size++] = i;
    }
    f.size = MAX(f.size, 60);
    return f;
}

static bool
allowed(const struct frame *f)
{
    struct in6_addr src, dst;

    return icmp_error_is_allowed(f->data, f->size, &src, &dst);
}

/* The checksum of what an answer says, header included, is right. */
static void
check_answer(const struct ofpbuf *answer, const struct frame *about,
             size_t quoted)
{
    struct dp_packet dp;
    struct flow flow;

    dp_packet_use_const(&dp, answer->data, answer->size);
    flow_extract(&dp, &flow);
    ck_assert(eth_addr_equals(flow.dl_dst, GUEST));
    ck_assert(eth_addr_equals(flow.dl_src, ROUTER));
    if (flow.dl_type == htons(ETH_TYPE_IP)) {
        ck_assert_uint_eq(csum(dp_packet_l3(&dp), IP_HEADER_LEN), 0);
        ck_assert_uint_eq(csum(dp_packet_l4(&dp), dp_packet_l4_size(&dp)), 0);
    } else {
        ck_assert_uint_eq(
            csum_finish(csum_continue(
                packet_csum_pseudoheader6(dp_packet_l3(&dp)),
                dp_packet_l4(&dp), dp_packet_l4_size(&dp))), 0);
    }
    ck_assert_uint_eq(dp_packet_l4_size(&dp), 8 + quoted);
    ck_assert_mem_eq((char *) dp_packet_l4(&dp) + 8,
                     &about->data[ETH_HEADER_LEN], quoted);
}

static void
check_quote(const struct frame *f, const char *from, size_t quoted)
{
    struct ofpbuf *answer = ofpbuf_new(0);
    struct icmp_error error = {
        .kind = ICMP_ERROR_TTL, .mac = ROUTER, .from = addr(from),
    };

    ck_assert(allowed(f));
    icmp_error_compose(&error, f->data, f->size, answer);
    check_answer(answer, f, quoted);
    ofpbuf_delete(answer);
}

START_TEST(an_error_quotes_what_fits)
{
    struct frame f = make_frame("10.1.1.11", "10.1.2.12", IPPROTO_UDP, 8);

    check_quote(&f, "10.1.1.1", 28);
    f = make_frame("10.1.1.11", "10.1.2.12", IPPROTO_UDP, 1400);
    check_quote(&f, "10.1.1.1", 576 - 28);
    f = make_frame("2001:db8::11", "2001:db8:1::12", IPPROTO_UDP, 1400);
    check_quote(&f, "2001:db8::1", 1280 - 48);
    f = make_frame("2001:db8::11", "2001:db8:1::12", IPPROTO_UDP, 9);
    check_quote(&f, "2001:db8::1", 49);
}
END_TEST

START_TEST(too_big_tells_the_mtu)
{
    struct frame f = make_frame("10.1.1.11", "10.1.2.12", IPPROTO_UDP, 1400);
    struct icmp_error error = {
        .kind = ICMP_ERROR_TOO_BIG, .mtu = 1344, .mac = ROUTER,
        .from = addr("10.1.1.1"),
    };
    struct ofpbuf *answer = ofpbuf_new(0);

    icmp_error_compose(&error, f.data, f.size, answer);
    ck_assert_mem_eq((char *) answer->data + 34 + 4, "\x00\x00\x05\x40", 4);

    f = make_frame("2001:db8::11", "2001:db8:1::12", IPPROTO_UDP, 1400);
    error.from = addr("2001:db8::1");
    ofpbuf_clear(answer);
    icmp_error_compose(&error, f.data, f.size, answer);
    ck_assert_mem_eq((char *) answer->data + 54 + 4, "\x00\x00\x05\x40", 4);
    ofpbuf_delete(answer);
}
END_TEST

START_TEST(errors_about_icmp)
{
    static const struct {
        const char *src, *dst;
        uint8_t proto, type;
        bool allowed;
    } cases[] = {
        { "10.1.1.11", "10.1.2.12", IPPROTO_ICMP, 8, true },
        { "10.1.1.11", "10.1.2.12", IPPROTO_ICMP, 0, true },
        { "10.1.1.11", "10.1.2.12", IPPROTO_ICMP, 3, false },
        { "10.1.1.11", "10.1.2.12", IPPROTO_ICMP, 5, false },
        { "10.1.1.11", "10.1.2.12", IPPROTO_ICMP, 11, false },
        { "10.1.1.11", "10.1.2.12", IPPROTO_ICMP, 12, false },
        { "10.1.1.11", "10.1.2.12", IPPROTO_ICMP, 250, false },
        { "2001:db8::1", "2001:db8::2", IPPROTO_ICMPV6, 128, true },
        { "2001:db8::1", "2001:db8::2", IPPROTO_ICMPV6, 1, false },
        { "2001:db8::1", "2001:db8::2", IPPROTO_ICMPV6, 127, false },
        { "2001:db8::1", "2001:db8::2", IPPROTO_ICMPV6, 137, false },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct frame f = make_frame(cases[i].src, cases[i].dst,
                                    cases[i].proto, 64);

        f.data[cases[i].proto == IPPROTO_ICMP ? 34 : 54] = cases[i].type;
        ck_assert_msg(allowed(&f) == cases[i].allowed, "case %"PRIuSIZE, i);
    }
}
END_TEST

START_TEST(what_is_no_whole_packet_gets_no_answer)
{
    struct frame f = make_frame("10.1.1.11", "10.1.2.12", IPPROTO_UDP, 64);

    for (size_t size = 0; size < 34; size++) {
        f.size = size;
        ck_assert(!allowed(&f));
    }
}
END_TEST

/* Nothing that a guest sends leads the agent astray, and no answer is worth
 * an answer. */
START_TEST(random_packets)
{
    struct ofpbuf *answer = ofpbuf_new(0);

    random_set_seed(unit_seed("random_packets"));
    for (int i = 0; i < 100000; i++) {
        struct frame f = (random_range(2)
                          ? make_frame("10.1.1.11", "10.1.2.12",
                                       random_uint8(), random_range(200))
                          : make_frame("2001:db8::11", "2001:db8::2",
                                       random_uint8(), random_range(200)));
        struct icmp_error error = { .kind = random_range(5), .mac = ROUTER };
        struct in6_addr src, dst, unused;

        for (int n = random_range(6); n > 0; n--) {
            f.data[random_range(MIN(f.size, 80))] = random_uint8();
        }
        f.size = random_range(4) ? f.size : random_range(f.size);
        if (!icmp_error_is_allowed(f.data, f.size, &src, &dst)) {
            continue;
        }
        error.from = addr(addr_is_ipv4(&src) ? "10.1.1.1" : "2001:db8::1");
        ofpbuf_clear(answer);
        icmp_error_compose(&error, f.data, f.size, answer);
        ck_assert(!icmp_error_is_allowed(answer->data, answer->size, &unused,
                                         &unused));
    }
    ofpbuf_delete(answer);
}
END_TEST

/* The router. */

struct network {
    struct rules rules;
    struct rules_subnet subnets[2];
    struct rules_prefix prefixes[4];
};

static void
network_init(struct network *n)
{
    static const char *const prefixes[][2] = {
        { "10.1.1.0/24", "10.1.1.1" },
        { "10.1.3.0/24", "10.1.3.254" },
        { "10.1.2.0/24", "10.1.2.1" },
        { "2001:db8:2::/64", "2001:db8:2::1" },
    };

    memset(n, 0, sizeof *n);
    for (int i = 0; i < 4; i++) {
        ck_assert(addr_prefix_parse(prefixes[i][0], &n->prefixes[i].net));
        n->prefixes[i].gateway = addr(prefixes[i][1]);
    }
    for (int i = 0; i < 2; i++) {
        n->subnets[i] = (struct rules_subnet) {
            .vsid = 5001 + i, .domain = 5001, .routed = true,
            .prefixes = &n->prefixes[2 * i], .n_prefixes = 2,
        };
    }
    n->rules = (struct rules) {
        .subnets = n->subnets, .n_subnets = 2, .router_mac = ROUTER,
    };
}

/* Checks who says that there is no way from 'src' in 'vsid' to 'dst'; nobody
 * if 'gateway' is NULL. */
static void
check_gateway(enum punt_kind kind, uint32_t vsid, const char *src,
              const char *dst, const char *gateway)
{
    struct network n;
    struct frame f = make_frame(src, dst, IPPROTO_UDP, 64);
    struct ofpbuf *answer = ofpbuf_new(0);

    network_init(&n);
    bool answered = router_answer(&n.rules, kind, vsid, f.data, f.size,
                                  answer);
    ck_assert_int_eq(answered, gateway != NULL);
    if (gateway) {
        struct in6_addr from = addr(gateway);
        struct dp_packet dp;
        struct flow flow;

        dp_packet_use_const(&dp, answer->data, answer->size);
        flow_extract(&dp, &flow);
        if (addr_is_ipv4(&from)) {
            flow.ipv6_src = addr_from_ipv4(flow.nw_src);
        }
        ck_assert(addr_equal(&flow.ipv6_src, &from));
    }
    ofpbuf_delete(answer);
}

START_TEST(the_senders_gateway_answers)
{
    check_gateway(PUNT_TTL, 5001, "10.1.1.11", "10.1.2.12", "10.1.1.1");
    check_gateway(PUNT_TTL, 5001, "10.1.3.11", "10.1.2.12", "10.1.3.254");
    check_gateway(PUNT_NO_ROUTE, 5002, "10.1.2.11", "10.9.9.9", "10.1.2.1");
    check_gateway(PUNT_NO_HOST, 5002, "2001:db8:2::11", "2001:db8:2::9",
                  "2001:db8:2::1");
}
END_TEST

START_TEST(who_forwards_for_others_hears_its_own_gateway)
{
    check_gateway(PUNT_TTL, 5002, "10.1.1.11", "10.1.1.12", "10.1.2.1");
    check_gateway(PUNT_TTL, 5001, "172.16.0.1", "10.1.2.12", "10.1.1.1");
    check_gateway(PUNT_TTL, 5002, "2001:db8:9::1", "2001:db8:2::2",
                  "2001:db8:2::1");
}
END_TEST

START_TEST(a_gateway_speaks_for_itself)
{
    check_gateway(PUNT_TO_ROUTER, 5001, "10.1.1.11", "10.1.2.1", "10.1.2.1");
}
END_TEST

START_TEST(some_get_no_answer)
{
    check_gateway(PUNT_NONE, 5001, "10.1.1.11", "10.1.2.12", NULL);
    check_gateway(PUNT_TTL, 5009, "10.1.1.11", "10.1.2.12", NULL);
    check_gateway(PUNT_NO_HOST, 5001, "10.1.1.11", "10.1.2.255", NULL);
    check_gateway(PUNT_NO_HOST, 5001, "10.1.1.255", "10.1.2.12", NULL);
    check_gateway(PUNT_NO_HOST, 5002, "2001:db8:2::11", "2001:db8:2::", NULL);
    /* There is no gateway with such an address. */
    check_gateway(PUNT_TTL, 5001, "2001:db8:2::11", "2001:db8:2::2", NULL);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("answer");
    TCase *tc = tcase_create("answer");

    tcase_add_test(tc, an_error_quotes_what_fits);
    tcase_add_test(tc, too_big_tells_the_mtu);
    tcase_add_test(tc, errors_about_icmp);
    tcase_add_test(tc, what_is_no_whole_packet_gets_no_answer);
    tcase_add_test(tc, random_packets);
    tcase_add_test(tc, the_senders_gateway_answers);
    tcase_add_test(tc, who_forwards_for_others_hears_its_own_gateway);
    tcase_add_test(tc, a_gateway_speaks_for_itself);
    tcase_add_test(tc, some_get_no_answer);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
