/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DATAPATH_EXT_TEXT_H
#define DATAPATH_EXT_TEXT_H 1

/* How the extension writes and reads what it deals in. */

#include <netinet/in.h>
#include <stdbool.h>
#include "model/space.h"

struct ds;

/* An IPv4 (which is then mapped) or IPv6 address. */
bool hnv_text_parse_addr(const char *, struct in6_addr *ret_addr);

/* A decimal number. */
bool hnv_text_parse_u16(const char *, uint16_t *ret_number);

/* "ca,vsid=5001,ca=10.1.0.5 mac=00:15:5d:01:01:05,pa=192.0.2.7,vxlan". */
void hnv_text_format_key(const struct space_key *, struct ds *);
void hnv_text_format_entry(const struct space_entry *, struct ds *);

/* "port=2,vsid=5001,mac=00:15:5d:01:01:05", of a key by MAC. */
void hnv_text_format_port(const struct space_key *, uint32_t port,
                          struct ds *);

/* "ca", "mac", "peer", "share", "owner". */
const char *hnv_text_kind(enum space_kind);

#endif /* datapath-ext/text.h */
