/*
 * httpserver.c - listening sockets and the connections they brought. (Tornado: httpserver)
 *
 * The server accepts, counts and ends; what happens on a connection is http1connection's, who answers is the
 * delegate's. It is counted: the program holds one reference until tc_httpserver_free, every connection and every drain
 * under way one more, so that freeing it inside any callback is safe.
 *
 * A drain: accept no more, close idle connections, mark every further answer as its connection's last, abort what is
 * left at the deadline. It is over when the last connection is gone.
 */
#include "http/httpserver_internal.h"

#include <string.h>
#include <sys/resource.h>

#include "async/ioloop_internal.h"
#include "http/forwarded_internal.h"
#include "http/http1connection_internal.h"
#include "net/tcpserver_internal.h"
#include "net/tls_context_internal.h"
#include "util/alloc_internal.h"
#include "util/error_internal.h"

enum {
    RESERVED_DESCRIPTORS = 64,
    MAX_GATHERED = 16 * 1024 * 1024 /* heads and trailers are gathered in memory, with 32-bit lengths */
};

typedef struct {
    struct tc__mail mail;
    tc__list_t node; /* in the server's `drains`, once it has begun */
    tc_httpserver_t *server;
    uint64_t timeout_ms;
    tc_httpserver_cb cb;
    void *user_data;
} drain_t;

struct tc_httpserver {
    tc_ioloop_t *loop;
    tc__mailbox_t *mailbox; /* usable from any thread, beyond the loop */
    tc_tcpserver_t *tcpserver;
    tc__http1_params_t params;
    tc__outputs_t outputs;
    tc__cidrs_t trusted;
    char *server_name;
    tc__list_t connections;
    size_t connection_count, orphan_count, max_connections;
    _Atomic size_t refs; /* a drain may be asked for by any thread */
    bool freed, accept_paused, was_cut;
    tc__list_t drains;
    tc__timer_t drain_timer;
    uint64_t drain_deadline;
    tc__soon_t drained;
    void *self;
    tc_free_fn free_self;
};

/* ---- References ---- */

static void unref(tc_httpserver_t *server) {
    if (--server->refs > 0)
        return;
    if (server->free_self)
        server->free_self(server->self);
    tc__mailbox_unref(server->mailbox);
    tc__free(server->server_name);
    tc__cidrs_deinit(&server->trusted);
    tc_tls_context_unref(server->params.tls);
    tc__free(server);
}

/* ---- Connections ---- */

/* Requests that outlive their connection keep its place: else a client that asks and leaves, again and again, could
 * pile up any number of them. */
static bool is_full(const tc_httpserver_t *server) {
    return server->connection_count + server->orphan_count >= server->max_connections;
}

static void accept_again(tc_httpserver_t *server) {
    if (server->accept_paused && !is_full(server)) {
        server->accept_paused = false;
        tc__tcpserver_resume(server->tcpserver);
    }
}

static void on_orphan(void *user_data) {
    tc_httpserver_t *server = user_data;
    server->orphan_count++;
    server->refs++;
}

static void on_orphan_gone(void *user_data) {
    tc_httpserver_t *server = user_data;
    server->orphan_count--;
    accept_again(server);
    unref(server);
}

static void on_connection_close(tc__list_t *node, void *user_data) {
    (void)node;
    tc_httpserver_t *server = user_data;
    server->connection_count--;
    accept_again(server);
    if (server->connection_count == 0 && !tc__list_empty(&server->drains))
        tc__soon_call(server->loop, &server->drained);
    unref(server);
}

static int add_connection(tc_httpserver_t *server, tc_iostream_t *stream, const tc__address_t *peer, bool is_https) {
    tc__http1connection_t *connection;
    TC_TRY(tc__http1connection_new(&connection, stream, &server->params, peer, &server->connections));
    if (is_https)
        tc__http1connection_set_https(connection);
    server->connection_count++;
    server->refs++;
    if (server->tcpserver && is_full(server) && !server->accept_paused) {
        server->accept_paused = true;
        tc__tcpserver_pause(server->tcpserver);
    }
    tc__http1connection_start(connection);
    return 0;
}

static void on_accept(tc_iostream_t *stream, const tc__address_t *peer, void *user_data) {
    add_connection(user_data, stream, peer, false); /* on failure the client sees its connection closed */
}

int tc__httpserver_add_stream(tc_httpserver_t *server, tc_iostream_t *stream, const tc__address_t *peer) {
    return add_connection(server, stream, peer, false);
}

int tc__httpserver_add_https_stream(tc_httpserver_t *server, tc_iostream_t *stream, const tc__address_t *peer) {
    return add_connection(server, stream, peer, true);
}

/* Call fn for each; it may end that connection or any other. */
static void each_connection(tc_httpserver_t *server, void (*fn)(tc__http1connection_t *connection)) {
    tc__list_t todo;
    tc__list_take(&todo, &server->connections);
    while (!tc__list_empty(&todo)) {
        tc__list_t *node = todo.next;
        tc__list_remove(node);
        tc__list_push(&server->connections, node);
        fn(tc__http1connection_from_node(node));
    }
}

/* ---- Draining ---- */

static void on_drained(tc__soon_t *soon) {
    tc_httpserver_t *server = tc__container_of(soon, tc_httpserver_t, drained);
    if (server->connection_count > 0)
        return;
    tc__timer_stop(server->loop, &server->drain_timer);
    tc__list_t done;
    tc__list_take(&done, &server->drains);
    int err = server->was_cut ? TC_ETIMEDOUT : 0;
    server->was_cut = false;
    server->drain_deadline = TC_FOREVER;
    while (!tc__list_empty(&done)) {
        drain_t *drain = tc__container_of(done.next, drain_t, node);
        tc__list_remove(&drain->node);
        if (drain->cb && !server->freed)
            drain->cb(server, err, drain->user_data);
        tc__free(drain);
        unref(server);
    }
}

static void on_drain_deadline(tc__timer_t *timer) {
    tc_httpserver_t *server = tc__container_of(timer, tc_httpserver_t, drain_timer);
    server->was_cut = server->was_cut || server->connection_count > 0;
    server->refs++;
    each_connection(server, tc__http1connection_abort);
    unref(server);
}

static void begin_drain(struct tc__mail *mail, tc_ioloop_t *loop) {
    drain_t *drain = tc__container_of(mail, drain_t, mail);
    tc_httpserver_t *server = drain->server;
    if (!loop || server->freed) {
        tc__free(drain);
        unref(server);
        return;
    }
    tc_httpserver_stop(server);
    tc__list_push(&server->drains, &drain->node);
    uint64_t now = tc__ioloop_now(loop);
    uint64_t deadline = drain->timeout_ms > TC_FOREVER - 1 - now ? TC_FOREVER : now + drain->timeout_ms;
    if (!server->params.draining || deadline < server->drain_deadline) {
        server->drain_deadline = deadline;
        tc__timer_stop(loop, &server->drain_timer);
        if (deadline != TC_FOREVER)
            tc__timer_start(loop, &server->drain_timer, deadline);
    }
    server->params.draining = true;
    server->refs++;
    each_connection(server, tc__http1connection_drain);
    if (server->connection_count == 0)
        tc__soon_call(loop, &server->drained);
    unref(server);
}

int tc_httpserver_drain(tc_httpserver_t *server, uint64_t timeout_ms, tc_httpserver_cb cb, void *user_data) {
    if (!server)
        return tc__misuse(TC_EINVAL, "tc_httpserver_drain: the server is NULL");
    drain_t *drain = tc__calloc(1, sizeof *drain);
    if (!drain)
        return TC_ENOMEM;
    tc__list_init(&drain->node);
    drain->mail.fn = begin_drain;
    drain->server = server;
    drain->timeout_ms = timeout_ms;
    drain->cb = cb;
    drain->user_data = user_data;
    server->refs++;
    int err = tc__mailbox_post(server->mailbox, &drain->mail);
    if (err < 0) {
        tc__free(drain);
        server->refs--;
    }
    return err;
}

/* ---- Options ---- */

static size_t size_or(size_t value, size_t fallback) {
    return value ? value : fallback;
}

static uint64_t time_or(uint64_t value, uint64_t fallback) {
    return value ? value : fallback;
}

static size_t default_max_connections(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return 1024 * 1024;
    size_t most = (size_t)limit.rlim_cur;
    return most > 2 * RESERVED_DESCRIPTORS ? most - RESERVED_DESCRIPTORS : most / 2 + 1;
}

static int set_server_name(tc_httpserver_t *server, const char *name) {
    if (!name)
        name = "tornadoc/" TORNADOC_VERSION;
    if (!tc__is_field_value(tc_str(name)) || strlen(name) > 256)
        return tc__misuse(TC_EINVAL, "server_name is no header field value of at most 256 bytes");
    server->server_name = tc__strndup(name, strlen(name));
    if (!server->server_name)
        return TC_ENOMEM;
    server->params.server_name = tc_str(server->server_name);
    return 0;
}

static int set_trusted(tc_httpserver_t *server, const tc_httpserver_options_t *o) {
    if (o->trusted_fields && (!o->xheaders || o->trusted_fields > TC__TRUST_ALL))
        return tc__misuse(TC_EINVAL, o->xheaders ? "trusted_fields: some are not known to this library"
                                                 : "trusted_fields means nothing without xheaders");
    if (!o->xheaders && !o->proxy_protocol)
        return o->trusted_downstream
                   ? tc__misuse(TC_EINVAL, "trusted_downstream means nothing without xheaders or proxy_protocol")
                   : 0;
    const char *whom = o->trusted_downstream ? o->trusted_downstream : "127.0.0.0/8, ::1, unix";
    int err = tc__cidrs_init(&server->trusted, whom);
    if (err < 0)
        return tc__misuse(err, "trusted_downstream: %s", tc_error_detail());
    server->params.trusted = o->xheaders ? &server->trusted : NULL;
    server->params.trusted_fields = o->trusted_fields ? o->trusted_fields : TC__TRUST_ALL;
    server->params.proxies = o->proxy_protocol ? &server->trusted : NULL;
    return 0;
}

static int set_tls(tc_httpserver_t *server, const tc_httpserver_options_t *o) {
    server->params.handshake_timeout_ms = o->handshake_timeout_ms;
    if (!o->tls)
        return o->handshake_timeout_ms ? tc__misuse(TC_EINVAL, "handshake_timeout_ms means nothing without tls") : 0;
    TC_TRY(tc__tls_check_role(o->tls, true));
    server->params.tls = tc_tls_context_ref(o->tls);
    return 0;
}

static int set_params(tc_httpserver_t *server, const tc_httpserver_options_t *o) {
    tc__http1_params_t *p = &server->params;
    p->max_request_line = size_or(o->max_request_line, 8 * 1024);
    p->max_header_size = size_or(o->max_header_size, 64 * 1024);
    p->max_header_count = size_or(o->max_header_count, 128);
    p->max_body_size = size_or(o->max_body_size, (size_t)100 * 1024 * 1024);
    p->max_trailer_size = size_or(o->max_trailer_size, 16 * 1024);
    p->max_pipelined_size = size_or(o->max_pipelined_size, TC_UNLIMITED);
    p->output_mark = size_or(o->output_mark, 1024 * 1024);
    tc__outputs_init(&server->outputs, size_or(o->max_queued_size, (size_t)1024 * 1024 * 1024));
    p->outputs = &server->outputs;
    p->max_requests = size_or(o->max_requests_per_connection, TC_UNLIMITED);
    p->idle_timeout_ms = time_or(o->idle_timeout_ms, 75000);
    p->header_timeout_ms = time_or(o->header_timeout_ms, 20000);
    p->body_timeout_ms = time_or(o->body_timeout_ms, 30000);
    p->write_timeout_ms = time_or(o->write_timeout_ms, 60000);
    p->no_keep_alive = o->no_keep_alive;
    p->on_connection_close = on_connection_close;
    p->on_orphan = on_orphan;
    p->on_orphan_gone = on_orphan_gone;
    p->user_data = server;
    if (p->max_header_size > MAX_GATHERED)
        p->max_header_size = MAX_GATHERED;
    if (p->max_trailer_size > MAX_GATHERED)
        p->max_trailer_size = MAX_GATHERED;
    if (p->max_header_count > 10000)
        p->max_header_count = 10000;
    if (p->max_request_line > p->max_header_size)
        p->max_request_line = p->max_header_size;
    server->max_connections = size_or(o->max_connections, default_max_connections());
    TC_TRY(set_trusted(server, o));
    TC_TRY(set_tls(server, o));
    return set_server_name(server, o->server_name);
}

/* ---- Life ---- */

static int make_tcpserver(tc_httpserver_t *server, const tc_httpserver_options_t *o) {
    tc_tcpserver_options_t tcp = { .bind = o->bind };
    tcp.stream.max_write_buffer_size = size_or(o->max_output_size, (size_t)64 * 1024 * 1024);
    return tc__tcpserver_new(&server->tcpserver, server->loop, &tcp, on_accept, server);
}

int tc__httpserver_new(tc_httpserver_t **out, tc_ioloop_t *loop, const tc_httpserver_options_t *options,
                       const tc__server_delegate_t *delegate, void *self, tc_free_fn free_self) {
    static const tc_httpserver_options_t defaults;
    const tc_httpserver_options_t *o = options ? options : &defaults;
    loop = tc__ioloop_or_current(loop);
    if (!loop)
        return TC_EINVAL;
    if (!tc__all_zero(o->reserved, sizeof o->reserved))
        return tc__misuse(TC_EINVAL, "tc_httpserver_options_t: `reserved` must be zero");
    tc_httpserver_t *server = tc__calloc(1, sizeof *server);
    if (!server)
        return TC_ENOMEM;
    server->loop = loop;
    server->mailbox = tc__mailbox_ref(loop->mailbox);
    server->refs = 1;
    server->params.delegate = delegate;
    server->params.delegate_self = self;
    tc__list_init(&server->connections);
    tc__list_init(&server->drains);
    tc__timer_init(&server->drain_timer, on_drain_deadline);
    tc__soon_init(&server->drained, on_drained);
    int err = set_params(server, o);
    if (err == 0)
        err = make_tcpserver(server, o);
    if (err < 0) {
        unref(server);
        return err;
    }
    tc__http1_forget_params(loop);
    server->self = self;
    server->free_self = free_self;
    *out = server;
    return 0;
}

void tc_httpserver_free(tc_httpserver_t *server) {
    if (!server || server->freed)
        return;
    server->freed = true;
    tc__timer_stop(server->loop, &server->drain_timer);
    tc_tcpserver_free(server->tcpserver);
    server->tcpserver = NULL;
    server->accept_paused = false;
    each_connection(server, tc__http1connection_abort);
    if (!tc__list_empty(&server->drains))
        tc__soon_call(server->loop, &server->drained);
    unref(server);
}

/* ---- Listening ---- */

int tc_httpserver_listen(tc_httpserver_t *server, const char *address, int port) {
    return server ? tc_tcpserver_listen(server->tcpserver, address, port)
                  : tc__misuse(TC_EINVAL, "tc_httpserver_listen: the server is NULL");
}

int tc_httpserver_add_socket(tc_httpserver_t *server, int fd) {
    return server ? tc_tcpserver_add_socket(server->tcpserver, fd)
                  : tc__misuse(TC_EINVAL, "tc_httpserver_add_socket: the server is NULL");
}

int tc_httpserver_port(const tc_httpserver_t *server) {
    return server ? tc_tcpserver_port(server->tcpserver) : 0;
}

size_t tc_httpserver_connections(const tc_httpserver_t *server) {
    return server ? server->connection_count : 0;
}

void tc_httpserver_stop(tc_httpserver_t *server) {
    if (server && server->tcpserver)
        tc_tcpserver_stop(server->tcpserver);
}
