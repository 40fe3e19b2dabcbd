/*
 * resolver.c - names to addresses. (Tornado: netutil.Resolver, DefaultLoopResolver, OverrideResolver)
 *
 * Overrides come first; then what needs no lookup: numeric addresses, and "localhost", which is this machine whatever
 * its files say, or lack (RFC 6761 section 6.3). The rest is libuv's, whose threads call getaddrinfo.
 *
 * A lookup is memory of its own: its thread cannot be stopped, so it may outlast the future, and the loop. Whoever is
 * done first lets go of the other.
 */
#include "net/resolver_internal.h"

#include <netdb.h>
#include <stdio.h>

#include "async/future_private.h"
#include "net/cidr_internal.h"
#include "net/netutil_internal.h"
#include "util/alloc_internal.h"
#include "util/bytes_internal.h"
#include "util/error_internal.h"

/* ---- Lists of addresses ---- */

static tc_addresses_t *new_addresses(size_t capacity) {
    tc_addresses_t *addresses = NULL;
    if (capacity < (SIZE_MAX - sizeof(*addresses)) / sizeof(addresses->items[0]))
        addresses = tc__malloc(sizeof(*addresses) + capacity * sizeof(addresses->items[0]));
    if (addresses)
        addresses->count = 0;
    return addresses;
}

static void add(tc_addresses_t *addresses, const tc__address_t *address, int port, tc_family_t family) {
    if ((family == TC_IPV4 && address->family != AF_INET) || (family == TC_IPV6 && address->family != AF_INET6))
        return;
    size_t i = addresses->count++;
    addresses->items[i].address = *address;
    addresses->items[i].address.port = (uint16_t)port;
    tc__address_format(address, addresses->items[i].text, sizeof(addresses->items[i].text));
}

static void free_addresses(void *addresses) {
    tc__free(addresses);
}

void tc_addresses_free(tc_addresses_t *addresses) {
    free_addresses(addresses);
}

size_t tc_addresses_count(const tc_addresses_t *addresses) {
    return addresses ? addresses->count : 0;
}

const char *tc_addresses_get(const tc_addresses_t *addresses, size_t index) {
    return index < tc_addresses_count(addresses) ? addresses->items[index].text : NULL;
}

int tc_addresses_port(const tc_addresses_t *addresses, size_t index) {
    return index < tc_addresses_count(addresses) ? addresses->items[index].address.port : 0;
}

/* ---- Overrides ---- */

typedef struct override {
    struct override *next;
    int port, to_port; /* 0: every port, the same port */
    bool is_numeric;   /* and then `address` is it */
    tc__address_t address;
    const char *to_host;
    char host[]; /* and behind it `to_host` */
} override_t;

struct tc_resolver {
    override_t *overrides, **tail;
};

int tc_resolver_new(tc_resolver_t **out) {
    if (!out)
        return tc__misuse(TC_EINVAL, "tc_resolver_new: out is NULL");
    tc_resolver_t *resolver = tc__calloc(1, sizeof(*resolver));
    if (!resolver)
        return tc__fail(TC_ENOMEM, "out of memory for a resolver");
    resolver->tail = &resolver->overrides;
    *out = resolver;
    return 0;
}

void tc_resolver_free(tc_resolver_t *resolver) {
    if (!resolver)
        return;
    while (resolver->overrides) {
        override_t *override = resolver->overrides;
        resolver->overrides = override->next;
        tc__free(override);
    }
    tc__free(resolver);
}

static const override_t *find(const override_t *override, const char *host, int port) {
    while (override && (override->port != port || !tc__bytes_equal_nocase(tc_str(override->host), tc_str(host))))
        override = override->next;
    return override;
}

static int check_override(const tc_resolver_t *resolver, const char *host, int port, const char *to_host, int to_port) {
    if (!resolver || !host || !*host || !to_host || !*to_host)
        return tc__misuse(TC_EINVAL, "tc_resolver_override: %s is missing",
                          !resolver         ? "the resolver"
                          : !host || !*host ? "the host"
                                            : "the host it stands for");
    if (port < 0 || port > 65535 || to_port < 0 || to_port > 65535)
        return tc__misuse(TC_EINVAL, "tc_resolver_override: port %d is not in 0 to 65535",
                          port < 0 || port > 65535 ? port : to_port);
    return 0;
}

int tc_resolver_override(tc_resolver_t *resolver, const char *host, int port, const char *to_host, int to_port) {
    TC_TRY(check_override(resolver, host, port, to_host, to_port));
    tc__address_t address;
    bool is_numeric = tc__address_parse_with_zone(tc_str(to_host), &address) == 0;
    const override_t *other = find(resolver->overrides, host, port);
    if (other && !(other->is_numeric && is_numeric))
        return tc__fail(TC_EEXIST, "%s stands for %s already; several are possible if all are numeric", host,
                        other->to_host);
    size_t host_size = strlen(host) + 1, to_size = strlen(to_host) + 1;
    override_t *override = tc__calloc(1, sizeof(*override) + host_size + to_size);
    if (!override)
        return tc__fail(TC_ENOMEM, "out of memory for an override");
    override->port = port;
    override->to_port = to_port;
    override->is_numeric = is_numeric;
    if (is_numeric)
        override->address = address;
    memcpy(override->host, host, host_size);
    override->to_host = memcpy(override->host + host_size, to_host, to_size);
    *resolver->tail = override;
    resolver->tail = &override->next;
    return 0;
}

/* ---- What is wanted ---- */

typedef struct {
    const char *host;
    int port;
    tc_family_t family;
} query_t;

static tc_addresses_t *from_overrides(const override_t *override, const query_t *query) {
    size_t count = 0;
    for (const override_t *o = override; o; o = find(o->next, override->host, override->port))
        count++;
    tc_addresses_t *addresses = new_addresses(count);
    for (const override_t *o = override; o && addresses; o = find(o->next, override->host, override->port))
        add(addresses, &o->address, o->to_port ? o->to_port : query->port, query->family);
    return addresses;
}

/* The addresses of a host that is none, or is known. False: a lookup has to tell. */
static bool is_known(const query_t *query, tc_addresses_t **out) {
    static const char *const local[] = { "::1", "127.0.0.1" };
    tc__address_t address;
    bool is_local = tc__bytes_equal_nocase(tc_str(query->host), tc_str("localhost"));
    if (!is_local && tc__address_parse_with_zone(tc_str(query->host), &address) < 0)
        return false;
    *out = new_addresses(2);
    if (*out && !is_local)
        add(*out, &address, query->port, query->family);
    for (size_t i = 0; *out && is_local && i < 2; i++)
        if (tc__address_parse(tc_str(local[i]), &address) == 0)
            add(*out, &address, query->port, query->family);
    return true;
}

static void complete(tc_future_t *future, tc_addresses_t *addresses, const char *host) {
    if (addresses && addresses->count > 0) {
        tc_future_set_result(future, addresses, free_addresses);
        return;
    }
    int err = addresses ? tc__fail(TC_ENOENT, "%s: no address of the wanted family", host)
                        : tc__fail(TC_ENOMEM, "%s: out of memory for its addresses", host);
    tc__free(addresses);
    tc_future_set_error(future, err, tc_error_detail());
}

/* ---- Lookups ---- */

typedef struct {
    uv_getaddrinfo_t request;
    tc_future_t *future; /* NULL: nobody waits any more */
    query_t query;
    char host[];
} lookup_t;

typedef struct {
    tc_future_t future;
    lookup_t *lookup; /* NULL: it has come back, or was never sent */
} resolving_t;

static int code_of(int status) {
    switch (status) {
    case UV_EAI_MEMORY:
        return TC_ENOMEM;
    case UV_EAI_CANCELED:
        return TC_ECANCELED;
    case UV_EAI_NONAME:
    case UV_EAI_NODATA:
    case UV_EAI_ADDRFAMILY:
        return TC_ENOENT;
    default:
        return status;
    }
}

static tc_addresses_t *from_list(const struct addrinfo *list, const query_t *query) {
    size_t count = 0;
    for (const struct addrinfo *info = list; info; info = info->ai_next)
        count++;
    tc_addresses_t *addresses = new_addresses(count);
    for (const struct addrinfo *info = list; info && addresses; info = info->ai_next) {
        tc__address_t address;
        if (info->ai_family != AF_INET && info->ai_family != AF_INET6)
            continue;
        tc__address_from_sockaddr(&address, info->ai_addr);
        add(addresses, &address, query->port, query->family);
    }
    return addresses;
}

static void fail_lookup(tc_future_t *future, const char *host, int status) {
    int err = tc__fail(code_of(status), "%s: %s", host,
                       code_of(status) == TC_ENOENT ? "there is no host of that name" : tc_strerror(status));
    tc_future_set_error(future, err, tc_error_detail());
}

/* Perhaps the loop is gone: then so is the future. */
static void on_looked_up(uv_getaddrinfo_t *request, int status, struct addrinfo *list) {
    lookup_t *lookup = tc__container_of(request, lookup_t, request);
    tc_future_t *future = lookup->future;
    if (future) {
        tc__container_of(future, resolving_t, future)->lookup = NULL;
        if (status < 0)
            fail_lookup(future, lookup->host, status);
        else
            complete(future, from_list(list, &lookup->query), lookup->host);
    }
    uv_freeaddrinfo(list);
    tc__free(lookup);
}

static void on_settled(tc_future_t *future) {
    resolving_t *resolving = tc__container_of(future, resolving_t, future);
    if (!resolving->lookup)
        return;
    resolving->lookup->future = NULL;
    uv_cancel((uv_req_t *)&resolving->lookup->request); /* no matter if it runs already */
    resolving->lookup = NULL;
}

static void on_cancel(tc_future_t *future, void *user_data) {
    (void)user_data;
    tc_future_set_error(future, TC_ECANCELED, NULL);
}

static int start_lookup(resolving_t *resolving, const query_t *query) {
    static const int families[] = { [TC_ANY_FAMILY] = AF_UNSPEC, [TC_IPV4] = AF_INET, [TC_IPV6] = AF_INET6 };
    struct addrinfo hints = { .ai_family = families[query->family], .ai_socktype = SOCK_STREAM };
    size_t size = strlen(query->host) + 1;
    lookup_t *lookup = tc__malloc(sizeof(*lookup) + size);
    if (!lookup)
        return TC_ENOMEM;
    memcpy(lookup->host, query->host, size);
    lookup->query = *query;
    lookup->query.host = lookup->host;
    lookup->future = &resolving->future;
    int err = tc__sys.getaddrinfo(resolving->future.loop->uv, &lookup->request, on_looked_up, lookup->host, NULL,
                                  &hints);
    if (err < 0)
        tc__free(lookup);
    else
        resolving->lookup = lookup;
    return err;
}

static tc_future_t *look_up(tc_ioloop_t *loop, const query_t *query) {
    tc_future_t *future = tc__future_alloc(loop, sizeof(resolving_t));
    if (!future)
        return NULL;
    future->settled = on_settled;
    tc_future_set_cancel_callback(future, on_cancel, NULL);
    int err = start_lookup(tc__container_of(future, resolving_t, future), query);
    if (err < 0)
        fail_lookup(future, query->host, err);
    return future;
}

/* ---- The face ---- */

static int check_query(const query_t *query) {
    if (!query->host || !*query->host)
        return tc__misuse(TC_EINVAL, "tc_resolver_resolve: the host is missing");
    if (query->port < 0 || query->port > 65535)
        return tc__misuse(TC_EINVAL, "%s: port %d is not in 0 to 65535", query->host, query->port);
    if ((int)query->family < TC_ANY_FAMILY || query->family > TC_IPV6)
        return tc__misuse(TC_EINVAL, "%s: family %d is none", query->host, (int)query->family);
    return 0;
}

tc_future_t *tc_resolver_resolve(tc_resolver_t *resolver, tc_ioloop_t *loop, const char *host, int port,
                                 tc_family_t family) {
    query_t query = { host, port, family };
    loop = tc__ioloop_or_current(loop);
    if (!loop)
        return NULL;
    int err = check_query(&query);
    if (err < 0)
        return tc__future_failed(loop, err, tc_error_detail());

    const override_t *override = resolver ? find(resolver->overrides, host, port) : NULL;
    if (!override && resolver)
        override = find(resolver->overrides, host, 0);
    tc_addresses_t *addresses = NULL;
    if (override && override->is_numeric) {
        addresses = from_overrides(override, &query);
    } else {
        if (override) {
            query.host = override->to_host;
            query.port = override->to_port ? override->to_port : port;
        }
        if (!is_known(&query, &addresses))
            return look_up(loop, &query);
    }
    tc_future_t *future = tc_future_new(loop);
    if (future)
        complete(future, addresses, host);
    else
        tc__free(addresses);
    return future;
}
