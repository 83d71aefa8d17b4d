/* SPDX-License-Identifier: Apache-2.0 */

#ifndef ROUTER_ERRORS_H
#define ROUTER_ERRORS_H 1

/* The router's word, to the guests of this host, about packets that it does
 * not forward: see answer/router-answer.h. */

struct punt;
struct rules;
struct switch_link;

void router_errors_answer(const struct punt *, const struct rules *,
                          struct switch_link *);

#endif /* router-errors.h */
