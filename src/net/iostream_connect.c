/*
 * iostream_connect.c - a stream that is connected first. (Tornado: IOStream.connect)
 *
 * The stream exists from the start, and for as long as it connects its consumer is a sink that waits for it to be
 * writable: then SO_ERROR tells how it went. A socket that is connected at once is writable at once, so there is one
 * way for both.
 *
 *   connecting --[writable, SO_ERROR 0]--> `done` with the stream, which has no consumer any more
 *       '--------[error, the loop's end]--> `done` without
 *
 * The future of the public face holds the attempt: when it is complete, cancelled or dropped, the attempt is over.
 */
#include "net/iostream_connect_internal.h"

#include <unistd.h>

#include "async/future_private.h"
#include "net/cidr_internal.h"
#include "net/iostream_struct_internal.h"
#include "net/netutil_internal.h"
#include "util/error_internal.h"

/* ---- The sink of a stream that connects ---- */

static size_t on_data(tc_iostream_t *stream, void *self, tc_bytes_t bytes) {
    (void)stream, (void)self, (void)bytes;
    return 0; /* it is paused: none come */
}

static void on_nothing(tc_iostream_t *stream, void *self) {
    (void)stream, (void)self;
}

static void on_writable(tc_iostream_t *stream, void *self) {
    tc__connect_t *connect = self;
    int err = tc__socket_error(stream->fd);
    if (err < 0) {
        tc__iostream_fail(stream, err);
        return;
    }
    connect->stream = NULL;
    tc__iostream_set_sink(stream, NULL, NULL);
    connect->done(connect, 0, stream);
}

static void on_failed(tc_iostream_t *stream, void *self, int err) {
    tc__connect_t *connect = self;
    (void)stream;
    connect->stream = NULL;
    connect->done(connect, tc__fail(err ? err : TC_ECLOSED, "%s", tc_strerror(err ? err : TC_ECLOSED)), NULL);
}

static const tc__stream_sink_t connecting_sink = { on_data, on_nothing, on_nothing, on_writable, on_failed };

/* ---- An attempt ---- */

static int fail_to_bind(int err, const tc__address_t *from) {
    char text[INET6_ADDRSTRLEN + 12] = "";
    tc__address_format(from, text, sizeof(text));
    return tc__fail(err, "source address %s port %d: %s", text, from->port, tc_strerror(err));
}

/* Any address of the family, if `from` has none itself. */
static int bind_source(int fd, const tc__address_t *from, int family) {
    tc__address_t source = *from;
    source.family = from->family ? from->family : (uint8_t)family;
    struct sockaddr_storage address;
    socklen_t len = tc__address_to_sockaddr(&source, &address);
    if (source.family == AF_INET6 && /* so that an attempt by IPv4 may have the port too */
        tc__sys.setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 1 }, sizeof(int)) < 0)
        return fail_to_bind(-errno, &source);
    if (tc__sys.bind(fd, (struct sockaddr *)&address, len) < 0)
        return fail_to_bind(-errno, &source);
    return 0;
}

/* EINTR: the connect goes on. EAGAIN, which no future may have for its status, is a unix socket's full queue. */
static int begin_connect(int fd, const struct sockaddr *to, socklen_t len) {
    if (tc__sys.connect(fd, to, len) == 0 || errno == EINPROGRESS || errno == EINTR)
        return 0;
    int err = errno == EAGAIN ? TC_EBUSY : -errno;
    return tc__fail(err, "%s", err == TC_EBUSY ? "too many connections wait to be accepted" : tc_strerror(err));
}

static int new_socket(const struct sockaddr *to, socklen_t len, const tc__address_t *from) {
    int fd = tc__socket(to->sa_family);
    if (fd < 0)
        return tc__fail(fd, "%s", tc_strerror(fd));
    int err = 0;
    if (from && (from->family || from->port) && to->sa_family != AF_UNIX)
        err = bind_source(fd, from, to->sa_family);
    if (err == 0)
        err = begin_connect(fd, to, len);
    if (err < 0)
        close(fd);
    return err < 0 ? err : fd;
}

void tc__connect_init(tc__connect_t *connect, void (*done)(tc__connect_t *connect, int err, tc_iostream_t *stream)) {
    connect->stream = NULL;
    connect->done = done;
}

int tc__connect_start(tc__connect_t *connect, tc_ioloop_t *loop, const struct sockaddr *to, socklen_t len,
                      const tc__address_t *from, const tc_iostream_options_t *options) {
    tc_iostream_t *stream = tc__socket_stream(loop, options);
    if (!stream)
        return tc__fail(TC_ENOMEM, "out of memory for a stream");
    int fd = new_socket(to, len, from);
    if (fd < 0) {
        tc__iostream_discard(stream);
        return fd;
    }
    tc__socket_attach(stream, fd, to->sa_family == AF_UNIX);
    tc__iostream_set_sink(stream, &connecting_sink, connect);
    connect->stream = stream;
    stream->want_write = true;
    tc__iostream_watch(stream); /* if it fails, `done` is told soon */
    return 0;
}

void tc__connect_cancel(tc__connect_t *connect) {
    tc_iostream_t *stream = connect->stream;
    connect->stream = NULL;
    if (!stream)
        return;
    tc__iostream_set_sink(stream, NULL, NULL);
    tc_iostream_close(stream);
}

int tc__source_parse(tc__address_t *out, const char *ip, int port) {
    memset(out, 0, sizeof(*out));
    if (port < 0 || port > 65535)
        return tc__misuse(TC_EINVAL, "source port %d: not in 0 to 65535", port);
    if (ip && tc__address_parse_with_zone(tc_str(ip), out) < 0)
        return tc__fail(TC_EINVAL, "source address \"%.64s\": not a numeric address of this machine", ip);
    out->port = (uint16_t)port;
    return 0;
}

void tc__connect_deadline(tc_ioloop_t *loop, tc__timer_t *timer, uint64_t timeout_ms) {
    if (timeout_ms == TC_FOREVER)
        return;
    uint64_t now = tc_ioloop_time(loop), ms = timeout_ms ? timeout_ms : TC__CONNECT_TIMEOUT_MS;
    tc__timer_start(loop, timer, ms > UINT64_MAX - now ? UINT64_MAX : now + ms);
}

void tc__iostream_drop(void *stream) {
    tc_iostream_close(stream);
}

/* ---- The public face ---- */

typedef struct {
    tc_future_t future;
    tc__connect_t connect;
    tc__secure_t secure;
    tc__timer_t deadline;
    uint64_t timeout_ms;
    char name[]; /* what the messages name */
} connecting_t;

static void on_settled(tc_future_t *future) {
    connecting_t *connecting = tc__container_of(future, connecting_t, future);
    tc__timer_stop(future->loop, &connecting->deadline);
    tc__connect_cancel(&connecting->connect);
    tc__secure_end(&connecting->secure);
}

static void fail(connecting_t *connecting, int err) {
    tc__fail(err, "%s: %s", connecting->name, tc_error_detail());
    tc_future_set_error(&connecting->future, err, tc_error_detail());
}

static void on_insecure(tc_future_t *future, int err) {
    fail(tc__container_of(future, connecting_t, future), err);
}

static void on_done(tc__connect_t *connect, int err, tc_iostream_t *stream) {
    connecting_t *connecting = tc__container_of(connect, connecting_t, connect);
    if (err < 0)
        fail(connecting, err);
    else
        tc__secure_start(&connecting->secure, stream);
}

static void on_too_late(tc__timer_t *timer) {
    connecting_t *connecting = tc__container_of(timer, connecting_t, deadline);
    fail(connecting, tc__fail(TC_ETIMEDOUT, "no connection in time"));
}

static void on_cancel(tc_future_t *future, void *user_data) {
    (void)user_data;
    tc_future_set_error(future, TC_ECANCELED, NULL);
}

/* What an address means. */
typedef struct {
    struct sockaddr_storage to;
    socklen_t len;
    tc__address_t from;
} way_t;

static int find_way(way_t *way, const char *address, int port, const tc_iostream_connect_options_t *options) {
    if (!address)
        return tc__misuse(TC_EINVAL, "tc_iostream_connect: the address is NULL");
    if (!tc__all_zero(options->reserved, sizeof(options->reserved)))
        return tc__misuse(TC_EINVAL,
                          "tc_iostream_connect_options_t: reserved is not zero (is the struct initialised?)");
    TC_TRY(tc__iostream_check_options(&options->stream));
    TC_TRY(tc__source_parse(&way->from, options->source_ip, options->source_port));
    if (strncmp(address, "unix:", 5) == 0)
        return tc__unix_address((struct sockaddr_un *)&way->to, &way->len, address + 5);
    tc__address_t numeric;
    if (tc__address_parse_with_zone(tc_str(address), &numeric) < 0)
        return tc__fail(TC_EINVAL, "%.64s: not a numeric address; tc_tcpclient_connect takes names", address);
    if (port < 1 || port > 65535)
        return tc__misuse(TC_EINVAL, "%s: port %d is not in 1 to 65535", address, port);
    numeric.port = (uint16_t)port;
    way->len = tc__address_to_sockaddr(&numeric, &way->to);
    return 0;
}

static connecting_t *new_connecting(tc_ioloop_t *loop, const char *address, int port) {
    size_t size = sizeof(connecting_t) + strlen(address) + sizeof(" port 65535");
    tc_future_t *future = tc__future_alloc(loop, size);
    if (!future)
        return NULL;
    connecting_t *connecting = tc__container_of(future, connecting_t, future);
    const size_t room = size - sizeof(connecting_t);
    if (strncmp(address, "unix:", 5) == 0)
        snprintf(connecting->name, room, "%s", address);
    else
        snprintf(connecting->name, room, "%s port %d", address, port);
    tc__connect_init(&connecting->connect, on_done);
    tc__timer_init(&connecting->deadline, on_too_late);
    future->settled = on_settled;
    tc_future_set_cancel_callback(future, on_cancel, NULL);
    return connecting;
}

tc_future_t *tc_iostream_connect_future(tc_ioloop_t *loop, const char *address, int port,
                                        const tc_iostream_connect_options_t *options) {
    static const tc_iostream_connect_options_t defaults;
    if (!options)
        options = &defaults;
    loop = tc__ioloop_or_current(loop);
    if (!loop)
        return NULL;
    way_t way = { .len = 0 };
    int err = find_way(&way, address, port, options);
    if (err < 0)
        return tc__future_failed(loop, err, tc_error_detail());
    connecting_t *connecting = new_connecting(loop, address, port);
    if (!connecting)
        return NULL;
    tc__connect_deadline(loop, &connecting->deadline, options->timeout_ms);
    err = tc__secure_init(&connecting->secure, &connecting->future, options->tls,
                          options->server_hostname ? options->server_hostname : address, on_insecure);
    if (err == 0)
        err = tc__connect_start(&connecting->connect, loop, (struct sockaddr *)&way.to, way.len, &way.from,
                                &options->stream);
    if (err < 0)
        fail(connecting, err);
    return &connecting->future;
}

typedef struct {
    tc__waiter_t waiter;
    tc_iostream_connect_cb cb;
    void *user_data;
} caller_t;

static void on_outcome(tc__waiter_t *waiter, tc_future_t *future) {
    caller_t caller = *tc__container_of(waiter, caller_t, waiter);
    tc__free(tc__container_of(waiter, caller_t, waiter));
    int err = tc_future_status(future);
    if (err < 0)
        tc__fail(err, "%s", tc_future_message(future));
    caller.cb(tc_future_take(future), err, caller.user_data);
}

/* What fails at once is told at once. */
int tc_iostream_connect(tc_ioloop_t *loop, const char *address, int port, const tc_iostream_connect_options_t *options,
                        tc_iostream_connect_cb cb, void *user_data) {
    if (!cb)
        return tc__misuse(TC_EINVAL, "tc_iostream_connect: the callback is NULL");
    caller_t *caller = tc__malloc(sizeof(*caller));
    if (!caller)
        return tc__fail(TC_ENOMEM, "out of memory for a connection");
    tc_future_t *future = tc_iostream_connect_future(loop, address, port, options);
    int err = tc_future_status(future);
    if (err == TC_EAGAIN) {
        *caller = (caller_t){ .cb = cb, .user_data = user_data };
        tc__waiter_init(&caller->waiter, on_outcome);
        tc__future_wait(future, &caller->waiter); /* holds it */
        err = 0;
    } else {
        tc__free(caller);
    }
    tc_future_unref(future);
    return err;
}
