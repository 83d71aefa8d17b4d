/* SPDX-License-Identifier: Apache-2.0 */

#ifndef TSAN_RCU_H
#define TSAN_RCU_H 1

/* What ovs-rcu promises, in words that ThreadSanitizer understands.
 *
 * ovs-rcu tells that a thread has quiesced by a variable that is no atomic, so
 * ThreadSanitizer does not see that a postponed call comes after what other
 * threads did before they quiesced.  Here it is told so, and no more: who
 * changes what a reader may still be reading is still found out.
 *
 * For this, a test's threads quiesce by rcu_quiesce(), and the test is linked
 * with RCU_WRAP_LDFLAGS. */

#include "ovs-rcu.h"
#include "util.h"

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>

static char rcu_order;          /* Only its address is used. */

struct rcu_call {
    void (*function)(void *aux);
    void *aux;
};

void __real_ovsrcu_postpone__(void (*)(void *aux), void *aux);
void __wrap_ovsrcu_postpone__(void (*)(void *aux), void *aux);

static void
rcu_call_run(void *call_)
{
    struct rcu_call *call = call_;

    __tsan_acquire(&rcu_order);
    call->function(call->aux);
    free(call);
}

void
__wrap_ovsrcu_postpone__(void (*function)(void *aux), void *aux)
{
    struct rcu_call *call = xmalloc(sizeof *call);

    call->function = function;
    call->aux = aux;
    __real_ovsrcu_postpone__(rcu_call_run, call);
}

static inline void
rcu_quiesce(void)
{
    __tsan_release(&rcu_order);
    ovsrcu_quiesce();
}

#else
static inline void
rcu_quiesce(void)
{
    ovsrcu_quiesce();
}
#endif

#endif /* tsan-rcu.h */
