/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "switch/link-private.h"
#include <stdlib.h>
#include "openvswitch/ofp-bundle.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "switch/encode.h"
#include "timeval.h"
#include "util.h"

static void link_drop_meters__(struct switch_link *, const struct plan *had);
static void link_drop_zones__(struct switch_link *, const struct plan *had);

bool
link_wants_flow(const struct switch_link *sw, const struct space_entry *e)
{
    return !sw->hnv || space_hnv_leaves(e);
}

static void
link_send_removal__(struct switch_link *sw, const struct space_key *key)
{
    uint8_t buf[SPACE_STOCK_MESSAGE_MAX];

    channel_put(sw->channel, buf, space_stock_remove(sw->stock, key, buf));
    sw->unfenced = true;
    sw->n_removes++;
}

/* The entry is to have no flow any more.  Returns whether the switch may have
 * one: which there are is not known before everything was read back. */
static bool
link_forget_flow__(struct switch_link *sw, const struct space_key *key)
{
    return (!sw->hnv || sw->state != LINK_STEADY
            || key_set_remove(&sw->flows, key));
}

void
link_put_flow(struct switch_link *sw, const struct space_entry *e)
{
    uint8_t buf[SPACE_STOCK_MESSAGE_MAX];

    if (link_wants_flow(sw, e)) {
        channel_put(sw->channel, buf, space_stock_put(sw->stock, e, buf));
        sw->unfenced = true;
        sw->n_puts++;
        if (sw->hnv) {
            key_set_add(&sw->flows, &e->key);
        }
    } else if (link_forget_flow__(sw, &e->key)) {
        link_send_removal__(sw, &e->key);
    }
}

void
link_remove_flow(struct switch_link *sw, const struct space_key *key)
{
    struct space_entry e;

    if (sw->source.find(key, &e, sw->source.aux) && link_wants_flow(sw, &e)) {
        return;
    }
    if (link_forget_flow__(sw, key)) {
        link_send_removal__(sw, key);
    }
}

void
link_put_guests(struct switch_link *sw, const struct plan *had)
{
    for (size_t i = 0; sw->hnv && i < sw->wanted->n_guests; i++) {
        if (!plan_has_guest(had, &sw->wanted->guests[i])) {
            space_hnv_put_guest(sw->hnv, &sw->wanted->guests[i]);
        }
    }
}

/* One that has another port now stays. */
void
link_drop_guests(struct switch_link *sw, const struct plan *had)
{
    size_t n = had && sw->hnv ? had->n_guests : 0;
    const struct plan *wanted = sw->wanted;

    for (size_t i = 0, j = 0; i < n; i++) {
        const struct plan_guest *guest = &had->guests[i];

        while (j < wanted->n_guests
               && plan_guest_compare(&wanted->guests[j], guest) < 0) {
            j++;
        }
        if (j >= wanted->n_guests
            || plan_guest_compare(&wanted->guests[j], guest)) {
            space_hnv_remove_guest(sw->hnv, guest);
        }
    }
}

void
link_push_spaces(struct switch_link *sw)
{
    if (sw->hnv && space_hnv_push(sw->hnv)) {
        sw->unfenced = true;
    }
}

void
link_send_pending(struct switch_link *sw)
{
    if (sw->wanted != sw->sent) {
        link_put_guests(sw, sw->sent);
    }
    link_push_spaces(sw);
    if (sw->wanted != sw->sent) {
        struct plan_delta *delta = plan_diff(sw->sent, sw->wanted);
        struct changes changes;

        link_make_meters(sw, sw->sent);
        changes_init(&changes, channel_version(sw->channel));
        changes_add_delta(&changes, delta);
        link_send_changes(sw, &changes);
        changes_uninit(&changes);
        plan_delta_destroy(delta);
        link_drop_meters__(sw, sw->sent);
        link_drop_zones__(sw, sw->sent);
        link_drop_guests(sw, sw->sent);
        link_adopt_sent(sw);
    }

    for (size_t i = 0; i < sw->n_removals; i++) {
        link_remove_flow(sw, &sw->removals[i]);
        if (sw->hnv) {
            space_hnv_update(sw->hnv, &sw->removals[i]);
        }
    }
    sw->n_removals = 0;
    free(sw->removals);
    sw->removals = NULL;
    sw->allocated_removals = 0;
    link_push_spaces(sw);
}

void
link_make_meters(struct switch_link *sw, const struct plan *had)
{
    const struct plan_ids *wanted = &sw->wanted->meters;

    for (size_t i = 0; i < wanted->n; i++) {
        if (!had || !plan_ids_contain(&had->meters, wanted->ids[i])) {
            punt_send_meter(sw->channel, wanted->ids[i]);
            sw->unfenced = true;
        }
    }
}

static void
link_drop_meters__(struct switch_link *sw, const struct plan *had)
{
    for (size_t i = 0; had && i < had->meters.n; i++) {
        if (!plan_ids_contain(&sw->wanted->meters, had->meters.ids[i])) {
            punt_send_meter_removal(sw->channel, had->meters.ids[i]);
            sw->unfenced = true;
        }
    }
}

/* Forgets connections of zones that are no port's any more, once no flow
 * tracks any there. */
static void
link_drop_zones__(struct switch_link *sw, const struct plan *had)
{
    for (size_t i = 0; had && i < had->zones.n; i++) {
        if (!plan_ids_contain(&sw->wanted->zones, had->zones.ids[i])) {
            channel_send(sw->channel,
                         encode_flush_zone(had->zones.ids[i],
                                           channel_version(sw->channel)));
            sw->unfenced = true;
        }
    }
}

void
link_adopt_sent(struct switch_link *sw)
{
    if (sw->sent != sw->wanted) {
        plan_destroy(sw->sent);
        sw->sent = sw->wanted;
    }
}

static void
link_send_change__(struct switch_link *sw, const struct change *change,
                   const uint32_t *bundle_id)
{
    const struct ofp_header *oh = change->msg->data;

    notes_add(&sw->notes, oh->xid, change->text);
    if (bundle_id) {
        channel_send(sw->channel,
                     encode_bundle_add(*bundle_id, change->msg,
                                       channel_version(sw->channel)));
    } else {
        channel_put(sw->channel, change->msg->data, change->msg->size);
    }
}

static void
link_send_bundle__(struct switch_link *sw, const struct changes *changes)
{
    enum ofp_version version = channel_version(sw->channel);
    uint32_t id = sw->next_bundle_id++;

    channel_send(sw->channel,
                 encode_bundle_control(id, OFPBCT_OPEN_REQUEST, version));
    for (size_t i = 0; i < changes->n_puts; i++) {
        link_send_change__(sw, &changes->puts[i], &id);
    }
    for (size_t i = 0; i < changes->n_removes; i++) {
        link_send_change__(sw, &changes->removes[i], &id);
    }

    struct ofpbuf *commit = encode_bundle_control(id, OFPBCT_COMMIT_REQUEST,
                                                  version);
    const struct ofp_header *oh = commit->data;

    notes_add(&sw->notes, oh->xid, NULL);
    channel_send(sw->channel, commit);
    sw->n_bundles++;
}

/* See "Trouble" in link-private.h. */
static void
link_send_one_by_one__(struct switch_link *sw, const struct changes *changes)
{
    for (size_t i = changes->n_puts; i-- > 0; ) {
        link_send_change__(sw, &changes->puts[i], NULL);
    }
    for (size_t i = 0; i < changes->n_removes; i++) {
        link_send_change__(sw, &changes->removes[i], NULL);
    }
}

void
link_send_changes(struct switch_link *sw, const struct changes *changes)
{
    if (changes->n_bad) {
        sw->n_bad += changes->n_bad;
        link_trouble(sw, xasprintf("was not told %"PRIuSIZE" flows that no "
                                   "message can hold", changes->n_bad));
    }
    if (changes_is_empty(changes)) {
        return;
    }
    if (sw->one_by_one) {
        link_send_one_by_one__(sw, changes);
    } else {
        link_send_bundle__(sw, changes);
    }
    sw->unfenced = true;
}

void
link_send_barrier(struct switch_link *sw, bool ends_repair)
{
    struct ofpbuf *msg = ofputil_encode_barrier_request(
        channel_version(sw->channel));
    const struct ofp_header *oh = msg->data;
    struct barrier *b = xmalloc(sizeof *b);

    b->xid = oh->xid;
    b->seq = sw->flushed;
    b->ends_repair = ends_repair;
    sw->verifying = sw->verifying || ends_repair;
    b->n_errors = sw->n_errors_readback;
    notes_init(&b->notes);
    notes_swap(&b->notes, &sw->notes);
    ovs_list_push_back(&sw->barriers, &b->list_node);

    if (ovs_list_is_singleton(&sw->barriers)) {
        sw->answer_deadline = time_msec() + ANSWER_TIMEOUT_MS;
    }
    channel_send(sw->channel, msg);
    sw->unfenced = false;
}
