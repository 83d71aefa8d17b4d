/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "db/saved-config.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "db/db-private.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(db_saved_config);

void
saved_config_uninit(struct saved_config *config)
{
    sset_destroy(&config->specs);
    sset_destroy(&config->remotes);
    free(config->active_server);
    free(config->sync_exclude);
}

void
saved_config_from_server(struct saved_config *config,
                         const struct db_server *server)
{
    *config = (struct saved_config) {
        .active_server = nullable_xstrdup(db_backup_get_active(server)),
        .sync_exclude = nullable_xstrdup(db_backup_get_exclude(server)),
        .is_backup = db_backup_is_backup(server),
    };
    sset_clone(&config->remotes, &server->remotes);
    sset_init(&config->specs);

    const struct shash_node *node;
    SHASH_FOR_EACH (node, &server->dbs) {
        const struct db *db = node->data;

        if (node->name[0] != '_') {
            sset_add(&config->specs, db->spec);
        }
    }
}

static struct json *
strings_to_json(const struct sset *strings)
{
    struct json *array = json_array_create_empty();
    const char *s;

    SSET_FOR_EACH (s, strings) {
        json_array_add(array, json_string_create(s));
    }
    return array;
}

static void
strings_from_json(struct sset *strings, const struct json *array)
{
    sset_init(strings);
    for (size_t i = 0; i < array->array.n; i++) {
        sset_add(strings, json_string(array->array.elems[i]));
    }
}

static void
put_optional(struct json *object, const char *name, const char *s)
{
    if (s) {
        json_object_put_string(object, name, s);
    }
}

static char *
get_optional(const struct json *object, const char *name)
{
    const struct json *s = shash_find_data(json_object(object), name);

    return s ? xstrdup(json_string(s)) : NULL;
}

void
saved_config_write(const struct saved_config *config, FILE *file)
{
    struct json *object = json_object_create();

    json_object_put(object, "databases", strings_to_json(&config->specs));
    json_object_put(object, "remotes", strings_to_json(&config->remotes));
    put_optional(object, "active-server", config->active_server);
    put_optional(object, "sync-exclude", config->sync_exclude);
    json_object_put(object, "backup", json_boolean_create(config->is_backup));
    char *text = json_to_string(object, 0);
    json_destroy(object);

    rewind(file);
    if (ftruncate(fileno(file), 0) || fputs(text, file) == EOF
        || fflush(file)) {
        VLOG_FATAL("cannot keep the configuration for a restart (%s)",
                   ovs_strerror(errno));
    }
    free(text);
}

void
saved_config_read(struct saved_config *config, FILE *file)
{
    rewind(file);
    struct json *object = json_from_stream(file);
    if (object->type != JSON_OBJECT) {
        VLOG_FATAL("cannot read back the configuration");
    }

    const struct shash *members = json_object(object);
    strings_from_json(&config->specs, shash_find_data(members, "databases"));
    strings_from_json(&config->remotes, shash_find_data(members, "remotes"));
    config->active_server = get_optional(object, "active-server");
    config->sync_exclude = get_optional(object, "sync-exclude");
    config->is_backup = json_boolean(shash_find_data(members, "backup"));
    json_destroy(object);
}
