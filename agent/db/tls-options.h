/* SPDX-License-Identifier: Apache-2.0 */

#ifndef DB_TLS_OPTIONS_H
#define DB_TLS_OPTIONS_H 1

/* Command-line options about keys and certificates, as every Open vSwitch
 * daemon has them, for programs that keep them in a "struct db_tls". */

#include <getopt.h>
#include <stdbool.h>

struct db_tls;

/* Values of those without a letter; they collide with no other library's. */
enum tls_option {
    TLS_OPT_BOOTSTRAP_CA_CERT = 0x1000,
    TLS_OPT_PEER_CA_CERT,
    TLS_OPT_SSL_PROTOCOLS,
    TLS_OPT_SSL_CIPHERS,
};

/* For a table of "struct option"s. */
#define TLS_LONG_OPTIONS                                                \
    { "private-key", required_argument, NULL, 'p' },                    \
    { "certificate", required_argument, NULL, 'c' },                    \
    { "ca-cert", required_argument, NULL, 'C' },                        \
    { "bootstrap-ca-cert", required_argument, NULL,                     \
      TLS_OPT_BOOTSTRAP_CA_CERT },                                      \
    { "peer-ca-cert", required_argument, NULL, TLS_OPT_PEER_CA_CERT },  \
    { "ssl-protocols", required_argument, NULL, TLS_OPT_SSL_PROTOCOLS }, \
    { "ssl-ciphers", required_argument, NULL, TLS_OPT_SSL_CIPHERS }

/* Takes in option 'c' with argument 'arg', which must live as long as 'tls';
 * false if it is not one of these. */
bool tls_option_parse(struct db_tls *, int c, const char *arg);

#endif /* db/tls-options.h */
