/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "db/db-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/db-file.h"
#include "make-dirs.h"
#include "openvswitch/json.h"
#include "ovsdb-error.h"
#include "ovsdb/file.h"
#include "ovsdb/ovsdb.h"
#include "ovsdb/storage.h"
#include "util.h"

static const char vtep_schema[] =
#include "schema/ms_vtep.ovsschema.inc"
;
static const char firewall_schema[] =
#include "schema/ms_firewall.ovsschema.inc"
;
static const char service_insertion_schema[] =
#include "schema/ms_service_insertion.ovsschema.inc"
;
static const char darv_schema[] =
#include "schema/ms_darv.ovsschema.inc"
;

static const struct {
    const char *name;
    const char *schema;
} policy_dbs[N_DBS] = {
    [DB_MS_VTEP] = { "ms_vtep", vtep_schema },
    [DB_MS_FIREWALL] = { "ms_firewall", firewall_schema },
    [DB_MS_SERVICE_INSERTION] = { "ms_service_insertion",
                                  service_insertion_schema },
    [DB_MS_DARV] = { "ms_darv", darv_schema },
};

/* All policy sets of the process.  The functions at the end of this file
 * stand between the engine and itself, with no other way to find out whose
 * database they are called for. */
static struct ovs_list all_policies = OVS_LIST_INITIALIZER(&all_policies);

static struct ovsdb_schema *
parse_schema(enum db_id id)
{
    struct json *json = json_from_string(policy_dbs[id].schema);
    struct ovsdb_schema *schema;

    ovsdb_error_assert(ovsdb_schema_from_json(json, &schema));
    json_destroy(json);
    return schema;
}

static struct db_policy *
policy_create(struct db_server *server)
{
    struct db_policy *policy = xzalloc(sizeof *policy);

    ovs_assert(!server->policy);
    policy->server = server;
    policy->durable = true;
    ovs_list_push_back(&all_policies, &policy->node);
    return policy;
}

/* Makes 'policy' complete the server's. */
static void
policy_adopt(struct db_server *server, struct db_policy *policy)
{
    server->policy = policy;
    server->writer = db_writer_create(server);
}

void
db_policy_destroy(struct db_policy *policy)
{
    if (policy) {
        ovs_list_remove(&policy->node);
        free(policy);
    }
}

/* Closes the databases that were opened before one could not be. */
static void
policy_abandon(struct db_server *server, struct db_policy *policy)
{
    for (enum db_id id = 0; id < N_DBS; id++) {
        if (policy->dbs[id]) {
            db_close(server, policy->dbs[id], NULL);
        }
    }
    db_policy_destroy(policy);
}

static char *
check_dir(const char *dir)
{
    int error = make_dirs(dir);
    struct stat s;

    if (!error && !stat(dir, &s) && !S_ISDIR(s.st_mode)) {
        error = ENOTDIR;
    }
    return (error
            ? xasprintf("%s: cannot create this directory for the databases "
                        "(%s); create it or name another one",
                        dir, ovs_strerror(error))
            : NULL);
}

char *
db_server_open_policy(struct db_server *server, const char *dir)
{
    char *error = check_dir(dir);
    if (error) {
        return error;
    }

    struct db_policy *policy = policy_create(server);
    for (enum db_id id = 0; id < N_DBS && !error; id++) {
        char *file = xasprintf("%s/%s.db", dir, policy_dbs[id].name);
        struct ovsdb_schema *schema = parse_schema(id);
        struct ovsdb *ovsdb;

        error = db_file_open(file, schema, &ovsdb);
        if (!error) {
            policy->dbs[id] = db_add(server, file, ovsdb);
        }
        ovsdb_schema_destroy(schema);
        free(file);
    }
    if (error) {
        policy_abandon(server, policy);
        return error;
    }
    policy_adopt(server, policy);
    return NULL;
}

void
db_server_open_policy_in_memory(struct db_server *server)
{
    struct db_policy *policy = policy_create(server);

    for (enum db_id id = 0; id < N_DBS; id++) {
        struct ovsdb_storage *none = ovsdb_storage_create_unbacked(NULL);

        policy->dbs[id] = db_add(server, "<memory>",
                                 ovsdb_create(parse_schema(id), none));
    }
    policy_adopt(server, policy);
}

void
db_server_set_durable(struct db_server *server, bool durable)
{
    server->policy->durable = durable;
}

const char *
db_id_to_name(enum db_id id)
{
    return policy_dbs[id].name;
}

struct ovsdb *
db_policy_get(const struct db_server *server, enum db_id id)
{
    return server->policy->dbs[id]->ovsdb;
}

/* Returns the policy set that 'ovsdb' is part of, and as what, or NULL. */
struct db_policy *
db_policy_find(const struct ovsdb *ovsdb, enum db_id *ret_id)
{
    struct db_policy *policy;

    LIST_FOR_EACH (policy, node, &all_policies) {
        for (enum db_id id = 0; id < N_DBS; id++) {
            if (policy->dbs[id] && policy->dbs[id]->ovsdb == ovsdb) {
                *ret_id = id;
                return policy;
            }
        }
    }
    return NULL;
}

/* Places where the linker's --wrap (AM_LDFLAGS) puts us between two files of
 * the engine. */

struct ovsdb_error *__real_ovsdb_convert(const struct ovsdb *,
                                         const struct ovsdb_schema *,
                                         struct ovsdb **);
struct ovsdb_error *__wrap_ovsdb_convert(const struct ovsdb *,
                                         const struct ovsdb_schema *,
                                         struct ovsdb **);

/* A client converts a database.  What comes out replaces its tables, so a
 * reader that has looked up tables and columns must do so again. */
struct ovsdb_error *
__wrap_ovsdb_convert(const struct ovsdb *src, const struct ovsdb_schema *new,
                     struct ovsdb **dst)
{
    enum db_id id;
    struct db_policy *policy = db_policy_find(src, &id);

    if (policy) {
        if (!ovsdb_schema_equal(src->schema, new)) {
            *dst = NULL;
            return ovsdb_error("not allowed",
                               "the schema of database %s (version %s) is "
                               "part of %s and cannot be replaced",
                               src->name, src->schema->version,
                               program_name);
        }
        if (policy->server->feed) {
            db_feed_schema_changed(policy->server->feed, id);
        }
    }
    return __real_ovsdb_convert(src, new, dst);
}

struct ovsdb_txn *__real_ovsdb_execute_compose(
    struct ovsdb *, const struct ovsdb_session *, const struct json *params,
    bool read_only, const char *role, const char *id,
    long long int elapsed_msec, long long int *timeout_msec,
    bool *durable, bool *forwarding_needed, struct json **);
struct ovsdb_txn *__wrap_ovsdb_execute_compose(
    struct ovsdb *, const struct ovsdb_session *, const struct json *params,
    bool read_only, const char *role, const char *id,
    long long int elapsed_msec, long long int *timeout_msec,
    bool *durable, bool *forwarding_needed, struct json **);

/* A client's transaction is about to be committed, flushed to the disk or
 * not: '*durable'. */
struct ovsdb_txn *
__wrap_ovsdb_execute_compose(
    struct ovsdb *ovsdb, const struct ovsdb_session *session,
    const struct json *params, bool read_only, const char *role,
    const char *client, long long int elapsed_msec,
    long long int *timeout_msec, bool *durable, bool *forwarding_needed,
    struct json **resultsp)
{
    struct ovsdb_txn *txn = __real_ovsdb_execute_compose(
        ovsdb, session, params, read_only, role, client, elapsed_msec,
        timeout_msec, durable, forwarding_needed, resultsp);

    if (txn) {
        enum db_id id;
        struct db_policy *policy = db_policy_find(ovsdb, &id);

        *durable = *durable || (policy && policy->durable);
        if (policy && id == DB_MS_VTEP) {
            local_rows_give_way(ovsdb, txn);
        }
    }
    return txn;
}
