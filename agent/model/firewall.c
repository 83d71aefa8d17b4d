/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "model/firewall.h"
#include <stdlib.h>
#include <string.h>
#include "db/rows.h"
#include "hash.h"
#include "model/diag-report.h"
#include "openvswitch/list.h"
#include "openvswitch/shash.h"
#include "util.h"
#include "util/addr.h"
#include "util/diag.h"
#include "uuid.h"

/* Longest name of a port, as elsewhere; and its '\0'. */
#define PORT_NAME_SIZE 256

/* A rule, which all rows that say the same share. */
struct shared_rule {
    struct fw_rule rule;        /* First, so that one is the other. */
    struct hmap_node node;      /* In struct firewall's 'rules'. */
    unsigned int refs;          /* Rows and sets. */
};

struct fw_row {
    struct hmap_node node;      /* In struct firewall's 'rows'. */
    struct uuid uuid;
    char *rule_id;
    bool enabled;
    enum fw_layer layer;
    enum fw_direction direction;
    struct shared_rule *rule;   /* NULL if not enabled or not understood. */
    struct fw_vnic *vnic;       /* NULL if there can be none. */
    struct ovs_list vnic_node;  /* In its 'rows' if so. */
};

struct fw_vnic {
    char *name;
    struct ovs_list rows;       /* Contains "struct fw_row"s. */
    struct ovs_list dirty_node; /* In struct firewall's 'dirty' if so. */
    bool dirty;
    bool too_long;              /* It has too many rules, which the ... */
    struct uuid too_long_row;   /* ... diagnostic of this row says. */
    struct fw_port port;
};

struct firewall {
    struct hmap rows;           /* By UUID. */
    struct shash vnics;         /* By name. */
    struct ovs_list dirty;
    struct hmap rules;          /* "struct shared_rule"s, by text. */
    struct hmap sets;           /* "struct fw_set"s, by their rules. */
    struct hmap numbers;        /* The same, by number. */
    uint64_t last_serial;
    struct diag_set diags;      /* As things are. */
    struct diag_set told;       /* As the sink knows them. */
    bool diags_changed;
};

struct firewall *
firewall_create(void)
{
    struct firewall *fw = xzalloc(sizeof *fw);

    hmap_init(&fw->rows);
    shash_init(&fw->vnics);
    ovs_list_init(&fw->dirty);
    hmap_init(&fw->rules);
    hmap_init(&fw->sets);
    hmap_init(&fw->numbers);
    diag_set_init(&fw->diags);
    diag_set_init(&fw->told);
    return fw;
}

/* Shared rules. */

static uint32_t
rule_hash(const struct fw_rule *rule)
{
    return hash_string(rule->text, 0);
}

/* Takes 'rule' over.  The caller gets a reference. */
static struct shared_rule *
share_rule(struct firewall *fw, struct fw_rule *rule)
{
    struct shared_rule *shared;
    uint32_t hash = rule_hash(rule);

    HMAP_FOR_EACH_WITH_HASH (shared, node, hash, &fw->rules) {
        if (!strcmp(shared->rule.text, rule->text)) {
            fw_rule_uninit(rule);
            shared->refs++;
            return shared;
        }
    }
    shared = xmalloc(sizeof *shared);
    shared->rule = *rule;
    shared->refs = 1;
    hmap_insert(&fw->rules, &shared->node, hash);
    return shared;
}

static void
unref_rule(struct firewall *fw, struct shared_rule *shared)
{
    if (shared && !--shared->refs) {
        hmap_remove(&fw->rules, &shared->node);
        fw_rule_uninit(&shared->rule);
        free(shared);
    }
}

/* Sets. */

static uint32_t
list_hash(const struct fw_rule **rules, size_t n)
{
    uint32_t hash = n;

    for (size_t i = 0; i < n; i++) {
        hash = hash_pointer(rules[i], hash);
    }
    return hash;
}

static struct fw_set *
find_set(const struct firewall *fw, const struct fw_rule **rules, size_t n)
{
    struct fw_set *set;

    HMAP_FOR_EACH_WITH_HASH (set, content_node, list_hash(rules, n),
                             &fw->sets) {
        if (set->n == n && !memcmp(set->rules, rules, n * sizeof *rules)) {
            return set;
        }
    }
    return NULL;
}

static bool
number_is_free(const struct firewall *fw, uint32_t number)
{
    return number && !hmap_first_with_hash(&fw->numbers, number);
}

static int
compare_ids(const void *a_, const void *b_)
{
    const uint32_t *a = a_;
    const uint32_t *b = b_;

    return *a < *b ? -1 : *a > *b;
}

static bool
contains_id(const uint32_t *sorted, size_t n, uint32_t id)
{
    return bsearch(&id, sorted, n, sizeof id, compare_ids) != NULL;
}

/* Gives each rule a number that follows from what it says.  Where that is the
 * same for several, all but the first count on to one that is free. */
static uint32_t *
number_rules(const struct fw_rule **rules, size_t n)
{
    uint32_t *ids = xcalloc(n, sizeof *ids);
    uint32_t *sorted;

    for (size_t i = 0; i < n; i++) {
        ids[i] = MAX(rule_hash(rules[i]) % FW_MAX_ID, 1);
    }
    sorted = xmemdup(ids, n * sizeof *ids);
    qsort(sorted, n, sizeof *sorted, compare_ids);
    for (size_t i = 1; i < n; i++) {
        if (sorted[i] != sorted[i - 1]) {
            continue;
        }
        for (size_t j = 0, seen = 0; j < n; j++) {
            if (ids[j] == sorted[i] && seen++) {
                do {
                    ids[j] = MAX((ids[j] + 1) % FW_MAX_ID, 1);
                } while (contains_id(sorted, n, ids[j]));
            }
        }
        /* Rare enough to begin again. */
        memcpy(sorted, ids, n * sizeof *ids);
        qsort(sorted, n, sizeof *sorted, compare_ids);
        i = 0;
    }
    free(sorted);
    return ids;
}

/* Makes a set.  'rules' is taken over. */
static struct fw_set *
create_set(struct firewall *fw, const struct fw_rule **rules, size_t n,
           uint32_t number)
{
    struct fw_set *set = xzalloc(sizeof *set);

    set->number = number;
    set->serial = ++fw->last_serial;
    set->rules = rules;
    set->ids = number_rules(rules, n);
    set->n = n;
    for (size_t i = 0; i < n; i++) {
        CONTAINER_OF(rules[i], struct shared_rule, rule)->refs++;
        set->logs |= rules[i]->log;
    }
    hmap_insert(&fw->sets, &set->content_node, list_hash(rules, n));
    hmap_insert(&fw->numbers, &set->number_node, number);
    return set;
}

static void
destroy_set(struct firewall *fw, struct fw_set *set)
{
    hmap_remove(&fw->sets, &set->content_node);
    hmap_remove(&fw->numbers, &set->number_node);
    for (size_t i = 0; i < set->n; i++) {
        unref_rule(fw, CONTAINER_OF(CONST_CAST(struct fw_rule *,
                                               set->rules[i]),
                                    struct shared_rule, rule));
    }
    free(set->rules);
    free(set->ids);
    free(set);
}

/* Rows. */

static struct fw_row *
find_row(const struct firewall *fw, const struct uuid *uuid)
{
    struct fw_row *row;

    HMAP_FOR_EACH_WITH_HASH (row, node, uuid_hash(uuid), &fw->rows) {
        if (uuid_equals(&row->uuid, uuid)) {
            return row;
        }
    }
    return NULL;
}

static void
make_dirty(struct firewall *fw, struct fw_vnic *vnic)
{
    if (vnic && !vnic->dirty) {
        vnic->dirty = true;
        ovs_list_push_back(&fw->dirty, &vnic->dirty_node);
    }
}

static struct fw_vnic *
get_vnic(struct firewall *fw, const char *name)
{
    struct fw_vnic *vnic = shash_find_data(&fw->vnics, name);

    if (!vnic) {
        vnic = xzalloc(sizeof *vnic);
        vnic->name = xstrdup(name);
        ovs_list_init(&vnic->rows);
        shash_add(&fw->vnics, name, vnic);
    }
    return vnic;
}

static void
remove_row(struct firewall *fw, struct fw_row *row)
{
    if (row->vnic) {
        ovs_list_remove(&row->vnic_node);
        make_dirty(fw, row->vnic);
    }
    unref_rule(fw, row->rule);
    hmap_remove(&fw->rows, &row->node);
    free(row->rule_id);
    free(row);
}

static void
read_rule(struct firewall *fw, const struct row_fw_rule *text,
          struct fw_row *row)
{
    char name[PORT_NAME_SIZE];
    struct fw_rule rule;

    if (fw_rule_parse(text, &row->uuid, &fw->diags, &rule)) {
        row->rule = share_rule(fw, &rule);
    }
    if (addr_guid_normalize(text->vnic_id, name, sizeof name)) {
        row->vnic = get_vnic(fw, name);
        ovs_list_push_back(&row->vnic->rows, &row->vnic_node);
        make_dirty(fw, row->vnic);
    } else {
        diag_set_add(&fw->diags, DIAG_FW_RULE, &row->uuid, "FW_Rules",
                     "vnic_id", "\"%.300s\" in vnic_id names no port.",
                     text->vnic_id);
    }
}

static void
add_row(struct firewall *fw, const struct uuid *uuid,
        const struct row_fw_rule *text)
{
    struct fw_row *row = xzalloc(sizeof *row);

    row->uuid = *uuid;
    row->rule_id = xstrdup(text->rule_id);
    row->enabled = !strcmp(text->rule_state, "Enabled");
    row->layer = (strcmp(text->rule_type, "RuleWithAdminPriority")
                  ? FW_CONTROLLER : FW_ADMIN);
    row->direction = (strcmp(text->direction, "Inbound")
                      ? FW_OUTBOUND : FW_INBOUND);
    hmap_insert(&fw->rows, &row->node, uuid_hash(uuid));
    if (row->enabled) {
        read_rule(fw, text, row);
    }
}

void
firewall_apply(struct firewall *fw, const struct row_change *change)
{
    const struct uuid *uuid = &change->row.uuid;
    struct fw_row *old = find_row(fw, uuid);

    diag_set_remove_row(&fw->diags, uuid);
    fw->diags_changed = true;
    if (old) {
        remove_row(fw, old);
    }
    if (!change->deleted) {
        add_row(fw, uuid, &change->row.fw_rule);
    }
}

/* Settling. */

bool
firewall_is_unsettled(const struct firewall *fw)
{
    return fw->diags_changed || !ovs_list_is_empty(&fw->dirty);
}

/* A port's rules while they become sets. */
struct draft {
    struct fw_vnic *vnic;
    struct fw_port port;        /* What it will be; for lists of rules that
                                 * are as they were with their sets. */
    const struct fw_rule **rules[N_FW_LAYERS][N_FW_DIRECTIONS];
    size_t n[N_FW_LAYERS][N_FW_DIRECTIONS];
};

static int
compare_rules(const void *a_, const void *b_)
{
    const struct fw_rule *const *a = a_;
    const struct fw_rule *const *b = b_;

    return fw_rule_compare(*a, *b);
}

/* Lists a layer's rules of one direction, in order, each once. */
static void
list_rules(struct draft *draft, enum fw_layer layer,
           enum fw_direction direction)
{
    struct ovs_list *rows = &draft->vnic->rows;
    const struct fw_rule **rules
        = xmalloc(MAX(ovs_list_size(rows), 1) * sizeof *rules);
    const struct fw_row *row;
    size_t n = 0, n_kept = 0;

    LIST_FOR_EACH (row, vnic_node, rows) {
        if (row->rule && row->layer == layer && row->direction == direction) {
            rules[n++] = &row->rule->rule;
        }
    }
    qsort(rules, n, sizeof *rules, compare_rules);
    for (size_t i = 0; i < n; i++) {
        if (!n_kept || rules[n_kept - 1] != rules[i]) {
            rules[n_kept++] = rules[i];
        }
    }
    draft->rules[layer][direction] = rules;
    draft->n[layer][direction] = n_kept;
}

static void
forget_length(struct firewall *fw, struct fw_vnic *vnic)
{
    const struct diag *diag = (vnic->too_long
                               ? diag_set_find(&fw->diags,
                                               &vnic->too_long_row, "vnic_id",
                                               DIAG_FW_RULE) : NULL);

    if (diag) {
        const struct diag copy = *diag;

        diag_set_remove(&fw->diags, &copy);
        fw->diags_changed = true;
    }
    vnic->too_long = false;
}

/* More rules than there are priorities for.  Of whose rows it is does not
 * matter. */
static void
check_length(struct firewall *fw, struct draft *draft, enum fw_layer layer,
             enum fw_direction direction)
{
    if (draft->n[layer][direction] > FW_MAX_RULES) {
        struct fw_vnic *vnic = draft->vnic;

        vnic->too_long = true;
        vnic->too_long_row = CONTAINER_OF(ovs_list_front(&vnic->rows),
                                          struct fw_row, vnic_node)->uuid;
        diag_set_add(&fw->diags, DIAG_FW_RULE, &vnic->too_long_row,
                     "FW_Rules", "vnic_id",
                     "The port has more than %d rules of one type and "
                     "direction; it gets no traffic.", FW_MAX_RULES);
        fw->diags_changed = true;
        draft->n[layer][direction] = 0;
        draft->port.understood = false;
    }
}

static void
begin_draft(struct firewall *fw, struct draft *draft)
{
    const struct fw_row *row;

    forget_length(fw, draft->vnic);
    draft->port.understood = true;
    LIST_FOR_EACH (row, vnic_node, &draft->vnic->rows) {
        draft->port.any = true;
        if (row->rule) {
            draft->port.layers[row->layer] = true;
        } else {
            draft->port.understood = false;
        }
    }
    for (int i = 0; i < N_FW_LAYERS; i++) {
        for (int j = 0; j < N_FW_DIRECTIONS; j++) {
            list_rules(draft, i, j);
            check_length(fw, draft, i, j);
        }
    }
}

static bool
set_is(const struct fw_set *set, const struct fw_rule **rules, size_t n)
{
    return (set ? set->n == n && !memcmp(set->rules, rules, n * sizeof *rules)
            : !n);
}

/* Lets go of the sets that the port will not have any more. */
static void
release_sets(struct draft *draft)
{
    for (int i = 0; i < N_FW_LAYERS; i++) {
        for (int j = 0; j < N_FW_DIRECTIONS; j++) {
            struct fw_set *old = CONST_CAST(struct fw_set *,
                                            draft->vnic->port.sets[i][j]);

            if (set_is(old, draft->rules[i][j], draft->n[i][j])) {
                draft->port.sets[i][j] = old;
            } else if (old) {
                old->refs--;
            }
        }
    }
}

/* A number for a set that 'vnic' is the first to use.  If nobody uses 'old',
 * the set that it had in its place, that one's. */
static uint32_t
choose_number(struct firewall *fw, const struct fw_vnic *vnic, int slot,
              const struct fw_set *old)
{
    uint32_t number = hash_string(vnic->name, slot);

    if (old && !old->refs && find_set(fw, old->rules, old->n) == old) {
        return old->number;
    }
    while (!number_is_free(fw, number)) {
        number++;
    }
    return number;
}

static void
take_set(struct firewall *fw, struct draft *draft, int layer, int direction,
         struct hmap *orphans)
{
    const struct fw_rule **rules = draft->rules[layer][direction];
    size_t n = draft->n[layer][direction];
    struct fw_set *set = find_set(fw, rules, n);

    if (!set) {
        struct fw_set *old = CONST_CAST(
            struct fw_set *, draft->vnic->port.sets[layer][direction]);
        uint32_t number = choose_number(fw, draft->vnic,
                                        layer * N_FW_DIRECTIONS + direction,
                                        old);

        if (old && number == old->number) {
            /* It must not come back: its number is gone. */
            hmap_remove(&fw->sets, &old->content_node);
            hmap_insert(orphans, &old->content_node, 0);
            hmap_remove(&fw->numbers, &old->number_node);
            hmap_insert(&fw->numbers, &old->number_node, 0);
        }
        set = create_set(fw, xmemdup(rules, n * sizeof *rules), n, number);
    }
    set->refs++;
    draft->port.sets[layer][direction] = set;
}

/* True if all packets pass, and no more is to be done about any. */
static bool
passes_all(const struct fw_set *set)
{
    for (size_t i = 0; set && !set->logs && i < set->n; i++) {
        if (fw_rule_is_for_all(set->rules[i])) {
            return set->rules[i]->allow;
        } else if (!set->rules[i]->allow) {
            return false;
        }
    }
    return false;
}

static bool
is_open(const struct fw_port *port)
{
    for (int i = 0; i < N_FW_LAYERS; i++) {
        if (port->layers[i] && (!passes_all(port->sets[i][FW_INBOUND])
                                || !passes_all(port->sets[i][FW_OUTBOUND]))) {
            return false;
        }
    }
    return port->any && port->understood;
}

static void
end_draft(struct firewall *fw, struct draft *draft, struct hmap *orphans)
{
    for (int i = 0; i < N_FW_LAYERS; i++) {
        for (int j = 0; j < N_FW_DIRECTIONS; j++) {
            if (draft->n[i][j] && !draft->port.sets[i][j]) {
                take_set(fw, draft, i, j, orphans);
            }
            free(draft->rules[i][j]);
        }
    }
    draft->port.open = is_open(&draft->port);
    draft->vnic->port = draft->port;
}

static int
compare_drafts(const void *a_, const void *b_)
{
    const struct draft *a = a_;
    const struct draft *b = b_;

    return strcmp(a->vnic->name, b->vnic->name);
}

static void
destroy_vnic(struct firewall *fw, struct fw_vnic *vnic)
{
    shash_find_and_delete(&fw->vnics, vnic->name);
    free(vnic->name);
    free(vnic);
}

static void
destroy_unused_sets(struct firewall *fw, struct hmap *orphans)
{
    struct fw_set *set;

    HMAP_FOR_EACH_SAFE (set, content_node, orphans) {
        hmap_remove(orphans, &set->content_node);
        hmap_insert(&fw->sets, &set->content_node, 0);
        destroy_set(fw, set);
    }
    HMAP_FOR_EACH_SAFE (set, content_node, &fw->sets) {
        if (!set->refs) {
            destroy_set(fw, set);
        }
    }
}

/* In two rounds, so that a set is known to be without users before anybody
 * takes its place; in order of names, so that it matters to nobody in which
 * order the rows came. */
static bool
settle_ports(struct firewall *fw)
{
    size_t n = ovs_list_size(&fw->dirty);
    struct draft *drafts = xcalloc(n, sizeof *drafts);
    struct hmap orphans = HMAP_INITIALIZER(&orphans);
    bool changed = false;
    struct fw_vnic *vnic;
    size_t i = 0;

    LIST_FOR_EACH_POP (vnic, dirty_node, &fw->dirty) {
        vnic->dirty = false;
        drafts[i++].vnic = vnic;
    }
    qsort(drafts, n, sizeof *drafts, compare_drafts);
    for (i = 0; i < n; i++) {
        begin_draft(fw, &drafts[i]);
        release_sets(&drafts[i]);
    }
    for (i = 0; i < n; i++) {
        struct fw_port old = drafts[i].vnic->port;

        vnic = drafts[i].vnic;
        end_draft(fw, &drafts[i], &orphans);
        changed |= memcmp(&old, &vnic->port, sizeof old) != 0;
        if (ovs_list_is_empty(&vnic->rows)) {
            destroy_vnic(fw, vnic);
        }
    }
    destroy_unused_sets(fw, &orphans);
    hmap_destroy(&orphans);
    free(drafts);
    return changed;
}

bool
firewall_settle(struct firewall *fw, const struct policy_sink *sink)
{
    bool changed = !ovs_list_is_empty(&fw->dirty) && settle_ports(fw);

    if (fw->diags_changed) {
        diag_report_all(&fw->told, &fw->diags, sink);
        fw->diags_changed = false;
    }
    return changed;
}

/* Reading. */

const struct fw_port *
firewall_find(const struct firewall *fw, const char *name)
{
    const struct fw_vnic *vnic = shash_find_data(&fw->vnics, name);

    return vnic ? &vnic->port : NULL;
}

void
firewall_for_each_row(const struct firewall *fw,
                      void (*cb)(const struct fw_row_view *, void *aux),
                      void *aux)
{
    const struct fw_row *row;

    HMAP_FOR_EACH (row, node, &fw->rows) {
        const struct fw_set *set
            = (row->vnic && row->rule
               ? row->vnic->port.sets[row->layer][row->direction] : NULL);

        for (size_t i = 0; set && i < set->n; i++) {
            if (set->rules[i] == &row->rule->rule) {
                const struct fw_row_view view = {
                    .rule_id = row->rule_id, .port = row->vnic->name,
                    .layer = row->layer, .direction = row->direction,
                    .rule = set->rules[i], .set = set, .id = set->ids[i],
                };

                cb(&view, aux);
                break;
            }
        }
    }
}

size_t
firewall_count_rows(const struct firewall *fw)
{
    return hmap_count(&fw->rows);
}

void
firewall_destroy(struct firewall *fw)
{
    struct hmap none = HMAP_INITIALIZER(&none);
    struct fw_row *row;
    struct fw_vnic *vnic;

    if (!fw) {
        return;
    }
    HMAP_FOR_EACH_SAFE (row, node, &fw->rows) {
        remove_row(fw, row);
    }
    LIST_FOR_EACH_POP (vnic, dirty_node, &fw->dirty) {
        destroy_vnic(fw, vnic);
    }
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &fw->vnics) {
        destroy_vnic(fw, node->data);
    }
    struct fw_set *set;

    HMAP_FOR_EACH (set, content_node, &fw->sets) {
        set->refs = 0;
    }
    destroy_unused_sets(fw, &none);
    hmap_destroy(&none);
    hmap_destroy(&fw->rows);
    shash_destroy(&fw->vnics);
    hmap_destroy(&fw->rules);
    hmap_destroy(&fw->sets);
    hmap_destroy(&fw->numbers);
    diag_set_uninit(&fw->diags);
    diag_set_uninit(&fw->told);
    free(fw);
}
