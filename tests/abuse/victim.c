/*
 * victim.c - the server that is attacked: a route for each way to take a request and to answer it. Its limits and
 * deadlines are short, so that they are met within seconds; it is otherwise a server as users write them.
 *
 *     victim [DESCRIPTORS [CONNECTIONS]]    prints its three ports, serves until SIGTERM; the second wants the PROXY
 *                                           header, the third speaks TLS; 0: the default
 *
 * It measures how long one turn of its loop takes at most, by the clock of its own processor time: whoever waits for an
 * answer waits for turns, and that clock stands still while the machine does something else. And it counts the memory
 * that the library holds, without what an allocator or a sanitizer adds to it.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <uv.h>
#include <yyjson.h>

#include <signal.h>

#include <tornadoc.h>
#include <tornadoc/interop.h>

enum { KIB = 1024, MIB = 1024 * 1024, DRAIN_MS = 5000 };

static tc_httpserver_options_t limits = {
    .max_header_size = 64 * KIB,
    .max_body_size = 4 * MIB,
    .max_pipelined_size = 16 * KIB,
    .max_queued_size = 8 * MIB,
    .output_mark = 16 * KIB,
    .header_timeout_ms = 600,
    .body_timeout_ms = 600,
    .write_timeout_ms = 800,
    .idle_timeout_ms = 5000,
};

static tc_ioloop_t *loop;
static tc_tls_context_t *tls;
enum { PLAIN, PROXIED, TLS, SERVERS };
static tc_httpserver_t *servers[SERVERS];
static char megabyte[MIB];

/* ---- Turns of the loop ---- */

static uv_prepare_t prepare;
static uint64_t longest_turn_ns, turn_began_ns;

static uint64_t processor_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* From one wait for events to the next. */
static void on_prepare(uv_prepare_t *handle) {
    (void)handle;
    uint64_t now = processor_ns();
    if (turn_began_ns && now - turn_began_ns > longest_turn_ns)
        longest_turn_ns = now - turn_began_ns;
    turn_began_ns = now;
}

static void measure_turns(void) {
    uv_prepare_init(tc_ioloop_uv(loop), &prepare);
    uv_prepare_start(&prepare, on_prepare);
}

/* ---- Memory ---- */

static size_t held, most_held;

static void *count(void *data) {
    held += data ? malloc_usable_size(data) : 0;
    if (held > most_held)
        most_held = held;
    return data;
}

static void *counted_malloc(size_t size) {
    return count(malloc(size));
}

static void *counted_calloc(size_t n, size_t size) {
    return count(calloc(n, size));
}

static void *counted_realloc(void *data, size_t size) {
    size_t before = data ? malloc_usable_size(data) : 0;
    void *moved = realloc(data, size);
    if (moved)
        held -= before;
    return count(moved);
}

static void counted_free(void *data) {
    held -= data ? malloc_usable_size(data) : 0;
    free(data);
}

/* The longest turn since the last question, in microseconds, and the most memory, in KiB. What malloc keeps of the time
 * before goes back to the system: it is not the next attack's. */
static int measures(tc_request_t *req) {
    uint64_t longest = longest_turn_ns;
    size_t most = most_held;
    malloc_trim(0);
    longest_turn_ns = 0;
    most_held = held;
    return tc_writef(req, "%llu %zu\n", (unsigned long long)longest / 1000, most / KIB);
}

/* ---- Routes ---- */

static int echo(tc_request_t *req) {
    tc_writef(req, "%s %s %s\n", tc_method(req), tc_get_argument(req, "a", "-"), tc_get_cookie(req, "c", "-"));
    tc_bytes_t body = tc_body(req);
    return tc_write_bytes(req, tc_bytes(body.data, body.len < KIB ? body.len : KIB));
}

static int user(tc_request_t *req) {
    return tc_writef(req, "%lld %s", (long long)tc_path_int(req, "id"), tc_path_arg(req, "rest"));
}

static int json(tc_request_t *req) {
    yyjson_val *root;
    TC_TRY(tc_read_json(req, &root));
    yyjson_mut_doc *doc = tc_json_new(req);
    yyjson_mut_doc_set_root(doc, yyjson_mut_uint(doc, yyjson_get_len(root)));
    return tc_write_json(req, doc);
}

static int form(tc_request_t *req) {
    const tc_http_file_t *const *files;
    return tc_writef(req, "%s, %zu files\n", tc_get_argument(req, "a", "-"), tc_get_files(req, NULL, &files));
}

static int spooled(tc_request_t *req) {
    return tc_writef(req, "%llu\n", (unsigned long long)tc_body_size(req));
}

static int slept(tc_request_t *req, tc_future_t *future, void *text) {
    (void)future;
    return text ? tc_write(req, text) : 0;
}

static int slow(tc_request_t *req) {
    return tc_then(req, tc_sleep(NULL, 300), slept, "late");
}

static int slow_cancelled(tc_request_t *req) {
    return tc_then(req, tc_sleep(NULL, 60000), slept, "late");
}

static int flushed(tc_request_t *req) {
    tc_write(req, "one");
    TC_TRY(tc_flush(req));
    tc_write(req, "two");
    return tc_then(req, tc_sleep(NULL, 10), slept, "three");
}

static int borrowed(tc_request_t *req) {
    return tc_write_borrowed(req, tc_bytes(megabyte, sizeof megabyte));
}

static int copied(tc_request_t *req) {
    return tc_write_bytes(req, tc_bytes(megabyte, sizeof megabyte));
}

/* An answer without an end, that waits for its reader. */
static int endless(tc_request_t *req, tc_future_t *drained, void *arg) {
    if (drained)
        TC_TRY(tc_future_status(drained));
    tc_write_bytes(req, tc_bytes(megabyte, 16 * KIB));
    TC_TRY(tc_flush(req));
    return tc_then(req, tc_writable(req) ? tc_sleep(NULL, 1) : tc_drained(req), endless, arg);
}

static int stream(tc_request_t *req) {
    return endless(req, NULL, NULL);
}

static int count_chunk(tc_request_t *req, tc_bytes_t chunk) {
    *(size_t *)tc_data(req) += chunk.len;
    return chunk.len % 1021 == 1020 ? tc_then(req, tc_sleep(NULL, 1), slept, NULL) : 0;
}

static int counted(tc_request_t *req) {
    return tc_writef(req, "%zu\n", *(size_t *)tc_data(req));
}

static int refuse(tc_request_t *req) {
    return tc_http_error(req, 403, "no");
}

static int fail_midway(tc_request_t *req) {
    tc_write(req, "one");
    TC_TRY(tc_flush(req));
    return TC_EINVAL;
}

static tc_application_t *make_application(void) {
    static const struct {
        const char *pattern;
        tc_request_handler_t handler;
    } routes[] = {
        { "/", { .get = echo, .post = echo, .put = echo } },
        { "/measures", { .get = measures } },
        { "/u/{id:int}/{rest:*}", { .any = user } },
        { "/json",
          { .post = json, .max_body_size = 256 * KIB } }, /* parsing is work, and its result larger than the text */
        { "/form", { .post = form } },
        { "/files", { .post = form, .body = TC_BODY_FORM } },
        { "/spool", { .post = spooled, .body = TC_BODY_SPOOL } },
        { "/gzip/buffered", { .post = echo, .flags = TC_DECOMPRESS, .max_body_size = MIB } },
        { "/gzip/streamed",
          { .body = TC_BODY_STREAM,
            .data_received = count_chunk,
            .post = counted,
            .data_size = sizeof(size_t),
            .flags = TC_DECOMPRESS,
            .max_body_size = 16 * MIB } },
        { "/slow", { .any = slow } },
        { "/cancelled", { .any = slow_cancelled, .flags = TC_CANCEL_ON_CLOSE, .timeout_ms = 500 } },
        { "/flush", { .any = flushed } },
        { "/big", { .any = borrowed } },
        { "/copied", { .any = copied } },
        { "/endless", { .any = stream } },
        { "/fail", { .any = fail_midway } },
        { "/no", { .any = echo, .admit = refuse } },
        { "/body", { .any = echo, .max_body_size = 100 } },
        { "/stream",
          { .body = TC_BODY_STREAM, .data_received = count_chunk, .any = counted, .data_size = sizeof(size_t) } },
    };
    tc_application_t *app = tc_application_new(&(tc_application_options_t){ .max_buffered_size = (size_t)24 * MIB });
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        tc_application_add(app, routes[i].pattern, &routes[i].handler, NULL);
    tc_application_add_regex(app, "/r/([a-z]+)/(?:x|y)*", &(tc_request_handler_t){ .any = echo }, NULL);
    return app;
}

/* ---- Serving ---- */

static void on_drained(tc_httpserver_t *drained, int err, void *left) {
    (void)drained;
    (void)err; /* an attacker that holds out is cut */
    if (--*(int *)left == 0)
        tc_ioloop_stop(loop);
}

static void on_sigterm(tc_ioloop_t *ioloop, int signum, void *left) {
    (void)ioloop;
    (void)signum;
    for (int i = 0; i < SERVERS; i++)
        if (tc_httpserver_drain(servers[i], DRAIN_MS, on_drained, left) < 0)
            abort();
}

static int listen_on(int which, tc_application_t *app, const tc_httpserver_options_t *options) {
    TC_TRY(tc_httpserver_new(&servers[which], loop, app, options));
    TC_TRY(tc_httpserver_listen(servers[which], "127.0.0.1", TC_ANY_PORT));
    printf("%d%c", tc_httpserver_port(servers[which]), which == SERVERS - 1 ? '\n' : ' ');
    return 0;
}

static int serve(tc_application_t *app) {
    static int left = SERVERS;
    tc_httpserver_options_t behind_a_proxy = limits, over_tls = limits;
    behind_a_proxy.proxy_protocol = true;
    over_tls.tls = tls;
    over_tls.handshake_timeout_ms = 600;
    TC_TRY(tc_ioloop_set_signal_callback(loop, SIGTERM, on_sigterm, &left));
    TC_TRY(listen_on(PLAIN, app, &limits));
    TC_TRY(listen_on(PROXIED, app, &behind_a_proxy));
    TC_TRY(listen_on(TLS, app, &over_tls));
    fflush(stdout);
    return tc_ioloop_start(loop);
}

static void limit_descriptors(rlim_t most) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = most > 0 && most < limit.rlim_max ? most : limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv) {
    limit_descriptors(argc > 1 ? (rlim_t)atoi(argv[1]) : 0);
    limits.max_connections = argc > 2 ? (size_t)atoi(argv[2]) : 0;
    if (tc_set_allocator(&(tc_allocator_t){ counted_malloc, counted_calloc, counted_realloc, counted_free }) < 0)
        return 1;
    tc_set_log_callback(NULL, NULL);
    memset(megabyte, 'x', sizeof megabyte);
    if (tc_ioloop_new(&loop) < 0 || tc_tls_context_self_signed(&tls, NULL) < 0)
        return 1;
    measure_turns();
    tc_application_t *app = make_application();
    int err = serve(app);
    if (err < 0)
        fprintf(stderr, "victim: %s: %s\n", tc_strerror(err), tc_error_detail());
    uv_close((uv_handle_t *)&prepare, NULL);
    for (int i = 0; i < SERVERS; i++)
        tc_httpserver_free(servers[i]);
    tc_tls_context_unref(tls);
    tc_application_free(app);
    tc_ioloop_free(loop);
    return err < 0;
}
