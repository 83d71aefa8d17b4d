/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "db/row-decode.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/json.h"
#include "ovsdb-data.h"
#include "ovsdb/column.h"
#include "ovsdb/ovsdb.h"
#include "ovsdb/row.h"
#include "ovsdb/table.h"
#include "util.h"

/* Kinds of members of "struct row", with the C type of what is at 'value' and,
 * where there is something, at 'extra'. */
enum field_kind {
    FIELD_STRING,               /* const char *: "" for an absent one. */
    FIELD_INTEGER,              /* int64_t. */
    FIELD_OPTIONAL_INTEGER,     /* int64_t; bool: is it there? */
    FIELD_BOOLEAN,              /* bool. */
    FIELD_UUID,                 /* struct uuid. */
    FIELD_STRINGS,              /* const char *const *; size_t: how many. */
    FIELD_UUIDS,                /* const struct uuid *; size_t. */
    FIELD_MAP,                  /* const struct row_pair *; size_t. */
    FIELD_BINDINGS_BY_KEY,      /* const struct row_binding *; size_t. */
    FIELD_BINDINGS_BY_NUMBER,   /* const struct row_binding *; size_t. */
};

struct row_field {
    const char *column;
    enum field_kind kind;
    bool owned;                 /* Written by the agent. */
    size_t value, extra;        /* Offsets in "struct row". */
};

/* A field for the member of "struct row" MEMBER.NAME, which holds the column
 * of the same name. */
#define FIELD(KIND, MEMBER, NAME)                                       \
    { .column = #NAME, .kind = KIND,                                    \
      .value = offsetof(struct row, MEMBER.NAME) }
#define FIELD_N(KIND, MEMBER, NAME)                                     \
    { .column = #NAME, .kind = KIND,                                    \
      .value = offsetof(struct row, MEMBER.NAME),                       \
      .extra = offsetof(struct row, MEMBER.n_##NAME) }
#define FIELD_ROW_MAP(MEMBER, NAME)                                     \
    { .column = #NAME, .kind = FIELD_MAP,                               \
      .value = offsetof(struct row, MEMBER.NAME.pairs),                 \
      .extra = offsetof(struct row, MEMBER.NAME.n) }

static const struct row_field global_fields[] = {
    FIELD(FIELD_INTEGER, global, next_cfg),
    { .column = "cur_cfg", .kind = FIELD_INTEGER, .owned = true,
      .value = offsetof(struct row, global.cur_cfg) },
};

static const struct row_field physical_switch_fields[] = {
    FIELD(FIELD_STRING, physical_switch, name),
    FIELD_N(FIELD_STRINGS, physical_switch, tunnel_ips),
    FIELD(FIELD_STRING, physical_switch, distributed_router_mac),
    FIELD_ROW_MAP(physical_switch, other_config),
};

static const struct row_field locator_fields[] = {
    FIELD(FIELD_STRING, locator, dst_ip),
    FIELD(FIELD_STRING, locator, encapsulation_type),
};

static const struct row_field locator_set_fields[] = {
    FIELD_N(FIELD_UUIDS, locator_set, locators),
};

static const struct row_field logical_switch_fields[] = {
    FIELD(FIELD_STRING, logical_switch, name),
    FIELD(FIELD_STRING, logical_switch, description),
    { .column = "tunnel_key", .kind = FIELD_OPTIONAL_INTEGER,
      .value = offsetof(struct row, logical_switch.tunnel_key),
      .extra = offsetof(struct row, logical_switch.has_tunnel_key) },
    FIELD_ROW_MAP(logical_switch, static_routes),
    FIELD_ROW_MAP(logical_switch, other_config),
};

static const struct row_field logical_router_fields[] = {
    FIELD(FIELD_STRING, logical_router, name),
    FIELD(FIELD_BOOLEAN, logical_router, enable_logical_router),
    FIELD_N(FIELD_BINDINGS_BY_KEY, logical_router, switch_binding),
    FIELD_ROW_MAP(logical_router, static_routes),
    FIELD_ROW_MAP(logical_router, other_config),
};

static const struct row_field physical_port_fields[] = {
    FIELD(FIELD_STRING, physical_port, name),
    FIELD_N(FIELD_BINDINGS_BY_NUMBER, physical_port, vlan_bindings),
    FIELD_ROW_MAP(physical_port, other_config),
};

static const struct row_field mcast_fields[] = {
    { .column = "MAC", .kind = FIELD_STRING,
      .value = offsetof(struct row, mcast.mac) },
    FIELD(FIELD_STRING, mcast, ipaddr),
    FIELD(FIELD_UUID, mcast, logical_switch),
    FIELD(FIELD_UUID, mcast, locator_set),
};

static const struct row_field ucast_fields[] = {
    { .column = "MAC", .kind = FIELD_STRING,
      .value = offsetof(struct row, ucast.mac) },
    FIELD(FIELD_STRING, ucast, ipaddr),
    FIELD(FIELD_UUID, ucast, logical_switch),
    FIELD(FIELD_UUID, ucast, locator),
    FIELD(FIELD_STRING, ucast, mapping_type),
};

static const struct row_field darv_port_fields[] = {
    FIELD(FIELD_STRING, darv_port, name),
    FIELD(FIELD_BOOLEAN, darv_port, enable_ip_forwarding),
};

static const struct row_field fw_rule_fields[] = {
    FIELD(FIELD_STRING, fw_rule, rule_id),
    FIELD(FIELD_STRING, fw_rule, vnic_id),
    FIELD(FIELD_INTEGER, fw_rule, priority),
    FIELD(FIELD_STRING, fw_rule, direction),
    FIELD(FIELD_STRING, fw_rule, action),
    FIELD(FIELD_STRING, fw_rule, protocols),
    FIELD(FIELD_STRING, fw_rule, src_ip_addresses),
    FIELD(FIELD_STRING, fw_rule, dst_ip_addresses),
    FIELD(FIELD_STRING, fw_rule, src_ports),
    FIELD(FIELD_STRING, fw_rule, dst_ports),
    FIELD(FIELD_STRING, fw_rule, rule_type),
    FIELD(FIELD_STRING, fw_rule, rule_state),
    FIELD(FIELD_STRING, fw_rule, logging_state),
};

#define LAYOUT(TABLE, DB, NAME, FIELDS)                                 \
    { .table = TABLE, .db = DB, .name = NAME,                           \
      .fields = FIELDS, .n_fields = ARRAY_SIZE(FIELDS) }

static const struct row_layout layouts[] = {
    LAYOUT(ROW_GLOBAL, DB_MS_VTEP, "Global", global_fields),
    LAYOUT(ROW_GLOBAL, DB_MS_FIREWALL, "FW_Global", global_fields),
    LAYOUT(ROW_GLOBAL, DB_MS_SERVICE_INSERTION, "SI_Global", global_fields),
    LAYOUT(ROW_GLOBAL, DB_MS_DARV, "Global", global_fields),
    LAYOUT(ROW_PHYSICAL_SWITCH, DB_MS_VTEP, "Physical_Switch",
           physical_switch_fields),
    LAYOUT(ROW_LOCATOR, DB_MS_VTEP, "Physical_Locator", locator_fields),
    LAYOUT(ROW_LOCATOR_SET, DB_MS_VTEP, "Physical_Locator_Set",
           locator_set_fields),
    LAYOUT(ROW_LOGICAL_SWITCH, DB_MS_VTEP, "Logical_Switch",
           logical_switch_fields),
    LAYOUT(ROW_LOGICAL_ROUTER, DB_MS_VTEP, "Logical_Router",
           logical_router_fields),
    LAYOUT(ROW_PHYSICAL_PORT, DB_MS_VTEP, "Physical_Port",
           physical_port_fields),
    LAYOUT(ROW_MCAST_REMOTE, DB_MS_VTEP, "Mcast_Macs_Remote", mcast_fields),
    LAYOUT(ROW_UCAST_REMOTE, DB_MS_VTEP, "Ucast_Macs_Remote", ucast_fields),
    LAYOUT(ROW_DARV_PORT, DB_MS_DARV, "Ports", darv_port_fields),
    LAYOUT(ROW_FW_RULE, DB_MS_FIREWALL, "FW_Rules", fw_rule_fields),
};

void
row_scratch_uninit(struct row_scratch *s)
{
    free(s->memory);
}

/* Schema. */

/* What the type of a column must be to be decoded as some kind of field. */
struct kind_type {
    enum ovsdb_atomic_type key, value;
};

static struct kind_type
kind_to_type(enum field_kind kind)
{
    switch (kind) {
    case FIELD_STRING:
    case FIELD_STRINGS:
        return (struct kind_type) { OVSDB_TYPE_STRING, OVSDB_TYPE_VOID };
    case FIELD_INTEGER:
    case FIELD_OPTIONAL_INTEGER:
        return (struct kind_type) { OVSDB_TYPE_INTEGER, OVSDB_TYPE_VOID };
    case FIELD_BOOLEAN:
        return (struct kind_type) { OVSDB_TYPE_BOOLEAN, OVSDB_TYPE_VOID };
    case FIELD_UUID:
    case FIELD_UUIDS:
        return (struct kind_type) { OVSDB_TYPE_UUID, OVSDB_TYPE_VOID };
    case FIELD_MAP:
        return (struct kind_type) { OVSDB_TYPE_STRING, OVSDB_TYPE_STRING };
    case FIELD_BINDINGS_BY_KEY:
        return (struct kind_type) { OVSDB_TYPE_STRING, OVSDB_TYPE_UUID };
    case FIELD_BINDINGS_BY_NUMBER:
        return (struct kind_type) { OVSDB_TYPE_INTEGER, OVSDB_TYPE_UUID };
    }
    OVS_NOT_REACHED();
}

static void
decoder_init(struct row_decoder *d, const struct row_layout *layout,
             const struct ovsdb *ovsdb)
{
    *d = (struct row_decoder) { .layout = layout };
    d->table = ovsdb_get_table(ovsdb, layout->name);
    ovs_assert(d->table && layout->n_fields <= ROW_MAX_FIELDS);

    for (size_t i = 0; i < layout->n_fields; i++) {
        const struct row_field *f = &layout->fields[i];
        const struct ovsdb_column *column
            = ovsdb_table_schema_get_column(d->table->schema, f->column);

        ovs_assert(column && column->index < CHAR_BIT * sizeof(long int));
        struct kind_type want = kind_to_type(f->kind);
        ovs_assert(column->type.key.type == want.key
                   && column->type.value.type == want.value);

        d->columns[i] = column->index;
        d->columns_read |= 1ul << column->index;
        if (f->owned) {
            d->columns_owned |= 1ul << column->index;
        }
    }
}

size_t
row_decoders_init(struct row_decoder decoders[N_ROW_TABLES], enum db_id id,
                  const struct ovsdb *ovsdb)
{
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(layouts); i++) {
        if (layouts[i].db == id) {
            decoder_init(&decoders[n++], &layouts[i], ovsdb);
        }
    }
    return n;
}

/* Decoding. */

/* Returns the size of an array's element, or 0 if 'kind' is not an array. */
static size_t
element_size(enum field_kind kind)
{
    switch (kind) {
    case FIELD_STRINGS:
        return sizeof(const char *);
    case FIELD_UUIDS:
        return sizeof(struct uuid);
    case FIELD_MAP:
        return sizeof(struct row_pair);
    case FIELD_BINDINGS_BY_KEY:
    case FIELD_BINDINGS_BY_NUMBER:
        return sizeof(struct row_binding);
    case FIELD_STRING:
    case FIELD_INTEGER:
    case FIELD_OPTIONAL_INTEGER:
    case FIELD_BOOLEAN:
    case FIELD_UUID:
        return 0;
    }
    OVS_NOT_REACHED();
}

/* Any element's size rounded up to this keeps the next array aligned. */
#define ARRAY_ALIGN sizeof(max_align_t)

/* Makes room for all arrays of 'row': those of one row live together. */
static void
reserve(const struct row_decoder *d, const struct ovsdb_row *row,
        struct row_scratch *scratch)
{
    size_t size = 0;

    for (size_t i = 0; i < d->layout->n_fields; i++) {
        size += ROUND_UP(element_size(d->layout->fields[i].kind)
                         * row->fields[d->columns[i]].n, ARRAY_ALIGN);
    }
    if (size > scratch->size) {
        free(scratch->memory);
        scratch->memory = xmalloc(size);
        scratch->size = size;
    }
}

static const char *
string_atom(const union ovsdb_atom *atom)
{
    return json_string(atom->s);
}

/* Writes the elements of 'datum' to 'array'. */
static void
decode_array(enum field_kind kind, const struct ovsdb_datum *datum,
             void *array)
{
    const char **strings = array;
    struct uuid *uuids = array;
    struct row_pair *pairs = array;
    struct row_binding *bindings = array;

    for (unsigned int i = 0; i < datum->n; i++) {
        const union ovsdb_atom *key = &datum->keys[i];

        switch (kind) {
        case FIELD_STRINGS:
            strings[i] = string_atom(key);
            break;
        case FIELD_UUIDS:
            uuids[i] = key->uuid;
            break;
        case FIELD_MAP:
            pairs[i].key = string_atom(key);
            pairs[i].value = string_atom(&datum->values[i]);
            break;
        case FIELD_BINDINGS_BY_KEY:
            bindings[i] = (struct row_binding) {
                .key = string_atom(key), .target = datum->values[i].uuid,
            };
            break;
        case FIELD_BINDINGS_BY_NUMBER:
            bindings[i] = (struct row_binding) {
                .number = key->integer, .target = datum->values[i].uuid,
            };
            break;
        case FIELD_STRING:
        case FIELD_INTEGER:
        case FIELD_OPTIONAL_INTEGER:
        case FIELD_BOOLEAN:
        case FIELD_UUID:
            OVS_NOT_REACHED();
        }
    }
}

/* Writes the value of 'datum', which is not an array, to 'value', and to
 * 'extra' whether it is there. */
static void
decode_scalar(enum field_kind kind, const struct ovsdb_datum *datum,
              void *value, void *extra)
{
    const union ovsdb_atom *atom = datum->n ? &datum->keys[0] : NULL;

    switch (kind) {
    case FIELD_STRING:
        *(const char **) value = atom ? string_atom(atom) : "";
        break;
    case FIELD_OPTIONAL_INTEGER:
        *(bool *) extra = atom != NULL;
        /* Fall through. */
    case FIELD_INTEGER:
        *(int64_t *) value = atom ? atom->integer : 0;
        break;
    case FIELD_BOOLEAN:
        *(bool *) value = atom && atom->boolean;
        break;
    case FIELD_UUID:
        *(struct uuid *) value = atom ? atom->uuid : UUID_ZERO;
        break;
    case FIELD_STRINGS:
    case FIELD_UUIDS:
    case FIELD_MAP:
    case FIELD_BINDINGS_BY_KEY:
    case FIELD_BINDINGS_BY_NUMBER:
        OVS_NOT_REACHED();
    }
}

void
row_decode(const struct row_decoder *d, const struct ovsdb_row *row,
           struct row_scratch *scratch, struct row *ret_row)
{
    const struct row_layout *layout = d->layout;

    reserve(d, row, scratch);
    ret_row->table = layout->table;
    ret_row->uuid = *ovsdb_row_get_uuid(row);
    if (layout->table == ROW_GLOBAL) {
        ret_row->global.db = layout->db;
    }

    char *free_space = scratch->memory;
    for (size_t i = 0; i < layout->n_fields; i++) {
        const struct row_field *f = &layout->fields[i];
        const struct ovsdb_datum *datum = &row->fields[d->columns[i]];
        char *value = (char *) ret_row + f->value;
        char *extra = (char *) ret_row + f->extra;
        size_t size = element_size(f->kind);

        if (!size) {
            decode_scalar(f->kind, datum, value, extra);
        } else {
            decode_array(f->kind, datum, free_space);
            /* Pointers to different types look alike, but assigning would
             * mislead the compiler. */
            memcpy(value, &free_space, sizeof free_space);
            *(size_t *) extra = datum->n;
            free_space += ROUND_UP(size * datum->n, ARRAY_ALIGN);
        }
    }
}
