/* SPDX-License-Identifier: Apache-2.0 */

#ifndef MODEL_FW_RULE_H
#define MODEL_FW_RULE_H 1

/* One firewall rule, as its row says it, understood.
 *
 * Every field is "*" for anything, or a list, separated by commas, of:
 *
 *   - protocols: numbers from 0 to 255, ranges a-b of them, names such as tcp;
 *   - addresses: IPv4 and IPv6 mixed, single, as prefixes, as ranges a-b;
 *   - ports: numbers from 0 to 65535, ranges a-b of them.
 *
 * An empty field or element is no list.
 *
 * What ports mean depends on the packet's protocol.  Of TCP and UDP they are
 * the ports.  ICMP and ICMPv6 have none: there each of the two port fields is
 * about the message's type, and if both are, both must fit.  No other protocol
 * has any, so a rule that names one and ports, too, is not understood.  With
 * "*" for the protocols, ports are those of TCP and UDP, and no packet of
 * another protocol fits.
 *
 * A rule with "*" in all five fields fits all packets, even those that are not
 * IP.  Any other rule fits only IP packets: with "*" for addresses of both
 * versions, else of those versions that are in both fields.
 *
 * Two rules that say the same are equal, however they say it: "text" is the
 * one form.
 *
 * Pure; any thread may call. */

#include <stdbool.h>
#include <stdint.h>
#include "util/ranges.h"

struct diag_set;
struct row_fw_rule;
struct uuid;

/* The layers, each of which has its say. */
enum fw_layer { FW_ADMIN, FW_CONTROLLER };
#define N_FW_LAYERS (FW_CONTROLLER + 1)

/* As the guest sees it. */
enum fw_direction { FW_INBOUND, FW_OUTBOUND };
#define N_FW_DIRECTIONS (FW_OUTBOUND + 1)

struct fw_numbers {
    bool any;
    struct ranges ranges;       /* Empty if 'any'. */
};

struct fw_addresses {
    bool any;
    struct ranges ipv4;         /* IPv4-mapped. */
    struct ranges ipv6;
};

struct fw_rule {
    int64_t priority;           /* Lower goes first; if equal, Block does. */
    bool allow;
    bool log;                   /* New connections it decides are logged. */
    struct fw_numbers protocols;
    struct fw_addresses src, dst;
    struct fw_numbers src_ports, dst_ports;
    char *text;
};

/* Parses a row.  Otherwise returns false, with nothing to uninit, and adds a
 * diagnostic for each column that is not understood. */
bool fw_rule_parse(const struct row_fw_rule *, const struct uuid *row,
                   struct diag_set *, struct fw_rule *ret_rule);
void fw_rule_uninit(struct fw_rule *);

/* The order in which rules are asked: total, equal only if 'text' is. */
int fw_rule_compare(const struct fw_rule *, const struct fw_rule *);

/* True if it fits all packets. */
bool fw_rule_is_for_all(const struct fw_rule *);

/* True if 'number' is among 'numbers'. */
bool fw_numbers_contain(const struct fw_numbers *, unsigned int number);

#endif /* model/fw-rule.h */
