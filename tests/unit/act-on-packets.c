/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/actions.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "datapath-ext/outer.h"
#include "datapath-ext/route.h"
#include "datapath-ext/space-locators.h"
#include "dp-packet.h"
#include "flow.h"
#include "openvswitch/dynamic-string.h"
#include "ovs-rcu.h"
#include "packets.h"
#include "util.h"
#include "util/addr.h"

/* The actions, for tests in other languages: reads commands, one a line, and
 * prints what becomes of the packets in them.  "-" is an address of zeros; an
 * ENCAP is a number of enum space_encap.
 *
 *     put ca VSID CA MAC ENCAP PA LEARNED
 *     put share VSID CA SHARE MAC ENCAP PA
 *     put mac VSID MAC ENCAP PA
 *     put peer DOMAIN PA
 *     port VSID MAC PORT
 *     headroom BYTES          (of all packets from here on)
 *     admit VSID DOMAIN VSID FLAGS PA PACKET...
 *     arp VSID MAC ASKER FLAGS PACKET...
 *     route VSID ROUTER NEXT-HOP PACKET...
 *     switch VSID PACKET...
 *     find VSID KEY CA SHARE PACKET...
 *     push VSID ENCAP SRC DST ETH-SRC ETH-DST TOS TTL DF CSUM HASH ECN
 *          PACKET...          (ECN: that of the packets, for which the header
 *                              is fixed, or -1)
 *
 * Packets are hexadecimal.  Each action prints a line per packet: verdict,
 * reason, place, packet.  The place is that of the answer of "route" and
 * "switch", as ENCAP/PA, or "-".  "find" has in place of these two what it
 * would load: the encapsulation, the MAC as a number or "-", the address or
 * "-".  "push" puts a header around its packets, which is always done. */

struct batch {
    struct dp_packet *packets[SPACE_BATCH_MAX];
    struct hnv_result results[SPACE_BATCH_MAX];
    size_t n;
};

static struct space_table *table;
static struct batch batch;
static size_t headroom = 128;

/* Words of a command. */

static char *rest;

static const char *
next_word(void)
{
    char *word = strtok_r(NULL, " \n", &rest);

    if (!word) {
        ovs_fatal(0, "a word is missing");
    }
    return word;
}

static int64_t
next_number(void)
{
    return strtoll(next_word(), NULL, 0);
}

static struct eth_addr
next_mac(void)
{
    const char *word = next_word();
    struct eth_addr mac = eth_addr_zero;

    if (strcmp(word, "-") && !addr_mac_parse(word, &mac)) {
        ovs_fatal(0, "%s: not a MAC", word);
    }
    return mac;
}

static struct in6_addr
next_ip(void)
{
    const char *word = next_word();
    struct in6_addr addr = in6addr_any;

    if (strcmp(word, "-") && !addr_parse(word, &addr)) {
        ovs_fatal(0, "%s: not an IP address", word);
    }
    return addr;
}

static struct space_where
next_where(void)
{
    struct space_where where;

    where.encap = next_number();
    where.pa = next_ip();
    return where;
}

/* Packets. */

static void
add_packet(const char *hex)
{
    struct dp_packet *packet = dp_packet_new_with_headroom(0,
                                                           headroom);
    struct flow flow;

    dp_packet_put_hex(packet, hex, NULL);
    pkt_metadata_init(&packet->md, u32_to_odp(1));
    flow_extract(packet, &flow);
    batch.packets[batch.n++] = packet;
}

static void
clear_batch(void)
{
    for (size_t i = 0; i < batch.n; i++) {
        dp_packet_delete(batch.packets[i]);
    }
    batch.n = 0;
}

static void
next_packets(void)
{
    char *word;

    clear_batch();
    while ((word = strtok_r(NULL, " \n", &rest))) {
        ovs_assert(batch.n < SPACE_BATCH_MAX);
        add_packet(word);
    }
}

static const char *const verdict_names[] = {
    [HNV_DONE] = "done", [HNV_MISS] = "miss", [HNV_SLOW] = "slow",
    [HNV_DROP] = "drop",
};

static void
print_place(const struct space_answer *answer)
{
    const struct space_locator *l = space_locators_get(
        space_table_locators(table), answer->locator);
    char pa[INET6_ADDRSTRLEN];

    ipv6_string_mapped(pa, &l->pa);
    printf("%d/%s ", l->encap, ipv6_addr_is_set(&l->pa) ? pa : "-");
}

/* 'answers' may be NULL. */
static void
print_batch(const struct space_answer *answers)
{
    for (size_t i = 0; i < batch.n; i++) {
        const struct hnv_result *result = &batch.results[i];
        const uint8_t *data = dp_packet_data(batch.packets[i]);

        printf("%s %s ", verdict_names[result->verdict],
               hnv_reason_to_string(result->reason));
        if (answers && result->verdict == HNV_DONE) {
            print_place(&answers[i]);
        } else {
            fputs("- ", stdout);
        }
        for (size_t j = 0; j < dp_packet_size(batch.packets[i]); j++) {
            printf("%02x", data[j]);
        }
        putchar('\n');
    }
    fflush(stdout);
}

/* Commands. */

static void
do_put(void)
{
    const char *kind = next_word();
    uint32_t vsid = next_number();
    struct space_entry e;

    memset(&e, 0, sizeof e);
    if (!strcmp(kind, "mac")) {
        e.mac = next_mac();
        space_key_init_mac(&e.key, vsid, e.mac);
        e.where = next_where();
    } else if (!strcmp(kind, "peer")) {
        const struct in6_addr pa = next_ip();

        space_key_init_peer(&e.key, vsid, &pa);
    } else {
        const struct in6_addr ca = next_ip();

        if (!strcmp(kind, "ca")) {
            space_key_init_ca(&e.key, vsid, &ca);
        } else {
            space_key_init_share(&e.key, vsid, &ca, next_number());
        }
        e.mac = next_mac();
        e.where = next_where();
        e.learned = e.key.kind == SPACE_BY_CA && next_number();
    }
    ovs_assert(!space_table_put(table, &e));
}

static void
do_port(void)
{
    uint32_t vsid = next_number();
    struct eth_addr mac = next_mac();

    ovs_assert(!space_table_put_port(table, vsid, mac, next_number()));
}

static void
do_headroom(void)
{
    headroom = next_number();
}

static void
do_admit(void)
{
    struct hnv_admit action;

    action.vsid = next_number();
    action.domain = next_number();
    action.source_vsid = next_number();
    action.flags = next_number();

    action.pa = next_ip();
    next_packets();
    hnv_admit_execute(table, &action, batch.packets, batch.n, batch.results);
    print_batch(NULL);
}

static void
do_arp(void)
{
    struct hnv_arp action;

    action.vsid = next_number();
    action.mac = next_mac();
    action.asker = next_number();
    action.flags = next_number();
    next_packets();
    hnv_arp_execute(table, &action, batch.packets, batch.n, batch.results);
    print_batch(NULL);
}

static void
do_route(void)
{
    struct space_answer answers[SPACE_BATCH_MAX];
    struct hnv_route action;

    action.vsid = next_number();

    struct eth_addr router = next_mac();

    action.next_hop = next_ip();
    next_packets();
    hnv_route_execute(table, &action, batch.packets, batch.n, batch.results,
                      answers);
    for (size_t i = 0; i < batch.n; i++) {
        if (batch.results[i].verdict == HNV_DONE) {
            hnv_route_packets(&batch.packets[i], 1, router, answers[i].mac);
        }
    }
    print_batch(answers);
}

static void
do_switch(void)
{
    struct space_answer answers[SPACE_BATCH_MAX];
    struct hnv_switch action;

    action.vsid = next_number();
    next_packets();
    hnv_switch_execute(table, &action, batch.packets, batch.n, batch.results,
                       answers);
    print_batch(answers);
}

static void
print_found(const struct hnv_result *result, const struct hnv_found *found)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    ds_put_format(&s, "%s %s ", verdict_names[result->verdict],
                  hnv_reason_to_string(result->reason));
    if (result->verdict == HNV_DONE) {
        ds_put_format(&s, "%#x ", found->encap);
        if (found->has_mac) {
            ds_put_format(&s, "%#"PRIx64, found->mac);
        } else {
            ds_put_char(&s, '-');
        }
        ds_put_char(&s, ' ');
        if (ipv6_addr_is_set(&found->addr)) {
            ipv6_format_mapped(&found->addr, &s);
        } else {
            ds_put_char(&s, '-');
        }
    }
    puts(ds_cstr(&s));
    ds_destroy(&s);
}

static void
do_find(void)
{
    struct hnv_found found[SPACE_BATCH_MAX];
    struct hnv_find action;

    action.vsid = next_number();
    if (!hnv_key_from_string(next_word(), &action.key)) {
        ovs_fatal(0, "no such key");
    }
    action.ca = next_ip();
    action.share = next_number();
    next_packets();
    hnv_find_execute(table, &action, batch.packets, batch.n, batch.results,
                     found);
    for (size_t i = 0; i < batch.n; i++) {
        print_found(&batch.results[i], &found[i]);
    }
    fflush(stdout);
}

static struct outer_params
next_params(void)
{
    struct outer_params params;

    memset(&params, 0, sizeof params);
    params.encap = next_number();
    params.ip_src = next_ip();
    params.ip_dst = next_ip();
    params.eth_src = next_mac();
    params.eth_dst = next_mac();
    params.tos = next_number();
    params.ttl = next_number();
    params.dont_fragment = next_number();
    params.udp_csum = next_number();
    params.udp_dst = htons(4789);
    return params;
}

/* They are those of the outer headers. */
static void
check_offsets(const struct dp_packet *packet)
{
    struct dp_packet *copy = dp_packet_clone(packet);
    struct flow flow;

    flow_extract(copy, &flow);
    ovs_assert(packet->packet_type == htonl(PT_ETH)
               && packet->l2_5_ofs == copy->l2_5_ofs
               && packet->l3_ofs == copy->l3_ofs
               && packet->l4_ofs == copy->l4_ofs);
    dp_packet_delete(copy);
}

static void
do_push(void)
{
    uint32_t vsid = next_number();
    const struct outer_params params = next_params();
    uint32_t hash = next_number();
    int ecn = next_number();
    struct outer_header header;

    ovs_assert(outer_header_init(&header, &params));
    if (ecn >= 0) {
        outer_header_fix(&header, vsid, ecn);
    }
    next_packets();
    for (size_t i = 0; i < batch.n; i++) {
        if (ecn >= 0) {
            outer_push_fixed(batch.packets[i], &header, vsid, hash);
        } else {
            outer_push(batch.packets[i], &header, vsid, hash);
        }
        check_offsets(batch.packets[i]);
        batch.results[i] = (struct hnv_result) { .verdict = HNV_DONE };
    }
    print_batch(NULL);
}

static void
run(char *line)
{
    static const struct {
        const char *name;
        void (*function)(void);
    } commands[] = {
        { "put", do_put }, { "port", do_port },
        { "headroom", do_headroom }, { "admit", do_admit },
        { "arp", do_arp }, { "route", do_route }, { "switch", do_switch },
        { "find", do_find }, { "push", do_push },
    };
    const char *name = strtok_r(line, " \n", &rest);

    for (size_t i = 0; name && i < ARRAY_SIZE(commands); i++) {
        if (!strcmp(name, commands[i].name)) {
            commands[i].function();
            return;
        }
    }
    ovs_fatal(0, "%s: no such command", name ? name : "");
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    char *line = NULL;
    size_t allocated = 0;

    set_program_name(argv[0]);
    table = space_table_create();
    while (getline(&line, &allocated, stdin) > 0) {
        run(line);
        ovsrcu_quiesce();
    }
    free(line);
    clear_batch();
    space_table_destroy(table);
    ovsrcu_quiesce();
    return 0;
}
