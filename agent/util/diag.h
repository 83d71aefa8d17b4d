/* SPDX-License-Identifier: Apache-2.0 */

#ifndef UTIL_DIAG_H
#define UTIL_DIAG_H 1

/* What is wrong with the policy, told to whoever wrote it.
 *
 * A diagnostic ties one fault to one row.  Stages that read policy add them;
 * the database stage writes them to the Diagnostic table of ms_vtep and logs
 * each once.  The row at fault is set aside, everything else is applied.
 *
 * Ownership: a set owns its diagnostics.
 * Threads: none of this is shared between threads. */

#include <stdbool.h>
#include <stddef.h>
#include "openvswitch/hmap.h"
#include "openvswitch/uuid.h"
#include "openvswitch/compiler.h"

/* Kinds of fault.  diag_code_to_string() gives the word that stands in the
 * Diagnostic table's "code" column. */
enum diag_code {
    DIAG_BAD_ADDRESS,           /* An IP address that does not parse. */
    DIAG_BAD_MAC,               /* A MAC address that does not parse. */
    DIAG_BAD_PREFIX,            /* A subnet prefix that cannot be used. */
    DIAG_VSID_MISSING,          /* A subnet without tunnel_key. */
    DIAG_VSID_OUT_OF_RANGE,     /* tunnel_key outside 4096 ... 2^24 - 2. */
    DIAG_VSID_DUPLICATE,        /* tunnel_key in use by another subnet. */
    DIAG_CA_OUTSIDE_SUBNET,     /* CA is in no prefix of its subnet. */
    DIAG_CA_DUPLICATE,          /* Another row maps this CA already. */
    DIAG_CA_IS_GATEWAY,         /* CA is the subnet's gateway address. */
    DIAG_CA_RESERVED,           /* CA is the network's or for broadcast. */
    DIAG_MAC_CONFLICT,          /* Another row puts this MAC elsewhere. */
    DIAG_MAC_IS_ROUTER,         /* A guest's MAC is the router's. */
    DIAG_PORT_MAC_DUPLICATE,    /* Two ports of a subnet have one MAC. */
    DIAG_PREFIX_OVERLAP,        /* Prefix overlaps another of the network. */
    DIAG_SUBNET_IN_TWO_NETWORKS, /* Subnet belongs to another network. */
    DIAG_ENCAP_MISMATCH,        /* The PA's family cannot carry this. */
    DIAG_PA_ADDRESS,            /* A PA that does not work on this host. */
    DIAG_MTU_TOO_SMALL,         /* A guest's packets do not fit uplinks. */
    DIAG_PORT_SUBNET_UNUSABLE,  /* Port bound to a subnet in no network. */
    DIAG_IFACE_ID_DUPLICATE,    /* Two interfaces claim the same port. */
    DIAG_PORT_NAME,             /* Physical_Port.name is not usable. */
    DIAG_OTHER_CONFIG,          /* A value in other_config is not one. */
    DIAG_OTHER_HOST,            /* A Physical_Switch that is not this host. */
    DIAG_BAD_ROUTE,             /* A static route that cannot be used. */
    DIAG_PA_DUPLICATE,          /* IP rewrite: PA is another CA's. */
    DIAG_VLAN_BINDING,          /* A VLAN that cannot be bound like this. */
    DIAG_NO_MULTICAST,          /* The switch cannot send to a group of PAs. */
};
#define N_DIAG_CODES (DIAG_NO_MULTICAST + 1)

/* One thing wrong with one row.  At most one per row, column and code. */
struct diag {
    struct hmap_node node;      /* In struct diag_set's 'diags'. */
    enum diag_code code;
    struct uuid row;
    const char *table;          /* Constant, from the schema. */
    const char *column;         /* Constant; "" for the row as a whole. */
    char *text;                 /* Full sentence, names the value. */
};

const char *diag_code_to_string(enum diag_code);

/* True if 'code', a word of diag_code_to_string(), says that another row was
 * first to claim what this one wants. */
bool diag_code_is_lost_claim(const char *code);

/* A set of diagnostics, each at most once by row, column and code. */
struct diag_set {
    struct hmap diags;          /* Contains "struct diag"s. */
};

#define DIAG_SET_FOR_EACH(DIAG, SET) \
    HMAP_FOR_EACH (DIAG, node, &(SET)->diags)

void diag_set_init(struct diag_set *);
void diag_set_uninit(struct diag_set *);
void diag_set_clear(struct diag_set *);
size_t diag_set_count(const struct diag_set *);

/* Adds a diagnostic, replacing one of the same row, column and code. */
void diag_set_add(struct diag_set *, enum diag_code, const struct uuid *row,
                  const char *table, const char *column,
                  const char *format, ...)
    OVS_PRINTF_FORMAT(6, 7);
void diag_set_add_copy(struct diag_set *, const struct diag *);

const struct diag *diag_set_find(const struct diag_set *,
                                 const struct uuid *row, const char *column,
                                 enum diag_code);

/* Removes all diagnostics of 'row'. */
void diag_set_remove_row(struct diag_set *, const struct uuid *row);
void diag_set_remove(struct diag_set *, const struct diag *);

#endif /* util/diag.h */
