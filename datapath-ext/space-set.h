/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DATAPATH_EXT_SPACE_SET_H
#define DATAPATH_EXT_SPACE_SET_H 1

/* One of the space table's hash tables; see space-table.h for what readers can
 * rely on.
 *
 * A slot is two or four words.  The first tells what the slot holds:
 *
 *     0                   nothing, ever: a probe ends here
 *     top bit not set     nothing since then: a stamp of space-grace.h
 *     top bit set         an entry
 *
 * The last word is the value, which a writer may replace.  The others stay as
 * they are until the slot is freed and a grace period has passed, so a reader
 * that has seen the key there may read on.  A layout says which bits are the
 * key; those bits of the first word that are not belong to the value, but can
 * be changed only in a copy of the segment.
 *
 * Within a bucket slots are taken in order, and a bucket is full before the
 * next one is tried. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "datapath-ext/space-slot.h"
#include "ovs-atomic.h"
#include "ovs-rcu.h"
#include "util.h"

struct space_grace;

#define SPACE_SET_VALID (UINT64_C(1) << 63)

#define SPACE_SET_MAX_WORDS 4
#define SPACE_SET_N_SEGMENTS 128
#define SPACE_BUCKET_SLOTS 4

struct space_layout {
    unsigned int n_words;       /* 2 or 4. */
    uint64_t key_first;         /* Bits of the first word that are key, */
    uint64_t key_last;          /* and of the last word: only top 9 bits. */
};

typedef ATOMIC(uint64_t) space_word;

/* But for the words constant.  The cookies follow the words. */
struct space_segment {
    uint32_t n_buckets;
    size_t size;                /* In bytes. */
    space_word *cookies;        /* One per slot. */
    OVS_ALIGNED_VAR(CACHE_LINE_SIZE) space_word words[];
};

/* What the writer knows of a segment, apart from what readers read. */
struct space_fill {
    uint32_t n_entries;
    uint32_t n_taken;           /* Slots that hold or held one. */
};

struct space_set {
    const struct space_layout *layout;
    uint64_t seed;
    OVSRCU_TYPE(struct space_segment *) segments[SPACE_SET_N_SEGMENTS];

    /* The writer's. */
    struct space_fill fills[SPACE_SET_N_SEGMENTS];
    struct space_grace *grace;  /* The owner's. */
    size_t n_entries;
    size_t n_copies;
    size_t bytes;               /* Of segments. */
};

void space_set_init(struct space_set *, const struct space_layout *,
                    uint64_t seed, struct space_grace *);
void space_set_uninit(struct space_set *);  /* No reader is left. */

/* Writer.  All return whether there was an entry with the key of 'slot', and
 * if so, what it was in 'ret_old'. */
bool space_set_put(struct space_set *, const struct space_slot *slot,
                   uint64_t cookie, struct space_slot *ret_old);
bool space_set_remove(struct space_set *, const struct space_slot *slot,
                      struct space_slot *ret_old);

/* Writer.  Readers see the entries of a segment go together. */
void space_set_clear(struct space_set *);

/* Any thread: the entry with the key of 'slot'. */
bool space_set_get(const struct space_set *, const struct space_slot *slot,
                   struct space_slot *ret_slot, uint64_t *ret_cookie);

/* See space_table_dump(). */
bool space_set_dump(const struct space_set *, uint32_t *segment,
                    uint64_t *position,
                    void (*cb)(const struct space_slot *, uint64_t cookie,
                               void *aux), void *aux);

/* The readers' part, in line. */

/* Where to look first. */
struct space_probe {
    const struct space_segment *segment;
    uint32_t bucket;
};

static inline uint64_t
space_set_mix__(uint64_t x)
{
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    x ^= x >> 32;
    return x;
}

static inline uint64_t
space_set_hash__(const struct space_layout *layout, uint64_t seed,
                 const struct space_slot *key)
{
    uint64_t h = seed ^ (key->first & layout->key_first);

    if (layout->n_words == 2) {
        return space_set_mix__(h ^ (((key->last & layout->key_last) >> 55)
                                    * UINT64_C(0x9e3779b97f4a7c15)));
    }
    h = space_set_mix__(h) ^ key->middle[0];
    return space_set_mix__(space_set_mix__(h) ^ key->middle[1]);
}

/* Of a hash, the top bits choose the segment, and the next 32 the bucket. */
static inline uint32_t
space_set_segment__(uint64_t hash)
{
    return hash >> 57;
}

static inline uint32_t
space_set_position__(uint64_t hash)
{
    return hash >> 25;
}

static inline uint32_t
space_set_bucket__(uint64_t position, uint32_t n_buckets)
{
    return (position * n_buckets) >> 32;
}

static inline struct space_probe
space_set_probe(const struct space_set *set,
                const struct space_layout *layout,
                const struct space_slot *key)
{
    uint64_t hash = space_set_hash__(layout, set->seed, key);
    const struct space_segment *segment = ovsrcu_get(
        struct space_segment *,
        &set->segments[space_set_segment__(hash)]);

    return (struct space_probe) {
        segment,
        space_set_bucket__(space_set_position__(hash), segment->n_buckets),
    };
}

static inline const space_word *
space_segment_bucket__(const struct space_segment *segment,
                       unsigned int n_words, uint32_t bucket)
{
    return &segment->words[(size_t) bucket * SPACE_BUCKET_SLOTS * n_words];
}

static inline void
space_set_prefetch(const struct space_probe *probe,
                   const struct space_layout *layout)
{
    const space_word *words = space_segment_bucket__(
        probe->segment, layout->n_words, probe->bucket);

    OVS_PREFETCH(words);
    if (layout->n_words > 2) {
        OVS_PREFETCH(words + SPACE_BUCKET_SLOTS * 2);
    }
}

static inline uint64_t
space_word_read(const space_word *word, memory_order order)
{
    uint64_t value;

    atomic_read_explicit(CONST_CAST(space_word *, word), &value, order);
    return value;
}

/* The first word has been read, with acquire semantics, and fits.  Reads the
 * others; the last one may be newer than the first, and so may be what it
 * leads to. */
static inline bool
space_slot_read__(const struct space_layout *layout, const space_word *words,
                  const struct space_slot *key, struct space_slot *ret_slot)
{
    if (layout->n_words > 2) {
        for (int i = 0; i < 2; i++) {
            ret_slot->middle[i] = space_word_read(&words[1 + i],
                                                  memory_order_relaxed);
            if (ret_slot->middle[i] != key->middle[i]) {
                return false;
            }
        }
    }
    ret_slot->last = space_word_read(&words[layout->n_words - 1],
                                     memory_order_acquire);
    return !((ret_slot->last ^ key->last) & layout->key_last);
}

/* Returns the slot with 'key', of which it fills '*ret_slot', or NULL.  Called
 * with a constant layout, the compiler makes one version for each.
 *
 * Which of a bucket's slots it is nobody can predict, so all four are compared
 * before there is a branch. */
static inline const space_word *
space_set_find(struct space_probe probe, const struct space_layout *layout,
               const struct space_slot *key, struct space_slot *ret_slot)
{
    const struct space_segment *segment = probe.segment;

    for (uint32_t bucket = probe.bucket; ; ) {
        const space_word *words = space_segment_bucket__(
            segment, layout->n_words, bucket);
        uint64_t firsts[SPACE_BUCKET_SLOTS];
        unsigned int matches = 0;

#pragma GCC unroll 4
        for (int i = 0; i < SPACE_BUCKET_SLOTS; i++) {
            firsts[i] = space_word_read(&words[i * layout->n_words],
                                        memory_order_acquire);
            matches |= !((firsts[i] ^ key->first) & layout->key_first) << i;
        }
        for (; matches; matches = zero_rightmost_1bit(matches)) {
            int i = raw_ctz(matches);

            ret_slot->first = firsts[i];
            if (space_slot_read__(layout, &words[i * layout->n_words], key,
                                  ret_slot)) {
                return &words[i * layout->n_words];
            }
        }
        if (!firsts[SPACE_BUCKET_SLOTS - 1]) {
            return NULL;
        }
        if (++bucket == segment->n_buckets) {
            bucket = 0;
        }
    }
}

#endif /* datapath-ext/space-set.h */
