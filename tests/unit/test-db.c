/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "db/db.h"

#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hash.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "ovsdb-error.h"
#include "ovsdb/log.h"
#include "random.h"
#include "smap.h"
#include "unit.h"
#include "util.h"
#include "util/addr.h"
#include "util/diag.h"
#include "uuid.h"

/* What the feed has said, as text: one line for each row, by UUID. */
struct mirror {
    struct ds log;              /* Kind of each change, in order. */
    size_t n_rows;
    struct uuid uuids[4096];
    char *rows[4096];
};

static void
format_map(struct ds *s, const char *name, const struct row_map *map)
{
    ds_put_format(s, " %s{", name);
    for (size_t i = 0; i < map->n; i++) {
        ds_put_format(s, "%s%s=%s", i ? "," : "",
                      map->pairs[i].key, map->pairs[i].value);
    }
    ds_put_char(s, '}');
}

static void
format_bindings(struct ds *s, const struct row_binding *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (b[i].key) {
            ds_put_format(s, " [%s:", b[i].key);
        } else {
            ds_put_format(s, " [%d:", (int) b[i].number);
        }
        ds_put_format(s, UUID_FMT"]", UUID_ARGS(&b[i].target));
    }
}

static void
format_row(struct ds *s, const struct row *row)
{
    switch (row->table) {
    case ROW_GLOBAL:
        ds_put_format(s, "global %d %d/%d", row->global.db,
                      (int) row->global.cur_cfg, (int) row->global.next_cfg);
        break;
    case ROW_PHYSICAL_SWITCH:
        ds_put_format(s, "switch %s mac=%s", row->physical_switch.name,
                      row->physical_switch.distributed_router_mac);
        for (size_t i = 0; i < row->physical_switch.n_tunnel_ips; i++) {
            ds_put_format(s, " %s", row->physical_switch.tunnel_ips[i]);
        }
        format_map(s, "other", &row->physical_switch.other_config);
        break;
    case ROW_LOCATOR:
        ds_put_format(s, "locator %s %s", row->locator.encapsulation_type,
                      row->locator.dst_ip);
        break;
    case ROW_LOCATOR_SET:
        ds_put_cstr(s, "set");
        for (size_t i = 0; i < row->locator_set.n_locators; i++) {
            ds_put_format(s, " "UUID_FMT,
                          UUID_ARGS(&row->locator_set.locators[i]));
        }
        break;
    case ROW_LOGICAL_SWITCH:
        ds_put_format(s, "subnet %s (%s) %s%d", row->logical_switch.name,
                      row->logical_switch.description,
                      row->logical_switch.has_tunnel_key ? "vsid " : "no ",
                      (int) row->logical_switch.tunnel_key);
        format_map(s, "other", &row->logical_switch.other_config);
        break;
    case ROW_LOGICAL_ROUTER:
        ds_put_format(s, "network %s %s", row->logical_router.name,
                      row->logical_router.enable_logical_router ? "on"
                      : "off");
        format_bindings(s, row->logical_router.switch_binding,
                        row->logical_router.n_switch_binding);
        format_map(s, "routes", &row->logical_router.static_routes);
        format_map(s, "other", &row->logical_router.other_config);
        break;
    case ROW_PHYSICAL_PORT:
        ds_put_format(s, "port %s", row->physical_port.name);
        format_bindings(s, row->physical_port.vlan_bindings,
                        row->physical_port.n_vlan_bindings);
        format_map(s, "other", &row->physical_port.other_config);
        break;
    case ROW_MCAST_REMOTE:
        ds_put_format(s, "mcast %s %s "UUID_FMT" "UUID_FMT, row->mcast.mac,
                      row->mcast.ipaddr, UUID_ARGS(&row->mcast.logical_switch),
                      UUID_ARGS(&row->mcast.locator_set));
        break;
    case ROW_UCAST_REMOTE:
        ds_put_format(s, "ucast %s %s "UUID_FMT" "UUID_FMT" %s",
                      row->ucast.mac, row->ucast.ipaddr,
                      UUID_ARGS(&row->ucast.logical_switch),
                      UUID_ARGS(&row->ucast.locator),
                      row->ucast.mapping_type);
        break;
    case ROW_DARV_PORT:
        ds_put_format(s, "darv %s %s", row->darv_port.name,
                      row->darv_port.enable_ip_forwarding ? "forwards"
                      : "host");
        break;
    case ROW_FW_RULE:
        ds_put_format(s, "rule %s %s", row->fw_rule.rule_id,
                      row->fw_rule.vnic_id);
        break;
    }
}

static size_t
mirror_find(const struct mirror *m, const struct uuid *uuid)
{
    size_t i = 0;

    while (i < m->n_rows && !uuid_equals(&m->uuids[i], uuid)) {
        i++;
    }
    return i;
}

static void
mirror_change(const struct row_change *change, void *m_)
{
    struct mirror *m = m_;
    size_t i = mirror_find(m, &change->row.uuid);

    ds_put_format(&m->log, "%s%d ", change->deleted ? "-" : "",
                  change->row.table);
    if (i < m->n_rows) {
        free(m->rows[i]);
    }
    if (change->deleted) {
        ck_assert_uint_lt(i, m->n_rows);
        m->n_rows--;
        m->rows[i] = m->rows[m->n_rows];
        m->uuids[i] = m->uuids[m->n_rows];
        return;
    }

    struct ds s = DS_EMPTY_INITIALIZER;
    format_row(&s, &change->row);
    ck_assert_uint_lt(i, ARRAY_SIZE(m->rows));
    m->uuids[i] = change->row.uuid;
    m->rows[i] = ds_steal_cstr(&s);
    m->n_rows = MAX(m->n_rows, i + 1);
}

static struct mirror *
mirror_create(struct db_server *server)
{
    struct mirror *m = xzalloc(sizeof *m);

    ds_init(&m->log);
    db_server_feed(server, mirror_change, m);
    return m;
}

static void
mirror_destroy(struct mirror *m)
{
    for (size_t i = 0; i < m->n_rows; i++) {
        free(m->rows[i]);
    }
    ds_destroy(&m->log);
    free(m);
}

/* Returns the kinds of changes since the last call. */
static const char *
mirror_log(struct mirror *m)
{
    static char log[1024];

    ovs_strlcpy(log, ds_cstr(&m->log), sizeof log);
    ds_clear(&m->log);
    return log;
}

/* Returns the first row that starts with 'prefix'. */
static const char *
mirror_row(const struct mirror *m, const char *prefix)
{
    for (size_t i = 0; i < m->n_rows; i++) {
        if (!strncmp(m->rows[i], prefix, strlen(prefix))) {
            return m->rows[i];
        }
    }
    return "";
}

static struct db_server *
memory_server(void)
{
    struct db_server *server = db_server_create();

    db_server_open_policy_in_memory(server);
    return server;
}

/* Runs a transaction on ms_vtep whose operations are in 'ops', with ' for ",
 * which must succeed.  Returns its results. */
static struct json *
transact(struct db_server *server, const char *ops, ...)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    char *result;
    va_list args;

    ds_put_cstr(&s, "[\"ms_vtep\",");
    va_start(args, ops);
    ds_put_format_valist(&s, ops, args);
    va_end(args);
    ds_put_char(&s, ']');
    for (char *p = s.string; *p; p++) {
        *p = *p == '\'' ? '"' : *p;
    }

    bool ok = db_server_transact(server, ds_cstr(&s), &result);
    ck_assert_msg(ok, "%s gave %s", ds_cstr(&s), result);
    struct json *json = json_from_string(result);
    free(result);
    ds_destroy(&s);
    return json;
}

static void
change(struct db_server *server, const char *ops)
{
    json_destroy(transact(server, "%s", ops));
}

/* Returns the rows of a table, only column 'column', as text, in the order of
 * the text. */
static const char *
column(struct db_server *server, const char *table, const char *name)
{
    static char text[4096];
    struct json *json = transact(
        server, "{'op':'select','table':'%s','where':[],'columns':['%s']}",
        table, name);
    char *s = json_to_string(
        shash_find_data(json_object(json->array.elems[0]), "rows"),
        JSSF_SORT);

    ovs_strlcpy(text, s, sizeof text);
    free(s);
    json_destroy(json);
    return text;
}

static size_t
n_rows(struct db_server *server, const char *table)
{
    const char *text = column(server, table, "_uuid");
    size_t n = 0;

    while ((text = strstr(text, "_uuid")) != NULL) {
        text++;
        n++;
    }
    return n;
}

static struct uuid
inserted_uuid(const struct json *results, size_t i)
{
    const struct json *pair
        = shash_find_data(json_object(results->array.elems[i]), "uuid");
    struct uuid uuid;

    ck_assert(uuid_from_string(&uuid, json_string(pair->array.elems[1])));
    return uuid;
}

/* A network with one of everything that the agent reads. */
static const char policy[] =
    "{'op':'insert','table':'Logical_Switch','uuid-name':'ls',"
    " 'row':{'name':'red','description':'{R}','tunnel_key':5001,"
    "        'other_config':['map',[['k','v']]]}},"
    "{'op':'insert','table':'Logical_Router',"
    " 'row':{'name':'net','enable_logical_router':true,"
    "        'switch_binding':['map',[['10.1.1.0/24',['named-uuid','ls']]]],"
    "        'static_routes':['map',[['0.0.0.0/0','10.1.1.9']]]}},"
    "{'op':'insert','table':'Physical_Locator','uuid-name':'pl',"
    " 'row':{'dst_ip':'192.0.2.1','encapsulation_type':'vxlan_over_ipv4'}},"
    "{'op':'insert','table':'Physical_Locator_Set','uuid-name':'pls',"
    " 'row':{'locators':['named-uuid','pl']}},"
    "{'op':'insert','table':'Ucast_Macs_Remote',"
    " 'row':{'MAC':'02:00:00:00:00:01','ipaddr':'10.1.1.11',"
    "        'logical_switch':['named-uuid','ls'],"
    "        'locator':['named-uuid','pl'],"
    "        'mapping_type':'learning_disabled'}},"
    "{'op':'insert','table':'Mcast_Macs_Remote',"
    " 'row':{'MAC':'unknown-dst','logical_switch':['named-uuid','ls'],"
    "        'locator_set':['named-uuid','pls']}},"
    "{'op':'insert','table':'Physical_Port','uuid-name':'pp',"
    " 'row':{'name':'{P}',"
    "        'vlan_bindings':['map',[[0,['named-uuid','ls']]]]}},"
    "{'op':'insert','table':'Physical_Switch','uuid-name':'ps',"
    " 'row':{'name':'host','ports':['named-uuid','pp'],"
    "        'tunnel_ips':['set',['192.0.2.1','192.0.2.2']],"
    "        'distributed_router_mac':'02:00:00:00:00:ff'}},"
    "{'op':'insert','table':'Global',"
    " 'row':{'next_cfg':1,'switches':['named-uuid','ps']}}";

START_TEST(one_transaction_comes_in_the_order_of_kinds)
{
    struct db_server *server = memory_server();
    struct mirror *m = mirror_create(server);

    ck_assert_str_eq(mirror_log(m), "");
    change(server, policy);
    ck_assert_str_eq(mirror_log(m), "0 1 2 3 4 5 6 7 8 ");
    mirror_destroy(m);
    db_server_destroy(server);
}
END_TEST

/* The engine has the rows of a transaction in an order that comes from their
 * random UUIDs, so each round is a chance to get it wrong. */
START_TEST(a_row_that_replaces_another_comes_after_it)
{
    struct db_server *server = memory_server();
    struct json *results = transact(server, "%s", policy);
    struct uuid ls = inserted_uuid(results, 0);
    struct uuid pl = inserted_uuid(results, 2);
    struct mirror *m = mirror_create(server);

    for (int i = 0; i < 20; i++) {
        mirror_log(m);
        json_destroy(transact(
            server,
            "{'op':'insert','table':'Ucast_Macs_Remote',"
            " 'row':{'MAC':'02:00:00:00:00:01','ipaddr':'10.1.1.%d',"
            "        'logical_switch':['uuid','"UUID_FMT"'],"
            "        'locator':['uuid','"UUID_FMT"'],"
            "        'mapping_type':'default'}},"
            "{'op':'delete','table':'Ucast_Macs_Remote',"
            " 'where':[['ipaddr','!=','10.1.1.%d']]},"
            "{'op':'delete','table':'Global','where':[]},"
            "{'op':'insert','table':'Global','row':{'next_cfg':7}}",
            100 + i, UUID_ARGS(&ls), UUID_ARGS(&pl), 100 + i));

        const char *log = mirror_log(m);
        ck_assert_msg(!strncmp(log, "-0 0 ", 5), "%s", log);
        ck_assert_msg(strstr(log, "-8 8 "), "%s", log);
    }
    json_destroy(results);
    mirror_destroy(m);
    db_server_destroy(server);
}
END_TEST

START_TEST(rows_of_another_database_arrive)
{
    struct db_server *server = memory_server();
    struct mirror *m = mirror_create(server);
    char *result;

    ck_assert(db_server_transact(
        server, "[\"ms_darv\",{\"op\":\"insert\",\"table\":\"Ports\","
        "\"row\":{\"name\":\"{P}\",\"enable_ip_forwarding\":true}}]",
        &result));
    free(result);
    ck_assert_str_eq(mirror_row(m, "darv"), "darv {P} forwards");
    mirror_destroy(m);
    db_server_destroy(server);
}
END_TEST

START_TEST(every_column_that_the_agent_reads_arrives)
{
    struct db_server *server = memory_server();
    struct json *results = transact(server, "%s", policy);
    struct uuid ls = inserted_uuid(results, 0);
    struct uuid pl = inserted_uuid(results, 2);
    struct uuid pls = inserted_uuid(results, 3);
    struct mirror *m = mirror_create(server);
    char *want;

    ck_assert_str_eq(mirror_log(m), "0 1 2 3 4 5 6 7 8 ");
    ck_assert_str_eq(mirror_row(m, "global"), "global 0 0/1");
    ck_assert_str_eq(mirror_row(m, "switch"),
                     "switch host mac=02:00:00:00:00:ff 192.0.2.1 192.0.2.2 "
                     "other{}");
    ck_assert_str_eq(mirror_row(m, "locator"),
                     "locator vxlan_over_ipv4 192.0.2.1");
    ck_assert_str_eq(mirror_row(m, "subnet"),
                     "subnet red ({R}) vsid 5001 other{k=v}");

    want = xasprintf("set "UUID_FMT, UUID_ARGS(&pl));
    ck_assert_str_eq(mirror_row(m, "set"), want);
    free(want);
    want = xasprintf("network net on [10.1.1.0/24:"UUID_FMT"] "
                     "routes{0.0.0.0/0=10.1.1.9} other{}", UUID_ARGS(&ls));
    ck_assert_str_eq(mirror_row(m, "network"), want);
    free(want);
    want = xasprintf("port {P} [0:"UUID_FMT"] other{}", UUID_ARGS(&ls));
    ck_assert_str_eq(mirror_row(m, "port"), want);
    free(want);
    want = xasprintf("mcast unknown-dst  "UUID_FMT" "UUID_FMT,
                     UUID_ARGS(&ls), UUID_ARGS(&pls));
    ck_assert_str_eq(mirror_row(m, "mcast"), want);
    free(want);
    want = xasprintf("ucast 02:00:00:00:00:01 10.1.1.11 "UUID_FMT" "UUID_FMT
                     " learning_disabled", UUID_ARGS(&ls), UUID_ARGS(&pl));
    ck_assert_str_eq(mirror_row(m, "ucast"), want);
    free(want);

    json_destroy(results);
    mirror_destroy(m);
    db_server_destroy(server);
}
END_TEST

START_TEST(changes_that_the_agent_does_not_read_stay_out)
{
    struct db_server *server = memory_server();
    struct mirror *m = mirror_create(server);

    change(server, policy);
    mirror_log(m);

    change(server, "{'op':'update','table':'Physical_Locator','where':[],"
           "'row':{'bfd':['map',[['enable','true']]]}}");
    change(server, "{'op':'update','table':'Logical_Switch','where':[],"
           "'row':{'name':'red'}}");
    ck_assert_str_eq(mirror_log(m), "");

    change(server, "{'op':'update','table':'Logical_Switch','where':[],"
           "'row':{'tunnel_key':['set',[]]}}");
    ck_assert_str_eq(mirror_log(m), "4 ");
    ck_assert_str_eq(mirror_row(m, "subnet"), "subnet red ({R}) no 0 "
                     "other{k=v}");

    change(server, "{'op':'update','table':'Global','where':[],"
           "'row':{'next_cfg':7,'cur_cfg':3}}");
    ck_assert_str_eq(mirror_log(m), "0 ");
    ck_assert_str_eq(mirror_row(m, "global"), "global 0 3/7");

    /* The locators go with the last row that refers to them. */
    change(server, "{'op':'delete','table':'Ucast_Macs_Remote','where':[]},"
           "{'op':'delete','table':'Mcast_Macs_Remote','where':[]}");
    ck_assert_str_eq(mirror_log(m), "-2 -3 -7 -8 ");
    mirror_destroy(m);
    db_server_destroy(server);
}
END_TEST

START_TEST(rows_that_lost_a_claim_come_last)
{
    struct db_server *server = memory_server();
    struct json *results = transact(server, "%s", policy);
    struct uuid ls = inserted_uuid(results, 0);
    struct uuid pl = inserted_uuid(results, 2);

    /* A fault of another kind does not make a row a loser. */
    json_destroy(transact(server,
        "{'op':'insert','table':'Diagnostic',"
        " 'row':{'table':'Logical_Switch','row':['uuid','"UUID_FMT"'],"
        "        'code':'VsidDuplicate'}},"
        "{'op':'insert','table':'Diagnostic',"
        " 'row':{'table':'Logical_Switch','row':['uuid','"UUID_FMT"'],"
        "        'code':'OtherConfig','column':'other_config'}},"
        "{'op':'insert','table':'Diagnostic',"
        " 'row':{'table':'Physical_Locator','code':'BadAddress',"
        "        'row':['uuid','"UUID_FMT"']}}",
        UUID_ARGS(&ls), UUID_ARGS(&ls), UUID_ARGS(&pl)));
    struct mirror *m = mirror_create(server);
    ck_assert_str_eq(mirror_log(m), "0 1 2 3 5 6 7 8 4 ");

    json_destroy(results);
    mirror_destroy(m);
    db_server_destroy(server);
}
END_TEST

START_TEST(a_failed_transaction_changes_nothing)
{
    struct db_server *server = memory_server();
    struct mirror *m = mirror_create(server);
    char *result;

    ck_assert(!db_server_transact(server,
        "[\"ms_vtep\", {\"op\": \"insert\", \"table\": \"Logical_Switch\","
        "               \"row\": {\"name\": \"x\"}},"
        "              {\"op\": \"insert\", \"table\": \"Nonsense\","
        "               \"row\": {}}]", &result));
    ck_assert_ptr_nonnull(strstr(result, "No table named Nonsense."));
    free(result);
    ck_assert_str_eq(mirror_log(m), "");
    ck_assert_uint_eq(n_rows(server, "Logical_Switch"), 0);

    static const char *const bad[] = {
        "", "{", "{}", "[]", "[1]", "[\"nonesuch\"]", "[\"_Server\", 5]",
        "[\"ms_vtep\", {\"op\": \"assert\", \"lock\": \"l\"}]",
        "[\"ms_vtep\", {\"op\": \"wait\", \"table\": \"Global\","
        " \"columns\": [\"next_cfg\"], \"where\": [], \"until\": \"==\","
        " \"rows\": [{\"next_cfg\": 1}]}]",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        ck_assert(!db_server_transact(server, bad[i], &result));
        free(result);
    }
    mirror_destroy(m);
    db_server_destroy(server);
}
END_TEST

START_TEST(the_writer_makes_the_rows_of_the_host_once)
{
    struct db_server *server = memory_server();
    struct mirror *m = mirror_create(server);

    db_server_ensure_host(server, "host-1");
    db_server_flush(server);
    ck_assert_str_eq(mirror_log(m), "0 1 0 0 0 ");
    char *first = xstrdup(mirror_row(m, "switch"));
    ck_assert_int_eq(strncmp(first, "switch host-1 mac=", 18), 0);
    unsigned int octet = strtoul(first + 18, NULL, 16);
    ck_assert_uint_eq(octet & 3, 2);

    db_server_ensure_host(server, "host-2");
    db_server_flush(server);
    ck_assert_str_eq(mirror_log(m), "");
    ck_assert_str_eq(mirror_row(m, "switch"), first);

    /* The same address after a loss of the database. */
    change(server, "{'op':'delete','table':'Global','where':[]}");
    ck_assert_str_eq(mirror_log(m), "-0 -1 ");
    db_server_ensure_host(server, "host-1");
    db_server_flush(server);
    ck_assert_str_eq(mirror_log(m), "0 1 ");
    ck_assert_str_eq(mirror_row(m, "switch"), first);

    char name[256] = "";
    gethostname(name, sizeof name - 1);
    char *want = xasprintf("switch %s mac=", name);
    change(server, "{'op':'delete','table':'Global','where':[]}");
    db_server_ensure_host(server, NULL);
    db_server_flush(server);
    ck_assert_int_eq(strncmp(mirror_row(m, "switch"), want, strlen(want)), 0);

    free(want);
    free(first);
    mirror_destroy(m);
    db_server_destroy(server);
}
END_TEST

START_TEST(remotes_that_are_none_are_told)
{
    static const char *const good[] = {
        "ptcp:6641:127.0.0.1", "ptcp:6641:[::1]", "pssl:6640", "tcp:h:1",
        "ssl:[2001:db8::1]:6640", "punix:/x", "unix:/x",
        "db:ms_vtep,Global,managers", "db:ms_vtep,Manager,target",
    };
    static const struct {
        const char *remote;
        const char *word;       /* In the complaint. */
    } bad[] = {
        { "", "no known kind" },
        { "garbage", "no known kind" },
        { "6641", "no known kind" },
        { "ptcp:6641:127.0.0.1,ptcp:6642:127.0.0.1", "separated by spaces" },
        { "ptcp:6641:127.0.0.1,", "separated by spaces" },
        { "db:ms_vtep", "db:DATABASE,TABLE,COLUMN" },
        { "db:nonesuch,Global,managers", "no database named nonesuch" },
        { "db:ms_vtep,Nonesuch,managers", "no table named Nonesuch" },
        { "db:ms_vtep,Global,nonesuch", "no column" },
        { "db:ms_vtep,Global,next_cfg", "neither remotes" },
    };
    struct db_server *server = memory_server();

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        char *error = db_server_check_remote(server, good[i]);
        ck_assert_msg(!error, "%s", error);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char *error = db_server_check_remote(server, bad[i].remote);
        ck_assert_msg(error != NULL, "%s is taken", bad[i].remote);
        ck_assert_msg(strstr(error, bad[i].remote)
                      && strstr(error, bad[i].word), "%s", error);
        free(error);
    }
    db_server_destroy(server);
}
END_TEST

START_TEST(the_writer_does_not_feed_itself)
{
    struct db_server *server = memory_server();
    struct mirror *m = mirror_create(server);
    struct smap status = SMAP_INITIALIZER(&status);
    struct json *results = transact(server, "%s", policy);
    struct uuid port = inserted_uuid(results, 6);
    struct uuid nobody = inserted_uuid(results, 0);

    mirror_log(m);
    smap_add(&status, "state", "up");
    db_server_set_cur_cfg(server, DB_MS_VTEP, 42);
    db_server_set_cur_cfg(server, DB_MS_DARV, 43); /* Has no row. */
    db_server_set_port_status(server, &port, &status);
    db_server_set_port_status(server, &nobody, &status);
    smap_replace(&status, "state", "blocked");
    db_server_set_port_status(server, &port, &status);
    db_server_flush(server);
    ck_assert_str_eq(mirror_log(m), "");
    ck_assert_str_eq(column(server, "Global", "cur_cfg"),
                     "[{\"cur_cfg\":42}]");
    ck_assert_str_eq(column(server, "Physical_Port", "status"),
                     "[{\"status\":[\"map\",[[\"state\",\"blocked\"]]]}]");

    /* But someone else's change to the same columns comes through. */
    change(server, "{'op':'update','table':'Global','where':[],"
           "'row':{'cur_cfg':1}}");
    ck_assert_str_eq(mirror_log(m), "0 ");
    ck_assert_str_eq(mirror_row(m, "global"), "global 0 1/1");

    smap_destroy(&status);
    json_destroy(results);
    mirror_destroy(m);
    db_server_destroy(server);
}
END_TEST

static struct diag
diagnostic(const struct uuid *row, const char *text)
{
    return (struct diag) {
        .code = DIAG_BAD_ADDRESS,
        .row = *row,
        .table = "Ucast_Macs_Remote",
        .column = "ipaddr",
        .text = CONST_CAST(char *, text),
    };
}

START_TEST(diagnostics_come_and_go)
{
    struct db_server *server = memory_server();
    struct mirror *m = mirror_create(server);
    struct uuid row = { { 1, 2, 3, 4 } };
    struct diag d = diagnostic(&row, "\"x\" is no address");
    struct diag other = diagnostic(&row, "\"y\" is no address");

    db_server_put_diag(server, &d);
    db_server_put_diag(server, &d);
    db_server_flush(server);
    ck_assert_uint_eq(n_rows(server, "Diagnostic"), 1);
    ck_assert_str_eq(column(server, "Diagnostic", "code"),
                     "[{\"code\":\"BadAddress\"}]");
    ck_assert_str_eq(column(server, "Diagnostic", "row"),
                     "[{\"row\":[\"uuid\","
                     "\"00000001-0000-0002-0000-000300000004\"]}]");

    db_server_put_diag(server, &other);
    db_server_flush(server);
    ck_assert_str_eq(column(server, "Diagnostic", "text"),
                     "[{\"text\":\"\\\"y\\\" is no address\"}]");

    /* A client that meddles is corrected. */
    change(server, "{'op':'delete','table':'Diagnostic','where':[]},"
           "{'op':'insert','table':'Diagnostic','row':{'text':'hello'}}");
    db_server_flush(server);
    ck_assert_str_eq(column(server, "Diagnostic", "text"),
                     "[{\"text\":\"\\\"y\\\" is no address\"}]");

    db_server_remove_diag(server, &other);
    db_server_remove_diag(server, &other);
    db_server_flush(server);
    ck_assert_uint_eq(n_rows(server, "Diagnostic"), 0);

    /* Put and removed before anything was written. */
    db_server_put_diag(server, &d);
    db_server_remove_diag(server, &d);
    db_server_flush(server);
    ck_assert_uint_eq(n_rows(server, "Diagnostic"), 0);

    /* Removed and put again. */
    db_server_put_diag(server, &d);
    db_server_flush(server);
    db_server_remove_diag(server, &d);
    db_server_put_diag(server, &d);
    db_server_flush(server);
    ck_assert_uint_eq(n_rows(server, "Diagnostic"), 1);
    ck_assert_str_eq(mirror_log(m), "");

    mirror_destroy(m);
    db_server_destroy(server);
}
END_TEST

/* Databases in a directory of the test's own. */
struct files {
    char *dir;
    struct db_server *server;
};

static void
files_init(struct files *f)
{
    f->dir = xstrdup("/tmp/test-db-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(f->dir));
    f->server = NULL;
}

/* Opens, or opens again, the databases in 'dir'/sub.  Returns the error. */
static char *
files_open(struct files *f)
{
    char *sub = xasprintf("%s/a/b", f->dir);

    db_server_destroy(f->server);
    f->server = db_server_create();
    char *error = db_server_open_policy(f->server, sub);
    if (error) {
        db_server_destroy(f->server);
        f->server = NULL;
    }
    free(sub);
    return error;
}

static char *
files_path(const struct files *f, const char *name)
{
    return xasprintf("%s/a/b/%s", f->dir, name);
}

static void
files_open_ok(struct files *f)
{
    char *error = files_open(f);

    ck_assert_msg(!error, "%s", error);
}

/* Opening must fail with an error that contains 'part'. */
static void
files_open_fails(struct files *f, const char *part)
{
    char *error = files_open(f);

    ck_assert_ptr_nonnull(error);
    ck_assert_msg(strstr(error, part) != NULL, "%s", error);
    ck_assert_msg(strstr(error, f->dir) != NULL, "%s", error);
    free(error);
}

static void
files_uninit(struct files *f)
{
    static const char *const names[] = {
        "ms_vtep", "ms_firewall", "ms_service_insertion", "ms_darv",
    };

    db_server_destroy(f->server);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char *file = xasprintf("%s/a/b/%s.db", f->dir, names[i]);
        char *lock = xasprintf("%s/a/b/.%s.db.~lock~", f->dir, names[i]);

        unlink(file);
        unlink(lock);
        free(file);
        free(lock);
    }
    for (int depth = 0; depth < 3; depth++) {
        static const char *const subs[] = { "/a/b", "/a", "" };
        char *sub = xasprintf("%s%s", f->dir, subs[depth]);

        /* Fails if something was left behind. */
        ck_assert_msg(!rmdir(sub), "%s", sub);
        free(sub);
    }
    free(f->dir);
}

/* Replaces the file of ms_vtep by one with the schema 'schema' (with ' for ")
 * and one transaction. */
static void
write_file(const struct files *f, const char *schema, const char *txn)
{
    char *file = files_path(f, "ms_vtep.db");
    const char *const records[] = { schema, txn };
    struct ovsdb_log *log;

    unlink(file);
    ovsdb_error_assert(ovsdb_log_open(file, OVSDB_MAGIC,
                                      OVSDB_LOG_CREATE_EXCL, true, &log));
    for (size_t i = 0; i < ARRAY_SIZE(records); i++) {
        char *text = xstrdup(records[i]);

        for (char *p = text; *p; p++) {
            *p = *p == '\'' ? '"' : *p;
        }
        struct ovsdb_error *error
            = ovsdb_log_write_and_free(log, json_from_string(text));
        ck_assert_ptr_null(error);
        free(text);
    }
    ovsdb_log_close(log);
    free(file);
}

/* An ancestor of ms_vtep, with a table and a column that it has lost. */
#define OLD_SCHEMA(NAME, VERSION)                                       \
    "{'name':'"NAME"',"VERSION"'tables':{"                              \
    "'Logical_Switch':{'isRoot':true,'columns':{"                       \
    "  'name':{'type':'string'},'lost':{'type':'integer'},"             \
    "  'tunnel_key':{'type':{'key':'integer','min':0,'max':1}}}},"      \
    "'Lost':{'isRoot':true,'columns':{'name':{'type':'string'}}}}}"
static const char old_rows[] =
    "{'Logical_Switch':{'11111111-1111-1111-1111-111111111111':"
    "   {'name':'red','lost':5,'tunnel_key':5001}},"
    " 'Lost':{'22222222-2222-2222-2222-222222222222':{'name':'x'}}}";

START_TEST(files_are_created_and_keep_what_they_get)
{
    struct files f;

    files_init(&f);
    files_open_ok(&f);
    change(f.server, policy);
    files_open_ok(&f);

    struct mirror *m = mirror_create(f.server);
    ck_assert_str_eq(mirror_log(m), "0 1 2 3 4 5 6 7 8 ");
    mirror_destroy(m);
    files_uninit(&f);
}
END_TEST

START_TEST(stored_diagnostics_stay_until_pruned)
{
    struct uuid row = { { 1, 2, 3, 4 } }, other = { { 5, 6, 7, 8 } };
    struct diag d = diagnostic(&row, "a"), e = diagnostic(&other, "b");
    struct files f;

    files_init(&f);
    files_open_ok(&f);
    db_server_put_diag(f.server, &d);
    db_server_put_diag(f.server, &e);
    db_server_flush(f.server);

    files_open_ok(&f);
    db_server_put_diag(f.server, &e);
    db_server_flush(f.server);
    ck_assert_uint_eq(n_rows(f.server, "Diagnostic"), 2);
    db_server_prune_diags(f.server);
    db_server_flush(f.server);
    ck_assert_str_eq(column(f.server, "Diagnostic", "text"),
                     "[{\"text\":\"b\"}]");

    files_open_ok(&f);
    ck_assert_uint_eq(n_rows(f.server, "Diagnostic"), 1);
    files_uninit(&f);
}
END_TEST

/* Addresses of this host's guests. */

static struct db_local_mac
local_mac(const struct uuid *logical_switch, uint32_t ca)
{
    return (struct db_local_mac) {
        .logical_switch = *logical_switch,
        .ca = addr_from_ipv4(htonl(ca)),
        .mac = ETH_ADDR_C(02,00,00,00,00,0a),
    };
}

static struct uuid
insert_switch(struct db_server *server)
{
    struct json *json = transact(
        server, "{'op':'insert','table':'Logical_Switch',"
        "'row':{'name':'red','tunnel_key':5001}}");
    struct uuid uuid = inserted_uuid(json, 0);

    json_destroy(json);
    return uuid;
}

START_TEST(local_addresses_come_and_go)
{
    struct db_server *server = memory_server();
    struct mirror *m = mirror_create(server);
    struct uuid ls = insert_switch(server);
    struct db_local_mac a = local_mac(&ls, 0x0a010105);
    struct in6_addr pa = addr_from_ipv4(htonl(0xc0000201));
    struct in6_addr other = addr_from_ipv4(htonl(0xc0000202));

    /* Where this host is has to be known first; its locator is made. */
    db_server_put_local_mac(server, &a);
    db_server_flush(server);
    ck_assert_uint_eq(n_rows(server, "Ucast_Macs_Local"), 0);
    db_server_set_local_pa(server, &pa);
    db_server_flush(server);
    ck_assert_str_eq(column(server, "Ucast_Macs_Local", "MAC"),
                     "[{\"MAC\":\"02:00:00:00:00:0a\"}]");
    ck_assert_str_eq(column(server, "Ucast_Macs_Local", "ipaddr"),
                     "[{\"ipaddr\":\"10.1.1.5\"}]");
    ck_assert_str_eq(column(server, "Physical_Locator", "dst_ip"),
                     "[{\"dst_ip\":\"192.0.2.1\"}]");

    /* It moves; the old locator goes with the last that refers to it. */
    db_server_set_local_pa(server, &other);
    db_server_flush(server);
    ck_assert_str_eq(column(server, "Physical_Locator", "dst_ip"),
                     "[{\"dst_ip\":\"192.0.2.2\"}]");

    /* A client that meddles is corrected. */
    change(server, "{'op':'update','table':'Ucast_Macs_Local','where':[],"
           "'row':{'ipaddr':'nonsense'}}");
    db_server_flush(server);
    ck_assert_str_eq(column(server, "Ucast_Macs_Local", "ipaddr"),
                     "[{\"ipaddr\":\"10.1.1.5\"}]");

    db_server_remove_local_mac(server, &a);
    db_server_remove_local_mac(server, &a);
    db_server_flush(server);
    ck_assert_uint_eq(n_rows(server, "Ucast_Macs_Local"), 0);
    ck_assert_uint_eq(n_rows(server, "Physical_Locator"), 0);
    mirror_destroy(m);
    db_server_destroy(server);
}
END_TEST

static void
put_again(const struct db_local_mac *mac, void *server)
{
    struct in6_addr kept = addr_from_ipv4(htonl(0x0a010105));

    if (addr_equal(&mac->ca, &kept)) {
        db_server_put_local_mac(server, mac);
    }
}

START_TEST(stored_local_addresses_stay_until_pruned)
{
    struct in6_addr pa = addr_from_ipv4(htonl(0xc0000201));
    struct files f;

    files_init(&f);
    files_open_ok(&f);

    struct uuid ls = insert_switch(f.server);
    struct db_local_mac a = local_mac(&ls, 0x0a010105);
    struct db_local_mac b = local_mac(&ls, 0x0a010106);

    /* A locator that is there is used. */
    json_destroy(transact(
        f.server, "{'op':'insert','table':'Physical_Locator',"
        "'uuid-name':'pl','row':{'dst_ip':'192.0.2.1',"
        "'encapsulation_type':'nvgre_over_ipv4'}},"
        "{'op':'insert','table':'Physical_Locator_Set','uuid-name':'pls',"
        "'row':{'locators':['named-uuid','pl']}},"
        "{'op':'insert','table':'Mcast_Macs_Remote','row':{"
        "'MAC':'unknown-dst','locator_set':['named-uuid','pls'],"
        "'logical_switch':['uuid','"UUID_FMT"']}}", UUID_ARGS(&ls)));
    db_server_set_local_pa(f.server, &pa);
    db_server_put_local_mac(f.server, &a);
    db_server_put_local_mac(f.server, &b);
    db_server_flush(f.server);
    ck_assert_uint_eq(n_rows(f.server, "Physical_Locator"), 1);

    files_open_ok(&f);
    db_server_flush(f.server);
    ck_assert_uint_eq(n_rows(f.server, "Ucast_Macs_Local"), 2);
    db_server_for_each_local_mac(f.server, put_again, f.server);
    db_server_prune_local_macs(f.server);
    db_server_set_local_pa(f.server, &pa);
    db_server_flush(f.server);
    ck_assert_str_eq(column(f.server, "Ucast_Macs_Local", "ipaddr"),
                     "[{\"ipaddr\":\"10.1.1.5\"}]");
    files_uninit(&f);
}
END_TEST

START_TEST(an_older_file_is_converted)
{
    static const char *const schemas[] = {
        OLD_SCHEMA("ms_vtep", "'version':'1.0.0',"),
        OLD_SCHEMA("ms_vtep", "'version':'1.1.0',"),
        OLD_SCHEMA("ms_vtep", "'version':'0.9.12',"),
        /* The same version with other tables. */
        OLD_SCHEMA("ms_vtep", "'version':'1.1.1',"),
        OLD_SCHEMA("ms_vtep", ""), /* No version. */
    };

    for (size_t i = 0; i < ARRAY_SIZE(schemas); i++) {
        struct files f;

        files_init(&f);
        files_open_ok(&f);
        db_server_destroy(f.server);
        f.server = NULL;
        write_file(&f, schemas[i], old_rows);

        /* The second time there is nothing to convert. */
        for (int pass = 0; pass < 2; pass++) {
            files_open_ok(&f);
            struct mirror *m = mirror_create(f.server);
            ck_assert_str_eq(mirror_log(m), "4 ");
            ck_assert_str_eq(mirror_row(m, "subnet"),
                             "subnet red () vsid 5001 other{}");
            change(f.server, "{'op':'update','table':'Logical_Switch',"
                   "'where':[],'row':{'description':''}}");
            mirror_destroy(m);
        }
        files_uninit(&f);
    }
}
END_TEST

START_TEST(a_file_that_does_not_fit_is_refused)
{
    struct files f;

    files_init(&f);
    files_open_ok(&f);
    db_server_destroy(f.server);
    f.server = NULL;

    write_file(&f, OLD_SCHEMA("ms_vtep", "'version':'1.1.2',"), old_rows);
    files_open_fails(&f, "is version 1.1.2 of database ms_vtep, newer than "
                     "version 1.1.1");
    write_file(&f, OLD_SCHEMA("ms_vtep", "'version':'2.0.0',"), old_rows);
    files_open_fails(&f, "is version 2.0.0");
    write_file(&f, OLD_SCHEMA("Open_vSwitch", "'version':'1.0.0',"), old_rows);
    files_open_fails(&f, "holds a database named Open_vSwitch");

    /* Rows that the new schema does not allow: two of one name. */
    write_file(&f, OLD_SCHEMA("ms_vtep", "'version':'1.0.0',"),
               "{'Logical_Switch':{"
               "'11111111-1111-1111-1111-111111111111':{'name':'red'},"
               "'22222222-2222-2222-2222-222222222222':{'name':'red'}}}");
    files_open_fails(&f, "cannot convert version 1.0.0");
    files_open_fails(&f, "cannot convert version 1.0.0");
    files_uninit(&f);
}
END_TEST

/* Overwrites 'n' bytes of a file at 'offset' (from the end if negative). */
static void
scribble(const char *file, long int offset, size_t n)
{
    FILE *stream = fopen(file, "r+");

    ck_assert_ptr_nonnull(stream);
    ck_assert(!fseek(stream, offset, offset < 0 ? SEEK_END : SEEK_SET));
    while (n--) {
        putc('#', stream);
    }
    fclose(stream);
}

START_TEST(a_damaged_file_is_refused)
{
    struct files f;
    struct stat s;

    files_init(&f);
    files_open_ok(&f);
    char *file = files_path(&f, "ms_vtep.db");
    ck_assert(!stat(file, &s));
    long int second = s.st_size;
    change(f.server, policy);
    ck_assert(!stat(file, &s));
    long int third = s.st_size;
    change(f.server, "{'op':'delete','table':'Logical_Router','where':[]}");
    db_server_destroy(f.server);
    f.server = NULL;

    /* An incomplete last transaction is what a loss of power leaves. */
    scribble(file, third + 90, 4);
    files_open_ok(&f);
    ck_assert_uint_eq(n_rows(f.server, "Logical_Router"), 1);
    change(f.server, "{'op':'delete','table':'Logical_Router','where':[]}");
    files_open_ok(&f);
    ck_assert_uint_eq(n_rows(f.server, "Logical_Router"), 0);
    db_server_destroy(f.server);
    f.server = NULL;

    scribble(file, second + 90, 4);
    files_open_fails(&f, "move it away");
    scribble(file, second + 3, 1);
    files_open_fails(&f, "move it away");
    scribble(file, 90, 4);
    files_open_fails(&f, "move it away");
    scribble(file, 0, 4);
    files_open_fails(&f, "move it away");
    ck_assert(!truncate(file, 0));
    files_open_fails(&f, "move it away");

    /* And the folder. */
    unlink(file);
    ck_assert(!mkdir(file, 0700));
    files_open_fails(&f, "Is a directory");
    rmdir(file);
    char *dir = xasprintf("%s/file/below", f.dir);
    char *blocker = xasprintf("%s/file", f.dir);
    fclose(fopen(blocker, "w"));
    struct db_server *server = db_server_create();
    char *error = db_server_open_policy(server, dir);
    ck_assert_ptr_nonnull(error);
    ck_assert_ptr_nonnull(strstr(error, "Not a directory"));
    free(error);
    error = db_server_open_policy(server, blocker);
    ck_assert_ptr_nonnull(error);
    ck_assert_ptr_nonnull(strstr(error, "Not a directory"));
    free(error);
    db_server_destroy(server);
    unlink(blocker);
    free(blocker);
    free(dir);
    free(file);
    files_uninit(&f);
}
END_TEST

/* One random transaction: adds, changes or deletes mappings and subnets. */
static void
random_change(struct db_server *server)
{
    int i = random_range(20), j = random_range(20), k = random_range(4);

    switch (random_range(5)) {
    case 0:
    case 1:
        json_destroy(transact(server,
            "{'op':'delete','table':'Ucast_Macs_Remote',"
            " 'where':[['ipaddr','==','10.0.%d.%d']]},"
            "{'op':'insert','table':'Physical_Locator','uuid-name':'p',"
            " 'row':{'dst_ip':'192.0.%d.%d',"
            "        'encapsulation_type':'nvgre_over_ipv4'}},"
            "{'op':'insert','table':'Logical_Switch','uuid-name':'s',"
            " 'row':{'name':'s%d','tunnel_key':%d}},"
            "{'op':'insert','table':'Ucast_Macs_Remote',"
            " 'row':{'MAC':'02:00:00:00:%02d:%02d','ipaddr':'10.0.%d.%d',"
            "        'logical_switch':['named-uuid','s'],"
            "        'locator':['named-uuid','p'],"
            "        'mapping_type':'default'}}",
            i, j, random_range(256), random_range(1 << 24),
            random_range(1 << 24), 4096 + k, i, j, i, j));
        break;
    case 2:
        json_destroy(transact(server,
            "{'op':'update','table':'Ucast_Macs_Remote',"
            " 'where':[['ipaddr','==','10.0.%d.%d']],"
            " 'row':{'MAC':'02:00:00:00:00:%02d'}}", i, j, k));
        break;
    case 3:
        json_destroy(transact(server,
            "{'op':'delete','table':'Ucast_Macs_Remote',"
            " 'where':[['MAC','==','02:00:00:00:00:%02d']]}", k));
        break;
    case 4:
        json_destroy(transact(server,
            "{'op':'update','table':'Logical_Switch',"
            " 'where':[['tunnel_key','==',%d]],"
            " 'row':{'description':'%d',"
            "        'other_config':['map',[['a','%d']]]}}",
            4096 + k, i, j));
        break;
    }
}

static int
compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

/* What followed every change ends where one that reads the file afresh
 * starts. */
START_TEST(changes_add_up_to_the_contents)
{
    struct files f;

    random_set_seed(unit_seed("changes_add_up_to_the_contents"));
    files_init(&f);
    files_open_ok(&f);
    db_server_set_durable(f.server, false);
    struct mirror *followed = mirror_create(f.server);
    for (int i = 0; i < 300; i++) {
        random_change(f.server);
    }
    files_open_ok(&f);
    struct mirror *fresh = mirror_create(f.server);

    ck_assert_uint_eq(followed->n_rows, fresh->n_rows);
    qsort(followed->rows, followed->n_rows, sizeof(char *), compare_lines);
    qsort(fresh->rows, fresh->n_rows, sizeof(char *), compare_lines);
    for (size_t i = 0; i < fresh->n_rows; i++) {
        ck_assert_str_eq(followed->rows[i], fresh->rows[i]);
    }
    mirror_destroy(followed);
    mirror_destroy(fresh);
    files_uninit(&f);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("db");
    TCase *tc = tcase_create("db");

    ovs_set_program_name("test-db", PACKAGE_VERSION);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    tcase_add_test(tc, one_transaction_comes_in_the_order_of_kinds);
    tcase_add_test(tc, a_row_that_replaces_another_comes_after_it);
    tcase_add_test(tc, every_column_that_the_agent_reads_arrives);
    tcase_add_test(tc, rows_of_another_database_arrive);
    tcase_add_test(tc, changes_that_the_agent_does_not_read_stay_out);
    tcase_add_test(tc, rows_that_lost_a_claim_come_last);
    tcase_add_test(tc, a_failed_transaction_changes_nothing);
    tcase_add_test(tc, the_writer_makes_the_rows_of_the_host_once);
    tcase_add_test(tc, remotes_that_are_none_are_told);
    tcase_add_test(tc, the_writer_does_not_feed_itself);
    tcase_add_test(tc, diagnostics_come_and_go);
    tcase_add_test(tc, files_are_created_and_keep_what_they_get);
    tcase_add_test(tc, stored_diagnostics_stay_until_pruned);
    tcase_add_test(tc, local_addresses_come_and_go);
    tcase_add_test(tc, stored_local_addresses_stay_until_pruned);
    tcase_add_test(tc, an_older_file_is_converted);
    tcase_add_test(tc, a_file_that_does_not_fit_is_refused);
    tcase_add_test(tc, a_damaged_file_is_refused);
    tcase_add_test(tc, changes_add_up_to_the_contents);
    suite_add_tcase(suite, tc);
    return unit_run(suite);
}
