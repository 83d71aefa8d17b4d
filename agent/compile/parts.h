/* SPDX-License-Identifier: Apache-2.0 */

#ifndef COMPILE_PARTS_H
#define COMPILE_PARTS_H 1

/* A flow of a subnet with a long list of actions, in as many parts as it
 * takes.  One part is the flow itself; of more, each is a flow of the same
 * table by REG_PART, and the flow itself calls one after the other. */

#include "compile/compile-private.h"
#include "openvswitch/compiler.h"
#include "openvswitch/dynamic-string.h"

struct parts {
    struct compile_ctx *cx;
    enum pipeline_table table;
    const struct rules_subnet *subnet;
    const char *kind;           /* What the match begins with: "" or such as
                                 * "ip,". */
    const char *prefix;         /* What the copies of this part begin with. */
    struct ds actions;          /* This part's. */
    struct ds calls;            /* Of the parts before it. */
    unsigned int n_copies;
    unsigned int n_parts;
};

void parts_init(struct parts *, struct compile_ctx *, enum pipeline_table,
                const struct rules_subnet *, const char *kind);

/* Adds a copy, made by the actions 'format'.  Before it, and before those
 * that follow, go the actions 'prefix', which must stay until then. */
void parts_add(struct parts *, const char *prefix, const char *format, ...)
    OVS_PRINTF_FORMAT(3, 4);

/* Adds the flow, which after all copies does 'last'; none if there is nothing
 * to do. */
void parts_finish(struct parts *, const char *last);

#endif /* compile/parts.h */
