/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/actions.h"
#include "util.h"

static const char *const reason_names[N_HNV_REASONS] = {
    [HNV_REASON_NONE] = "none",
    [HNV_REASON_UNKNOWN_CA] = "unknown-ca",
    [HNV_REASON_UNKNOWN_MAC] = "unknown-mac",
    [HNV_REASON_UNKNOWN_SHARE] = "unknown-share",
    [HNV_REASON_NOT_HERE] = "not-here",
    [HNV_REASON_LEARNED] = "learned",
    [HNV_REASON_TTL] = "ttl",
    [HNV_REASON_TOO_LONG] = "too-long",
    [HNV_REASON_NO_HEADER] = "no-header",
    [HNV_REASON_NOT_PLAIN] = "not-plain",
    [HNV_REASON_OWN] = "own",
    [HNV_REASON_UNKNOWN_PEER] = "unknown-peer",
    [HNV_REASON_CLAIMS_LOCAL] = "claims-local",
    [HNV_REASON_LOOP] = "loop",
    [HNV_REASON_OFFLOAD] = "offload",
};

const char *
hnv_reason_to_string(enum hnv_reason reason)
{
    return reason < N_HNV_REASONS ? reason_names[reason] : "unknown";
}
