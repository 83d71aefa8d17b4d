/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "util/diag.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "hash.h"
#include "openvswitch/util.h"
#include "util.h"
#include "uuid.h"

static const char *const code_names[N_DIAG_CODES] = {
    [DIAG_BAD_ADDRESS] = "BadAddress",
    [DIAG_BAD_MAC] = "BadMac",
    [DIAG_BAD_PREFIX] = "BadPrefix",
    [DIAG_VSID_MISSING] = "VsidMissing",
    [DIAG_VSID_OUT_OF_RANGE] = "VsidOutOfRange",
    [DIAG_VSID_DUPLICATE] = "VsidDuplicate",
    [DIAG_CA_OUTSIDE_SUBNET] = "CaOutsideSubnet",
    [DIAG_CA_DUPLICATE] = "CaDuplicate",
    [DIAG_CA_IS_GATEWAY] = "CaIsGateway",
    [DIAG_CA_RESERVED] = "CaReserved",
    [DIAG_MAC_CONFLICT] = "MacConflict",
    [DIAG_MAC_IS_ROUTER] = "MacIsRouter",
    [DIAG_PORT_MAC_DUPLICATE] = "PortMacDuplicate",
    [DIAG_PREFIX_OVERLAP] = "PrefixOverlap",
    [DIAG_SUBNET_IN_TWO_NETWORKS] = "SubnetInTwoNetworks",
    [DIAG_ENCAP_MISMATCH] = "EncapsulationMismatch",
    [DIAG_PA_ADDRESS] = "PAAddressConfigurationFailure",
    [DIAG_MTU_TOO_SMALL] = "MtuTooSmall",
    [DIAG_PORT_SUBNET_UNUSABLE] = "PortSubnetUnusable",
    [DIAG_IFACE_ID_DUPLICATE] = "IfaceIdDuplicate",
    [DIAG_PORT_NAME] = "PortName",
    [DIAG_OTHER_CONFIG] = "OtherConfig",
    [DIAG_OTHER_HOST] = "OtherHost",
    [DIAG_BAD_ROUTE] = "BadRoute",
    [DIAG_PA_DUPLICATE] = "PaDuplicate",
    [DIAG_VLAN_BINDING] = "VlanBinding",
    [DIAG_NO_MULTICAST] = "NoMulticast",
};

const char *
diag_code_to_string(enum diag_code code)
{
    return code_names[code];
}

bool
diag_code_is_lost_claim(const char *code)
{
    static const enum diag_code lost[] = {
        DIAG_VSID_DUPLICATE, DIAG_CA_DUPLICATE, DIAG_MAC_CONFLICT,
        DIAG_PREFIX_OVERLAP, DIAG_SUBNET_IN_TWO_NETWORKS, DIAG_PORT_NAME,
        DIAG_PA_DUPLICATE,
    };

    for (size_t i = 0; i < ARRAY_SIZE(lost); i++) {
        if (!strcmp(code, code_names[lost[i]])) {
            return true;
        }
    }
    return false;
}

void
diag_set_init(struct diag_set *set)
{
    hmap_init(&set->diags);
}

static void
diag_destroy(struct diag *diag)
{
    free(diag->text);
    free(diag);
}

void
diag_set_clear(struct diag_set *set)
{
    struct diag *diag;

    HMAP_FOR_EACH_POP (diag, node, &set->diags) {
        diag_destroy(diag);
    }
}

void
diag_set_uninit(struct diag_set *set)
{
    if (set) {
        diag_set_clear(set);
        hmap_destroy(&set->diags);
    }
}

size_t
diag_set_count(const struct diag_set *set)
{
    return hmap_count(&set->diags);
}

static struct diag *
diag_set_find__(const struct diag_set *set, const struct uuid *row,
                const char *column, enum diag_code code)
{
    struct diag *diag;

    HMAP_FOR_EACH_WITH_HASH (diag, node, uuid_hash(row), &set->diags) {
        if (diag->code == code && uuid_equals(&diag->row, row)
            && !strcmp(diag->column, column)) {
            return diag;
        }
    }
    return NULL;
}

const struct diag *
diag_set_find(const struct diag_set *set, const struct uuid *row,
              const char *column, enum diag_code code)
{
    return diag_set_find__(set, row, column, code);
}

/* Takes ownership of 'text'. */
static void
diag_set_put__(struct diag_set *set, enum diag_code code,
               const struct uuid *row, const char *table, const char *column,
               char *text)
{
    struct diag *diag = diag_set_find__(set, row, column, code);

    if (!diag) {
        diag = xmalloc(sizeof *diag);
        *diag = (struct diag) {
            .code = code, .row = *row, .table = table, .column = column,
        };
        hmap_insert(&set->diags, &diag->node, uuid_hash(row));
    }
    free(diag->text);
    diag->text = text;
}

void
diag_set_add(struct diag_set *set, enum diag_code code,
             const struct uuid *row, const char *table, const char *column,
             const char *format, ...)
{
    va_list args;

    va_start(args, format);
    diag_set_put__(set, code, row, table, column, xvasprintf(format, args));
    va_end(args);
}

void
diag_set_add_copy(struct diag_set *set, const struct diag *diag)
{
    diag_set_put__(set, diag->code, &diag->row, diag->table, diag->column,
                   xstrdup(diag->text));
}

void
diag_set_remove(struct diag_set *set, const struct diag *which)
{
    struct diag *diag = diag_set_find__(set, &which->row, which->column,
                                        which->code);
    if (diag) {
        hmap_remove(&set->diags, &diag->node);
        diag_destroy(diag);
    }
}

static struct diag *
first_of_row(const struct diag_set *set, const struct uuid *row)
{
    struct diag *diag;

    HMAP_FOR_EACH_WITH_HASH (diag, node, uuid_hash(row), &set->diags) {
        if (uuid_equals(&diag->row, row)) {
            return diag;
        }
    }
    return NULL;
}

void
diag_set_remove_row(struct diag_set *set, const struct uuid *row)
{
    struct diag *diag;

    while ((diag = first_of_row(set, row)) != NULL) {
        hmap_remove(&set->diags, &diag->node);
        diag_destroy(diag);
    }
}
