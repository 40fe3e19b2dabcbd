/*
 * connect_test.h - addresses that answer as a test plans it. Any address can be planned, whatever the machine has: a
 * planned socket is one end of a pair, and what it is connected to is the other.
 *
 *   OPENS    writable at once: connected
 *   HANGS    not writable until open_late(): then it is connected
 *   REFUSES  the attempt begins, and fails
 *   FAILS    it does not even begin
 */
#ifndef TC_TESTS_CONNECT_TEST_H
#define TC_TESTS_CONNECT_TEST_H

#include "net/net_test.h"

#include <tornadoc/tcpclient.h>

typedef enum { OPENS, HANGS, REFUSES, FAILS } plan_kind_t;

static struct plan {
    const char *ip;
    plan_kind_t kind;
    int calls;
    int peer; /* the other end of the last attempt's socket */
    int port; /* that was asked for */
    struct sockaddr_storage from;
} plans[8];
static int plan_count;
static tc__sys_t system_calls; /* the real ones */
static struct sockaddr_storage bound_to;

static inline void plan(const char *ip, plan_kind_t kind) {
    plans[plan_count++] = (struct plan){ .ip = ip, .kind = kind, .peer = -1 };
}

static inline struct plan *planned(const char *ip) {
    for (int i = 0; i < plan_count; i++)
        if (strcmp(plans[i].ip, ip) == 0)
            return &plans[i];
    return NULL;
}

static inline int attempts(const char *ip) {
    return planned(ip)->calls;
}

static inline void fill(int fd) {
    char zeros[4096] = { 0 };
    while (send(fd, zeros, sizeof(zeros), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        ;
}

static inline void drain(int fd) {
    char bytes[4096];
    while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ;
}

static inline void open_late(const char *ip) {
    drain(planned(ip)->peer);
}

/* Was the last attempt's socket closed on our side? */
static inline bool was_closed(const char *ip) {
    char c;
    if (planned(ip)->kind == HANGS)
        drain(planned(ip)->peer);
    return recv(planned(ip)->peer, &c, 1, MSG_DONTWAIT) == 0;
}

static inline int planned_socket(int domain, int type, int protocol) {
    (void)domain; /* perhaps this machine has no IPv6 */
    return system_calls.socket(plan_count > 0 ? AF_INET : domain, type, protocol);
}

static inline int planned_bind(int fd, const struct sockaddr *address, socklen_t len) {
    memcpy(&bound_to, address, len);
    return plan_count > 0 ? 0 : system_calls.bind(fd, address, len);
}

static inline int planned_setsockopt(int fd, int level, int name, const void *value, socklen_t len) {
    return plan_count > 0 && level == IPPROTO_IPV6 ? 0 : system_calls.setsockopt(fd, level, name, value, len);
}

static inline int planned_connect(int fd, const struct sockaddr *address, socklen_t len) {
    char text[64];
    tc__address_t to;
    tc__address_from_sockaddr(&to, address);
    tc__address_format(&to, text, sizeof(text));
    struct plan *plan = planned(text);
    if (!plan)
        return system_calls.connect(fd, address, len);
    plan->calls++;
    plan->port = to.port;
    plan->from = bound_to;
    if (plan->kind == FAILS) {
        errno = ENETUNREACH;
        return -1;
    }
    if (plan->kind == REFUSES) { /* by a port where nobody listens */
        struct sockaddr_in nobody = { .sin_family = AF_INET,
                                      .sin_port = htons(1),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        return system_calls.connect(fd, (struct sockaddr *)&nobody, sizeof(nobody));
    }
    int pair[2];
    if (plan->peer >= 0)
        close(plan->peer);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    plan->peer = pair[1];
    dup2(pair[0], fd);
    close(pair[0]);
    if (plan->kind == HANGS)
        fill(fd);
    errno = EINPROGRESS;
    return plan->kind == OPENS ? 0 : -1;
}

static inline void begin_plans(void) {
    system_calls = tc__sys;
    tc__sys.socket = planned_socket;
    tc__sys.bind = planned_bind;
    tc__sys.setsockopt = planned_setsockopt;
    tc__sys.connect = planned_connect;
}

static inline void end_plans(void) {
    for (int i = 0; i < plan_count; i++)
        if (plans[i].peer >= 0)
            close(plans[i].peer);
    plan_count = 0;
    memset(&bound_to, 0, sizeof(bound_to));
    tc__sys = system_calls;
}

/* A name that stands for all planned addresses, in their order. */
static inline tc_resolver_t *resolver_of_plans(const char *name) {
    tc_resolver_t *resolver = NULL;
    if (tc_resolver_new(&resolver) < 0)
        return NULL;
    for (int i = 0; i < plan_count; i++)
        if (tc_resolver_override(resolver, name, 0, plans[i].ip, 0) < 0)
            break;
    return resolver;
}

#endif
