/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "host/sysctls.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(sysctls);

#define VALUE_SIZE 64

struct sysctl {
    char *old;                  /* NULL: was as wanted, or cannot be set. */
    char *value;                /* Wanted. */
    bool wanted;                /* In this round. */
};

struct sysctls {
    struct shash by_path;       /* "struct sysctl"s. */
};

struct sysctls *
sysctls_create(void)
{
    struct sysctls *sysctls = xzalloc(sizeof *sysctls);

    shash_init(&sysctls->by_path);
    return sysctls;
}

static void
forget(struct sysctls *sysctls, struct shash_node *node)
{
    struct sysctl *s = node->data;

    free(s->old);
    free(s->value);
    free(s);
    shash_delete(&sysctls->by_path, node);
}

void
sysctls_destroy(struct sysctls *sysctls)
{
    struct shash_node *node;

    if (sysctls) {
        SHASH_FOR_EACH_SAFE (node, &sysctls->by_path) {
            forget(sysctls, node);
        }
        shash_destroy(&sysctls->by_path);
        free(sysctls);
    }
}

/* Reads a value, without the end of its line.  The device may be gone. */
static bool
read_value(const char *path, char value[VALUE_SIZE])
{
    FILE *stream = fopen(path, "r");
    bool ok = stream && fgets(value, VALUE_SIZE, stream);

    if (ok) {
        value[strcspn(value, "\n")] = '\0';
    }
    if (stream) {
        fclose(stream);
    }
    return ok;
}

static void
write_value(const char *path, const char *value)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);
    FILE *stream = fopen(path, "w");

    if (!stream || fputs(value, stream) < 0 || fflush(stream)) {
        VLOG_WARN_RL(&rl, "%s: cannot be set to %s (%s)", path, value,
                     ovs_strerror(errno));
    } else {
        VLOG_INFO("%s is now %s", path, value);
    }
    if (stream) {
        fclose(stream);
    }
}

static char *
device_path(const char *folder, const char *device, const char *key)
{
    return xasprintf("/proc/sys/net/%s/%s/%s", folder, device, key);
}

bool
sysctls_host_forwards(void)
{
    char value[VALUE_SIZE];

    return (read_value("/proc/sys/net/ipv4/ip_forward", value)
            && strcmp(value, "0"));
}

void
sysctls_start(struct sysctls *sysctls)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &sysctls->by_path) {
        struct sysctl *s = node->data;

        s->wanted = false;
    }
}

static struct sysctl *
find_or_add(struct sysctls *sysctls, const char *path, const char *value)
{
    struct sysctl *s = shash_find_data(&sysctls->by_path, path);

    if (!s) {
        s = xzalloc(sizeof *s);
        s->value = xstrdup(value);
        shash_add(&sysctls->by_path, path, s);
    }
    return s;
}

void
sysctls_adopt(struct sysctls *sysctls, const char *folder, const char *device,
              const char *key, const char *value, const char *old)
{
    char *path = device_path(folder, device, key);
    struct sysctl *s = find_or_add(sysctls, path, value);

    free(s->old);
    s->old = nullable_xstrdup(old);
    free(path);
}

/* A device that was made anew is as it was at first, so every round looks. */
void
sysctls_want(struct sysctls *sysctls, const char *folder, const char *device,
             const char *key, const char *value)
{
    char *path = device_path(folder, device, key);
    struct sysctl *s = find_or_add(sysctls, path, value);
    char now[VALUE_SIZE];

    if (!s->wanted && read_value(path, now) && strcmp(now, value)) {
        free(s->old);
        s->old = xstrdup(now);
        write_value(path, value);
    }
    s->wanted = true;
    free(path);
}

void
sysctls_finish(struct sysctls *sysctls)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &sysctls->by_path) {
        const struct sysctl *s = node->data;
        char now[VALUE_SIZE];

        if (s->wanted) {
            continue;
        }
        if (s->old && read_value(node->name, now) && !strcmp(now, s->value)) {
            write_value(node->name, s->old);
        }
        forget(sysctls, node);
    }
}
