/* SPDX-License-Identifier: Apache-2.0 */

/* The policy model, case by case.  Each case about bad input starts from one
 * network that works, spoils one thing, checks that this alone is set aside
 * and that it says why, mends it, and checks that all is as it was. */

#include <config.h>
#include "model/policy.h"
#include "packets.h"
#include "policy-feed.h"

#define MAC1 "02:00:00:00:00:01"
#define MAC2 "02:00:00:00:00:02"
#define MAC3 "02:00:00:00:00:03"
#define MAC4 "02:00:00:00:00:04"
#define MAC5 "02:00:00:00:00:05"
#define MAC6 "02:00:00:00:00:06"
#define VXLAN "vxlan_over_ipv4"
#define NVGRE "nvgre_over_ipv4"
#define OWN_PA "192.0.2.1"
#define PA2 "192.0.2.2"
#define PA3 "192.0.2.3"

static struct feed f;

/* The network that works. */

enum { CONTOSO = 1, FABRIKAM = 2 };             /* Logical_Router. */
enum { WEB = 1, SQL = 2, SPARE = 3 };           /* Logical_Switch. */
enum { HERE = 1, THERE = 2, ELSEWHERE = 3 };    /* Physical_Locator. */

static void
feed_own_pas(const char *ip1, const char *ip2)
{
    const char *ips[] = { ip1, ip2 };

    feed_host(&f, 1, ips, ip2 ? 2 : ip1 ? 1 : 0, "00:aa:00:00:00:01");
}

static void
feed_contoso(void)
{
    struct row_binding bindings[] = {
        bind_prefix("10.1.1.0/24", WEB), bind_prefix("10.1.2.0/24", SQL),
    };

    feed_router(&f, CONTOSO, "Contoso", bindings, ARRAY_SIZE(bindings));
}

static void
setup(void)
{
    feed_init(&f);
    feed_own_pas(OWN_PA, NULL);
    feed_locator(&f, HERE, OWN_PA, VXLAN);
    feed_locator(&f, THERE, PA2, VXLAN);
    feed_locator(&f, ELSEWHERE, PA3, NVGRE);
    feed_switch(&f, WEB, "web", 5001);
    feed_switch(&f, SQL, "sql", 5002);
    feed_contoso();
    feed_port(&f, 1, "{AA00}", WEB);
    feed_mapping(&f, 1, MAC1, "10.1.1.11", WEB, HERE);
    feed_mapping(&f, 2, MAC2, "10.1.1.12", WEB, THERE);
    feed_mapping(&f, 3, MAC3, "10.1.2.11", SQL, ELSEWHERE);
    ck_assert(feed_settle(&f));
}

static void
teardown(void)
{
    feed_uninit(&f);
}

/* What a case says. */

static struct in6_addr
ip(const char *s)
{
    struct in6_addr addr;

    ck_assert(addr_parse(s, &addr));
    return addr;
}

static struct eth_addr
mac(const char *s)
{
    struct eth_addr ea;

    ck_assert(addr_mac_parse(s, &ea));
    return ea;
}

/* The entry as of now, or NULL; valid until the next call. */
static const struct space_entry *
find_entry(const struct space_key *key)
{
    static struct space_entry entry;

    return policy_find_space(f.policy, key, &entry) ? &entry : NULL;
}

static const struct space_entry *
by_ca(uint32_t vsid, const char *ca)
{
    struct in6_addr addr = ip(ca);
    struct space_key key;

    space_key_init_ca(&key, vsid, &addr);
    return find_entry(&key);
}

static const struct space_entry *
by_mac(uint32_t vsid, const char *s)
{
    struct space_key key;

    space_key_init_mac(&key, vsid, mac(s));
    return find_entry(&key);
}

static void
check_entry(const struct space_entry *entry, const char *mac_text,
            enum space_encap encap, const char *pa, int n_mapping)
{
    struct uuid row = row_id(ROW_UCAST_REMOTE, n_mapping);
    struct eth_addr ea = mac(mac_text);
    struct in6_addr addr = pa ? ip(pa) : in6addr_any;

    ck_assert_ptr_nonnull(entry);
    ck_assert(!memcmp(&entry->mac, &ea, sizeof ea));
    ck_assert_int_eq(entry->where.encap, encap);
    ck_assert(addr_equal(&entry->where.pa, &addr));
    ck_assert(entry->cookie == row_cookie(&row));
}

/* The mappings of setup(), all but number 'without' (0: all). */
static void
check_setup_mappings(int without)
{
    if (without != 1) {
        check_entry(by_ca(5001, "10.1.1.11"), MAC1, SPACE_LOCAL, NULL, 1);
        check_entry(by_mac(5001, MAC1), MAC1, SPACE_LOCAL, NULL, 1);
    }
    if (without != 2) {
        check_entry(by_ca(5001, "10.1.1.12"), MAC2, SPACE_VXLAN, PA2, 2);
        check_entry(by_mac(5001, MAC2), MAC2, SPACE_VXLAN, PA2, 2);
    }
    if (without != 3) {
        check_entry(by_ca(5002, "10.1.2.11"), MAC3, SPACE_NVGRE, PA3, 3);
        check_entry(by_mac(5002, MAC3), MAC3, SPACE_NVGRE, PA3, 3);
    }
}

/* That there is one diagnostic, this one, and that it names what is wrong. */
static void
check_diag(enum row_table table, int n, const char *table_name,
           const char *column, enum diag_code code, const char *part)
{
    struct uuid row = row_id(table, n);
    const struct diag *diag = diag_set_find(&f.diags, &row, column, code);

    ck_assert_ptr_nonnull(diag);
    ck_assert_str_eq(diag->table, table_name);
    ck_assert_msg(strstr(diag->text, part), "\"%s\" lacks \"%s\"",
                  diag->text, part);
    ck_assert(diag->text[strlen(diag->text) - 1] == '.');
    ck_assert_uint_eq(diag_set_count(&f.diags), 1);
}

static void
check_mapping_diag(int n, const char *column, enum diag_code code,
                   const char *part)
{
    check_diag(ROW_UCAST_REMOTE, n, "Ucast_Macs_Remote", column, code, part);
}

static void
check_router_diag(int n, enum diag_code code, const char *part)
{
    check_diag(ROW_LOGICAL_ROUTER, n, "Logical_Router", "switch_binding",
               code, part);
}

static void
check_all_is_well(void)
{
    feed_settle(&f);
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
    ck_assert_uint_eq(policy_rules(f.policy)->n_subnets, 2);
    ck_assert_uint_eq(policy_count_space(f.policy), 6);
    check_setup_mappings(0);
}

static const struct rules_subnet *
subnet(uint32_t vsid)
{
    return rules_find_subnet(policy_rules(f.policy), vsid);
}

static void
check_prefix(const struct rules_prefix *p, const char *net, unsigned int plen,
             const char *gateway)
{
    struct in6_addr net_addr = ip(net);
    struct in6_addr gateway_addr = ip(gateway);

    ck_assert(addr_equal(&p->net.addr, &net_addr));
    ck_assert_uint_eq(p->net.plen, plen);
    ck_assert(addr_equal(&p->gateway, &gateway_addr));
}

/* What works. */

START_TEST(rows_become_rules)
{
    const struct rules *rules = policy_rules(f.policy);
    struct uuid host = row_id(ROW_PHYSICAL_SWITCH, 1);
    struct eth_addr router_mac = mac("00:aa:00:00:00:01");
    struct in6_addr own = ip(OWN_PA), other = ip(PA2);

    check_all_is_well();
    ck_assert_str_eq(subnet(5001)->name, "web");
    ck_assert_uint_eq(subnet(5001)->domain, 5001);
    ck_assert_uint_eq(subnet(5002)->domain, 5001);
    ck_assert(subnet(5001)->routed);
    check_prefix(&subnet(5001)->prefixes[0], "10.1.1.0", 24, "10.1.1.1");
    ck_assert_uint_eq(rules->n_ports, 1);
    ck_assert_str_eq(rules->ports[0].name, "aa00");
    ck_assert_int_eq(rules->ports[0].fault, RULES_PORT_OK);
    ck_assert_uint_eq(rules->ports[0].vsid, 5001);
    ck_assert(uuid_equals(&rules->physical_switch, &host));
    ck_assert(!memcmp(&rules->router_mac, &router_mac, sizeof router_mac));
    ck_assert(rules_owns_pa(rules, &own));
    ck_assert(!rules_owns_pa(rules, &other));
}
END_TEST

START_TEST(an_empty_policy_is_settled)
{
    struct feed empty;

    feed_init(&empty);
    ck_assert(!policy_is_unsettled(empty.policy));
    ck_assert(!feed_settle(&empty));
    ck_assert_uint_eq(empty.n_told, 0);
    ck_assert_uint_eq(policy_rules(empty.policy)->n_subnets, 0);
    feed_uninit(&empty);
    policy_destroy(NULL);
}
END_TEST

START_TEST(the_same_rows_again_change_nothing)
{
    size_t n_told = f.n_told;

    feed_own_pas(OWN_PA, NULL);
    feed_locator(&f, THERE, PA2, VXLAN);
    feed_switch(&f, WEB, "web", 5001);
    feed_contoso();
    feed_port(&f, 1, "{AA00}", WEB);
    feed_mapping(&f, 2, MAC2, "10.1.1.12", WEB, THERE);
    feed_mapping(&f, 2, "02-00-00-00-00-02", "10.1.1.12/32", WEB, THERE);
    ck_assert(!policy_is_unsettled(f.policy));
    ck_assert(!feed_settle(&f));
    ck_assert_uint_eq(f.n_told, n_told);
}
END_TEST

START_TEST(a_moved_mapping_changes_its_two_entries)
{
    size_t n_told = f.n_told;

    feed_mapping(&f, 2, MAC2, "10.1.1.12", WEB, ELSEWHERE);
    ck_assert(!feed_settle(&f));
    ck_assert_uint_eq(f.n_told, n_told + 2);
    check_setup_mappings(2);
    check_entry(by_ca(5001, "10.1.1.12"), MAC2, SPACE_NVGRE, PA3, 2);
    check_entry(by_mac(5001, MAC2), MAC2, SPACE_NVGRE, PA3, 2);
}
END_TEST

START_TEST(a_deleted_mapping_leaves_nothing)
{
    feed_delete(&f, ROW_UCAST_REMOTE, 2);
    feed_settle(&f);
    check_setup_mappings(2);
    ck_assert_ptr_null(by_ca(5001, "10.1.1.12"));
    ck_assert_ptr_null(by_mac(5001, MAC2));
    ck_assert_uint_eq(policy_count_mappings(f.policy), 2);
}
END_TEST

START_TEST(rows_may_come_in_any_order)
{
    teardown();
    feed_init(&f);
    feed_mapping(&f, 2, MAC2, "10.1.1.12", WEB, THERE);
    feed_mapping(&f, 3, MAC3, "10.1.2.11", SQL, ELSEWHERE);
    feed_settle(&f);
    feed_contoso();
    feed_settle(&f);
    feed_switch(&f, SQL, "sql", 5002);
    feed_locator(&f, ELSEWHERE, PA3, NVGRE);
    feed_settle(&f);
    feed_switch(&f, WEB, "web", 5001);
    feed_settle(&f);
    feed_locator(&f, THERE, PA2, VXLAN);
    feed_mapping(&f, 1, MAC1, "10.1.1.11", WEB, HERE);
    feed_settle(&f);
    feed_locator(&f, HERE, OWN_PA, VXLAN);
    feed_settle(&f);
    check_entry(by_ca(5001, "10.1.1.11"), MAC1, SPACE_VXLAN, OWN_PA, 1);
    feed_own_pas(OWN_PA, NULL);
    check_all_is_well();
}
END_TEST

START_TEST(rows_may_go_in_any_order)
{
    feed_delete(&f, ROW_LOCATOR, THERE);
    feed_settle(&f);
    check_setup_mappings(2);
    feed_delete(&f, ROW_LOGICAL_SWITCH, WEB);
    feed_settle(&f);
    feed_delete(&f, ROW_LOGICAL_ROUTER, CONTOSO);
    feed_delete(&f, ROW_LOGICAL_SWITCH, SQL);
    feed_delete(&f, ROW_PHYSICAL_PORT, 1);
    feed_settle(&f);
    for (int i = 1; i <= 3; i++) {
        feed_delete(&f, ROW_UCAST_REMOTE, i);
        feed_delete(&f, ROW_LOCATOR, i);
    }
    feed_delete(&f, ROW_PHYSICAL_SWITCH, 1);
    feed_delete(&f, ROW_PHYSICAL_SWITCH, 1);
    feed_settle(&f);
    ck_assert_uint_eq(policy_count_space(f.policy), 0);
    ck_assert_uint_eq(policy_count_mappings(f.policy), 0);
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
}
END_TEST

START_TEST(a_guest_may_have_several_cas)
{
    feed_mapping(&f, 4, MAC2, "10.1.1.13", WEB, THERE);
    feed_settle(&f);
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
    ck_assert_uint_eq(policy_count_space(f.policy), 7);
    check_entry(by_ca(5001, "10.1.1.13"), MAC2, SPACE_VXLAN, PA2, 4);

    feed_delete(&f, ROW_UCAST_REMOTE, 2);
    feed_settle(&f);
    check_entry(by_mac(5001, MAC2), MAC2, SPACE_VXLAN, PA2, 4);
}
END_TEST

START_TEST(a_mapping_may_have_no_ca)
{
    feed_mapping(&f, 2, MAC2, "", WEB, THERE);
    feed_settle(&f);
    check_setup_mappings(2);
    ck_assert_ptr_null(by_ca(5001, "10.1.1.12"));
    check_entry(by_mac(5001, MAC2), MAC2, SPACE_VXLAN, PA2, 2);
}
END_TEST

START_TEST(a_subnet_may_have_several_prefixes)
{
    struct row_binding bindings[] = {
        bind_prefix("10.1.1.254/24", WEB), bind_prefix("10.9.0.0/16", WEB),
        bind_prefix("fd00:1::/64", WEB), bind_prefix("10.1.2.0/24", SQL),
    };

    feed_router(&f, CONTOSO, "Contoso", bindings, ARRAY_SIZE(bindings));
    feed_mapping(&f, 4, MAC2, "fd00:1:0::12", WEB, THERE);
    feed_mapping(&f, 5, MAC2, "10.9.9.9", WEB, THERE);
    feed_settle(&f);
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
    ck_assert_uint_eq(subnet(5001)->n_prefixes, 3);
    check_setup_mappings(0);
    check_entry(by_ca(5001, "fd00:1::12"), MAC2, SPACE_VXLAN, PA2, 4);
    check_entry(by_ca(5001, "10.9.9.9"), MAC2, SPACE_VXLAN, PA2, 5);
}
END_TEST

START_TEST(networks_with_the_same_addresses_are_apart)
{
    struct row_binding binding = bind_prefix("10.1.1.0/24", SPARE);

    feed_switch(&f, SPARE, "fabrikam", 6001);
    feed_router(&f, FABRIKAM, "Fabrikam", &binding, 1);
    feed_mapping(&f, 4, MAC1, "10.1.1.11", SPARE, THERE);
    feed_settle(&f);
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
    check_setup_mappings(0);
    check_entry(by_ca(6001, "10.1.1.11"), MAC1, SPACE_VXLAN, PA2, 4);
    ck_assert_uint_eq(subnet(6001)->domain, 6001);
}
END_TEST

START_TEST(a_new_vsid_takes_its_mappings_along)
{
    feed_switch(&f, WEB, "web", 7000);
    ck_assert(feed_settle(&f));
    ck_assert_ptr_null(subnet(5001));
    ck_assert_ptr_null(by_ca(5001, "10.1.1.12"));
    check_entry(by_ca(7000, "10.1.1.12"), MAC2, SPACE_VXLAN, PA2, 2);
    ck_assert_uint_eq(policy_count_space(f.policy), 6);
    ck_assert_uint_eq(subnet(7000)->domain, 5002);
}
END_TEST

START_TEST(a_new_name_touches_no_entry)
{
    size_t n_told = f.n_told;

    feed_switch(&f, WEB, "www", 5001);
    ck_assert(feed_settle(&f));
    ck_assert_str_eq(subnet(5001)->name, "www");
    ck_assert_uint_eq(f.n_told, n_told);
}
END_TEST

START_TEST(subnets_may_swap_vsids)
{
    feed_switch(&f, WEB, "web", 5002);
    feed_switch(&f, SQL, "sql", 5001);
    feed_settle(&f);
    check_entry(by_ca(5002, "10.1.1.12"), MAC2, SPACE_VXLAN, PA2, 2);
    check_entry(by_ca(5001, "10.1.2.11"), MAC3, SPACE_NVGRE, PA3, 3);
    ck_assert_ptr_null(by_ca(5001, "10.1.1.12"));
    ck_assert_uint_eq(policy_count_space(f.policy), 6);
}
END_TEST

START_TEST(own_pas_decide_what_is_local)
{
    feed_own_pas(PA2, NULL);
    feed_settle(&f);
    check_entry(by_ca(5001, "10.1.1.11"), MAC1, SPACE_VXLAN, OWN_PA, 1);
    check_entry(by_ca(5001, "10.1.1.12"), MAC2, SPACE_LOCAL, NULL, 2);
    check_entry(by_ca(5002, "10.1.2.11"), MAC3, SPACE_NVGRE, PA3, 3);
}
END_TEST

START_TEST(flooding_goes_to_others_once)
{
    struct uuid set1[] = { row_id(ROW_LOCATOR, HERE),
                           row_id(ROW_LOCATOR, ELSEWHERE),
                           row_id(ROW_LOCATOR, THERE) };
    struct uuid set2[] = { row_id(ROW_LOCATOR, 4), row_id(ROW_LOCATOR, 5) };
    struct in6_addr pa2 = ip(PA2), pa3 = ip(PA3), pa4 = ip("192.0.2.4");
    struct in6_addr own_pa = ip(OWN_PA);

    feed_mcast(&f, 1, "Unknown-DST", WEB, 1);
    feed_mcast(&f, 2, "unknown-dst", WEB, 2);
    feed_mcast(&f, 3, "01:00:5e:00:00:01", SQL, 1);
    feed_locator_set(&f, 1, set1, ARRAY_SIZE(set1));
    feed_locator_set(&f, 2, set2, ARRAY_SIZE(set2));
    feed_locator(&f, 4, PA2, NVGRE);
    feed_settle(&f);
    ck_assert_uint_eq(subnet(5001)->n_flood, 2);
    ck_assert(addr_equal(&subnet(5001)->flood[0].pa, &pa2));
    ck_assert_int_eq(subnet(5001)->flood[0].encap, SPACE_VXLAN);
    ck_assert(addr_equal(&subnet(5001)->flood[1].pa, &pa3));
    ck_assert_int_eq(subnet(5001)->flood[1].encap, SPACE_NVGRE);
    ck_assert_uint_eq(subnet(5002)->n_flood, 0);
    ck_assert_uint_eq(subnet(5001)->n_flood_here, 1);
    ck_assert(addr_equal(&subnet(5001)->flood_here[0], &own_pa));

    feed_locator(&f, 5, "192.0.2.4", VXLAN);    /* Late. */
    ck_assert(feed_settle(&f));
    ck_assert_uint_eq(subnet(5001)->n_flood, 3);
    ck_assert(addr_equal(&subnet(5001)->flood[2].pa, &pa4));

    feed_own_pas(OWN_PA, PA2);
    ck_assert(feed_settle(&f));
    ck_assert_uint_eq(subnet(5001)->n_flood, 2);
    ck_assert_uint_eq(subnet(5001)->n_flood_here, 2);
    ck_assert(addr_equal(&subnet(5001)->flood_here[0], &own_pa));
    ck_assert(addr_equal(&subnet(5001)->flood_here[1], &pa2));
}
END_TEST

/* Migrations. */

static void
feed_migrations(const struct row_pair *pairs, size_t n)
{
    feed_row(&f, ROW_LOGICAL_SWITCH, WEB, (struct row) {
        .logical_switch = {
            .name = "web", .description = "",
            .has_tunnel_key = true, .tunnel_key = 5001,
            .other_config = { pairs, n },
        },
    });
}

static void
check_migration(size_t i, const char *ca, enum space_encap encap,
                const char *pa)
{
    const struct rules_migration *m = &subnet(5001)->migrations[i];
    struct in6_addr wanted = ip(ca);

    ck_assert_uint_lt(i, subnet(5001)->n_migrations);
    ck_assert(addr_equal(&m->ca, &wanted));
    ck_assert_int_eq(m->to.encap, encap);
    if (pa) {
        wanted = ip(pa);
        ck_assert(addr_equal(&m->to.pa, &wanted));
    }
}

START_TEST(a_migration_names_an_address_and_a_host)
{
    struct row_pair pairs[] = {
        { "migrating:10.1.1.11", PA3 }, { "migrating:10.1.1.12", OWN_PA },
        { "migrating:10.1.1.13", "192.0.2.4" }, { "other", "10.1.1.14" },
    };

    feed_migrations(pairs, ARRAY_SIZE(pairs));
    ck_assert(feed_settle(&f));
    ck_assert_uint_eq(subnet(5001)->n_migrations, 3);
    check_migration(0, "10.1.1.11", SPACE_NVGRE, PA3);
    check_migration(1, "10.1.1.12", SPACE_LOCAL, NULL);
    check_migration(2, "10.1.1.13", SPACE_VXLAN, "192.0.2.4");
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);

    feed_locator(&f, 4, "192.0.2.4", NVGRE);    /* Late. */
    ck_assert(feed_settle(&f));
    check_migration(2, "10.1.1.13", SPACE_NVGRE, "192.0.2.4");
    feed_locator(&f, 5, "192.0.2.4", VXLAN);
    ck_assert(feed_settle(&f));
    check_migration(2, "10.1.1.13", SPACE_VXLAN, "192.0.2.4");

    feed_own_pas(OWN_PA, "192.0.2.4");
    ck_assert(feed_settle(&f));
    check_migration(2, "10.1.1.13", SPACE_LOCAL, NULL);

    feed_switch(&f, WEB, "web", 5001);
    ck_assert(feed_settle(&f));
    ck_assert_uint_eq(subnet(5001)->n_migrations, 0);
}
END_TEST

static void
check_bad_migration(const char *key, const char *value, const char *part)
{
    struct row_pair pairs[] = {
        { "migrating:10.1.1.11", PA3 }, { key, value },
    };
    struct uuid row = row_id(ROW_LOGICAL_SWITCH, WEB);
    const struct diag *diag;

    feed_migrations(pairs, ARRAY_SIZE(pairs));
    feed_settle(&f);
    ck_assert_uint_eq(subnet(5001)->n_migrations, 1);
    diag = diag_set_find(&f.diags, &row, "other_config", DIAG_OTHER_CONFIG);
    ck_assert_ptr_nonnull(diag);
    ck_assert_msg(strstr(diag->text, part) && strstr(diag->text, key)
                  && strstr(diag->text, value), "%s", diag->text);

    feed_migrations(pairs, 1);
    feed_settle(&f);
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
}

START_TEST(a_bad_migration_is_said_and_the_others_hold)
{
    check_bad_migration("migrating:", PA2, "IP address");
    check_bad_migration("migrating:10.1.1", PA2, "IP address");
    check_bad_migration("migrating:10.1.2.12", PA2, "no guest");
    check_bad_migration("migrating:10.1.1.1", PA2, "no guest");
    check_bad_migration("migrating:10.1.1.255", PA2, "no guest");
    check_bad_migration("migrating: 10.1.1.11", PA2, "same CA");
    check_bad_migration("migrating:10.1.1.12", "", "a host");
    check_bad_migration("migrating:10.1.1.12", "224.0.0.1", "a host");
    check_bad_migration("migrating:10.1.1.12", "192.0.2.2/24", "a host");
}
END_TEST

/* Bad input. */

static void
check_vsid(int64_t vsid, enum diag_code code, const char *part)
{
    feed_switch(&f, SQL, "sql", vsid);
    feed_settle(&f);
    check_diag(ROW_LOGICAL_SWITCH, SQL, "Logical_Switch", "tunnel_key", code,
               part);
    ck_assert_uint_eq(policy_rules(f.policy)->n_subnets, 1);
    ck_assert_uint_eq(policy_count_space(f.policy), 4);
    check_setup_mappings(3);
    feed_switch(&f, SQL, "sql", 5002);
    check_all_is_well();
}

START_TEST(vsid_out_of_range)
{
    check_vsid(4095, DIAG_VSID_OUT_OF_RANGE, "4095");
    check_vsid(-1, DIAG_VSID_OUT_OF_RANGE, "-1");
    check_vsid(0xffffff, DIAG_VSID_OUT_OF_RANGE, "16777215");
    check_vsid(INT64_C(0x100000000) + 5002, DIAG_VSID_OUT_OF_RANGE,
               "4294972298");
}
END_TEST

START_TEST(vsid_at_the_ends_of_the_range)
{
    feed_switch(&f, SQL, "sql", VSID_MIN);
    feed_switch(&f, WEB, "web", VSID_MAX);
    feed_settle(&f);
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
    check_entry(by_ca(VSID_MAX, "10.1.1.12"), MAC2, SPACE_VXLAN, PA2, 2);
    check_entry(by_ca(VSID_MIN, "10.1.2.11"), MAC3, SPACE_NVGRE, PA3, 3);
}
END_TEST

static bool
has_slaac(uint32_t vsid)
{
    return rules_find_subnet(policy_rules(f.policy), vsid)->slaac;
}

START_TEST(slaac_is_off_by_default)
{
    ck_assert(!has_slaac(5002));
    feed_switch_config(&f, SQL, "sql", 5002, "slaac", "true");
    ck_assert(feed_settle(&f));
    ck_assert(has_slaac(5002));
    ck_assert(!has_slaac(5001));

    feed_switch_config(&f, SQL, "sql", 5002, "slaac", "perhaps");
    feed_settle(&f);
    check_diag(ROW_LOGICAL_SWITCH, SQL, "Logical_Switch", "other_config",
               DIAG_OTHER_CONFIG, "slaac \"perhaps\"");
    ck_assert(!has_slaac(5002));
    check_setup_mappings(0);
    feed_switch_config(&f, SQL, "sql", 5002, "slaac", "false");
    check_all_is_well();
}
END_TEST

START_TEST(vsid_missing)
{
    check_vsid(0, DIAG_VSID_MISSING, "sql");

    /* One that no network wants may be without. */
    feed_switch(&f, SPARE, "spare", 0);
    check_all_is_well();
}
END_TEST

START_TEST(vsid_used_twice)
{
    check_vsid(5001, DIAG_VSID_DUPLICATE, "web");

    feed_switch(&f, SPARE, "spare", 5002);
    feed_settle(&f);
    check_diag(ROW_LOGICAL_SWITCH, SPARE, "Logical_Switch", "tunnel_key",
               DIAG_VSID_DUPLICATE, "5002");
    check_setup_mappings(0);

    /* When the first lets go, the other has it. */
    feed_switch(&f, SQL, "sql", 5003);
    feed_settle(&f);
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
}
END_TEST

static void
check_mapping(const char *mac_text, const char *ca, const char *column,
              enum diag_code code, const char *part)
{
    feed_mapping(&f, 2, mac_text, ca, WEB, THERE);
    feed_settle(&f);
    check_mapping_diag(2, column, code, part);
    check_setup_mappings(2);
    ck_assert_uint_eq(policy_count_space(f.policy), 4);
    feed_mapping(&f, 2, MAC2, "10.1.1.12", WEB, THERE);
    check_all_is_well();
}

START_TEST(ca_in_no_prefix_of_its_subnet)
{
    check_mapping(MAC2, "10.1.3.4", "ipaddr", DIAG_CA_OUTSIDE_SUBNET,
                  "10.1.1.0/24");
    check_mapping(MAC2, "10.1.2.4", "ipaddr", DIAG_CA_OUTSIDE_SUBNET,
                  "10.1.2.4");
    check_mapping(MAC2, "fd00::1", "ipaddr", DIAG_CA_OUTSIDE_SUBNET,
                  "fd00::1");
}
END_TEST

START_TEST(ca_of_the_gateway)
{
    check_mapping(MAC2, "10.1.1.1", "ipaddr", DIAG_CA_IS_GATEWAY,
                  "10.1.1.1");
}
END_TEST

START_TEST(ca_that_is_no_hosts)
{
    check_mapping(MAC2, "10.1.1.0", "ipaddr", DIAG_CA_RESERVED, "10.1.1.0");
    check_mapping(MAC2, "10.1.1.255", "ipaddr", DIAG_CA_RESERVED,
                  "10.1.1.255");
}
END_TEST

START_TEST(mac_of_the_router)
{
    const char *ips[] = { OWN_PA };

    check_mapping("00:aa:00:00:00:01", "10.1.1.12", "MAC", DIAG_MAC_IS_ROUTER,
                  "00:aa:00:00:00:01");

    feed_host(&f, 1, ips, 1, MAC2);
    feed_settle(&f);
    check_mapping_diag(2, "MAC", DIAG_MAC_IS_ROUTER, MAC2);
    feed_host(&f, 1, ips, 1, "00:aa:00:00:00:01");
    check_all_is_well();
}
END_TEST

START_TEST(ca_or_mac_that_does_not_parse)
{
    check_mapping(MAC2, "10.1.1", "ipaddr", DIAG_BAD_ADDRESS, "\"10.1.1\"");
    check_mapping(MAC2, "10.1.1.12/24", "ipaddr", DIAG_BAD_ADDRESS, "/24");
    check_mapping("junk", "10.1.1.12", "MAC", DIAG_BAD_MAC, "\"junk\"");
    check_mapping("01:00:5e:00:00:01", "10.1.1.12", "MAC", DIAG_BAD_MAC,
                  "01:00:5e:00:00:01");
    check_mapping("", "10.1.1.12", "MAC", DIAG_BAD_MAC, "\"\"");

    /* Both. */
    feed_mapping(&f, 2, "junk", "more junk", WEB, THERE);
    feed_settle(&f);
    ck_assert_uint_eq(diag_set_count(&f.diags), 2);
    feed_delete(&f, ROW_UCAST_REMOTE, 2);
    feed_settle(&f);
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
}
END_TEST

START_TEST(two_mappings_for_one_ca)
{
    feed_mapping(&f, 4, MAC3, "10.1.1.12", WEB, ELSEWHERE);
    feed_settle(&f);
    check_mapping_diag(4, "ipaddr", DIAG_CA_DUPLICATE, MAC2);
    check_setup_mappings(0);
    ck_assert_ptr_null(by_mac(5001, MAC3));

    feed_delete(&f, ROW_UCAST_REMOTE, 2);
    feed_settle(&f);
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
    check_entry(by_ca(5001, "10.1.1.12"), MAC3, SPACE_NVGRE, PA3, 4);
    ck_assert_ptr_null(by_mac(5001, MAC2));
}
END_TEST

/* 'ca' has several owners; row 'n_mapping' is the first. */
static void
check_balanced(const char *ca, int n_mapping)
{
    struct in6_addr addr = ip(ca);
    char text[32];

    snprintf(text, sizeof text, ETH_ADDR_FMT,
             ETH_ADDR_ARGS(space_balanced_mac(5001, &addr)));
    check_entry(by_ca(5001, ca), text, SPACE_BALANCED, ca, n_mapping);
    check_entry(by_mac(5001, text), text, SPACE_BALANCED, ca, n_mapping);
}

static const struct space_entry *
by_share(const char *ca, uint32_t share)
{
    struct in6_addr addr = ip(ca);
    struct space_key key;

    space_key_init_share(&key, 5001, &addr, share);
    return find_entry(&key);
}

/* True if row 'n_mapping' has 'share' of 'ca'. */
static bool
has_share(const char *ca, uint32_t share, int n_mapping)
{
    struct uuid row = row_id(ROW_UCAST_REMOTE, n_mapping);
    const struct space_entry *entry = by_share(ca, share);

    return entry && entry->cookie == row_cookie(&row);
}

static int
count_shares(const char *ca, int n_mapping)
{
    int n = 0;

    for (uint32_t share = 0; share < SPACE_N_SHARES; share++) {
        n += has_share(ca, share, n_mapping);
    }
    return n;
}

static void
check_shares(const char *ca, int n_mapping, const char *mac_text,
             enum space_encap encap, const char *pa)
{
    for (uint32_t share = 0; share < SPACE_N_SHARES; share++) {
        if (has_share(ca, share, n_mapping)) {
            check_entry(by_share(ca, share), mac_text, encap, pa, n_mapping);
        }
    }
}

START_TEST(load_balanced_mappings_share_a_ca)
{
    feed_mapping_type(&f, 4, MAC5, "10.1.1.20", WEB, HERE, "load_balanced");
    feed_mapping_type(&f, 5, MAC4, "10.1.1.20", WEB, THERE, "load_balanced");
    feed_settle(&f);
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
    check_balanced("10.1.1.20", 4);
    int before = count_shares("10.1.1.20", 4);
    ck_assert_int_gt(before, SPACE_N_SHARES / 4);
    ck_assert_int_lt(before, SPACE_N_SHARES * 3 / 4);
    ck_assert_int_eq(count_shares("10.1.1.20", 5), SPACE_N_SHARES - before);
    check_shares("10.1.1.20", 4, MAC5, SPACE_LOCAL, NULL);
    check_shares("10.1.1.20", 5, MAC4, SPACE_VXLAN, PA2);

    /* Another one takes from both, and gives back. */
    size_t n = policy_count_space(f.policy);
    feed_mapping_type(&f, 6, MAC6, "10.1.1.20", WEB, ELSEWHERE,
                      "load_balanced");
    feed_settle(&f);
    ck_assert_uint_eq(policy_count_space(f.policy), n + 1);
    check_balanced("10.1.1.20", 4);
    ck_assert_int_gt(count_shares("10.1.1.20", 6), SPACE_N_SHARES / 6);
    ck_assert_int_lt(count_shares("10.1.1.20", 4), before);
    feed_delete(&f, ROW_UCAST_REMOTE, 6);
    feed_settle(&f);
    ck_assert_int_eq(count_shares("10.1.1.20", 4), before);

    /* One that moves keeps its shares. */
    feed_mapping_type(&f, 5, MAC4, "10.1.1.20", WEB, ELSEWHERE,
                      "load_balanced");
    feed_settle(&f);
    ck_assert_int_eq(count_shares("10.1.1.20", 4), before);
    check_shares("10.1.1.20", 5, MAC4, SPACE_NVGRE, PA3);

    /* The last one has all. */
    feed_delete(&f, ROW_UCAST_REMOTE, 4);
    feed_settle(&f);
    check_balanced("10.1.1.20", 5);
    ck_assert_int_eq(count_shares("10.1.1.20", 5), SPACE_N_SHARES);

    /* As a mapping like others it is one like others. */
    feed_mapping(&f, 5, MAC4, "10.1.1.20", WEB, THERE);
    feed_settle(&f);
    check_entry(by_ca(5001, "10.1.1.20"), MAC4, SPACE_VXLAN, PA2, 5);
    ck_assert_int_eq(count_shares("10.1.1.20", 5), 0);
    feed_delete(&f, ROW_UCAST_REMOTE, 5);
    feed_settle(&f);
    check_setup_mappings(0);
}
END_TEST

/* There is one MAC in a balanced CA's way; and it comes first or last. */
START_TEST(the_mac_of_a_balanced_ca_is_no_guests)
{
    struct in6_addr ca = ip("10.1.1.20");
    char text[32];

    snprintf(text, sizeof text, ETH_ADDR_FMT,
             ETH_ADDR_ARGS(space_balanced_mac(5001, &ca)));
    for (int last = 0; last < 2; last++) {
        if (!last) {
            feed_mapping(&f, 4, text, "10.1.1.21", WEB, THERE);
            feed_settle(&f);
        }
        feed_mapping_type(&f, 5, MAC4, "10.1.1.20", WEB, THERE,
                          "load_balanced");
        feed_settle(&f);
        if (last) {
            feed_mapping(&f, 4, text, "10.1.1.21", WEB, THERE);
            feed_settle(&f);
        }
        check_balanced("10.1.1.20", 5);

        feed_delete(&f, ROW_UCAST_REMOTE, 5);
        feed_settle(&f);
        check_entry(by_mac(5001, text), text, SPACE_VXLAN, PA2, 4);
        feed_delete(&f, ROW_UCAST_REMOTE, 4);
        feed_settle(&f);
        ck_assert_ptr_null(by_mac(5001, text));
    }
    check_setup_mappings(0);
}
END_TEST

START_TEST(one_mac_at_two_places)
{
    feed_mapping(&f, 4, MAC2, "10.1.1.13", WEB, ELSEWHERE);
    feed_settle(&f);
    check_mapping_diag(4, "MAC", DIAG_MAC_CONFLICT, PA2);
    check_setup_mappings(0);
    ck_assert_ptr_null(by_ca(5001, "10.1.1.13"));

    feed_mapping(&f, 2, MAC2, "10.1.1.12", WEB, ELSEWHERE);
    feed_settle(&f);
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
    check_entry(by_ca(5001, "10.1.1.12"), MAC2, SPACE_NVGRE, PA3, 2);
    check_entry(by_ca(5001, "10.1.1.13"), MAC2, SPACE_NVGRE, PA3, 4);
}
END_TEST

START_TEST(one_mac_at_one_place_by_two_encapsulations)
{
    feed_locator(&f, 4, PA2, NVGRE);
    feed_mapping(&f, 4, MAC2, "10.1.1.13", WEB, 4);
    feed_settle(&f);
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
    check_setup_mappings(0);
    check_entry(by_ca(5001, "10.1.1.13"), MAC2, SPACE_NVGRE, PA2, 4);
}
END_TEST

/* 4 is set aside for 2, and therefore 5 is not for 4; without 2 it is. */
START_TEST(what_is_set_aside_sets_nothing_aside)
{
    feed_mapping(&f, 4, MAC3, "10.1.1.12", WEB, ELSEWHERE);
    feed_mapping(&f, 5, MAC3, "10.1.1.15", WEB, THERE);
    feed_settle(&f);
    check_mapping_diag(4, "ipaddr", DIAG_CA_DUPLICATE, "10.1.1.12");
    check_entry(by_mac(5001, MAC3), MAC3, SPACE_VXLAN, PA2, 5);

    feed_delete(&f, ROW_UCAST_REMOTE, 2);
    feed_settle(&f);
    check_mapping_diag(5, "MAC", DIAG_MAC_CONFLICT, PA3);
    check_entry(by_mac(5001, MAC3), MAC3, SPACE_NVGRE, PA3, 4);
    ck_assert_ptr_null(by_ca(5001, "10.1.1.15"));

    feed_mapping(&f, 2, MAC2, "10.1.1.12", WEB, THERE);
    feed_delete(&f, ROW_UCAST_REMOTE, 4);
    feed_settle(&f);
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
    check_setup_mappings(0);
    check_entry(by_ca(5001, "10.1.1.15"), MAC3, SPACE_VXLAN, PA2, 5);
}
END_TEST

static void
check_key(const char *key, enum diag_code code, const char *part)
{
    struct row_binding bindings[] = {
        bind_prefix("10.1.1.0/24", WEB), bind_prefix(key, SQL),
    };

    feed_router(&f, CONTOSO, "Contoso", bindings, ARRAY_SIZE(bindings));
    feed_settle(&f);
    check_router_diag(CONTOSO, code, part);
    ck_assert_uint_eq(policy_rules(f.policy)->n_subnets, 1);
    check_setup_mappings(3);
    feed_contoso();
    check_all_is_well();
}

START_TEST(prefix_that_cannot_be_used)
{
    static const char *const keys[] = {
        "", "10.1.2.0", "10.1.2.0/33", "10.1.2.0/x", "10.1.2.1/32",
        "fd00::1/128", "0.0.0.0/0", "::/0", "10.1.2.255/24", "127.1.0.0/16",
        "224.0.0.0/8", "192.0.0.0/2", "169.254.0.0/16", "fe80::/64",
        "ff02::/16", "0.1.0.0/16",
    };

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        check_key(keys[i], DIAG_BAD_PREFIX, keys[i]);
    }
}
END_TEST

START_TEST(several_bad_prefixes_share_a_diagnostic)
{
    struct row_binding bindings[] = {
        bind_prefix("10.1.1.0/24", WEB), bind_prefix("bad", SQL),
        bind_prefix("worse", SQL),
    };

    feed_router(&f, CONTOSO, "Contoso", bindings, ARRAY_SIZE(bindings));
    feed_settle(&f);
    check_router_diag(CONTOSO, DIAG_BAD_PREFIX, "\"bad\"");
    check_router_diag(CONTOSO, DIAG_BAD_PREFIX, "\"worse\"");
    feed_contoso();
    check_all_is_well();
}
END_TEST

START_TEST(gateways)
{
    static const struct {
        const char *key;
        const char *net;
        unsigned int plen;
        const char *gateway;
    } cases[] = {
        { "10.1.2.0/24", "10.1.2.0", 24, "10.1.2.1" },
        { "10.1.2.254/24", "10.1.2.0", 24, "10.1.2.254" },
        { "10.1.2.0/30", "10.1.2.0", 30, "10.1.2.1" },
        { "10.1.2.0/31", "10.1.2.0", 31, "10.1.2.0" },
        { "10.1.2.1/31", "10.1.2.0", 31, "10.1.2.1" },
        { "FD00:0:0::/64", "fd00::", 64, "fd00::1" },
        { "fd00::ff/64", "fd00::", 64, "fd00::ff" },
        { "fd00::ffff:ffff:ffff:ffff/64", "fd00::", 64,
          "fd00::ffff:ffff:ffff:ffff" },
        { "fd00::2/127", "fd00::2", 127, "fd00::2" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct row_binding binding = bind_prefix(cases[i].key, SQL);

        feed_router(&f, CONTOSO, "Contoso", &binding, 1);
        feed_settle(&f);
        ck_assert_ptr_nonnull(subnet(5002));
        check_prefix(&subnet(5002)->prefixes[0], cases[i].net, cases[i].plen,
                     cases[i].gateway);
    }
}
END_TEST

START_TEST(overlapping_prefixes_in_one_network)
{
    check_key("10.1.1.128/25", DIAG_PREFIX_OVERLAP, "10.1.1.0/24");
    check_key("10.1.0.0/16", DIAG_PREFIX_OVERLAP, "web");
    check_key("10.1.1.254/24", DIAG_PREFIX_OVERLAP, "10.1.1.254/24");
}
END_TEST

START_TEST(the_prefix_that_was_there_first_stays)
{
    /* Sorts before the other, in another prefix of an unchanged row. */
    struct row_binding bindings[] = {
        bind_prefix("10.1.0.0/16", SPARE), bind_prefix("10.1.1.0/24", WEB),
        bind_prefix("10.1.2.0/24", SQL),
    };

    feed_switch(&f, SPARE, "spare", 5003);
    feed_router(&f, CONTOSO, "Contoso", bindings, ARRAY_SIZE(bindings));
    feed_settle(&f);
    check_router_diag(CONTOSO, DIAG_PREFIX_OVERLAP, "10.1.0.0/16");
    ck_assert_uint_eq(policy_rules(f.policy)->n_subnets, 2);
    check_setup_mappings(0);

    feed_router(&f, CONTOSO, "Contoso", bindings, 1);
    feed_port(&f, 1, "{AA00}", SPARE);
    feed_settle(&f);
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
    ck_assert_uint_eq(policy_rules(f.policy)->n_subnets, 1);
    ck_assert_ptr_nonnull(subnet(5003));
}
END_TEST

START_TEST(subnet_in_two_networks)
{
    struct row_binding bindings[] = {
        bind_prefix("10.7.0.0/24", SQL), bind_prefix("10.8.0.0/24", SPARE),
    };

    feed_switch(&f, SPARE, "spare", 6001);
    feed_router(&f, FABRIKAM, "Fabrikam", bindings, ARRAY_SIZE(bindings));
    feed_settle(&f);
    check_router_diag(FABRIKAM, DIAG_SUBNET_IN_TWO_NETWORKS, "Contoso");
    ck_assert_uint_eq(policy_rules(f.policy)->n_subnets, 3);
    check_setup_mappings(0);

    feed_router(&f, FABRIKAM, "Fabrikam", &bindings[1], 1);
    feed_settle(&f);
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
    check_setup_mappings(0);

    /* It goes over to the second when the first lets go. */
    feed_router(&f, FABRIKAM, "Fabrikam", bindings, ARRAY_SIZE(bindings));
    feed_delete(&f, ROW_LOGICAL_ROUTER, CONTOSO);
    feed_mapping(&f, 3, MAC3, "10.7.0.9", SQL, ELSEWHERE);
    feed_delete(&f, ROW_PHYSICAL_PORT, 1);
    feed_settle(&f);
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
    check_entry(by_ca(5002, "10.7.0.9"), MAC3, SPACE_NVGRE, PA3, 3);
}
END_TEST

static void
check_locator(const char *dst_ip, const char *encap, const char *column,
              enum diag_code code, const char *part)
{
    feed_locator(&f, THERE, dst_ip, encap);
    feed_settle(&f);
    check_diag(ROW_LOCATOR, THERE, "Physical_Locator", column, code, part);
    check_setup_mappings(2);
    ck_assert_uint_eq(policy_count_space(f.policy), 4);
    feed_locator(&f, THERE, PA2, VXLAN);
    check_all_is_well();
}

START_TEST(locator_that_does_not_fit)
{
    check_locator(PA2, "vxlan_over_ipv6", "encapsulation_type",
                  DIAG_ENCAP_MISMATCH, PA2);
    check_locator("2001:db8::2", "nvgre_over_ipv4", "encapsulation_type",
                  DIAG_ENCAP_MISMATCH, "2001:db8::2");
    check_locator("host2", VXLAN, "dst_ip", DIAG_BAD_ADDRESS, "\"host2\"");
    check_locator("224.0.0.1", VXLAN, "dst_ip", DIAG_BAD_ADDRESS,
                  "224.0.0.1");
}
END_TEST

START_TEST(ipv6_locator)
{
    feed_locator(&f, THERE, "2001:db8::2", "vxlan_over_ipv6");
    feed_settle(&f);
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
    check_entry(by_ca(5001, "10.1.1.12"), MAC2, SPACE_VXLAN, "2001:db8::2",
                2);
}
END_TEST

START_TEST(port_bound_to_a_subnet_in_no_network)
{
    const struct rules_port *ports;

    feed_switch(&f, SPARE, "spare", 5003);
    feed_port(&f, 2, "{BB00}", SPARE);
    feed_port(&f, 3, "{CC00}", -1);
    feed_settle(&f);
    check_diag(ROW_PHYSICAL_PORT, 2, "Physical_Port", "vlan_bindings",
               DIAG_PORT_SUBNET_UNUSABLE, "spare");
    ports = policy_rules(f.policy)->ports;
    ck_assert_uint_eq(policy_rules(f.policy)->n_ports, 3);
    ck_assert_int_eq(ports[0].fault, RULES_PORT_OK);
    ck_assert_int_eq(ports[1].fault, RULES_PORT_BAD_SUBNET);
    ck_assert_uint_eq(ports[1].vsid, 0);
    ck_assert_int_eq(ports[2].fault, RULES_PORT_UNBOUND);

    feed_port(&f, 2, "{BB00}", WEB);
    check_all_is_well();
    ck_assert_uint_eq(policy_rules(f.policy)->ports[1].vsid, 5001);
}
END_TEST

START_TEST(port_names_that_mean_the_same)
{
    feed_port(&f, 2, "aa00", SQL);
    feed_port(&f, 3, "{}", SQL);
    feed_settle(&f);
    ck_assert_uint_eq(diag_set_count(&f.diags), 2);
    ck_assert_uint_eq(policy_rules(f.policy)->n_ports, 3);
    ck_assert_int_eq(policy_rules(f.policy)->ports[0].fault,
                     RULES_PORT_OK);
    ck_assert_uint_eq(policy_rules(f.policy)->ports[0].vsid, 5001);
    ck_assert_int_eq(policy_rules(f.policy)->ports[1].fault,
                     RULES_PORT_BAD_NAME);
    ck_assert_int_eq(policy_rules(f.policy)->ports[2].fault,
                     RULES_PORT_BAD_NAME);

    feed_port(&f, 3, "{cc}", SQL);
    feed_settle(&f);
    check_diag(ROW_PHYSICAL_PORT, 2, "Physical_Port", "name", DIAG_PORT_NAME,
               "{AA00}");
    feed_delete(&f, ROW_PHYSICAL_PORT, 1);
    feed_settle(&f);
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
    ck_assert_uint_eq(policy_rules(f.policy)->ports[0].vsid, 5002);
}
END_TEST

START_TEST(a_guest_forwards_if_its_row_says_so)
{
    const struct rules_port *port;

    feed_darv_port(&f, 1, "aa00", true);
    ck_assert(feed_settle(&f));
    port = &policy_rules(f.policy)->ports[0];
    ck_assert(port->forwards);
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);

    /* Another that means the same port has nothing to say. */
    feed_darv_port(&f, 2, "{AA00}", false);
    feed_settle(&f);
    check_diag(ROW_DARV_PORT, 2, "Ports", "name", DIAG_PORT_NAME, "aa00");
    ck_assert(policy_rules(f.policy)->ports[0].forwards);
    feed_darv_port(&f, 2, "", true);
    feed_settle(&f);
    check_diag(ROW_DARV_PORT, 2, "Ports", "name", DIAG_PORT_NAME, "empty");
    feed_darv_port(&f, 2, "{dd}", true);
    check_all_is_well();

    feed_darv_port(&f, 1, "aa00", false);
    ck_assert(feed_settle(&f));
    ck_assert(!policy_rules(f.policy)->ports[0].forwards);
    feed_darv_port(&f, 1, "aa00", true);
    ck_assert(feed_settle(&f));
    feed_delete(&f, ROW_DARV_PORT, 1);
    ck_assert(feed_settle(&f));
    ck_assert(!policy_rules(f.policy)->ports[0].forwards);
}
END_TEST

START_TEST(host_with_bad_addresses)
{
    const char *ips[] = { "nonsense", OWN_PA };
    struct in6_addr own = ip(OWN_PA);

    feed_host(&f, 1, ips, 2, "00:aa:00:00:00:01");
    feed_settle(&f);
    check_diag(ROW_PHYSICAL_SWITCH, 1, "Physical_Switch", "tunnel_ips",
               DIAG_BAD_ADDRESS, "\"nonsense\"");
    ck_assert(rules_owns_pa(policy_rules(f.policy), &own));
    check_setup_mappings(0);

    feed_host(&f, 1, ips + 1, 1, "nobody");
    feed_settle(&f);
    check_diag(ROW_PHYSICAL_SWITCH, 1, "Physical_Switch",
               "distributed_router_mac", DIAG_BAD_MAC, "\"nobody\"");
    feed_host(&f, 1, ips + 1, 1, "");
    check_all_is_well();
}
END_TEST

START_TEST(the_host_row_that_counts_depends_on_no_order)
{
    const char *own[] = { OWN_PA };
    const char *other[] = { "192.168.9.9" };
    struct uuid second = row_id(ROW_PHYSICAL_SWITCH, 2);
    struct in6_addr other_pa = ip("192.168.9.9");

    /* Of several with PAs the first by name, "host1". */
    feed_host(&f, 2, other, 1, "00:aa:00:00:00:02");
    feed_settle(&f);
    check_diag(ROW_PHYSICAL_SWITCH, 2, "Physical_Switch", "name",
               DIAG_OTHER_HOST, "\"host2\" is not this host's");
    check_setup_mappings(0);

    /* Or that with the host's own name. */
    policy_set_host_name(f.policy, "host2");
    feed_settle(&f);
    check_diag(ROW_PHYSICAL_SWITCH, 1, "Physical_Switch", "name",
               DIAG_OTHER_HOST, "\"host1\" is not this host's");
    ck_assert(uuid_equals(&policy_rules(f.policy)->physical_switch, &second));
    ck_assert(rules_owns_pa(policy_rules(f.policy), &other_pa));

    /* But one without a PA is nobody's yet. */
    feed_host(&f, 2, NULL, 0, "00:aa:00:00:00:02");
    check_all_is_well();
    feed_delete(&f, ROW_PHYSICAL_SWITCH, 2);
    feed_host(&f, 1, own, 1, "");
    check_all_is_well();
}
END_TEST

/* IP rewrite. */

/* The network that works, but subnet WEB has IP rewrite. */
static void
rewrite_web(void)
{
    feed_switch_encap(&f, WEB, "web", 5001, "ip_rewrite");
    feed_switch_encap(&f, SQL, "sql", 5002, "ip_rewrite");
    feed_settle(&f);
}

static const struct space_entry *
by_pa(const char *pa)
{
    struct in6_addr addr = ip(pa);
    struct space_key key;

    space_key_init_pa(&key, &addr);
    return find_entry(&key);
}

static void
check_owner(const char *pa, const char *mac_text, enum space_encap encap,
            uint32_t vsid, const char *ca, int n_mapping)
{
    const struct space_entry *entry = by_pa(pa);
    struct in6_addr addr = ip(ca);

    check_entry(entry, mac_text, encap, NULL, n_mapping);
    ck_assert_uint_eq(entry->vsid, vsid);
    ck_assert(addr_equal(&entry->ca, &addr));
}

START_TEST(ip_rewrite_knows_cas_by_their_pas)
{
    rewrite_web();
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
    ck_assert(subnet(5001)->rewrite);
    check_entry(by_ca(5001, "10.1.1.11"), MAC1, SPACE_LOCAL, OWN_PA, 1);
    check_entry(by_mac(5001, MAC1), MAC1, SPACE_LOCAL, NULL, 1);
    check_entry(by_ca(5001, "10.1.1.12"), MAC2, SPACE_REWRITE, PA2, 2);
    check_entry(by_mac(5001, MAC2), MAC2, SPACE_REWRITE, NULL, 2);
    check_owner(OWN_PA, MAC1, SPACE_LOCAL, 5001, "10.1.1.11", 1);
    check_owner(PA2, MAC2, SPACE_REWRITE, 5001, "10.1.1.12", 2);
    check_owner(PA3, MAC3, SPACE_REWRITE, 5002, "10.1.2.11", 3);
    ck_assert_uint_eq(policy_count_space(f.policy), 9);

    feed_switch_encap(&f, WEB, "web", 5001, "tunnel");
    feed_switch(&f, SQL, "sql", 5002);
    check_all_is_well();
}
END_TEST

START_TEST(ip_rewrite_follows_a_locator)
{
    size_t n_told;

    rewrite_web();
    n_told = f.n_told;
    feed_locator(&f, THERE, "192.0.2.77", NVGRE);
    feed_settle(&f);
    check_entry(by_ca(5001, "10.1.1.12"), MAC2, SPACE_REWRITE, "192.0.2.77",
                2);
    check_owner("192.0.2.77", MAC2, SPACE_REWRITE, 5001, "10.1.1.12", 2);
    ck_assert_ptr_null(by_pa(PA2));
    ck_assert_uint_eq(f.n_told - n_told, 3);
}
END_TEST

START_TEST(ip_rewrite_follows_an_own_locator)
{
    rewrite_web();
    feed_own_pas(OWN_PA, "192.0.2.99");
    feed_locator(&f, HERE, "192.0.2.99", VXLAN);
    feed_settle(&f);
    check_entry(by_ca(5001, "10.1.1.11"), MAC1, SPACE_LOCAL, "192.0.2.99", 1);
    check_owner("192.0.2.99", MAC1, SPACE_LOCAL, 5001, "10.1.1.11", 1);
    ck_assert_ptr_null(by_pa(OWN_PA));
}
END_TEST

/* The encapsulation of the locator makes no difference. */
START_TEST(ip_rewrite_uses_no_encapsulation)
{
    size_t n_told;

    rewrite_web();
    n_told = f.n_told;
    feed_locator(&f, THERE, PA2, NVGRE);
    feed_settle(&f);
    ck_assert_uint_eq(f.n_told, n_told);
}
END_TEST

START_TEST(one_pa_of_two_cas)
{
    rewrite_web();
    feed_mapping(&f, 4, "02:00:00:00:00:04", "10.1.2.44", SQL, THERE);
    feed_settle(&f);
    check_mapping_diag(4, "locator", DIAG_PA_DUPLICATE, PA2);
    ck_assert_ptr_null(by_ca(5002, "10.1.2.44"));
    check_owner(PA2, MAC2, SPACE_REWRITE, 5001, "10.1.1.12", 2);

    feed_delete(&f, ROW_UCAST_REMOTE, 2);
    feed_settle(&f);
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
    check_owner(PA2, "02:00:00:00:00:04", SPACE_REWRITE, 5002, "10.1.2.44",
                4);
}
END_TEST

/* A guest with several CAs has as many PAs. */
START_TEST(several_cas_with_ip_rewrite)
{
    rewrite_web();
    feed_mapping(&f, 3, MAC2, "10.1.1.13", WEB, ELSEWHERE);
    feed_settle(&f);
    ck_assert_uint_eq(diag_set_count(&f.diags), 0);
    check_owner(PA2, MAC2, SPACE_REWRITE, 5001, "10.1.1.12", 2);
    check_owner(PA3, MAC2, SPACE_REWRITE, 5001, "10.1.1.13", 3);
    check_entry(by_mac(5001, MAC2), MAC2, SPACE_REWRITE, NULL, 2);
}
END_TEST

START_TEST(pa_of_another_family)
{
    rewrite_web();
    feed_locator(&f, THERE, "2001:db8::2", "vxlan_over_ipv6");
    feed_settle(&f);
    check_mapping_diag(2, "locator", DIAG_ENCAP_MISMATCH, "2001:db8::2");
    ck_assert_ptr_null(by_ca(5001, "10.1.1.12"));
}
END_TEST

START_TEST(encapsulation_that_is_none)
{
    feed_switch_encap(&f, WEB, "web", 5001, "rewrite");
    feed_settle(&f);
    check_diag(ROW_LOGICAL_SWITCH, WEB, "Logical_Switch", "other_config",
               DIAG_OTHER_CONFIG, "\"rewrite\"");
    check_setup_mappings(0);
}
END_TEST

START_TEST(both_kinds_of_subnet_in_one_network)
{
    feed_switch_encap(&f, WEB, "web", 5001, "ip_rewrite");
    feed_settle(&f);
    check_diag(ROW_LOGICAL_SWITCH, WEB, "Logical_Switch", "other_config",
               DIAG_OTHER_CONFIG, "tunnels");
    ck_assert(subnet(5001)->rewrite && !subnet(5002)->rewrite);
}
END_TEST

/* What costs a compilation is a mapping of a subnet that asked for it. */
START_TEST(guests_are_listed_where_copies_are_per_vm)
{
    const struct rules_subnet *web, *sql;

    feed_switch_config(&f, WEB, "web", 5001, "replication", "per_vm");
    feed_mapping(&f, 4, MAC2, "10.1.1.10", WEB, THERE);
    ck_assert(feed_settle(&f));
    web = rules_find_subnet(policy_rules(f.policy), 5001);
    sql = rules_find_subnet(policy_rules(f.policy), 5002);
    ck_assert_uint_eq(web->n_guests, 2);
    ck_assert_uint_eq(web->guests[1].ca4, htonl(0x0a01010a));
    ck_assert_int_eq(web->guests[1].where.encap, SPACE_VXLAN);
    ck_assert_uint_eq(sql->n_guests, 0);

    feed_mapping(&f, 5, MAC1, "10.1.2.12", SQL, ELSEWHERE);
    ck_assert(!feed_settle(&f));
    feed_mapping(&f, 6, MAC3, "", WEB, ELSEWHERE);
    ck_assert(feed_settle(&f));
    web = rules_find_subnet(policy_rules(f.policy), 5001);
    ck_assert_uint_eq(web->n_guests, 3);
    ck_assert_uint_eq(web->guests[2].ca4, 0);

    feed_delete(&f, ROW_UCAST_REMOTE, 6);
    ck_assert(feed_settle(&f));
    web = rules_find_subnet(policy_rules(f.policy), 5001);
    ck_assert_uint_eq(web->n_guests, 2);

    feed_switch(&f, WEB, "web", 5001);
    ck_assert(feed_settle(&f));
    web = rules_find_subnet(policy_rules(f.policy), 5001);
    ck_assert_uint_eq(web->n_guests, 0);
    feed_delete(&f, ROW_UCAST_REMOTE, 4);
    ck_assert(!feed_settle(&f));
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        guests_are_listed_where_copies_are_per_vm,
        rows_become_rules,
        an_empty_policy_is_settled,
        the_same_rows_again_change_nothing,
        a_moved_mapping_changes_its_two_entries,
        a_deleted_mapping_leaves_nothing,
        rows_may_come_in_any_order,
        rows_may_go_in_any_order,
        a_guest_may_have_several_cas,
        a_mapping_may_have_no_ca,
        a_subnet_may_have_several_prefixes,
        networks_with_the_same_addresses_are_apart,
        a_new_vsid_takes_its_mappings_along,
        a_new_name_touches_no_entry,
        subnets_may_swap_vsids,
        own_pas_decide_what_is_local,
        flooding_goes_to_others_once,
        a_migration_names_an_address_and_a_host,
        a_bad_migration_is_said_and_the_others_hold,
        vsid_out_of_range,
        vsid_at_the_ends_of_the_range,
        slaac_is_off_by_default,
        vsid_missing,
        vsid_used_twice,
        ca_in_no_prefix_of_its_subnet,
        ca_of_the_gateway,
        ca_that_is_no_hosts,
        mac_of_the_router,
        ca_or_mac_that_does_not_parse,
        two_mappings_for_one_ca,
        load_balanced_mappings_share_a_ca,
        the_mac_of_a_balanced_ca_is_no_guests,
        one_mac_at_two_places,
        one_mac_at_one_place_by_two_encapsulations,
        what_is_set_aside_sets_nothing_aside,
        prefix_that_cannot_be_used,
        several_bad_prefixes_share_a_diagnostic,
        gateways,
        overlapping_prefixes_in_one_network,
        the_prefix_that_was_there_first_stays,
        subnet_in_two_networks,
        locator_that_does_not_fit,
        ipv6_locator,
        port_bound_to_a_subnet_in_no_network,
        port_names_that_mean_the_same,
        a_guest_forwards_if_its_row_says_so,
        host_with_bad_addresses,
        the_host_row_that_counts_depends_on_no_order,
        ip_rewrite_knows_cas_by_their_pas,
        ip_rewrite_follows_a_locator,
        ip_rewrite_follows_an_own_locator,
        ip_rewrite_uses_no_encapsulation,
        one_pa_of_two_cas,
        several_cas_with_ip_rewrite,
        pa_of_another_family,
        encapsulation_that_is_none,
        both_kinds_of_subnet_in_one_network,
    };
    Suite *suite = suite_create("policy");
    TCase *tc = tcase_create("all");

    tcase_add_checked_fixture(tc, setup, teardown);
    for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
        tcase_add_test(tc, tests[i]);
    }
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
