/* SPDX-License-Identifier: Apache-2.0 */

#ifndef PORT_STATUS_H
#define PORT_STATUS_H 1

/* Physical_Port.status: what the agent tells about a port. */

struct bound_port;
struct smap;

/* Adds to 'status':
 *
 *   vm_nic_port_id     the switch's port: external_ids:vm-port-id or its name
 *   vm_nic_vm_name     external_ids:vm-name or vm-id of the interface
 *   vm_nic_macaddress  the guest's MAC
 *   state              active, absent, or blocked
 *   pa                 PAs that its packets leave from, of each family one,
 *                      separated by a comma
 *   mtu                how long its IP packets to other hosts may be
 *   reason, detail     why it is blocked: a word, a sentence
 *
 * The first three only if an interface on this host is that port. */
void port_status_fill(const struct bound_port *, struct smap *status);

#endif /* port-status.h */
