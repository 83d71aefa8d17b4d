/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "db/db-file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lockfile.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "ovsdb-error.h"
#include "ovsdb/file.h"
#include "ovsdb/log.h"
#include "ovsdb/ovsdb.h"
#include "ovsdb/storage.h"
#include "ovsdb/transaction.h"
#include "socket-util.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(db_file);

#define ASIDE_OR_RESTORE \
    "move it away to start with an empty database, or restore it from a backup"

static char *create_file(const char *file, const struct ovsdb_schema *);
static char *read_all(const char *file, struct ovsdb *);
static char *check_identity(const char *file, const struct ovsdb *,
                            const struct ovsdb_schema *);
static char *convert(const char *file, struct ovsdb *,
                     const struct ovsdb_schema *);

/* Makes a sentence of 'error', which it frees, about 'file'. */
static char *
sentence(const char *file, struct ovsdb_error *error, const char *remedy)
{
    char *detail = ovsdb_error_to_string_free(error);
    char *s = xasprintf("%s: cannot use this database file (%s); %s",
                        file, detail, remedy);
    free(detail);
    return s;
}

/* Opens 'file', which exists, whatever is in it. */
static char *
open_any(const char *file, struct ovsdb **ret_ovsdb)
{
    struct ovsdb_storage *storage;
    struct ovsdb_error *error = ovsdb_storage_open(file, true, &storage);
    if (error) {
        return sentence(file, error,
                        "if another program has it open, stop that; "
                        "otherwise " ASIDE_OR_RESTORE);
    }
    if (ovsdb_storage_is_clustered(storage)) {
        ovsdb_storage_close(storage);
        return xasprintf("%s: is part of a cluster, which a host's own "
                         "database cannot be; " ASIDE_OR_RESTORE, file);
    }

    struct ovsdb_schema *schema;
    struct json *txn;
    error = ovsdb_storage_read(storage, &schema, &txn, NULL);
    if (error) {
        ovsdb_storage_close(storage);
        return sentence(file, error, ASIDE_OR_RESTORE);
    }
    *ret_ovsdb = ovsdb_create(schema, storage);
    return NULL;
}

char *
db_file_open(const char *file, const struct ovsdb_schema *schema,
             struct ovsdb **ret_ovsdb)
{
    char *error = NULL;

    if (access(file, F_OK) && errno == ENOENT) {
        error = create_file(file, schema);
    }

    struct ovsdb *ovsdb = NULL;
    if (!error) {
        error = open_any(file, &ovsdb);
    }
    if (!error) {
        error = check_identity(file, ovsdb, schema);
    }
    if (!error) {
        error = read_all(file, ovsdb);
    }
    if (!error && !ovsdb_schema_equal(ovsdb->schema, schema)) {
        error = convert(file, ovsdb, schema);
    }

    if (error) {
        ovsdb_destroy(ovsdb);
        return error;
    }
    *ret_ovsdb = ovsdb;
    return NULL;
}

/* Creation. */

/* Writes an empty database to 'file', which must not exist. */
static struct ovsdb_error *
write_empty(const char *file, const struct ovsdb_schema *schema)
{
    struct ovsdb_log *log;
    struct ovsdb_error *error = ovsdb_log_open(file, OVSDB_MAGIC,
                                               OVSDB_LOG_CREATE_EXCL, false,
                                               &log);
    if (!error) {
        error = ovsdb_log_write_and_free(log, ovsdb_schema_to_json(schema));
        if (!error) {
            error = ovsdb_log_commit_block(log);
        }
        ovsdb_log_close(log);
    }
    return error;
}

static char *
create_file(const char *file, const struct ovsdb_schema *schema)
{
    struct lockfile *lock;
    int retval = lockfile_lock(file, &lock);
    if (retval) {
        return xasprintf("%s: cannot create this database file: locking it "
                         "failed (%s); check that the directory is writable "
                         "and no other program uses it",
                         file, ovs_strerror(retval));
    }

    char *aside = xasprintf("%s.new", file);
    unlink(aside);
    struct ovsdb_error *error = write_empty(aside, schema);
    if (!error && rename(aside, file)) {
        error = ovsdb_io_error(errno, "renaming %s failed", aside);
    }
    if (error) {
        unlink(aside);
    } else {
        fsync_parent_dir(file);
        VLOG_INFO("%s: created, version %s", file, schema->version);
    }
    free(aside);
    lockfile_unlock(lock);
    return error ? sentence(file, error, "check the directory and its "
                            "file system") : NULL;
}

/* Identity. */

static int
compare_versions(const struct ovsdb_version *a, const struct ovsdb_version *b)
{
    return (a->x != b->x ? (a->x < b->x ? -1 : 1)
            : a->y != b->y ? (a->y < b->y ? -1 : 1)
            : a->z != b->z ? (a->z < b->z ? -1 : 1) : 0);
}

/* A version that does not parse counts as older than any. */
static bool
is_newer(const char *version, const char *than)
{
    struct ovsdb_version a, b;

    return (ovsdb_parse_version(version, &a)
            && ovsdb_parse_version(than, &b)
            && compare_versions(&a, &b) > 0);
}

static char *
check_identity(const char *file, const struct ovsdb *ovsdb,
               const struct ovsdb_schema *want)
{
    const struct ovsdb_schema *have = ovsdb->schema;

    if (strcmp(have->name, want->name)) {
        return xasprintf("%s: holds a database named %s, but %s is wanted "
                         "here; " ASIDE_OR_RESTORE,
                         file, have->name, want->name);
    }
    if (is_newer(have->version, want->version)) {
        return xasprintf("%s: is version %s of database %s, newer than "
                         "version %s that this program knows; upgrade this "
                         "program, or " ASIDE_OR_RESTORE,
                         file, have->version, want->name, want->version);
    }
    return NULL;
}

/* Reading. */

static const char record_magic[] = "OVSDB JSON ";

/* Skips one record.  Returns false if 'stream' is not at the start of one. */
static bool
skip_record(FILE *stream)
{
    char header[128];
    unsigned long int length;

    return (fgets(header, sizeof header, stream)
            && !strncmp(header, record_magic, strlen(record_magic))
            && ovs_scan(header + strlen(record_magic), "%lu", &length)
            && !fseek(stream, length, SEEK_CUR));
}

/* Tells whether a line in the rest of 'stream' starts a record.  (A line break
 * within a record's data is written as an escape sequence.) */
static bool
find_record(FILE *stream)
{
    char *line = NULL;
    size_t allocated = 0;
    bool found = false;

    while (!found && getline(&line, &allocated, stream) > 0) {
        found = !strncmp(line, record_magic, strlen(record_magic));
    }
    free(line);
    return found;
}

/* Tells whether records follow the one that comes after 'n_good' ones, which
 * cannot be read.  If so, it is not just what a loss of power leaves of the
 * last write, which nobody was told of; transactions that clients count on
 * would be lost with it. */
static bool
damage_is_inside(const char *file, unsigned int n_good)
{
    FILE *stream = fopen(file, "rb");
    bool inside = false;

    if (stream) {
        bool ok = true;

        for (unsigned int i = 0; ok && i < n_good; i++) {
            ok = skip_record(stream);
        }
        if (ok) {
            char header[128];

            inside = (fgets(header, sizeof header, stream)
                      && find_record(stream));
        }
        fclose(stream);
    }
    return inside;
}

/* Reads the next record and applies it.  At the end of the file, or of what is
 * readable, sets '*ret_end'. */
static struct ovsdb_error *
read_record(struct ovsdb *ovsdb, bool *ret_end)
{
    struct ovsdb_schema *schema;
    struct json *json;
    struct ovsdb_error *error = ovsdb_storage_read(ovsdb->storage, &schema,
                                                   &json, NULL);
    *ret_end = error || !json;
    if (*ret_end) {
        return error;
    }
    ovs_assert(!schema);

    struct ovsdb_txn *txn;
    error = ovsdb_file_txn_from_json(ovsdb, json, false, &txn);
    json_destroy(json);
    if (!error) {
        error = ovsdb_txn_replay_commit(txn);
    }
    if (error) {
        ovsdb_storage_unread(ovsdb->storage);
        *ret_end = true;
    }
    return error;
}

static char *
read_all(const char *file, struct ovsdb *ovsdb)
{
    ovsdb_txn_history_init(ovsdb, false);
    for (unsigned int n_good = 1;; n_good++) {
        bool end;
        struct ovsdb_error *error = read_record(ovsdb, &end);

        if (end) {
            if (!error) {
                return NULL;
            }
            if (damage_is_inside(file, n_good)) {
                return sentence(file, error, ASIDE_OR_RESTORE);
            }

            char *detail = ovsdb_error_to_string_free(error);
            VLOG_WARN("%s: the last write is incomplete, going on without "
                      "it (%s)", file, detail);
            free(detail);
            return NULL;
        }
    }
}

/* Conversion. */

/* Gives 'ovsdb' schema 'schema', first in the file, then in memory. */
static char *
convert(const char *file, struct ovsdb *ovsdb,
        const struct ovsdb_schema *schema)
{
    const char *have = ovsdb->schema->version;

    VLOG_INFO("%s: converting from version %s to %s",
              file, have[0] ? have : "(none)", schema->version);

    struct ovsdb *converted;
    struct ovsdb_error *error = ovsdb_convert(ovsdb, schema, &converted);
    if (!error) {
        struct json *schema_json = ovsdb_schema_to_json(schema);
        struct json *data = ovsdb_to_txn_json(converted, "converted", true);

        error = ovsdb_storage_store_snapshot(ovsdb->storage, schema_json,
                                             data, 0);
        json_destroy(data);
        json_destroy(schema_json);
        if (!error) {
            ovsdb_replace(ovsdb, converted);
            return NULL;
        }
        ovsdb_destroy(converted);
    }

    char *detail = ovsdb_error_to_string_free(error);
    char *s = xasprintf("%s: cannot convert version %s of database %s to "
                        "version %s (%s); correct it with the release that "
                        "wrote it, or " ASIDE_OR_RESTORE,
                        file, ovsdb->schema->version, schema->name,
                        schema->version, detail);
    free(detail);
    return s;
}
