/* The load generator: one thread on epoll, fast enough not to hide a fast server, and strict: every answer must be
 * the first one again, byte for byte except for its Date, or the run fails.
 *
 *     bench_load [options] PORT        (127.0.0.1 only; `bench_load --help` lists the options)
 *
 * Requests are those below, or made of --path and --post. With --routes they differ in the path's last three digits, so
 * that one after the other is asked for; the answers do not.
 *
 * A run first asks once and learns what an answer looks like, then opens its connections, one request each, then
 * measures. The result is one line of JSON. With --hold it then waits: a line on stdin starts the same run again on
 * the same connections, the end of stdin ends the program; both fail if the server closed a connection meanwhile. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

/* ---- Requests ---- */

static const char plain[] = "GET / HTTP/1.1\r\n"
                            "Host: hello-world.example.com\r\n"
                            "\r\n";
static_assert(sizeof plain - 1 == 49, "the plain request has 49 bytes");

/* What a browser sends for a page: 13 header fields. */
static const char browser[] =
    "GET / HTTP/1.1\r\n"
    "Host: localhost:8888\r\n"
    "Connection: keep-alive\r\n"
    "sec-ch-ua: \"Chromium\";v=\"130\", \"Not?A_Brand\";v=\"99\"\r\n"
    "sec-ch-ua-mobile: ?0\r\n"
    "sec-ch-ua-platform: \"Linux\"\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/130.0.0.0 Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    "Sec-Fetch-Site: none\r\n"
    "Sec-Fetch-Mode: navigate\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef0123456789abcdef; theme=midnight\r\n"
    "\r\n";
static_assert(sizeof browser - 1 == 622, "the browser's request has 622 bytes");

static const char plain_close[] = "GET / HTTP/1.1\r\n"
                                  "Host: hello-world.example.com\r\n"
                                  "Connection: close\r\n"
                                  "\r\n";

/* ---- Options ---- */

static struct {
    int port;
    int connections;
    int depth;      /* requests per batch: sent in one go, the next batch when all are answered */
    long requests;  /* in all; 0: by time */
    double seconds; /* of the measured run */
    double warmup;  /* seconds before it */
    bool close;     /* a connection per request */
    bool hold;      /* wait on stdin after each run */
    pid_t pid;      /* the server, for its CPU time */
    int tls;        /* 0: in the clear; else the version, TLS1_3_VERSION */
    bool resume;    /* each connection's session goes on with the next */
    const char *request;
    size_t request_len;
    int routes;       /* requests that differ, of the same length, behind one another in `request` */
    const char *body; /* what the answer's body must be */
} options = {
    .connections = 1, .depth = 1, .seconds = 1, .request = plain, .request_len = sizeof plain - 1, .routes = 1
};

static const char usage[] =
    "usage: bench_load [options] PORT\n"
    "  -c, --connections N    open N connections (1)\n"
    "  -d, --depth N          pipeline: N requests per batch (1)\n"
    "  -r, --request KIND     plain (49 bytes) or browser (13 fields, 622 bytes)\n"
    "  -u, --path PATH        ask for PATH, with the plain request's fields\n"
    "  -f, --post FILE        post FILE, which is JSON, to PATH\n"
    "  -g, --gzip             say that gzip is accepted\n"
    "  -k, --routes N         put 000, 001 ... N - 1 behind PATH, one after the other\n"
    "  -x, --close            a new connection per request, closed by the server\n"
    "  -s, --seconds S        run for S seconds (1)\n"
    "  -w, --warmup S         run S seconds unmeasured first (0)\n"
    "  -n, --requests N       send N requests instead, the same number on each connection;\n"
    "                         0: none but the one that each connection begins with\n"
    "  -b, --body TEXT        what the answer's body must be\n"
    "  -p, --pid PID          report the server's CPU time per request\n"
    "  -t, --tls VERSION      TLS, 1.2 or 1.3; whose certificate it is does not matter\n"
    "  -R, --resume           resume the TLS session of the connection before\n"
    "  -h, --hold             keep the connections, again on a line from stdin, end at its end\n";

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    fputs("bench_load: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

/* ---- Requests that are made ---- */

enum { MAX_REQUEST = 64 * 1024, DIGITS = 3 };

static size_t read_file(const char *path, char *out, size_t size) {
    FILE *file = fopen(path, "rb");
    size_t len = file ? fread(out, 1, size, file) : 0;
    if (!file || len == size)
        fail("%s: %s", path, file ? "too large" : strerror(errno));
    fclose(file);
    return len;
}

static size_t make_request(char *out, const char *path, const char *posted, bool gzip, int route) {
    static char body[MAX_REQUEST / 2];
    size_t body_len = posted ? read_file(posted, body, sizeof body) : 0;
    char digits[16] = "";
    if (route >= 0)
        snprintf(digits, sizeof digits, "%0*d", DIGITS, route);
    size_t len = (size_t)snprintf(out, MAX_REQUEST / 2, "%s %s%s HTTP/1.1\r\nHost: hello-world.example.com\r\n%s",
                                  posted ? "POST" : "GET", path, digits, gzip ? "Accept-Encoding: gzip\r\n" : "");
    if (posted)
        len += (size_t)sprintf(out + len, "Content-Type: application/json\r\nContent-Length: %zu\r\n", body_len);
    len += (size_t)sprintf(out + len, "\r\n");
    memcpy(out + len, body, body_len);
    return len + body_len;
}

/* One for each route, all of one length; 0 routes: PATH as it is. */
static void make_requests(const char *path, const char *posted, bool gzip, int routes) {
    char *text = malloc(MAX_REQUEST);
    if (!text || strlen(path) > 1024 || routes < 0 || routes > 1000)
        fail("out of memory, a path that is too long, or more than 1000 routes");
    options.routes = routes > 0 ? routes : 1;
    options.request_len = make_request(text, path, posted, gzip, routes - 1);
    char *all = malloc(options.request_len * (size_t)options.routes);
    if (!all)
        fail("out of memory");
    for (int i = 0; i < options.routes; i++) {
        make_request(text, path, posted, gzip, routes > 0 ? i : -1);
        memcpy(all + (size_t)i * options.request_len, text, options.request_len);
    }
    options.request = all;
    free(text);
}

static void parse_options(int argc, char **argv) {
    const char *path = NULL, *posted = NULL;
    bool gzip = false;
    int routes = 0;
    static const struct option longs[] = {
        { "connections", required_argument, NULL, 'c' },
        { "depth", required_argument, NULL, 'd' },
        { "request", required_argument, NULL, 'r' },
        { "path", required_argument, NULL, 'u' },
        { "post", required_argument, NULL, 'f' },
        { "gzip", no_argument, NULL, 'g' },
        { "routes", required_argument, NULL, 'k' },
        { "close", no_argument, NULL, 'x' },
        { "seconds", required_argument, NULL, 's' },
        { "warmup", required_argument, NULL, 'w' },
        { "requests", required_argument, NULL, 'n' },
        { "body", required_argument, NULL, 'b' },
        { "pid", required_argument, NULL, 'p' },
        { "tls", required_argument, NULL, 't' },
        { "resume", no_argument, NULL, 'R' },
        { "hold", no_argument, NULL, 'h' },
        { "help", no_argument, NULL, 'H' },
        { 0 },
    };
    options.requests = -1;
    for (int c; (c = getopt_long(argc, argv, "c:d:r:u:f:gk:xs:w:n:b:p:t:Rh", longs, NULL)) != -1;) {
        switch (c) {
        case 'c':
            options.connections = atoi(optarg);
            break;
        case 'd':
            options.depth = atoi(optarg);
            break;
        case 'r':
            if (strcmp(optarg, "browser") == 0) {
                options.request = browser;
                options.request_len = sizeof browser - 1;
            } else if (strcmp(optarg, "plain") != 0) {
                fail("no such request: %s", optarg);
            }
            break;
        case 'u':
            path = optarg;
            break;
        case 'f':
            posted = optarg;
            break;
        case 'g':
            gzip = true;
            break;
        case 'k':
            routes = atoi(optarg);
            break;
        case 'x':
            options.close = true;
            break;
        case 's':
            options.seconds = atof(optarg);
            break;
        case 'w':
            options.warmup = atof(optarg);
            break;
        case 'n':
            options.requests = atol(optarg);
            break;
        case 'b':
            options.body = optarg;
            break;
        case 'p':
            options.pid = (pid_t)atoi(optarg);
            break;
        case 't':
            options.tls = strcmp(optarg, "1.2") == 0   ? TLS1_2_VERSION
                          : strcmp(optarg, "1.3") == 0 ? TLS1_3_VERSION
                                                       : -1;
            if (options.tls < 0)
                fail("no such version of TLS: %s", optarg);
            break;
        case 'R':
            options.resume = true;
            break;
        case 'h':
            options.hold = true;
            break;
        case 'H':
            fputs(usage, stdout);
            exit(0);
        default:
            fputs(usage, stderr);
            exit(2);
        }
    }
    options.port = optind == argc - 1 ? atoi(argv[optind]) : 0;
    if (options.port <= 0 || options.port > 65535 || options.connections <= 0 || options.depth <= 0) {
        fputs(usage, stderr);
        exit(2);
    }
    if (path)
        make_requests(path, posted, gzip, routes);
    if ((!path && (posted || gzip || routes)) || (options.routes > 1 && options.depth > 1))
        fail("--post, --gzip and --routes go with --path, and --routes not with --depth");
    if (options.close) {
        if (options.request != plain || options.depth > 1 || options.hold)
            fail("--close goes with the plain request, without --depth and --hold");
        options.request = plain_close;
        options.request_len = sizeof plain_close - 1;
    }
    if (options.requests > 0 && options.requests % ((long)options.connections * options.depth) != 0)
        fail("--requests must be a multiple of connections times depth");
}

/* ---- Clock and latencies ---- */

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The CPU time of all threads of the server so far, user and system. */
static uint64_t server_cpu_ns(void) {
    struct timespec t = { .tv_nsec = 2000000 };
    clockid_t clock;
    if (options.pid == 0)
        return 0;
    nanosleep(&t, NULL); /* the account of a thread is exact when it sleeps, else up to a tick old */
    if (clock_getcpuclockid(options.pid, &clock) != 0 || clock_gettime(clock, &t) < 0)
        fail("no CPU time for process %d: is it gone?", (int)options.pid);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* 64 buckets per octave: exact to 1.6 %. */
enum { SUB_BITS = 6, BUCKETS = (64 - SUB_BITS + 1) << SUB_BITS };
static uint64_t histogram[BUCKETS], recorded, slowest;

static void record_latency(uint64_t ns) {
    int shift = ns >> (SUB_BITS + 1) ? 63 - __builtin_clzll(ns) - SUB_BITS : 0;
    histogram[((uint64_t)shift << SUB_BITS) + (ns >> shift)]++;
    recorded++;
    if (ns > slowest)
        slowest = ns;
}

static double percentile_us(double fraction) {
    uint64_t rank = (uint64_t)(fraction * (double)recorded), seen = 0;
    for (uint64_t i = 0; i < BUCKETS; i++) {
        seen += histogram[i];
        if (seen > rank) {
            uint64_t shift = i >> (SUB_BITS + 1) ? (i >> SUB_BITS) - 1 : 0;
            return (double)((i - (shift << SUB_BITS)) << shift) / 1000.0;
        }
    }
    return 0;
}

/* ---- The expected answer ---- */

static struct {
    char bytes[2 * 1024 * 1024];
    size_t len;
    size_t date, date_end; /* the Date field's value may differ */
} expected;

/* Compare a piece of an answer that begins at `offset` in it. */
static bool as_expected(size_t offset, const char *data, size_t len) {
    size_t end = offset + len;
    size_t before = end < expected.date ? end : expected.date;
    if (offset < before && memcmp(data, expected.bytes + offset, before - offset) != 0)
        return false;
    size_t after = offset > expected.date_end ? offset : expected.date_end;
    return after >= end || memcmp(data + (after - offset), expected.bytes + after, end - after) == 0;
}

static const char *field_value(const char *name) {
    size_t name_len = strlen(name);
    for (const char *line = expected.bytes; (line = strstr(line, "\r\n")) && line[2] != '\r';) {
        line += 2;
        if (strncasecmp(line, name, name_len) == 0 && line[name_len] == ':')
            return line + name_len + 1 + strspn(line + name_len + 1, " ");
    }
    return NULL;
}

typedef struct {
    int fd;
    SSL *ssl;         /* NULL: in the clear */
    int waiting;      /* answers that are still to come */
    size_t offset;    /* bytes of the current answer that are here */
    uint64_t sent_at; /* when the batch went out */
    long quota;       /* requests still to send, when counted */
} connection_t;

/* ---- TLS ---- */

static SSL_CTX *context;
static SSL_SESSION *session; /* the newest */
static long handshakes, resumed;

/* The server gave a session away. */
static int on_session(SSL *ssl, SSL_SESSION *given) {
    (void)ssl;
    SSL_SESSION_free(session);
    session = given;
    return 1;
}

static void make_context(void) {
    context = SSL_CTX_new(TLS_client_method());
    if (!context)
        fail("out of memory");
    SSL_CTX_set_min_proto_version(context, options.tls);
    SSL_CTX_set_max_proto_version(context, options.tls);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_read_ahead(context, 1);
    if (options.resume) {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context, on_session);
    }
}

__attribute__((noreturn)) static void fail_tls(const char *what) {
    char reason[256];
    ERR_error_string_n(ERR_get_error(), reason, sizeof reason);
    fail("%s: %s", what, reason);
}

static SSL *shake_hands(int fd) {
    SSL *ssl = SSL_new(context);
    if (!ssl || SSL_set_fd(ssl, fd) != 1)
        fail("out of memory");
    if (options.resume && session)
        SSL_set_session(ssl, session);
    ERR_clear_error();
    if (SSL_connect(ssl) != 1)
        fail_tls("handshake");
    handshakes++;
    resumed += SSL_session_reused(ssl);
    return ssl;
}

/* As recv, with MSG_DONTWAIT once the socket does not block. */
static ssize_t receive(const connection_t *connection, void *data, size_t len, int flags) {
    if (!connection->ssl)
        return recv(connection->fd, data, len, flags);
    ERR_clear_error();
    int n = SSL_read(connection->ssl, data, (int)len);
    if (n > 0)
        return n;
    int why = SSL_get_error(connection->ssl, n);
    if (why == SSL_ERROR_ZERO_RETURN || why == SSL_ERROR_SYSCALL)
        return 0;
    if (why != SSL_ERROR_WANT_READ)
        fail_tls("read");
    errno = EAGAIN;
    return -1;
}

static void disconnect(connection_t *connection) {
    if (connection->ssl) {
        SSL_shutdown(connection->ssl);
        SSL_free(connection->ssl);
        connection->ssl = NULL;
    }
    close(connection->fd);
}

/* ---- Opening and asking ---- */

static int open_socket(void) {
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((unsigned short)options.port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        fail("socket: %s", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail("connect to port %d: %s", options.port, strerror(errno));
    return fd;
}

static void open_connection(connection_t *connection) {
    connection->fd = open_socket();
    setsockopt(connection->fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ .tv_sec = 10 }, sizeof(struct timeval));
    if (options.tls)
        connection->ssl = shake_hands(connection->fd);
}

static void send_all(const connection_t *connection, const char *data, size_t len) {
    ssize_t sent = connection->ssl ? SSL_write(connection->ssl, data, (int)len)
                                   : send(connection->fd, data, len, MSG_NOSIGNAL);
    if (sent != (ssize_t)len)
        fail("send: %s", sent < 0 ? strerror(errno) : "the server does not read");
}

/* How long a body in chunks is, with its framing; 0: its end is not here. */
static size_t chunked_len(const char *body, size_t len) {
    size_t at = 0;
    for (;;) {
        const char *line_end = memmem(body + at, len - at, "\r\n", 2);
        if (!line_end)
            return 0;
        size_t chunk = strtoul(body + at, NULL, 16);
        at = (size_t)(line_end - body) + 2 + chunk + 2;
        if (at > len)
            return 0;
        if (chunk == 0)
            return at;
    }
}

/* How long the answer is of which `expected` holds the beginning, with its whole head; 0: that is not known yet. */
static size_t answer_len(const char *body) {
    size_t head_len = (size_t)(body - expected.bytes);
    const char *length = field_value("Content-Length");
    if (length)
        return head_len + (size_t)atol(length);
    if (!field_value("Transfer-Encoding"))
        fail("the answer has no Content-Length:\n%s", expected.bytes);
    size_t len = chunked_len(body, expected.len - head_len);
    return len > 0 ? head_len + len : 0;
}

/* Ask once and remember the answer. */
static void learn_answer(void) {
    connection_t connection = { 0 };
    const char *body = NULL;
    open_connection(&connection);
    send_all(&connection, options.request, options.request_len);
    for (size_t want = 1; expected.len < want;) {
        ssize_t n = receive(&connection, expected.bytes + expected.len, sizeof expected.bytes - 1 - expected.len, 0);
        if (n <= 0)
            fail("no complete answer: %s", n < 0 ? strerror(errno) : "closed");
        expected.len += (size_t)n;
        expected.bytes[expected.len] = '\0';
        want = expected.len + 1;
        const char *head_end = strstr(expected.bytes, "\r\n\r\n");
        if (head_end) {
            if (strncmp(expected.bytes, "HTTP/1.1 200 ", 13) != 0)
                fail("the answer is not a 200:\n%s", expected.bytes);
            body = head_end + 4;
            want = answer_len(body);
            if (want == 0)
                want = expected.len + 1;
            if (want >= sizeof expected.bytes || expected.len > want)
                fail("the answer is too long:\n%s", expected.bytes);
        }
    }
    if (options.body && strcmp(body, options.body) != 0)
        fail("the body is not \"%s\" but:\n%s", options.body, expected.bytes);
    const char *date = field_value("Date");
    if (date) {
        expected.date = (size_t)(date - expected.bytes);
        expected.date_end = expected.date + strcspn(date, "\r");
    }
    if (options.close && receive(&connection, &(char){ 0 }, 1, 0) != 0)
        fail("asked to close, the server keeps the connection open");
    disconnect(&connection);
}

/* ---- Connections ---- */

static connection_t *connections;
static int epoll, running;
static char *batch; /* one for each route */
static size_t batch_len;
static long answered, sent_in_all;
static uint64_t deadline; /* no batch begins after it */
static char buffer[256 * 1024];

/* Take what arrived. */
static void take(connection_t *connection, const char *data, size_t len, uint64_t now) {
    while (len > 0) {
        size_t piece = expected.len - connection->offset;
        if (piece > len)
            piece = len;
        if (connection->waiting == 0)
            fail("more answers than requests");
        if (!as_expected(connection->offset, data, piece))
            fail("a wrong answer; after %zu bytes of it came:\n%.*s", connection->offset, (int)piece, data);
        connection->offset += piece;
        data += piece;
        len -= piece;
        if (connection->offset == expected.len) {
            connection->offset = 0;
            connection->waiting--;
            answered++;
            record_latency(now - connection->sent_at);
        }
    }
}

static void watch(connection_t *connection) {
    if (connection->ssl) /* it has no MSG_DONTWAIT */
        fcntl(connection->fd, F_SETFL, fcntl(connection->fd, F_GETFL) | O_NONBLOCK);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd, &event) < 0)
        fail("epoll_ctl: %s", strerror(errno));
}

static void send_batch(const connection_t *connection) {
    send_all(connection, batch + (size_t)(sent_in_all % options.routes) * batch_len, batch_len);
    sent_in_all += options.depth;
}

/* The next batch, or the end of this connection's run. */
static void next_batch(connection_t *connection, uint64_t now) {
    if (options.requests >= 0 ? connection->quota == 0 : now >= deadline) {
        running--;
        return;
    }
    connection->quota -= options.depth;
    connection->waiting = options.depth;
    connection->sent_at = now;
    if (options.close) {
        open_connection(connection);
        watch(connection);
    }
    send_batch(connection);
}

/* @return whether there may be more without another event */
static bool take_some(connection_t *connection) {
    ssize_t n = receive(connection, buffer, sizeof buffer, MSG_DONTWAIT);
    uint64_t now = now_ns();
    if (n < 0) {
        if (errno == EAGAIN)
            return false;
        fail("recv: %s", strerror(errno));
    }
    if (n > 0)
        take(connection, buffer, (size_t)n, now);
    else if (!options.close || connection->waiting > 0)
        fail("the server closed a connection%s", connection->waiting > 0 ? " before its answer" : "");
    bool more = n > 0 && connection->ssl && SSL_has_pending(connection->ssl);
    if (n == 0)
        disconnect(connection);
    if (connection->waiting == 0 && (n == 0 || !options.close))
        next_batch(connection, now);
    return more;
}

static void on_readable(connection_t *connection) {
    while (take_some(connection))
        continue;
}

/* One request on a fresh connection: it is accepted, and the server has done all it does once. */
static void greet(connection_t *connection) {
    open_connection(connection);
    connection->waiting = 1;
    connection->sent_at = now_ns();
    send_all(connection, options.request, options.request_len);
    sent_in_all++;
    while (connection->waiting > 0) {
        ssize_t n = receive(connection, buffer, sizeof buffer, 0);
        if (n <= 0)
            fail("no answer on connection %td: %s", connection - connections, n < 0 ? strerror(errno) : "closed");
        take(connection, buffer, (size_t)n, now_ns());
    }
    watch(connection);
}

static void run(double seconds) {
    uint64_t start = now_ns();
    deadline = start + (uint64_t)(seconds * 1e9);
    running = options.connections;
    for (int i = 0; i < options.connections; i++) {
        connections[i].quota = options.requests / options.connections;
        next_batch(&connections[i], start);
    }
    while (running > 0) {
        struct epoll_event events[256];
        int n = epoll_wait(epoll, events, 256, 10000);
        if (n == 0)
            fail("no answer for ten seconds: %d connections wait", running);
        for (int i = 0; i < n; i++)
            on_readable(events[i].data.ptr);
    }
}

static void measure(void) {
    memset(histogram, 0, sizeof histogram);
    recorded = slowest = 0;
    answered = 0;
    uint64_t cpu = server_cpu_ns();
    uint64_t start = now_ns();
    run(options.seconds);
    double seconds = (double)(now_ns() - start) / 1e9;
    cpu = server_cpu_ns() - cpu;
    printf("{\"requests\": %ld, \"seconds\": %.3f, \"per_second\": %.0f, \"cpu_us\": %.4f, \"p50_us\": %.1f, "
           "\"p99_us\": %.1f, \"max_us\": %.1f, \"answer_bytes\": %zu, \"sent_in_all\": %ld, \"handshakes\": %ld, "
           "\"resumed\": %ld}\n",
           answered, seconds, (double)answered / seconds, answered ? (double)cpu / 1000.0 / (double)answered : 0.0,
           percentile_us(0.5), percentile_us(0.99), (double)slowest / 1000.0, expected.len, sent_in_all, handshakes,
           resumed);
    fflush(stdout);
}

static void check_open(void) {
    for (int i = 0; i < options.connections; i++) {
        ssize_t n = connections[i].ssl
                        ? receive(&connections[i], &(char){ 0 }, 1, 0) /* tickets may stand before its end */
                        : recv(connections[i].fd, &(char){ 0 }, 1, MSG_DONTWAIT | MSG_PEEK);
        if (n >= 0 || errno != EAGAIN)
            fail("connection %d %s while it was idle", i, n > 0 ? "got bytes" : "was closed");
    }
}

int main(int argc, char **argv) {
    parse_options(argc, argv);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    signal(SIGPIPE, SIG_IGN);
    if (options.tls)
        make_context();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    connections = calloc((size_t)options.connections, sizeof *connections);
    batch_len = options.request_len * (size_t)options.depth;
    batch = malloc(batch_len * (size_t)options.routes);
    if (epoll < 0 || !connections || !batch)
        fail("out of memory or descriptors");
    for (int i = 0; i < options.depth * options.routes; i++) /* one of the two is 1 */
        memcpy(batch + (size_t)i * options.request_len,
               options.request + (size_t)(i % options.routes) * options.request_len, options.request_len);

    learn_answer();
    sent_in_all++;
    for (int i = 0; i < options.connections && !options.close; i++)
        greet(&connections[i]);
    if (options.warmup > 0 && options.requests < 0)
        run(options.warmup);
    measure();
    while (options.hold) {
        int c;
        while ((c = getchar()) != '\n' && c != EOF)
            continue;
        check_open();
        if (c == EOF)
            break;
        measure();
    }
    return 0;
}
