/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/space-table.h"
#include <errno.h>
#include <string.h>
#include "datapath-ext/space-grace.h"
#include "datapath-ext/space-locators.h"
#include "datapath-ext/space-table-private.h"
#include "openvswitch/util.h"
#include "packets.h"
#include "random.h"

BUILD_ASSERT_DECL(ARRAY_SIZE(((struct space_table_stats *) 0)->n_entries)
                  == N_SPACE_KINDS);

struct space_table *
space_table_create(void)
{
    struct space_table *st = xzalloc(sizeof *st);

    st->grace = space_grace_create();
    st->locators = space_locators_create(st->grace);
    for (enum space_set_id id = 0; id < N_SPACE_SETS; id++) {
        space_set_init(&st->sets[id], &space_layouts[id], random_uint64(),
                       st->grace);
    }
    return st;
}

static void
destroy(struct space_table *st)
{
    for (enum space_set_id id = 0; id < N_SPACE_SETS; id++) {
        space_set_uninit(&st->sets[id]);
    }
    space_locators_destroy(st->locators);
    space_grace_destroy(st->grace);
    free(st);
}

void
space_table_destroy(struct space_table *st)
{
    if (st) {
        ovsrcu_postpone(destroy, st);
    }
}

struct space_locators *
space_table_locators(const struct space_table *st)
{
    return st->locators;
}

/* The writer. */

static bool
is_key_valid(const struct space_key *key)
{
    return (key->vsid <= SPACE_VSID_MAX && key->share < SPACE_N_SHARES
            && key->kind != SPACE_BY_PA);
}

/* Takes a locator for each of 'entries', or on error none. */
static int
ref_locators(struct space_table *st, const struct space_entry *entries,
             size_t n, uint32_t *locators)
{
    for (size_t i = 0; i < n; i++) {
        int error = (is_key_valid(&entries[i].key)
                     ? space_locators_ref(st->locators, &entries[i].where,
                                          &locators[i])
                     : EINVAL);

        if (error) {
            while (i > 0) {
                space_locators_unref(st->locators, locators[--i]);
            }
            return error;
        }
    }
    return 0;
}

/* The locator's reference is the entry's from now on. */
static void
put_with_locator(struct space_table *st, const struct space_entry *e,
                 uint32_t locator)
{
    struct space_slot slot, old;
    struct space_set *set = &st->sets[space_encode(&slot, e, locator)];

    if (space_set_put(set, &slot, e->cookie, &old)) {
        space_locators_unref(st->locators, space_decode_locator(&old));
    } else {
        st->n_entries[e->key.kind]++;
    }
    st->generation++;
}

int
space_table_put(struct space_table *st, const struct space_entry *e)
{
    return space_table_put_all(st, e, 1);
}

/* All that can fail comes first. */
int
space_table_put_all(struct space_table *st, const struct space_entry *entries,
                    size_t n)
{
    uint32_t stub[64];
    uint32_t *locators = n > ARRAY_SIZE(stub) ? xcalloc(n, sizeof *locators)
                         : stub;
    int error = ref_locators(st, entries, n, locators);

    for (size_t i = 0; !error && i < n; i++) {
        put_with_locator(st, &entries[i], locators[i]);
    }
    if (locators != stub) {
        free(locators);
    }
    return error;
}

bool
space_table_remove(struct space_table *st, const struct space_key *key)
{
    struct space_slot slot, old;

    if (!is_key_valid(key)) {
        return false;
    }

    struct space_set *set = &st->sets[space_encode_key(&slot, key)];

    st->generation++;
    if (!space_set_remove(set, &slot, &old)) {
        return false;
    }
    space_locators_unref(st->locators, space_decode_locator(&old));
    st->n_entries[key->kind]--;
    return true;
}

int
space_table_put_port(struct space_table *st, uint32_t vsid,
                     struct eth_addr mac, uint32_t port)
{
    struct space_slot slot, old;

    if (vsid > SPACE_VSID_MAX) {
        return EINVAL;
    }
    space_code_mac(&slot, vsid, mac);
    slot.last |= port;
    space_set_put(&st->sets[SPACE_SET_PORT], &slot, 0, &old);
    st->generation++;
    return 0;
}

bool
space_table_remove_port(struct space_table *st, uint32_t vsid,
                        struct eth_addr mac)
{
    struct space_slot slot, old;

    if (vsid > SPACE_VSID_MAX) {
        return false;
    }
    space_code_mac(&slot, vsid, mac);
    st->generation++;
    return space_set_remove(&st->sets[SPACE_SET_PORT], &slot, &old);
}

void
space_table_clear(struct space_table *st)
{
    for (enum space_set_id id = 0; id < N_SPACE_SETS; id++) {
        if (id != SPACE_SET_PORT) {
            space_set_clear(&st->sets[id]);
        }
    }
    space_locators_clear(st->locators);
    memset(st->n_entries, 0, sizeof st->n_entries);
    st->generation++;
}

void
space_table_clear_ports(struct space_table *st)
{
    space_set_clear(&st->sets[SPACE_SET_PORT]);
    st->generation++;
}

/* For people and dumps. */

static struct space_entry
decode(const struct space_table *st, enum space_set_id id,
       const struct space_slot *slot, uint64_t cookie)
{
    const struct space_locator *locator = space_locators_get(
        st->locators, space_decode_locator(slot));
    struct space_entry e = space_decode(id, slot);

    e.where.encap = locator->encap;
    e.where.pa = locator->pa;
    e.cookie = cookie;
    return e;
}

bool
space_table_get(const struct space_table *st, const struct space_key *key,
                struct space_entry *ret_entry)
{
    struct space_slot wanted, slot;
    uint64_t cookie;

    if (!is_key_valid(key)) {
        return false;
    }

    enum space_set_id id = space_encode_key(&wanted, key);
    if (!space_set_get(&st->sets[id], &wanted, &slot, &cookie)) {
        return false;
    }
    *ret_entry = decode(st, id, &slot, cookie);
    return true;
}

struct dump {
    const struct space_table *st;
    enum space_set_id id;
    void (*cb)(const struct space_entry *, void *aux);
    void *aux;
};

static void
dump_slot(const struct space_slot *slot, uint64_t cookie, void *aux)
{
    const struct dump *dump = aux;
    const struct space_entry e = decode(dump->st, dump->id, slot, cookie);

    dump->cb(&e, dump->aux);
}

bool
space_table_dump(const struct space_table *st, struct space_cursor *cursor,
                 void (*cb)(const struct space_entry *, void *aux),
                 void *aux)
{
    for (; cursor->set < N_SPACE_SETS; cursor->set++) {
        struct dump dump = { st, cursor->set, cb, aux };

        if (cursor->set != SPACE_SET_PORT
            && space_set_dump(&st->sets[cursor->set], &cursor->segment,
                              &cursor->position, dump_slot, &dump)) {
            return true;
        }
        cursor->segment = 0;
        cursor->position = 0;
    }
    return false;
}

struct port_dump {
    void (*cb)(const struct space_key *, uint32_t port, void *aux);
    void *aux;
};

static void
dump_port(const struct space_slot *slot, uint64_t cookie OVS_UNUSED,
          void *port_dump_)
{
    const struct port_dump *dump = port_dump_;
    const struct space_entry e = space_decode(SPACE_SET_PORT, slot);

    dump->cb(&e.key, slot->last, dump->aux);
}

bool
space_table_dump_ports(const struct space_table *st,
                       struct space_cursor *cursor,
                       void (*cb)(const struct space_key *, uint32_t port,
                                  void *aux), void *aux)
{
    struct port_dump dump = { cb, aux };

    return space_set_dump(&st->sets[SPACE_SET_PORT], &cursor->segment,
                          &cursor->position, dump_port, &dump);
}

void
space_table_get_stats(const struct space_table *st,
                      struct space_table_stats *stats)
{
    memset(stats, 0, sizeof *stats);
    stats->generation = st->generation;
    memcpy(stats->n_entries, st->n_entries, sizeof stats->n_entries);
    stats->n_ports = st->sets[SPACE_SET_PORT].n_entries;
    stats->n_locators = space_locators_count(st->locators);
    stats->bytes = sizeof *st + space_locators_bytes(st->locators);
    for (enum space_set_id id = 0; id < N_SPACE_SETS; id++) {
        stats->n_copies += st->sets[id].n_copies;
        stats->bytes += st->sets[id].bytes;
    }
}
