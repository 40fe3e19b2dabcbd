/*
 * tcpserver.c - accepting connections. (Tornado: tcpserver)
 *
 * The listening sockets are watched level-triggered; an event accepts some connections, and what remains is reported
 * again. How many one event tries follows what came before (`batch`): trying once more than there are connections costs
 * a system call for nothing, trying too few costs a turn of the loop. If turns are long, who waits in the system's
 * queue waits for many of them: then most are taken that one event may take.
 *
 * Out of descriptors, or of memory, or not allowed to accept, the server is starving: it stops watching, so that
 * nothing spins, and the clients wait in the system's queue. It looks again after 100 ms, and when a stream of this
 * loop gives its descriptor back; until then it is what keeps the loop alive, as its sockets do otherwise. The episode
 * ends when the queue was emptied; it is logged once, and its end.
 *
 *   watching --[EMFILE, ENFILE, ENOBUFS, ENOMEM …]--> starving --[timer, room: accept again]--> watching
 *   either   --[tc__tcpserver_pause]--> paused --[tc__tcpserver_resume]--> watching
 *
 * A server without a callback is paused until somebody awaits a connection, and again when an event finds nobody who
 * does: who awaits one after the other costs no change of what is watched.
 *
 * The memory of a connection is taken before it is accepted: without it the client would have to be turned away.
 */
#include "net/tcpserver_internal.h"

#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "async/future_private.h"
#include "net/iostream_connect_internal.h"
#include "net/iostream_struct_internal.h"
#include "net/netutil_internal.h"
#include "net/tls_transport_internal.h"
#include "util/error_internal.h"
#include "util/log_internal.h"

enum { MOST_ACCEPTS = 256, FULL_BATCHES = 8, LONG_TURN_MS = 2, RETRY_MS = 100 };

typedef struct listener {
    uv_poll_t poll;
    tc_tcpserver_t *server; /* referenced */
    struct listener *next;
    int fd;                /* -1: closed */
    unsigned batch;        /* how many connections an event tries to take */
    unsigned full_batches; /* in a row */
    uint64_t full_ms;      /* when the last one was */
    bool is_tcp;
    bool watching;
    bool gives_nodelay; /* accepted sockets inherit TCP_NODELAY */
    bool knows_nodelay;
} listener_t;

struct tc_tcpserver {
    tc_ioloop_t *loop; /* NULL: the loop was freed */
    tc__list_t node;   /* in the loop's servers */
    tc__list_t hungry; /* in the loop's starving */
    tc__timer_t retry;
    listener_t *listeners, **listeners_tail;
    tc_iostream_t *spare; /* for the next connection */
    tc_tcpserver_options_t options;
    tc_tcpserver_cb cb;
    tc__accept_cb accept_cb; /* instead of cb */
    tc__list_t accepts;      /* futures that wait for a connection; of a server without either */
    void *user_data;
    unsigned refs;
    bool starving;
    bool paused;
};

static void unref(tc_tcpserver_t *server) {
    if (--server->refs > 0)
        return;
    tc__list_remove(&server->node);
    tc_tls_context_unref(server->options.tls);
    tc__free(server);
}

static tc__net_t *net_of(const tc_tcpserver_t *server) {
    return tc__ioloop_local(server->loop, TC__LOCAL_NET);
}

/* ---- Watching ---- */

static void on_event(uv_poll_t *poll, int status, int events);

static void watch(listener_t *listener) {
    tc_tcpserver_t *server = listener->server;
    bool wanted = !server->starving && !server->paused;
    if (listener->fd < 0 || listener->watching == wanted)
        return;
    int err = wanted ? uv_poll_start(&listener->poll, UV_READABLE, on_event) : uv_poll_stop(&listener->poll);
    if (err < 0)
        tc__log(TC__LOG_GENERAL, TC_LOG_ERROR, NULL, "a listening socket cannot be watched: %s", tc_strerror(err));
    else
        listener->watching = wanted;
}

static void watch_all(tc_tcpserver_t *server) {
    for (listener_t *listener = server->listeners; listener; listener = listener->next)
        watch(listener);
}

/* ---- Starving ---- */

static void starve(tc_tcpserver_t *server, int err) {
    if (!server->starving) {
        tc__log(TC__LOG_GENERAL, TC_LOG_WARNING, NULL,
                "no more connections can be accepted: %s; new clients wait until there is room", tc_strerror(err));
        tc__ioloop_hold(server->loop);
    }
    server->starving = true;
    if (tc__list_empty(&server->hungry))
        tc__list_push(&net_of(server)->starving, &server->hungry);
    tc__timer_start(server->loop, &server->retry, tc__ioloop_now(server->loop) + RETRY_MS);
    watch_all(server);
}

static void stop_starving(tc_tcpserver_t *server) {
    if (server->starving)
        tc__ioloop_release(server->loop);
    server->starving = false;
    tc__list_remove(&server->hungry);
    tc__timer_stop(server->loop, &server->retry);
}

static void recover(tc_tcpserver_t *server) {
    stop_starving(server);
    tc__log(TC__LOG_GENERAL, TC_LOG_INFO, NULL, "connections are accepted again");
    watch_all(server);
}

/* ---- Accepting ---- */

/* Linux and the BSDs give the listening socket's TCP_NODELAY to what it accepts: asked once. */
static bool has_nodelay(listener_t *listener, int fd) {
    if (!listener->is_tcp)
        return true; /* nothing to set */
    if (!listener->knows_nodelay) {
        int on = 0;
        socklen_t len = sizeof(on);
        listener->knows_nodelay = true;
        listener->gives_nodelay = tc__sys.getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len) == 0 && on;
    }
    return listener->gives_nodelay;
}

/* A future that waits for a connection. */
typedef struct {
    tc_future_t future;
    tc__list_t node; /* in the server's `accepts` */
} accept_t;

static accept_t *first_accept(const tc_tcpserver_t *server) {
    return tc__container_of(server->accepts.next, accept_t, node);
}

static void fail_accepts(tc_tcpserver_t *server, int err, const char *message) {
    while (!tc__list_empty(&server->accepts))
        tc_future_set_error(&first_accept(server)->future, err, message);
}

static bool is_awaited(const tc_tcpserver_t *server) {
    return server->cb || server->accept_cb || !tc__list_empty(&server->accepts);
}

static int start_tls(tc_tcpserver_t *server, tc_iostream_t *stream, const tc__address_t *peer) {
    if (!server->options.tls)
        return 0;
    return tc__tls_start(stream, &(tc__tls_params_t){ .context = server->options.tls,
                                                      .server = true,
                                                      .handshake_timeout_ms = server->options.handshake_timeout_ms,
                                                      .peer = peer });
}

static void hand_out(tc_tcpserver_t *server, tc_iostream_t *stream, const struct sockaddr *address) {
    tc__address_t peer;
    tc__address_from_sockaddr(&peer, address);
    if (start_tls(server, stream, &peer) < 0) {
        static tc__log_limit_t limit;
        tc__log_limited(&limit, TC__LOG_GENERAL, TC_LOG_WARNING, NULL, "a connection was closed: %s",
                        tc_error_detail());
        tc_iostream_close(stream);
        return;
    }
    if (server->accept_cb) {
        server->accept_cb(stream, &peer, server->user_data);
        return;
    }
    tc__iostream_set_peer(stream, &peer);
    if (!server->cb) {
        tc_future_set_result(&first_accept(server)->future, stream, tc__iostream_drop);
    } else {
        char text[INET6_ADDRSTRLEN + 12]; /* the stream's own would need memory */
        tc__address_format(&peer, text, sizeof(text));
        server->cb(server, stream, text, server->user_data);
    }
}

/* 0: one was accepted, or one was lost on the way; else why not. */
static int accept_one(listener_t *listener) {
    tc_tcpserver_t *server = listener->server;
    if (!server->spare)
        server->spare = tc__socket_stream(server->loop, &server->options.stream);
    if (!server->spare)
        return TC_ENOMEM;
    struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
    socklen_t len = sizeof(address);
    int fd = tc__accept(listener->fd, (struct sockaddr *)&address, &len);
    if (fd < 0)
        return fd;
    tc_iostream_t *stream = server->spare;
    server->spare = NULL;
    tc__socket_attach(stream, fd, has_nodelay(listener, fd));
    hand_out(server, stream, (struct sockaddr *)&address);
    return 0;
}

static void close_listener(listener_t *listener);

/* An event took as many as it tries: more may be waiting. */
static void grow_batch(listener_t *listener) {
    uint64_t now = uv_now(listener->server->loop->uv), before = listener->full_ms;
    listener->full_ms = now;
    if (listener->full_batches++ > 0 && now - before >= LONG_TURN_MS) {
        listener->batch = MOST_ACCEPTS;
    } else if (listener->full_batches >= FULL_BATCHES || listener->server->starving) {
        listener->full_batches = 0;
        if (listener->batch < MOST_ACCEPTS)
            listener->batch *= 2;
    }
}

/* Take up to `most`. The server is kept alive by its caller, but may be stopped or paused in between. */
static void accept_some(listener_t *listener, unsigned most) {
    tc_tcpserver_t *server = listener->server;
    for (unsigned accepted = 0; accepted < most; accepted++) {
        if (listener->fd < 0 || server->paused)
            return;
        if (!is_awaited(server)) {
            if (accepted == 0)
                tc__tcpserver_pause(server);
            return;
        }
        int err = accept_one(listener);
        switch (err) {
        case 0:
            break;
        case -EAGAIN:
            listener->batch = accepted > 0 ? accepted : 1;
            listener->full_batches = 0;
            if (server->starving)
                recover(server);
            return;
        case -ECONNABORTED: /* that client is gone already, or its network has a fault: accept tells of either */
        case -EPROTO:
        case -ENETDOWN:
        case -ENETUNREACH:
        case -EHOSTDOWN:
        case -EHOSTUNREACH:
        case -ENOPROTOOPT:
        case -EOPNOTSUPP:
            break;
        case -EBADF:
        case -EINVAL:
        case -ENOTSOCK: /* somebody else closed it, or it does not listen */
            tc__log(TC__LOG_GENERAL, TC_LOG_ERROR, NULL, "a listening socket is broken and was closed: %s",
                    tc_strerror(err));
            close_listener(listener);
            return;
        default: /* no descriptors, no memory, not allowed: at once it would be the same again */
            starve(server, err);
            return;
        }
    }
    if (listener->fd >= 0)
        grow_batch(listener);
}

static void on_event(uv_poll_t *poll, int status, int events) {
    listener_t *listener = tc__container_of(poll, listener_t, poll);
    tc_tcpserver_t *server = listener->server;
    (void)events;
    if (status < 0) { /* libuv has stopped the handle; accept tells what it is */
        listener->watching = false;
        tc__socket_error(listener->fd);
    }
    server->refs++;
    accept_some(listener, listener->batch);
    watch(listener);
    unref(server);
}

/* Is there room again? */
static void try_again(tc_tcpserver_t *server) {
    server->refs++;
    tc__timer_stop(server->loop, &server->retry);
    for (listener_t *listener = server->listeners; listener && !server->paused; listener = listener->next) {
        if (listener->fd < 0)
            continue;
        accept_some(listener, MOST_ACCEPTS);
        if (tc__timer_active(&server->retry)) /* still none */
            break;
    }
    if (server->loop && server->starving && !tc__timer_active(&server->retry)) {
        if (server->listeners && !server->paused) /* room, and more clients than one turn should take */
            tc__timer_start(server->loop, &server->retry, tc__ioloop_now(server->loop));
        else
            stop_starving(server);
    }
    unref(server);
}

static void on_retry(tc__timer_t *timer) {
    try_again(tc__container_of(timer, tc_tcpserver_t, retry));
}

/* A stream of the loop gave its descriptor back. */
static void on_room(tc__net_t *net) {
    tc__list_t waiting;
    tc__list_take(&waiting, &net->starving);
    while (!tc__list_empty(&waiting)) {
        tc_tcpserver_t *server = tc__container_of(waiting.next, tc_tcpserver_t, hungry);
        tc__list_remove(&server->hungry);
        tc__list_push(&net->starving, &server->hungry);
        try_again(server);
    }
}

/* ---- Life ---- */

static void on_listener_closed(uv_handle_t *handle) {
    listener_t *listener = tc__container_of((uv_poll_t *)handle, listener_t, poll);
    unref(listener->server);
    tc__free(listener);
}

static void close_listener(listener_t *listener) {
    if (listener->fd < 0)
        return;
    listener_t **link = &listener->server->listeners;
    while (*link != listener)
        link = &(*link)->next;
    *link = listener->next;
    if (!listener->next)
        listener->server->listeners_tail = link;
    uv_close((uv_handle_t *)&listener->poll, on_listener_closed);
    close(listener->fd);
    listener->fd = -1;
    if (!listener->server->listeners)
        fail_accepts(listener->server, TC_ECLOSED, "the server has stopped");
}

static int check_options(const tc_tcpserver_options_t *options) {
    if (!options)
        return 0;
    if (!tc__all_zero(options->reserved, sizeof(options->reserved)))
        return tc__misuse(TC_EINVAL, "tc_tcpserver_options_t: reserved is not zero (is the struct initialised?)");
    return tc__iostream_check_options(&options->stream);
}

static void drop_servers(tc__net_t *net) {
    while (!tc__list_empty(&net->servers)) {
        tc_tcpserver_t *server = tc__container_of(net->servers.next, tc_tcpserver_t, node);
        fail_accepts(server, TC_ECANCELED, NULL);
        tc_tcpserver_stop(server);
        tc__list_remove(&server->node);
        server->loop = NULL;
    }
}

static int new_server(tc_tcpserver_t **out, tc_ioloop_t *loop, const tc_tcpserver_options_t *options) {
    if (!out)
        return tc__misuse(TC_EINVAL, "tc_tcpserver_new: out is NULL");
    loop = tc__ioloop_or_current(loop);
    if (!loop)
        return TC_EINVAL;
    TC_TRY(check_options(options));
    tc__net_t *net = tc__net(loop);
    tc_tcpserver_t *server = net ? tc__calloc(1, sizeof(*server)) : NULL;
    if (!server)
        return tc__fail(TC_ENOMEM, "out of memory for a server");
    net->on_room = on_room;
    net->drop_servers = drop_servers;
    server->loop = loop;
    tc__list_push(&net->servers, &server->node);
    tc__list_init(&server->hungry);
    tc__list_init(&server->accepts);
    tc__timer_init(&server->retry, on_retry);
    server->listeners_tail = &server->listeners;
    if (options)
        server->options = *options;
    if (server->options.tls)
        tc_tls_context_ref(server->options.tls);
    server->refs = 1;
    *out = server;
    return 0;
}

int tc__tcpserver_new(tc_tcpserver_t **out, tc_ioloop_t *loop, const tc_tcpserver_options_t *options, tc__accept_cb cb,
                      void *user_data) {
    tc_tcpserver_t *server = NULL;
    TC_TRY(new_server(&server, loop, options));
    server->accept_cb = cb;
    server->user_data = user_data;
    *out = server;
    return 0;
}

int tc_tcpserver_new(tc_tcpserver_t **out, tc_ioloop_t *loop, const tc_tcpserver_options_t *options, tc_tcpserver_cb cb,
                     void *user_data) {
    tc_tcpserver_t *server = NULL;
    if (!out)
        return tc__misuse(TC_EINVAL, "tc_tcpserver_new: out is NULL");
    TC_TRY(new_server(&server, loop, options));
    server->cb = cb;
    server->paused = cb == NULL;
    server->user_data = user_data;
    *out = server;
    return 0;
}

/*
 * What accepted sockets inherit; wishes, both. Without a limit Linux takes up to 4 MiB for a peer that reads nothing:
 * time that the others wait, for bytes that a window of the peer's may never ask for, and memory that no limit of ours
 * counts.
 */
static void ask_for_options(int fd) {
    tc__set_nodelay(fd, true);
    tc__set_unsent_limit(fd, TC__SEND_BUDGET);
}

static int new_listener(tc_tcpserver_t *server, int fd) {
    if (!server->loop)
        return tc__fail(TC_ECLOSED, "the server's loop was freed");
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    if (tc__sys.getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        return tc__fail(-errno, "descriptor %d: %s", fd, tc_strerror(-errno));
#ifdef SO_ACCEPTCONN
    int listens = 0;
    socklen_t size = sizeof(listens);
    if (tc__sys.getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && !listens)
        return tc__fail(TC_EINVAL, "descriptor %d: the socket does not listen", fd);
#endif
    listener_t *listener = tc__calloc(1, sizeof(*listener));
    if (!listener)
        return tc__fail(TC_ENOMEM, "out of memory for a listening socket");
    int err = uv_poll_init(server->loop->uv, &listener->poll, fd); /* makes it non-blocking, too */
    if (err < 0) {
        tc__free(listener);
        return tc__fail(err, "descriptor %d: %s", fd, tc_strerror(err));
    }
    listener->is_tcp = address.ss_family == AF_INET || address.ss_family == AF_INET6;
    if (listener->is_tcp)
        ask_for_options(fd);
    listener->server = server;
    server->refs++;
    listener->fd = fd;
    listener->batch = 1;
    *server->listeners_tail = listener;
    server->listeners_tail = &listener->next;
    watch(listener);
    return 0;
}

int tc_tcpserver_add_socket(tc_tcpserver_t *server, int fd) {
    int err = server ? new_listener(server, fd) : tc__misuse(TC_EINVAL, "tc_tcpserver_add_socket: server is NULL");
    if (err < 0 && fd >= 0)
        close(fd);
    return err;
}

int tc_tcpserver_listen(tc_tcpserver_t *server, const char *address, int port) {
    if (!server)
        return tc__misuse(TC_EINVAL, "tc_tcpserver_listen: server is NULL");
    int fds[TC_MAX_SOCKETS];
    int count = tc_bind_sockets(fds, address, port, &server->options.bind);
    int err = count < 0 ? count : 0;
    for (int i = 0; i < count; i++) { /* all or none is not promised: what listens, listens */
        int rc = tc_tcpserver_add_socket(server, fds[i]);
        if (rc < 0)
            err = rc;
    }
    return err;
}

static void on_accept_settled(tc_future_t *future) {
    tc__list_remove(&tc__container_of(future, accept_t, future)->node);
}

static void on_accept_cancel(tc_future_t *future, void *user_data) {
    (void)user_data;
    tc_future_set_error(future, TC_ECANCELED, NULL);
}

tc_future_t *tc_tcpserver_accept(tc_tcpserver_t *server) {
    tc_ioloop_t *loop = server ? server->loop : tc__ioloop_or_current(NULL);
    if (!loop)
        return NULL;
    if (!server || server->cb || server->accept_cb)
        return tc__future_failed(loop,
                                 tc__misuse(TC_EINVAL, "tc_tcpserver_accept: the server %s",
                                            server ? "has a callback, which takes all" : "is NULL"),
                                 tc_error_detail());
    if (!server->listeners)
        return tc__future_failed(loop, TC_ECLOSED, "the server does not listen");
    tc_future_t *future = tc__future_alloc(loop, sizeof(accept_t));
    if (!future)
        return NULL;
    tc__list_push(&server->accepts, &tc__container_of(future, accept_t, future)->node);
    future->settled = on_accept_settled;
    tc_future_set_cancel_callback(future, on_accept_cancel, NULL);
    if (server->paused)
        tc__tcpserver_resume(server);
    return future;
}

int tc_tcpserver_port(const tc_tcpserver_t *server) {
    return server && server->listeners ? tc_socket_port(server->listeners->fd) : 0;
}

void tc_tcpserver_stop(tc_tcpserver_t *server) {
    if (!server || !server->loop)
        return;
    while (server->listeners)
        close_listener(server->listeners);
    stop_starving(server);
    tc__iostream_discard(server->spare);
    server->spare = NULL;
}

void tc_tcpserver_free(tc_tcpserver_t *server) {
    if (!server)
        return;
    tc_tcpserver_stop(server);
    unref(server);
}

void tc__tcpserver_pause(tc_tcpserver_t *server) {
    server->paused = true;
    watch_all(server);
}

void tc__tcpserver_resume(tc_tcpserver_t *server) {
    server->paused = false;
    watch_all(server);
}
