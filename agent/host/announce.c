/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "host/announce.h"
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "dp-packet.h"
#include "packets.h"
#include "util/addr.h"

static bool
device_mac(int fd, unsigned int ifindex, struct eth_addr *ret_mac)
{
    struct ifreq ifr;

    memset(&ifr, 0, sizeof ifr);
    if (!if_indextoname(ifindex, ifr.ifr_name)
        || ioctl(fd, SIOCGIFHWADDR, &ifr)
        || ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER) {
        return false;
    }
    memcpy(ret_mac, ifr.ifr_hwaddr.sa_data, sizeof *ret_mac);
    return true;
}

static void
send_announcement(int fd, unsigned int ifindex, struct eth_addr mac,
                  ovs_be32 addr)
{
    const struct sockaddr_ll to = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETH_TYPE_ARP),
        .sll_ifindex = ifindex,
    };
    struct dp_packet packet;

    dp_packet_init(&packet, 64);
    compose_arp(&packet, ARP_OP_REQUEST, mac, eth_addr_zero, true,
                addr, addr);
    /* Nobody waits for it, so that it failed is no news. */
    ignore(sendto(fd, dp_packet_data(&packet), dp_packet_size(&packet), 0,
                  (const struct sockaddr *) &to, sizeof to));
    dp_packet_uninit(&packet);
}

void
announce_address(const struct in6_addr *addr, unsigned int ifindex)
{
    struct eth_addr mac;

    if (!addr_is_ipv4(addr)) {
        return;
    }

    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

    if (fd >= 0) {
        if (device_mac(fd, ifindex, &mac)) {
            send_announcement(fd, ifindex, mac, addr_to_ipv4(addr));
        }
        close(fd);
    }
}
