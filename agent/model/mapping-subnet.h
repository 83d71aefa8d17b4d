/* SPDX-License-Identifier: Apache-2.0 */

#ifndef MODEL_MAPPING_SUBNET_H
#define MODEL_MAPPING_SUBNET_H 1

/* A Logical_Switch as its mappings see it.  It is there while mappings name it
 * or while it is active, whether or not there is such a row. */

#include <stdbool.h>
#include "model/peers.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/uuid.h"

struct rules_subnet;

struct mapping_subnet {
    struct hmap_node node;      /* In struct mappings' 'subnets'. */
    struct uuid row;            /* Logical_Switch. */
    struct ovs_list mappings;   /* "struct mapping"s, in order of arrival. */
    const struct rules_subnet *rules;   /* NULL if it is not active. */
    const struct rules_subnet *next;    /* Used while rules change. */
    struct subnet_peers peers;
    bool guests_listed;         /* In struct mappings' 'listed'. */
    bool guests_stale;          /* Its rules' list of guests may be wrong. */
    struct ovs_list listed_node;
};

#endif /* model/mapping-subnet.h */
