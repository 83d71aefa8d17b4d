/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "db/db-private.h"

#include <stdlib.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "ovsdb-data.h"
#include "ovsdb/column.h"
#include "ovsdb/row.h"
#include "ovsdb/table.h"
#include "stream-ssl.h"
#include "util.h"

void
db_server_set_tls(struct db_server *server, const struct db_tls *tls)
{
    db_tls_uninit(server);
    server->tls = (struct db_tls) {
        .private_key = nullable_xstrdup(tls->private_key),
        .certificate = nullable_xstrdup(tls->certificate),
        .ca_cert = nullable_xstrdup(tls->ca_cert),
        .bootstrap_ca_cert = tls->bootstrap_ca_cert,
        .protocols = nullable_xstrdup(tls->protocols),
        .ciphers = nullable_xstrdup(tls->ciphers),
    };
    server->tls_set = true;
}

void
db_tls_uninit(struct db_server *server)
{
    free(CONST_CAST(char *, server->tls.private_key));
    free(CONST_CAST(char *, server->tls.certificate));
    free(CONST_CAST(char *, server->tls.ca_cert));
    free(CONST_CAST(char *, server->tls.protocols));
    free(CONST_CAST(char *, server->tls.ciphers));
    free(server->tls_error);
    server->tls_error = NULL;
}

/* Returns the first nonempty string in a column, or NULL. */
static const char *
first_string(const struct db_column_ref *ref)
{
    const struct ovsdb_row *row;

    HMAP_FOR_EACH (row, hmap_node, &ref->table->rows) {
        const struct ovsdb_datum *d = &row->fields[ref->column->index];

        for (size_t i = 0; i < d->n; i++) {
            const char *s = json_string(d->keys[i].s);

            if (s[0]) {
                return s;
            }
        }
    }
    return NULL;
}

/* Returns 'value', or what is in the column that it names.  The result is
 * valid until the database changes. */
static const char *
resolve(const struct db_server *server, const char *value, struct ds *errors)
{
    if (!value || !db_column_ref_is(value)) {
        return value;
    }

    struct db_column_ref ref;
    char *error = db_column_ref_resolve(server, value, &ref);
    if (!error && ref.column) {
        if (db_column_ref_is_strings(&ref)) {
            return first_string(&ref);
        }
        error = xasprintf("\"%s\": table \"%s\" column \"%s\" is "
                          "not string or set of strings",
                          value, ref.table->schema->name, ref.column->name);
    }
    if (error) {
        ds_put_format(errors, "%s\n", error);
        free(error);
    }
    return NULL;
}

/* Hands keys and certificates to the stream library, which rereads files that
 * changed.  Returns NULL or what is wrong, a line for each error. */
char *
db_tls_apply(struct db_server *server)
{
    const struct db_tls *tls = &server->tls;
    struct ds errors = DS_EMPTY_INITIALIZER;

    if (server->tls_set) {
        const char *key = resolve(server, tls->private_key, &errors);
        const char *cert = resolve(server, tls->certificate, &errors);
        const char *ca_cert = resolve(server, tls->ca_cert, &errors);
        const char *protocols = resolve(server, tls->protocols, &errors);
        const char *ciphers = resolve(server, tls->ciphers, &errors);

        stream_ssl_set_key_and_cert(key, cert);
        stream_ssl_set_ca_cert_file(ca_cert, tls->bootstrap_ca_cert);
        stream_ssl_set_protocols(protocols);
        stream_ssl_set_ciphers(ciphers);
    }
    return errors.string;
}

void
db_tls_run(struct db_server *server)
{
    db_log_if_changed(db_tls_apply(server), &server->tls_error);
}
