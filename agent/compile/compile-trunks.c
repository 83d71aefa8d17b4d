/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "compile/compile-private.h"
#include <inttypes.h>
#include "packets.h"
#include "util.h"

/* A guest's VLANs.  What it tags belongs to the VLAN's subnet and from ADMIT
 * on has no tag: nothing else in the pipeline knows of VLANs, and nothing of
 * them gets onto the wire.  The tag is put back on what goes out of the port,
 * by the subnet that it belongs to, and on what goes back to the sender, by
 * the tag that it came with. */

/* Ahead of what sees to untagged frames. */
enum { PRIORITY_TAG = 100, PRIORITY_HAIRPIN = 110, PRIORITY_SAME = 120 };

/* Takes the tag off, then has a second look. */
static void
strip(struct compile_ctx *cx, const struct port_vlan *vlan)
{
    plan_add(cx->plan, TABLE_ADMIT, 100, row_cookie(&vlan->bound->port->row),
             plan_text("in_port=%"PRIu32",metadata=0/%#x,dl_vlan=%d",
                       vlan->bound->iface->ofport, METADATA_TAG, vlan->vlan),
             plan_text("pop_vlan,set_field:%#"PRIx32"/%#x->metadata,"
                       "resubmit(,%d)", port_vlan_tag(vlan), METADATA_TAG,
                       TABLE_ADMIT));
}

/* A frame with two tags.  By default Open vSwitch sees one of them, and calls
 * the other one the frame's type. */
static void
refuse_second_tag(struct compile_ctx *cx)
{
    plan_add(cx->plan, TABLE_ADMIT, 200, 0, xstrdup("dl_type=0x8100"),
             compile_drop(DROP_TAGGED));
    plan_add(cx->plan, TABLE_ADMIT, 200, 0, xstrdup("dl_type=0x88a8"),
             compile_drop(DROP_TAGGED));
}

/* Actions that put the frame out with its tag.  More copies may follow it, so
 * the tag is taken off again. */
static char *
put_out(uint32_t tag, const char *output)
{
    return (tag
            ? xasprintf("push_vlan:0x8100,set_field:%#"PRIx32"->vlan_vid,"
                        "%s,pop_vlan", tag, output)
            : xstrdup(output));
}

static void
deliver(struct compile_ctx *cx, const struct port_vlan *vlan)
{
    plan_add(cx->plan, TABLE_DELIVER, PRIORITY_TAG,
             row_cookie(&vlan->bound->port->row),
             plan_text(REG_VSID"=%#"PRIx32","REG_OUT_PORT"=%#"PRIx32,
                       vlan->subnet->vsid, vlan->bound->iface->ofport),
             put_out(port_vlan_tag(vlan), "output:"REG_OUT_PORT));
}

/* From one of a port's subnets to another of them, through the router.
 * OpenFlow sends nothing to the port that it came from unless told to, and
 * here it is not the sender that gets it.  A guest's own broadcast it is. */
static void
hairpin(struct compile_ctx *cx, const struct port_vlan *vlan)
{
    uint64_t cookie = row_cookie(&vlan->bound->port->row);
    uint32_t port = vlan->bound->iface->ofport;
    uint32_t vsid = vlan->subnet->vsid;

    plan_add(cx->plan, TABLE_DELIVER, PRIORITY_HAIRPIN, cookie,
             plan_text("in_port=%"PRIu32","REG_VSID"=%#"PRIx32","
                       REG_OUT_PORT"=%#"PRIx32, port, vsid, port),
             put_out(port_vlan_tag(vlan), "IN_PORT"));
    plan_add(cx->plan, TABLE_DELIVER, PRIORITY_SAME, cookie,
             plan_text("in_port=%"PRIu32","REG_VSID"=%#"PRIx32","
                       REG_OUT_PORT"=%#"PRIx32",metadata=%#"PRIx32"/%#x",
                       port, vsid, port, port_vlan_tag(vlan), METADATA_TAG),
             xstrdup("drop"));
}

/* True if the port of number 'i' in 'cx->vlans' is in another subnet too. */
static bool
has_others(const struct compile_ctx *cx, size_t i)
{
    const struct port_vlan *vlans = cx->vlans;

    return ((i && vlans[i - 1].bound == vlans[i].bound)
            || (i + 1 < cx->n_vlans
                && vlans[i + 1].bound == vlans[i].bound));
}

void
compile_trunks(struct compile_ctx *cx)
{
    bool any = false;

    for (size_t i = 0; i < cx->n_vlans; i++) {
        const struct port_vlan *vlan = &cx->vlans[i];

        if (vlan->vlan) {
            strip(cx, vlan);
            deliver(cx, vlan);
            any = true;
        }
        if (has_others(cx, i)) {
            hairpin(cx, vlan);
        }
    }
    if (any) {
        refuse_second_tag(cx);
    }
    ADD(cx, TABLE_DELIVER, 0, 0, "", "output:"REG_OUT_PORT);
    ADD(cx, TABLE_RETURN, 0, 0, "", "IN_PORT");
    ADD(cx, TABLE_RETURN, 100, 0, "metadata=0x1000/0x1000",
        "push_vlan:0x8100,move:"META_VLAN"->vlan_vid,IN_PORT,pop_vlan");
}
