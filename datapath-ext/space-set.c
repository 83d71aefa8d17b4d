/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/space-set.h"
#include <string.h>
#include "datapath-ext/space-grace.h"
#include "openvswitch/util.h"

/* A segment is made for twice as many slots as it has entries, and made anew
 * before more than three quarters of them are taken: then a probe seldom
 * leaves its first bucket.  If less than three eighths hold an entry, it
 * shrinks. */

/* Where nothing is yet.  Has room for no entry: see has_room(). */
static struct {
    struct space_segment segment;
    space_word words[SPACE_BUCKET_SLOTS * SPACE_SET_MAX_WORDS];
} no_entries = { .segment = { .n_buckets = 1 } };

static struct space_segment *
get_segment(const struct space_set *set, uint32_t i)
{
    return ovsrcu_get(struct space_segment *, &set->segments[i]);
}

static bool
is_allocated(const struct space_segment *segment)
{
    return segment != &no_entries.segment;
}

static uint32_t
n_slots(const struct space_segment *segment)
{
    return segment->n_buckets * SPACE_BUCKET_SLOTS;
}

void
space_set_init(struct space_set *set, const struct space_layout *layout,
               uint64_t seed, struct space_grace *grace)
{
    memset(set, 0, sizeof *set);
    set->layout = layout;
    set->seed = seed;
    set->grace = grace;
    for (size_t i = 0; i < SPACE_SET_N_SEGMENTS; i++) {
        ovsrcu_init(&set->segments[i], &no_entries.segment);
    }
}

void
space_set_uninit(struct space_set *set)
{
    for (size_t i = 0; i < SPACE_SET_N_SEGMENTS; i++) {
        struct space_segment *segment = get_segment(set, i);

        if (is_allocated(segment)) {
            free_cacheline(segment);
        }
    }
}

/* Slots. */

static space_word *
slot_words(const struct space_set *set, const struct space_segment *segment,
           size_t slot)
{
    return CONST_CAST(space_word *,
                      &segment->words[slot * set->layout->n_words]);
}

static size_t
slot_index(const struct space_set *set, const struct space_segment *segment,
           const space_word *words)
{
    return (words - segment->words) / set->layout->n_words;
}

static void
write_word(space_word *word, uint64_t value, memory_order order)
{
    atomic_store_explicit(word, value, order);
}

/* Readers see all of it or nothing. */
static void
fill_slot(const struct space_set *set, struct space_segment *segment,
          size_t i, const struct space_slot *slot, uint64_t cookie)
{
    space_word *words = slot_words(set, segment, i);
    unsigned int n_words = set->layout->n_words;

    write_word(&segment->cookies[i], cookie, memory_order_relaxed);
    for (unsigned int j = 1; j + 1 < n_words; j++) {
        write_word(&words[j], slot->middle[j - 1], memory_order_relaxed);
    }
    write_word(&words[n_words - 1], slot->last, memory_order_relaxed);
    write_word(&words[0], slot->first, memory_order_release);
}

/* False if the slot holds no entry. */
static bool
read_slot(const struct space_set *set, const struct space_segment *segment,
          size_t i, struct space_slot *slot)
{
    const space_word *words = slot_words(set, segment, i);
    unsigned int n_words = set->layout->n_words;

    slot->first = space_word_read(&words[0], memory_order_acquire);
    if (!(slot->first & SPACE_SET_VALID)) {
        return false;
    }
    for (unsigned int j = 1; j + 1 < n_words; j++) {
        slot->middle[j - 1] = space_word_read(&words[j],
                                              memory_order_relaxed);
    }
    slot->last = space_word_read(&words[n_words - 1], memory_order_acquire);
    return true;
}

/* The first slot for an entry whose bucket is 'bucket'. */
static size_t
find_free_slot(struct space_set *set, const struct space_segment *segment,
               uint32_t bucket)
{
    for (size_t i = (size_t) bucket * SPACE_BUCKET_SLOTS; ; ) {
        uint64_t first = space_word_read(slot_words(set, segment, i),
                                         memory_order_relaxed);

        if (!first || (!(first & SPACE_SET_VALID)
                       && space_grace_is_over(set->grace, first))) {
            return i;
        }
        if (++i == n_slots(segment)) {
            i = 0;
        }
    }
}

/* Segments. */

static struct space_segment *
create_segment(struct space_set *set, size_t n_entries)
{
    size_t n_buckets = MAX(1, DIV_ROUND_UP(n_entries * 2, SPACE_BUCKET_SLOTS));
    size_t n_words = n_buckets * SPACE_BUCKET_SLOTS * set->layout->n_words;
    size_t size = (sizeof(struct space_segment)
                   + (n_words + n_buckets * SPACE_BUCKET_SLOTS)
                   * sizeof(space_word));
    struct space_segment *segment = xzalloc_cacheline(size);

    segment->n_buckets = n_buckets;
    segment->size = size;
    segment->cookies = segment->words + n_words;
    set->bytes += size;
    return segment;
}

static uint64_t
hash_of(const struct space_set *set, const struct space_slot *slot)
{
    return space_set_hash__(set->layout, set->seed, slot);
}

static uint32_t
bucket_of(const struct space_set *set, const struct space_segment *segment,
          const struct space_slot *slot)
{
    return space_set_bucket__(space_set_position__(hash_of(set, slot)),
                              segment->n_buckets);
}

/* Into a segment that has room. */
static void
insert(struct space_set *set, struct space_segment *segment,
       struct space_fill *fill, const struct space_slot *slot, uint64_t cookie)
{
    size_t i = find_free_slot(set, segment, bucket_of(set, segment, slot));

    fill->n_entries++;
    if (!space_word_read(slot_words(set, segment, i), memory_order_relaxed)) {
        fill->n_taken++;
    }
    fill_slot(set, segment, i, slot, cookie);
}

/* Replaces segment 'i' by a copy without what is in slot 'skip' and with
 * 'slot' if that is not NULL. */
static void
copy_segment(struct space_set *set, uint32_t i, size_t skip,
             const struct space_slot *slot, uint64_t cookie)
{
    struct space_segment *old = get_segment(set, i);
    struct space_fill fill = { 0, 0 };
    struct space_segment *new = create_segment(set, (set->fills[i].n_entries
                                                     + (slot ? 1 : 0)));
    struct space_slot copied;

    for (size_t j = 0; j < n_slots(old); j++) {
        if (j != skip && read_slot(set, old, j, &copied)) {
            insert(set, new, &fill, &copied,
                   space_word_read(&old->cookies[j], memory_order_relaxed));
        }
    }
    if (slot) {
        insert(set, new, &fill, slot, cookie);
    }
    set->fills[i] = fill;
    set->n_copies++;
    ovsrcu_set(&set->segments[i], new);
    if (is_allocated(old)) {
        set->bytes -= old->size;
        ovsrcu_postpone(free_cacheline, old);
    }
}

static bool
has_room(const struct space_segment *segment, const struct space_fill *fill)
{
    return (is_allocated(segment)
            && (fill->n_taken + 1) * 4 <= n_slots(segment) * 3);
}

/* What a key leads to. */
struct found {
    uint32_t segment_no;
    struct space_segment *segment;
    space_word *words;          /* NULL if there is no such entry. */
    struct space_slot slot;
};

static struct found
find(const struct space_set *set, const struct space_slot *key)
{
    struct space_probe probe = space_set_probe(set, set->layout, key);
    struct found f;

    f.segment_no = space_set_segment__(hash_of(set, key));
    f.segment = CONST_CAST(struct space_segment *, probe.segment);
    f.words = CONST_CAST(space_word *, space_set_find(probe, set->layout, key,
                                                      &f.slot));
    return f;
}

static void
replace(struct space_set *set, const struct found *f,
        const struct space_slot *slot, uint64_t cookie)
{
    size_t i = slot_index(set, f->segment, f->words);

    if (slot->first == f->slot.first) {
        write_word(&f->segment->cookies[i], cookie, memory_order_relaxed);
        write_word(&f->words[set->layout->n_words - 1], slot->last,
                   memory_order_release);
    } else {
        set->fills[f->segment_no].n_entries--;
        copy_segment(set, f->segment_no, i, slot, cookie);
    }
}

bool
space_set_put(struct space_set *set, const struct space_slot *slot,
              uint64_t cookie, struct space_slot *ret_old)
{
    const struct found f = find(set, slot);

    if (f.words) {
        replace(set, &f, slot, cookie);
        *ret_old = f.slot;
        return true;
    }
    if (has_room(f.segment, &set->fills[f.segment_no])) {
        insert(set, f.segment, &set->fills[f.segment_no], slot, cookie);
    } else {
        copy_segment(set, f.segment_no, SIZE_MAX, slot, cookie);
    }
    set->n_entries++;
    return false;
}

bool
space_set_remove(struct space_set *set, const struct space_slot *slot,
                 struct space_slot *ret_old)
{
    const struct found f = find(set, slot);
    struct space_fill *fill = &set->fills[f.segment_no];

    if (!f.words) {
        return false;
    }
    write_word(f.words, space_grace_stamp(set->grace), memory_order_release);
    fill->n_entries--;
    set->n_entries--;
    if (f.segment->n_buckets > 1
        && fill->n_entries * 8 < n_slots(f.segment) * 3) {
        copy_segment(set, f.segment_no, SIZE_MAX, NULL, 0);
    }
    *ret_old = f.slot;
    return true;
}

/* In no time: as segments, which others give back to the system. */
void
space_set_clear(struct space_set *set)
{
    for (size_t i = 0; i < SPACE_SET_N_SEGMENTS; i++) {
        struct space_segment *old = get_segment(set, i);

        if (is_allocated(old)) {
            ovsrcu_set(&set->segments[i], &no_entries.segment);
            set->bytes -= old->size;
            ovsrcu_postpone(free_cacheline, old);
        }
    }
    memset(set->fills, 0, sizeof set->fills);
    set->n_entries = 0;
}

bool
space_set_get(const struct space_set *set, const struct space_slot *slot,
              struct space_slot *ret_slot, uint64_t *ret_cookie)
{
    const struct found f = find(set, slot);

    if (!f.words) {
        return false;
    }
    *ret_slot = f.slot;
    *ret_cookie = space_word_read(
        &f.segment->cookies[slot_index(set, f.segment, f.words)],
        memory_order_relaxed);
    return true;
}

/* Dumping.  A piece is what has its first bucket in common, which is a range
 * of positions; so where one ends, the next begins, no matter how many buckets
 * there are by then. */

static size_t
dump_bucket(const struct space_set *set, const struct space_segment *segment,
            uint32_t bucket, uint64_t from,
            void (*cb)(const struct space_slot *, uint64_t cookie,
                       void *aux), void *aux)
{
    size_t n = 0;

    for (size_t i = (size_t) bucket * SPACE_BUCKET_SLOTS;
         space_word_read(slot_words(set, segment, i), memory_order_acquire);
         i = i + 1 == n_slots(segment) ? 0 : i + 1) {
        struct space_slot slot;

        if (read_slot(set, segment, i, &slot)
            && bucket_of(set, segment, &slot) == bucket
            && space_set_position__(hash_of(set, &slot)) >= from) {
            cb(&slot, space_word_read(&segment->cookies[i],
                                      memory_order_relaxed), aux);
            n++;
        }
    }
    return n;
}

bool
space_set_dump(const struct space_set *set, uint32_t *segment_no,
               uint64_t *position,
               void (*cb)(const struct space_slot *, uint64_t cookie,
                          void *aux), void *aux)
{
    size_t n = 0;

    while (!n && *segment_no < SPACE_SET_N_SEGMENTS) {
        if (*position >> 32) {
            *position = 0;
            ++*segment_no;
            continue;
        }

        const struct space_segment *segment = get_segment(set, *segment_no);
        uint32_t bucket = space_set_bucket__(*position, segment->n_buckets);

        n = dump_bucket(set, segment, bucket, *position, cb, aux);
        *position = DIV_ROUND_UP((bucket + UINT64_C(1)) << 32,
                                 segment->n_buckets);
    }
    return n > 0;
}
