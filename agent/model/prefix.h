/* SPDX-License-Identifier: Apache-2.0 */

#ifndef MODEL_PREFIX_H
#define MODEL_PREFIX_H 1

/* A subnet's prefix and gateway, as Logical_Router.switch_binding's key says
 * them in one: "10.1.1.0/24" leaves the gateway to be the lowest usable
 * address, "10.1.1.254/24" gives it. */

#include "model/rules.h"

/* Reads a key.  Returns NULL, or a constant that says what is wrong, to go
 * after the words 'prefix "KEY" '. */
const char *prefix_from_key(const char *key, struct rules_prefix *ret_prefix);

/* Writes the i-th prefix of addresses that are no guest's in a routed subnet,
 * and that no router forwards to; false if there are not so many. */
bool prefix_get_reserved(size_t i, struct addr_prefix *ret_net);

/* True unless 'addr', of 'net', stands for the network or all its hosts. */
bool prefix_can_be_guest(const struct addr_prefix *net,
                         const struct in6_addr *addr);

#endif /* model/prefix.h */
