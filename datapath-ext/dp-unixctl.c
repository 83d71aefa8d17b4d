/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "datapath-ext/dp.h"

#include <stdlib.h>
#include <string.h>
#include "datapath-ext/text.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-parse.h"
#include "packets.h"
#include "unixctl.h"
#include "util.h"

/* Ports and entries shown of a datapath unless more are asked for: the reply
 * is made in the thread that serves everybody. */
#define SHOW_DEFAULT 1000

struct show {
    struct ds *s;
    unsigned int left;          /* Of both, that may yet be shown. */
};

static void
show_entry(const struct space_entry *entry, void *show_)
{
    struct show *show = show_;

    if (show->left) {
        show->left--;
        ds_put_cstr(show->s, "  ");
        hnv_text_format_entry(entry, show->s);
        ds_put_char(show->s, '\n');
    }
}

static void
show_port(const struct space_key *key, uint32_t port, void *show_)
{
    struct show *show = show_;

    if (show->left) {
        show->left--;
        ds_put_cstr(show->s, "  ");
        hnv_text_format_port(key, port, show->s);
        ds_put_char(show->s, '\n');
    }
}

/* Ports first: there are few. */
static void
show_dp(const char *name, struct hnv_dp *hnv, void *show_)
{
    struct show show = *(const struct show *) show_;
    struct space_cursor cursor = SPACE_CURSOR_INITIALIZER;
    struct hnv_stats stats;

    hnv_dp_get_stats(hnv, &stats);
    ds_put_format(show.s, "%s: ", name);
    hnv_stats_format(&stats, show.s);
    while (show.left && space_table_dump_ports(hnv_dp_spaces(hnv), &cursor,
                                               show_port, &show)) {
        continue;
    }
    cursor = (struct space_cursor) SPACE_CURSOR_INITIALIZER;
    while (show.left && space_table_dump(hnv_dp_spaces(hnv), &cursor,
                                         show_entry, &show)) {
        continue;
    }
}

static void
unixctl_show(struct unixctl_conn *conn, int argc, const char *argv[],
             void *aux OVS_UNUSED)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct show show = { &s, SHOW_DEFAULT };

    if (argc > 1 && !str_to_uint(argv[1], 10, &show.left)) {
        unixctl_command_reply_error(conn, "not a number of entries");
        return;
    }
    hnv_dp_for_each(show_dp, &show);
    unixctl_command_reply(conn, ds_cstr(&s));
    ds_destroy(&s);
}

static bool
parse_key(char *str, struct space_key *ret_key)
{
    uint32_t vsid = 0;
    struct in6_addr addr;
    struct eth_addr mac;
    char *key, *value;

    while (ofputil_parse_key_value(&str, &key, &value)) {
        if (!strcmp(key, "vsid") || !strcmp(key, "domain")) {
            if (!str_to_uint(value, 0, &vsid)) {
                return false;
            }
        } else if (!strcmp(key, "ca") && hnv_text_parse_addr(value, &addr)) {
            space_key_init_ca(ret_key, vsid, &addr);
            return true;
        } else if (!strcmp(key, "pa") && hnv_text_parse_addr(value, &addr)) {
            space_key_init_peer(ret_key, vsid, &addr);
            return true;
        } else if (!strcmp(key, "mac") && eth_addr_from_string(value, &mac)) {
            space_key_init_mac(ret_key, vsid, mac);
            return true;
        } else {
            return false;
        }
    }
    return false;
}

struct lookup {
    struct ds *s;
    struct space_key key;
};

static void
lookup_dp(const char *name, struct hnv_dp *hnv, void *lookup_)
{
    struct lookup *lookup = lookup_;
    struct space_entry entry;

    ds_put_format(lookup->s, "%s: ", name);
    if (space_table_get(hnv_dp_spaces(hnv), &lookup->key, &entry)) {
        hnv_text_format_entry(&entry, lookup->s);
    } else {
        hnv_text_format_key(&lookup->key, lookup->s);
        ds_put_cstr(lookup->s, " is not known");
    }
    ds_put_char(lookup->s, '\n');
}

static void
unixctl_lookup(struct unixctl_conn *conn, int argc OVS_UNUSED,
               const char *argv[], void *aux OVS_UNUSED)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct lookup lookup = { .s = &s };
    char *key = xstrdup(argv[1]);

    if (parse_key(key, &lookup.key)) {
        hnv_dp_for_each(lookup_dp, &lookup);
        unixctl_command_reply(conn, ds_cstr(&s));
    } else {
        unixctl_command_reply_error(conn, "not a key; as in "
                                    "vsid=5001,ca=10.1.0.5 or "
                                    "vsid=5001,mac=00:15:5d:01:01:05 or "
                                    "domain=7,pa=192.0.2.7");
    }
    free(key);
    ds_destroy(&s);
}

void
hnv_dp_unixctl_init(void)
{
    unixctl_command_register("hnv/space-show", "[max-entries]", 0, 1,
                             unixctl_show, NULL);
    unixctl_command_register("hnv/space-lookup", "key", 1, 1,
                             unixctl_lookup, NULL);
}
