/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "db/tls-options.h"
#include "db/db.h"
#include "stream-ssl.h"

bool
tls_option_parse(struct db_tls *tls, int c, const char *arg)
{
    switch (c) {
    case 'p':
        tls->private_key = arg;
        return true;
    case 'c':
        tls->certificate = arg;
        return true;
    case 'C':
    case TLS_OPT_BOOTSTRAP_CA_CERT:
        tls->ca_cert = arg;
        tls->bootstrap_ca_cert = c == TLS_OPT_BOOTSTRAP_CA_CERT;
        return true;
    case TLS_OPT_PEER_CA_CERT:
        stream_ssl_set_peer_ca_cert_file(arg);
        return true;
    case TLS_OPT_SSL_PROTOCOLS:
        tls->protocols = arg;
        return true;
    case TLS_OPT_SSL_CIPHERS:
        tls->ciphers = arg;
        return true;
    default:
        return false;
    }
}
