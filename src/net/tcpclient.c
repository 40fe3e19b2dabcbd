/*
 * tcpclient.c - connecting by name. (Tornado: tcpclient)
 *
 * The addresses are two chains: those of the first one's family, and the others. Each chain has one attempt under way
 * at most; when that fails, the next address of the chain is tried. The second chain begins when the first attempt of
 * all has failed, or has had its head start. (Tornado: _Connector; RFC 6555, RFC 8305)
 *
 *   resolving --[addresses]--> first chain --[300 ms, a failure]--> both chains
 *   any --[connected]--> DONE, the other chain's attempt is closed
 *   any --[both chains at their end, deadline, cancel, dropped, the loop's end]--> FAILED, CANCELLED
 *
 * The future holds all of it: whatever completes it ends what is left.
 */
#include <tornadoc/tcpclient.h>

#include "async/future_private.h"
#include "net/iostream_connect_internal.h"
#include "net/iostream_struct_internal.h"
#include "net/resolver_internal.h"
#include "util/error_internal.h"

enum { HEAD_START_MS = 300 };

struct client;

typedef struct {
    tc__connect_t connect;
    struct client *client;
    size_t next; /* the place in the list from which to look for the next address */
    size_t at;   /* of the one under way */
} chain_t;

typedef struct client {
    tc_future_t future;
    tc__waiter_t resolved;
    tc_addresses_t *addresses; /* NULL: not resolved yet */
    chain_t chains[2];
    tc__secure_t secure;
    tc__timer_t head_start, deadline;
    bool both; /* the second chain has begun */
    int err;   /* of the last attempt that failed; 0: none has */
    char reason[256];
    tc__address_t source;
    tc_iostream_options_t stream;
    int port;
    char host[];
} client_t;

/* ---- Failing ---- */

static void fail(client_t *client, int err, const char *reason) {
    tc__fail(err, "%s port %d: %s", client->host, client->port, reason);
    tc_future_set_error(&client->future, err, tc_error_detail());
}

static void note_failure(chain_t *chain, int err) {
    client_t *client = chain->client;
    const char *address = tc_addresses_get(client->addresses, chain->at);
    client->err = err;
    if (strcmp(address, client->host) == 0)
        snprintf(client->reason, sizeof(client->reason), "%s", tc_error_detail());
    else
        snprintf(client->reason, sizeof(client->reason), "%s: %s", address, tc_error_detail());
}

/* ---- Attempts ---- */

static bool belongs_to(const chain_t *chain, size_t index) {
    const client_t *client = chain->client;
    bool is_first = client->addresses->items[index].address.family == client->addresses->items[0].address.family;
    return is_first == (chain == &client->chains[0]);
}

static int start_attempt(chain_t *chain) {
    client_t *client = chain->client;
    struct sockaddr_storage to;
    socklen_t len = tc__address_to_sockaddr(&client->addresses->items[chain->at].address, &to);
    return tc__connect_start(&chain->connect, client->future.loop, (struct sockaddr *)&to, len, &client->source,
                             &client->stream);
}

/* Until an attempt is under way, or there are no more addresses. */
static void try_next(chain_t *chain) {
    client_t *client = chain->client;
    while (chain->next < client->addresses->count && !chain->connect.stream) {
        chain->at = chain->next++;
        if (!belongs_to(chain, chain->at))
            continue;
        int err = start_attempt(chain);
        if (err < 0)
            note_failure(chain, err);
    }
}

static void begin_second(client_t *client) {
    tc__timer_stop(client->future.loop, &client->head_start);
    if (client->both)
        return;
    client->both = true;
    try_next(&client->chains[1]);
}

static void end_if_all_failed(client_t *client) {
    if (client->both && !client->chains[0].connect.stream && !client->chains[1].connect.stream)
        fail(client, client->err, client->reason);
}

static void on_head_start_over(tc__timer_t *timer) {
    client_t *client = tc__container_of(timer, client_t, head_start);
    begin_second(client);
    end_if_all_failed(client);
}

static void end_attempts(client_t *client) {
    tc__timer_stop(client->future.loop, &client->head_start);
    for (int i = 0; i < 2; i++)
        tc__connect_cancel(&client->chains[i].connect);
}

static void on_insecure(tc_future_t *future, int err) {
    client_t *client = tc__container_of(future, client_t, future);
    char reason[sizeof(client->reason)];
    snprintf(reason, sizeof(reason), "%s", tc_error_detail());
    fail(client, err, reason);
}

static void on_done(tc__connect_t *connect, int err, tc_iostream_t *stream) {
    chain_t *chain = tc__container_of(connect, chain_t, connect);
    client_t *client = chain->client;
    if (err == 0) {
        end_attempts(client);
        tc__secure_start(&client->secure, stream);
        return;
    }
    note_failure(chain, err);
    if (err == TC_ECANCELED) { /* the loop's end */
        fail(client, err, client->reason);
        return;
    }
    try_next(chain);
    begin_second(client);
    end_if_all_failed(client);
}

static void begin_first(client_t *client) {
    tc_ioloop_t *loop = client->future.loop;
    try_next(&client->chains[0]);
    if (client->err == 0)
        tc__timer_start(loop, &client->head_start, tc_ioloop_time(loop) + HEAD_START_MS);
    else
        begin_second(client);
    end_if_all_failed(client);
}

/* ---- The whole ---- */

static void on_resolved(tc__waiter_t *waiter, tc_future_t *future) {
    client_t *client = tc__container_of(waiter, client_t, resolved);
    int err = tc_future_status(future);
    client->addresses = err == 0 ? tc_future_take(future) : NULL;
    if (err < 0)
        fail(client, err, tc_future_message(future));
    else
        begin_first(client);
}

static void on_settled(tc_future_t *future) {
    client_t *client = tc__container_of(future, client_t, future);
    tc_future_state(client->resolved.future); /* a failure that comes now is of no interest */
    tc__waiter_cancel(&client->resolved);
    tc__timer_stop(future->loop, &client->deadline);
    end_attempts(client);
    tc__secure_end(&client->secure);
    tc_addresses_free(client->addresses);
    client->addresses = NULL;
}

static void on_too_late(tc__timer_t *timer) {
    client_t *client = tc__container_of(timer, client_t, deadline);
    char reason[sizeof(client->reason) + 64];
    snprintf(reason, sizeof(reason), "%s%s%s",
             client->addresses ? "no connection in time" : "the name was not resolved in time",
             client->err < 0 ? "; " : "", client->reason);
    fail(client, TC_ETIMEDOUT, reason);
}

static void on_cancel(tc_future_t *future, void *user_data) {
    (void)user_data;
    tc_future_set_error(future, TC_ECANCELED, NULL);
}

/* ---- The face ---- */

/* *family becomes the source address's, if there is one. */
static int check(const char *host, int port, const tc_tcpclient_options_t *options, tc__address_t *source,
                 tc_family_t *family) {
    if (!host || !*host)
        return tc__misuse(TC_EINVAL, "tc_tcpclient_connect: the host is missing");
    if (port < 1 || port > 65535)
        return tc__misuse(TC_EINVAL, "%s: port %d is not in 1 to 65535", host, port);
    if ((int)options->family < TC_ANY_FAMILY || options->family > TC_IPV6)
        return tc__misuse(TC_EINVAL, "tc_tcpclient_options_t: family %d is none", (int)options->family);
    if (!tc__all_zero(options->reserved, sizeof(options->reserved)))
        return tc__misuse(TC_EINVAL, "tc_tcpclient_options_t: reserved is not zero (is the struct initialised?)");
    TC_TRY(tc__iostream_check_options(&options->stream));
    TC_TRY(tc__source_parse(source, options->source_ip, options->source_port));
    if (source->family == 0)
        return 0;
    tc_family_t wanted = source->family == AF_INET ? TC_IPV4 : TC_IPV6;
    if (*family != TC_ANY_FAMILY && *family != wanted)
        return tc__misuse(TC_EINVAL, "source address %s is not of the wanted family", options->source_ip);
    *family = wanted;
    return 0;
}

static client_t *new_client(tc_ioloop_t *loop, const char *host, int port) {
    size_t size = strlen(host) + 1;
    tc_future_t *future = tc__future_alloc(loop, sizeof(client_t) + size);
    if (!future)
        return NULL;
    client_t *client = tc__container_of(future, client_t, future);
    memcpy(client->host, host, size);
    client->port = port;
    tc__waiter_init(&client->resolved, on_resolved);
    tc__timer_init(&client->head_start, on_head_start_over);
    tc__timer_init(&client->deadline, on_too_late);
    for (int i = 0; i < 2; i++) {
        tc__connect_init(&client->chains[i].connect, on_done);
        client->chains[i].client = client;
    }
    future->settled = on_settled;
    tc_future_set_cancel_callback(future, on_cancel, NULL);
    return client;
}

tc_future_t *tc_tcpclient_connect(tc_ioloop_t *loop, const char *host, int port,
                                  const tc_tcpclient_options_t *options) {
    static const tc_tcpclient_options_t defaults;
    if (!options)
        options = &defaults;
    loop = tc__ioloop_or_current(loop);
    if (!loop)
        return NULL;
    tc__address_t source = { .family = 0 };
    tc_family_t family = options->family;
    int err = check(host, port, options, &source, &family);
    if (err < 0)
        return tc__future_failed(loop, err, tc_error_detail());
    tc_future_t *resolving = tc_resolver_resolve(options->resolver, loop, host, port, family);
    client_t *client = resolving ? new_client(loop, host, port) : NULL;
    if (client && tc__secure_init(&client->secure, &client->future, options->tls,
                                  options->server_hostname ? options->server_hostname : host, on_insecure) < 0) {
        tc_future_unref(&client->future);
        client = NULL;
    }
    if (client) {
        client->source = source;
        client->stream = options->stream;
        tc__connect_deadline(loop, &client->deadline, options->timeout_ms);
        tc__future_wait(resolving, &client->resolved);
    }
    if (!client && resolving)
        tc_future_status(resolving); /* looked at */
    tc_future_unref(resolving);
    return client ? &client->future : NULL;
}
