/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "switch-fixture.h"

#include <stdlib.h>
#include <string.h>
#include "compile/pipeline.h"
#include "fatal-signal.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "plan/plan.h"
#include "random-entry.h"
#include "random.h"
#include "switch/encode.h"
#include "switch/space-hnv.h"
#include "switch/space-stock.h"
#include "switch/switch.h"
#include "unit.h"
#include "util.h"

int
fixture_run_suite(Suite *suite)
{
    fatal_ignore_sigpipe();
    vlog_set_levels(NULL, VLF_CONSOLE,
                    getenv("HNV_TEST_LOG") ? VLL_DBG : VLL_OFF);
    return unit_run(suite);
}

struct plan *
make_plan(int n, int variant)
{
    struct plan *plan = plan_create();

    for (int i = 0; i < n; i++) {
        plan_add(plan, TABLE_ADMIT, 100, 0x1000 + i,
                 plan_text("in_port=%d,dl_src=0a:00:00:00:00:%02x", i + 1, i),
                 plan_text("set_field:%d->reg0,move:NXM_OF_ETH_SRC[0..31]->"
                           "NXM_NX_REG7[],resubmit(,20)",
                           i % 2 ? variant : i));
        plan_add(plan, TABLE_RESOLVE, 50, 0x2000 + i,
                 plan_text("ip,reg0=%#x,nw_dst=10.%d.0.0/16", i, i),
                 plan_text("load:%d->NXM_NX_REG1[],dec_ttl,"
                           "set_field:0a:00:00:00:00:01->dl_dst,goto_table:%d",
                           variant, TABLE_ROUTE));
    }
    plan_add(plan, TABLE_DELIVER, 1, 0, xstrdup(""), xstrdup("drop"));
    ck_assert(!plan_sort(plan));
    return plan;
}

void
fixture_set_plan(struct fixture *f, int n, int variant)
{
    struct plan *plan = make_plan(n, variant);

    f->remakes = true;
    f->n = n;
    f->variant = variant;
    plan->spaces = switch_has_spaces(f->sw);
    for (int i = 0; plan->spaces && i < n; i++) {
        plan_add_guest(plan, &(struct plan_guest) {
            .vsid = 5000 + i % 3,
            .mac.ea[5] = i,
            .port = u16_to_ofp(1 + i + variant),
        });
    }
    plan_sort(plan);
    switch_set_plan(f->sw, plan);
}

void
fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    fake_init(&f->fake);
    store_init(&f->store);

    struct space_source source = {
        .find = store_find,
        .for_each = store_for_each,
        .aux = &f->store,
    };

    f->sw = switch_create(&source);
    f->target = xasprintf("unix:%s", f->fake.path);
    switch_set_target(f->sw, f->target);
}

void
fixture_uninit(struct fixture *f)
{
    switch_destroy(f->sw);
    fake_uninit(&f->fake);
    free(f->target);
    store_uninit(&f->store);
}

void
fixture_turn(struct fixture *f)
{
    switch_wait(f->sw);
    fake_wait(&f->fake);
    poll_timer_wait(20);
    poll_block();
    fake_run(&f->fake);
    switch_run(f->sw);
    if (f->remakes
        && switch_plan(f->sw)->spaces != switch_has_spaces(f->sw)) {
        fixture_set_plan(f, f->n, f->variant);
    }
}

void
fixture_run_for(struct fixture *f, int ms)
{
    long long int until = time_msec() + ms;

    while (time_msec() < until) {
        fixture_turn(f);
    }
}

void
fixture_put(struct fixture *f, const struct space_entry *e)
{
    store_put(&f->store, e);
    switch_space_put(f->sw, e);
}

void
fixture_remove(struct fixture *f, const struct space_key *key_)
{
    struct space_key key = *key_;

    store_remove(&f->store, &key);
    switch_space_remove(f->sw, &key);
}

uint64_t
fixture_flush(struct fixture *f)
{
    uint64_t seq = switch_flush(f->sw);

    RUN_UNTIL(f, switch_acked(f->sw) >= seq);
    return seq;
}

static void
check_message(struct fake *fake, const void *data)
{
    const struct ofp_header *oh = data;
    struct ofpbuf *msg = ofpbuf_clone_data(oh, ntohs(oh->length));
    struct encode_decoded d;

    ck_assert(encode_decode(msg, &d));

    struct fake_flow *flow = fake_find(fake, &d.fm);

    ck_assert(flow);
    ck_assert(flow->fm.new_cookie == d.fm.new_cookie);

    struct ofpbuf *have = encode_actions(flow->fm.ofpacts,
                                         flow->fm.ofpacts_len, oh->version);
    struct ofpbuf *want = encode_actions(d.fm.ofpacts, d.fm.ofpacts_len,
                                         oh->version);

    ck_assert(ofpbuf_equal(have, want));
    ofpbuf_delete(have);
    ofpbuf_delete(want);
    encode_decoded_uninit(&d);
    ofpbuf_delete(msg);
}

void
check_in_step(struct fixture *f)
{
    struct space_stock *stock = space_stock_create(OFP15_VERSION);
    const struct plan *plan = switch_plan(f->sw);
    size_t n_wanted = plan->n;
    struct stored *s;

    HMAP_FOR_EACH (s, hmap_node, &f->store.entries) {
        uint64_t buf[SPACE_STOCK_MESSAGE_MAX / 8];

        if (switch_has_spaces(f->sw) && !space_hnv_leaves(&s->entry)) {
            continue;
        }
        space_stock_put(stock, &s->entry, (uint8_t *) buf);
        check_message(&f->fake, buf);
        n_wanted++;
    }
    for (size_t i = 0; i < plan->n; i++) {
        char *error;
        struct ofpbuf *msg = encode_plan_put(&plan->flows[i], OFP15_VERSION,
                                             &error);

        ck_assert(msg);
        check_message(&f->fake, msg->data);
        ofpbuf_delete(msg);
    }
    ck_assert_uint_eq(hmap_count(&f->fake.flows), n_wanted);
    space_stock_destroy(stock);
}

bool
status_says(const struct fixture *f, const char *what)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    switch_format_status(f->sw, &s);

    bool says = strstr(ds_cstr(&s), what) != NULL;

    ds_destroy(&s);
    return says;
}

void
random_change(struct fixture *f)
{
    struct space_entry e = random_entry_among(100);

    if (random_range(3)) {
        fixture_put(f, &e);
    } else {
        fixture_remove(f, &e.key);
    }
}
