/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/space-table.h"
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "cmap.h"
#include "datapath-ext/actions.h"
#include "datapath-ext/outer.h"
#include "datapath-ext/route.h"
#include "datapath-ext/space-locators.h"
#include "datapath-ext/space-query.h"
#include "dp-packet.h"
#include "flow.h"
#include "hash.h"
#include "ovs-atomic.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "packets.h"
#include "util.h"
#include "util/addr.h"

/* Figures for the space table, beside those of Open vSwitch's cmap.
 *
 * Entries are asked for in random order.  Cycles are those of the time stamp
 * counter, per look-up or packet.
 *
 *     batch     32 look-ups at a time, as a batch of packets has
 *     single    one at a time, each before the next
 *     encap     from a batch of 64-byte packets to VXLAN packets: look-up by
 *               MAC, and the prepared header for the place found.  How the
 *               datapath finds that header is not in it, nor that packets in
 *               a row that are alike are looked up once.  The memory of the
 *               packets is in the cache
 *     route     the router's part: look-up by CA, TTL, MACs
 *     arp       from requests to replies
 *     put       mappings (by CA and by MAC) per second of the writer's CPU
 *               time, into a table that grows, while a thread looks up
 *     move      mappings per second that get another place, likewise
 *     bytes     per mapping, by the allocator's count; there are 10 mappings
 *               per place
 *
 * HNV_BENCH_SPACE_SIZES says how many mappings, by default
 * "1 10000 100000 1000000". */

#define PER_PLACE 10
#define SUBNET_SIZE 0x10000

/* No two subnets share one. */
#define PLACES_PER_SUBNET DIV_ROUND_UP(SUBNET_SIZE, PER_PLACE)

static uint64_t
cycles(void)
{
#if defined __x86_64__
    return __builtin_ia32_rdtsc();
#else
    return 0;
#endif
}

/* Numbers in random order, the same for all. */
static uint32_t
next_number(uint64_t *state, uint32_t n)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (*state >> 32) * n >> 32;
}

/* What mapping number 'i' says. */

static uint32_t
vsid_of(uint32_t i)
{
    return 5000 + i / SUBNET_SIZE;
}

static ovs_be32
ca_of(uint32_t i)
{
    return htonl(0x0a000000 + i % SUBNET_SIZE);
}

static struct eth_addr
mac_of(uint32_t i)
{
    struct eth_addr mac;

    eth_addr_from_uint64(UINT64_C(0x020000000000) + i, &mac);
    return mac;
}

static uint32_t
place_of(uint32_t i)
{
    return (i / SUBNET_SIZE * PLACES_PER_SUBNET
            + i % SUBNET_SIZE / PER_PLACE);
}

static struct space_where
where_of(uint32_t i, uint32_t version)
{
    return (struct space_where) {
        .encap = SPACE_VXLAN,
        .pa = addr_from_ipv4(htonl(0xc0000000 + place_of(i) + version)),
    };
}

static struct space_entry
by_ca_of(uint32_t i, uint32_t version)
{
    const struct in6_addr ca = addr_from_ipv4(ca_of(i));
    struct space_entry e = {
        .mac = mac_of(i), .where = where_of(i, version), .cookie = i,
    };

    space_key_init_ca(&e.key, vsid_of(i), &ca);
    return e;
}

static struct space_entry
by_mac_of(uint32_t i, uint32_t version)
{
    struct space_entry e = {
        .mac = mac_of(i), .where = where_of(i, version), .cookie = i,
    };

    space_key_init_mac(&e.key, vsid_of(i), mac_of(i));
    return e;
}

/* The counterpart: a node per key, as code with cmaps has them. */

struct node {
    struct cmap_node node;
    uint32_t vsid;
    ovs_be32 ca;
    struct eth_addr mac;
    uint32_t locator;
    uint64_t cookie;
};

static uint32_t
node_hash(uint32_t vsid, ovs_be32 ca)
{
    return hash_2words(vsid, (OVS_FORCE uint32_t) ca);
}

static void
node_insert(struct cmap *cmap, uint32_t i, uint32_t hash)
{
    struct node *node = xmalloc(sizeof *node);

    *node = (struct node) {
        .vsid = vsid_of(i), .ca = ca_of(i), .mac = mac_of(i), .cookie = i,
    };
    cmap_insert(cmap, &node->node, hash);
}

/* Two cache lines, as the datapath has them. */
struct prepared {
    PADDED_MEMBERS(CACHE_LINE_SIZE,
        struct outer_header header;
    );
};
BUILD_ASSERT_DECL(sizeof(struct prepared) == 2 * CACHE_LINE_SIZE);

struct tables {
    struct space_table *st;
    struct cmap by_ca, by_mac;
    struct prepared *prepared;  /* By locator. */
    uint32_t n;                 /* Mappings. */
};

/* A batch of look-ups of mappings below 'n_known'.  They return something that
 * depends on all answers, or the compiler would leave them out. */

static uint32_t
ask_space(const struct tables *t, uint32_t n_known, uint64_t *state,
          size_t batch)
{
    struct space_query q[SPACE_BATCH_MAX];
    struct space_answer a[SPACE_BATCH_MAX];
    uint32_t sum = 0;
    size_t n = 0;

    do {
        uint32_t number = next_number(state, n_known);

        space_query_ca4(&q[n], vsid_of(number), ca_of(number));
    } while (++n < batch);
    space_table_find(t->st, q, batch, a);
    for (size_t i = 0; i < batch; i++) {
        ovs_assert(a[i].found);
        sum += a[i].locator + a[i].mac.be16[2];
    }
    return sum;
}

static const struct node *
find_node(const struct cmap_node *first, uint32_t vsid, ovs_be32 ca)
{
    const struct node *node;

    CMAP_NODE_FOR_EACH (node, node, first) {
        if (node->vsid == vsid && node->ca == ca) {
            return node;
        }
    }
    OVS_NOT_REACHED();
}

static uint32_t
ask_cmap(const struct tables *t, uint32_t n_known, uint64_t *state,
         size_t batch)
{
    const struct cmap_node *nodes[SPACE_BATCH_MAX];
    uint32_t hashes[SPACE_BATCH_MAX], numbers[SPACE_BATCH_MAX];
    uint32_t sum = 0;
    size_t n = 0;

    do {
        numbers[n] = next_number(state, n_known);
        hashes[n] = node_hash(vsid_of(numbers[n]), ca_of(numbers[n]));
    } while (++n < batch);
    if (batch > 1) {
        cmap_find_batch(&t->by_ca, (1UL << batch) - 1, hashes, nodes);
    } else {
        nodes[0] = cmap_find(&t->by_ca, hashes[0]);
    }
    for (size_t i = 0; i < batch; i++) {
        const struct node *node = find_node(nodes[i], vsid_of(numbers[i]),
                                            ca_of(numbers[i]));

        sum += node->locator + node->mac.be16[2];
    }
    return sum;
}

typedef uint32_t ask(const struct tables *, uint32_t n_known,
                     uint64_t *state, size_t batch);

static volatile uint32_t sink;

/* Many short runs, of which the median counts: now and then the machine does
 * something else. */
#define N_RUNS 1001
#define RUN_LEN 2048            /* Look-ups, or packets. */

static int
compare_cycles(const void *a_, const void *b_)
{
    const uint64_t *a = a_, *b = b_;

    return *a < *b ? -1 : *a > *b;
}

static double
median_each(uint64_t runs[N_RUNS])
{
    qsort(runs, N_RUNS, sizeof *runs, compare_cycles);
    return (double) runs[N_RUNS / 2] / RUN_LEN;
}

static double
measure_asking(const struct tables *t, ask *f, size_t batch)
{
    uint64_t runs[N_RUNS];
    uint64_t state = 1;

    for (int run = 0; run < N_RUNS; run++) {
        uint64_t start = cycles();

        for (size_t i = 0; i < RUN_LEN / batch; i++) {
            sink = sink + f(t, t->n, &state, batch);
        }
        runs[run] = cycles() - start;
        ovsrcu_quiesce();
    }
    return median_each(runs);
}

/* From packet to packet. */

static struct outer_header
make_header(uint32_t i)
{
    const struct outer_params params = {
        .encap = SPACE_VXLAN, .eth_src = mac_of(1), .eth_dst = mac_of(2),
        .ip_src = addr_from_ipv4(htonl(0xc6120001)),
        .ip_dst = where_of(i, 0).pa, .ttl = 64, .dont_fragment = true,
        .udp_dst = htons(4789), .out_port = 1,
    };
    struct outer_header header;

    ovs_assert(outer_header_init(&header, &params));
    outer_header_fix(&header, vsid_of(i), 0);
    return header;
}

static void
prepare_headers(struct tables *t)
{
    uint32_t n_places = place_of(t->n - 1) + 1;

    /* Locators begin with this host. */
    t->prepared = xzalloc_cacheline((n_places + 1) * sizeof *t->prepared);
    for (uint32_t i = 0; i < t->n; i++) {
        struct space_answer a;
        struct space_query q;

        space_query_mac(&q, vsid_of(i), mac_of(i));
        ovs_assert(space_table_find(t->st, &q, 1, &a));
        ovs_assert(a.locator <= n_places);
        if (!t->prepared[a.locator].header.len) {
            t->prepared[a.locator].header = make_header(i);
        }
    }
}

/* IPv4, or ARP requests. */
static void
init_packets(struct dp_packet **packets, bool is_arp)
{
    for (size_t i = 0; i < SPACE_BATCH_MAX; i++) {
        struct flow flow;

        packets[i] = dp_packet_new_with_headroom(64, 128);
        if (is_arp) {
            compose_arp(packets[i], ARP_OP_REQUEST, mac_of(1), mac_of(0),
                        true, ca_of(1), ca_of(2));
        } else {
            struct ip_header *ip = eth_compose(packets[i], mac_of(1),
                                               mac_of(2), ETH_TYPE_IP, 46);

            memset(ip, 0, 46);
            ip->ip_ihl_ver = IP_IHL_VER(5, 4);
            ip->ip_tot_len = htons(46);
            ip->ip_proto = IPPROTO_UDP;
        }
        flow_extract(packets[i], &flow);
        dp_packet_set_rss_hash(packets[i], hash_int(i, 0));
    }
}

struct batch {
    struct dp_packet *packets[SPACE_BATCH_MAX];
    struct hnv_result results[SPACE_BATCH_MAX];
    uint32_t vsid;              /* Of all of them, as of those of a flow. */
};

/* A kind of work on packets. */
struct work {
    bool is_arp;
    void (*address)(struct dp_packet *, uint32_t i);    /* To mapping 'i'. */
    void (*act)(const struct tables *, struct batch *);
    void (*undo)(struct dp_packet *);
};

static void
encap_address(struct dp_packet *packet, uint32_t i)
{
    struct eth_header *eth = dp_packet_data(packet);

    eth->eth_dst = mac_of(i);
}

static const struct prepared *
ask_for_header(const struct tables *t, const struct space_answer *answer)
{
    const struct prepared *p = &t->prepared[answer->locator];

    OVS_PREFETCH(p);
    OVS_PREFETCH((const char *) p + CACHE_LINE_SIZE);
    return p;
}

static void
encap_act(const struct tables *t, struct batch *b)
{
    const struct space_locators *locators = space_table_locators(t->st);
    const struct hnv_switch to_mac = { .vsid = b->vsid };
    const struct prepared *prepared[SPACE_BATCH_MAX];
    struct space_answer answers[SPACE_BATCH_MAX];

    hnv_switch_execute(t->st, &to_mac, b->packets, SPACE_BATCH_MAX,
                       b->results, answers);
    for (size_t i = 0; i < SPACE_BATCH_MAX; i++) {
        ovs_assert(space_locators_get(locators, answers[i].locator)->encap
                   == SPACE_VXLAN);
        prepared[i] = ask_for_header(t, &answers[i]);
    }
    for (size_t i = 0; i < SPACE_BATCH_MAX; i++) {
        outer_push_fixed(b->packets[i], &prepared[i]->header, b->vsid,
                         dp_packet_get_rss_hash(b->packets[i]));
    }
}

static void
encap_undo(struct dp_packet *packet)
{
    dp_packet_reset_packet(packet, OUTER_FIXED_LEN);
    packet->l3_ofs = ETH_HEADER_LEN;
}

static void
route_address(struct dp_packet *packet, uint32_t i)
{
    struct ip_header *ip = dp_packet_l3(packet);

    ip->ip_ttl = 64;
    put_16aligned_be32(&ip->ip_dst, ca_of(i));
}

static void
route_act(const struct tables *t, struct batch *b)
{
    const struct hnv_route route = { .vsid = b->vsid };
    struct space_answer answers[SPACE_BATCH_MAX];

    hnv_route_execute(t->st, &route, b->packets, SPACE_BATCH_MAX, b->results,
                      answers);
    for (size_t i = 0; i < SPACE_BATCH_MAX; i++) {
        hnv_route_packets(&b->packets[i], 1, mac_of(2), answers[i].mac);
    }
}

static void
arp_address(struct dp_packet *packet, uint32_t i)
{
    struct arp_eth_header *arp = dp_packet_l3(packet);

    arp->ar_op = htons(ARP_OP_REQUEST);
    put_16aligned_be32(&arp->ar_tpa, ca_of(i));
}

static void
arp_act(const struct tables *t, struct batch *b)
{
    const struct hnv_arp arp = { .vsid = b->vsid };

    hnv_arp_execute(t->st, &arp, b->packets, SPACE_BATCH_MAX, b->results);
}

static const struct work encap_work = {
    .address = encap_address, .act = encap_act, .undo = encap_undo,
};
static const struct work route_work = {
    .address = route_address, .act = route_act,
};
static const struct work arp_work = {
    .is_arp = true, .address = arp_address, .act = arp_act,
};

static void
address_packets(const struct tables *t, const struct work *work,
                uint64_t *state, struct batch *b)
{
    uint32_t subnet = next_number(state, t->n) / SUBNET_SIZE * SUBNET_SIZE;

    b->vsid = vsid_of(subnet);
    for (size_t i = 0; i < SPACE_BATCH_MAX; i++) {
        work->address(b->packets[i],
                      subnet + next_number(state, MIN(t->n - subnet,
                                                      SUBNET_SIZE)));
    }
}

static void
check_packets(const struct work *work, struct batch *b)
{
    for (size_t i = 0; i < SPACE_BATCH_MAX; i++) {
        ovs_assert(b->results[i].verdict == HNV_DONE);
        if (work->undo) {
            work->undo(b->packets[i]);
        }
    }
}

static double
measure_work(const struct tables *t, const struct work *work)
{
    struct batch b;
    uint64_t runs[N_RUNS];
    uint64_t state = 1;

    init_packets(b.packets, work->is_arp);
    for (int run = 0; run < N_RUNS; run++) {
        runs[run] = 0;
        for (size_t i = 0; i < RUN_LEN / SPACE_BATCH_MAX; i++) {
            address_packets(t, work, &state, &b);
            uint64_t start = cycles();
            work->act(t, &b);
            runs[run] += cycles() - start;
            check_packets(work, &b);
        }
        ovsrcu_quiesce();
    }
    for (size_t i = 0; i < SPACE_BATCH_MAX; i++) {
        dp_packet_delete(b.packets[i]);
    }
    return median_each(runs);
}

/* Writing, while a thread reads. */

struct reading {
    const struct tables *tables;
    ask *ask;
    atomic_uint32_t n;          /* Mappings below it are there. */
    atomic_bool stop;
};

static void *
read_on(void *reading_)
{
    struct reading *reading = reading_;
    uint64_t state = 7;
    bool stop = false;

    while (!stop) {
        for (int i = 0; i < 64; i++) {
            uint32_t n;

            atomic_read_explicit(&reading->n, &n, memory_order_acquire);
            if (n) {
                sink = sink + reading->ask(reading->tables, n, &state,
                                           SPACE_BATCH_MAX);
            }
        }
        ovsrcu_quiesce();
        atomic_read_relaxed(&reading->stop, &stop);
    }
    return NULL;
}

static void
fill_space(struct tables *t, uint32_t i)
{
    const struct space_entry by_ca = by_ca_of(i, 0);
    const struct space_entry by_mac = by_mac_of(i, 0);

    ovs_assert(!space_table_put(t->st, &by_ca));
    ovs_assert(!space_table_put(t->st, &by_mac));
}

static void
move_in_space(struct tables *t, uint32_t i)
{
    uint32_t number = hash_int(i, 0) % t->n;
    const struct space_entry by_ca = by_ca_of(number, 1);
    const struct space_entry by_mac = by_mac_of(number, 1);

    ovs_assert(!space_table_put(t->st, &by_ca));
    ovs_assert(!space_table_put(t->st, &by_mac));
}

static void
fill_cmap(struct tables *t, uint32_t i)
{
    node_insert(&t->by_ca, i, node_hash(vsid_of(i), ca_of(i)));
    node_insert(&t->by_mac, i, hash_mac(mac_of(i), vsid_of(i), 0));
}

/* CPU time of this thread. */
static uint64_t
own_nsec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

/* Mappings per second. */
static double
measure_writing(struct tables *t, void (*write)(struct tables *, uint32_t i),
                ask *f, bool is_empty)
{
    struct reading reading = { .tables = t, .ask = f };
    atomic_init(&reading.n, is_empty ? 0 : t->n);
    atomic_init(&reading.stop, false);
    pthread_t thread = ovs_thread_create("reader", read_on, &reading);
    uint64_t start = own_nsec();

    for (uint32_t i = 0; i < t->n; i++) {
        write(t, i);
        if (is_empty) {
            atomic_store_explicit(&reading.n, i + 1, memory_order_release);
        }
        if (i % 1024 == 0) {
            ovsrcu_quiesce();
        }
    }

    double seconds = (own_nsec() - start) / 1e9;
    atomic_store(&reading.stop, true);
    ovsrcu_quiesce_start();
    xpthread_join(thread, NULL);
    ovsrcu_quiesce_end();
    return t->n / seconds;
}

static size_t
allocated(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

static void
bench(uint32_t n)
{
    struct tables t = { .n = n };

    size_t before = allocated();
    cmap_init(&t.by_ca);
    cmap_init(&t.by_mac);
    double cmap_puts = measure_writing(&t, fill_cmap, ask_cmap, true);
    ovsrcu_barrier();
    double cmap_bytes = (allocated() - before) / (double) n;
    double cmap_batch = measure_asking(&t, ask_cmap, SPACE_BATCH_MAX);
    double cmap_single = measure_asking(&t, ask_cmap, 1);

    before = allocated();
    t.st = space_table_create();
    double puts = measure_writing(&t, fill_space, ask_space, true);
    ovsrcu_barrier();
    double bytes = (allocated() - before) / (double) n;
    double batch = measure_asking(&t, ask_space, SPACE_BATCH_MAX);
    double single = measure_asking(&t, ask_space, 1);
    prepare_headers(&t);
    double encap = measure_work(&t, &encap_work);
    double route = measure_work(&t, &route_work);
    double arp = measure_work(&t, &arp_work);
    double moves = measure_writing(&t, move_in_space, ask_space, false);

    printf("%9"PRIu32" space %6.1f %6.1f %6.1f %6.1f %6.1f %6.2f %6.2f"
           " %7.0f\n", n, batch, single, encap, route, arp, puts / 1e6,
           moves / 1e6, bytes);
    printf("%9s cmap  %6.1f %6.1f %6s %6s %6s %6.2f %6s %7.0f\n",
           "", cmap_batch, cmap_single, "", "", "", cmap_puts / 1e6, "",
           cmap_bytes);
    fflush(stdout);

    /* The cmap's nodes stay: the program ends soon. */
    free_cacheline(t.prepared);
    space_table_destroy(t.st);
    ovsrcu_barrier();
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    const char *env = getenv("HNV_BENCH_SPACE_SIZES");
    char *sizes = xstrdup(env ? env : "1 10000 100000 1000000");
    char *rest = sizes;
    char *word;

    set_program_name(argv[0]);
    puts("            cycles per look-up  cycles per packet   million/s"
         "   bytes");
    puts(" mappings        batch single  encap  route    arp    put   move"
         "    each");
    while ((word = strsep(&rest, " "))) {
        if (*word) {
            bench(MAX(1, strtoul(word, NULL, 0)));
        }
    }
    free(sizes);
    return 0;
}
