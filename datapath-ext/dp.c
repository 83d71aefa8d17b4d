/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/dp.h"

#include <stdlib.h>
#include <string.h>
#include "ovs-atomic.h"
#include "ovs-thread.h"
#include "util.h"

/* Threads that forward packets rarely share one of these. */
#define N_SHARDS 16

struct shard {
    atomic_uint64_t n[N_HNV_KINDS][N_HNV_REASONS];
};

/* Counters stand in cache lines of their own. */
#define SHARD_SIZE ROUND_UP(sizeof(struct shard), CACHE_LINE_SIZE)

struct hnv_dp {
    struct space_table *spaces;
    void *shards;               /* N_SHARDS times SHARD_SIZE. */
};

static struct shard *
get_shard(const struct hnv_dp *hnv, unsigned int i)
{
    return ALIGNED_CAST(struct shard *,
                        (char *) hnv->shards + i % N_SHARDS * SHARD_SIZE);
}

struct hnv_dp *
hnv_dp_create(void)
{
    struct hnv_dp *hnv = xmalloc(sizeof *hnv);

    hnv->spaces = space_table_create();
    hnv->shards = xmalloc_cacheline(N_SHARDS * SHARD_SIZE);
    memset(hnv->shards, 0, N_SHARDS * SHARD_SIZE);
    return hnv;
}

void
hnv_dp_destroy(struct hnv_dp *hnv)
{
    if (hnv) {
        space_table_destroy(hnv->spaces);
        free_cacheline(hnv->shards);
        free(hnv);
    }
}

struct space_table *
hnv_dp_spaces(struct hnv_dp *hnv)
{
    return hnv->spaces;
}

void
hnv_dp_count(struct hnv_dp *hnv, enum hnv_kind kind, enum hnv_reason reason,
             unsigned n)
{
    uint64_t old;

    atomic_add_relaxed(&get_shard(hnv, ovsthread_id_self())->n[kind][reason],
                       n, &old);
}

void
hnv_dp_get_stats(struct hnv_dp *hnv, struct hnv_stats *stats)
{
    memset(stats, 0, sizeof *stats);
    stats->version = HNV_WIRE_VERSION;
    space_table_get_stats(hnv->spaces, &stats->table);
    for (size_t i = 0; i < N_SHARDS; i++) {
        struct shard *shard = get_shard(hnv, i);

        for (size_t j = 0; j < N_HNV_KINDS * N_HNV_REASONS; j++) {
            uint64_t n;

            atomic_read_relaxed(&shard->n[0][0] + j, &n);
            (&stats->counts.n[0][0])[j] += n;
        }
    }
}
