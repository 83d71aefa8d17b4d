/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include "db/db-private.h"

#include <string.h>

#include "jsonrpc.h"
#include "openvswitch/json.h"
#include "ovsdb-error.h"

/* Requests that the engine takes for granted are well-formed, and that would
 * end the process if they are not.  A client gets an error for them before the
 * engine sees them. */

/* Open vSwitch up to at least 3.1 reads a "monitor" request's second and third
 * parameter without a look at how many there are.  (Without the first, which
 * names the database, it answers with an error of its own.) */
static bool
is_dangerous(const struct jsonrpc_msg *msg)
{
    return (msg->type == JSONRPC_REQUEST
            && !strcmp(msg->method, "monitor")
            && msg->params->array.n > 0
            && msg->params->array.n < 3);
}

static void
refuse(struct jsonrpc_session *session, const struct jsonrpc_msg *request)
{
    struct ovsdb_error *error
        = ovsdb_syntax_error(request->params, NULL, "invalid parameters");

    jsonrpc_session_send(session,
                         jsonrpc_create_error(ovsdb_error_to_json_free(error),
                                              request->id));
}

struct jsonrpc_msg *__real_jsonrpc_session_recv(struct jsonrpc_session *);
struct jsonrpc_msg *__wrap_jsonrpc_session_recv(struct jsonrpc_session *);

/* The linker's --wrap puts this between the connection and the engine. */
struct jsonrpc_msg *
__wrap_jsonrpc_session_recv(struct jsonrpc_session *session)
{
    struct jsonrpc_msg *msg;

    while ((msg = __real_jsonrpc_session_recv(session)) != NULL
           && is_dangerous(msg)) {
        refuse(session, msg);
        jsonrpc_msg_destroy(msg);
    }
    return msg;
}
