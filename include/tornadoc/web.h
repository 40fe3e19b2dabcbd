/*
 * tornadoc/web.h - applications, routes and request handlers. (Tornado: web, routing)
 *
 * A handler is a struct of callbacks, registered on an application under a route. Each request gets a tc_request_t: the
 * request that came in and the answer that is being made, with an arena of memory that lives as long as it does.
 *
 *     initialize → admit → (the body) → prepare → get, post … → transform → on_finish
 *
 * What a callback returns is its outcome, one rule everywhere:
 *
 *     0          done: go on to the next step; after the method, finish the answer
 *     TC_DETACH  the outcome of this callback comes later: return tc_then(…), or hold a token (tc_defer)
 *     400…599    that error page: return tc_http_error(…)
 *     < 0        a failure: logged, and answered by 500; once headers went out, the connection is aborted instead
 *
 * Anything else is a bug of the handler: logged, 500. A status, tc_redirect or tc_finish ends the chain; a write does
 * not.
 */
#ifndef TORNADOC_WEB_H
#define TORNADOC_WEB_H

#include <stdarg.h>
#include <tornadoc/coroutine.h>
#include <tornadoc/future.h>
#include <tornadoc/httpserver.h>
#include <tornadoc/iostream.h>
#include <tornadoc/log.h>
#include <tornadoc/util.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tc_application tc_application_t;         /* routes and settings; read-only once it listens */
typedef struct tc_router tc_router_t;                   /* a group of routes inside an application */
typedef struct tc_request tc_request_t;                 /* one exchange: the request and its answer */
typedef struct tc_deferred tc_deferred_t;               /* counted token for a request whose outcome comes later */
typedef struct tc_http_file tc_http_file_t;             /* a file that came with a form */
typedef struct tc_cookie_options tc_cookie_options_t;   /* see tc_set_cookie */
typedef struct tc_cors_options tc_cors_options_t;       /* see tornadoc/auth.h */
typedef struct tc_signing_key tc_signing_key_t;         /* see tc_create_signed_value */
typedef struct tc_static_options tc_static_options_t;   /* see tornadoc/static.h */
typedef struct tc_linkify_options tc_linkify_options_t; /* see tornadoc/escape.h */
typedef struct yyjson_val yyjson_val;                   /* JSON trees: #include <yyjson.h> to use them */
typedef struct yyjson_mut_doc yyjson_mut_doc;

/* ---- The request handler -------------------------------------------------------------------------------------- */

typedef int (*tc_request_fn)(tc_request_t *req);

/** What becomes of a request's body. */
typedef enum {
    TC_BODY_BUFFER = 0, /**< whole, in memory, before prepare: tc_body */
    TC_BODY_STREAM, /**< to data_received, piece by piece; prepare runs before the first, the method after the last */
    TC_BODY_REFUSE, /**< 413 for any body */
    /** As TC_BODY_BUFFER up to 64 KiB; what is larger goes to a file in spool_dir, written off the loop: tc_body_file.
     *  Without room for it the answer is 507, after other failures of the file system 500. */
    TC_BODY_SPOOL,
    /**
     * A form that is read while it arrives, in bounded memory. Of multipart/form-data, fields are arguments, and files
     * go to files in spool_dir, unless part_begin chooses otherwise; see tc_get_file. Bodies of all other types are
     * buffered, up to max_form_memory. Failures as with TC_BODY_SPOOL.
     */
    TC_BODY_FORM
} tc_body_mode_t;

enum {
    /** admit, prepare, the method, data_received and the part_… callbacks may tc_await: see tornadoc/coroutine.h */
    TC_COROUTINE = 1u << 0,
    /** When the client leaves, cancel what the handler awaits, and the future that tc_then waits for. Without it the
     *  handler goes on, as in Tornado. */
    TC_CANCEL_ON_CLOSE = 1u << 1,
    /** A body whose Content-Encoding is gzip (or x-gzip) is inflated while it arrives, whatever becomes of it then; the
     *  limits of a body hold for what comes and for what it inflates to. 400 for what is broken, cut short or followed
     *  by junk; 415 and `Accept-Encoding: gzip` for any other coding. Header fields stay as received. Without the flag
     *  a body is what was sent. (decompress_request) */
    TC_DECOMPRESS = 1u << 2,
    /** No check of XSRF tokens, though the application has xsrf_cookies: for routes whose clients log in by something
     *  that no browser sends by itself, such as an Authorization field with a token. */
    TC_NO_XSRF = 1u << 3,
    /** Without a tc_current_user, GET and HEAD are sent to the application's login_url, with ?next=, and the others, or
     *  all if there is none, get a 403. Asked when `admit` is done, before a byte of the body. (authenticated) */
    TC_LOGIN_REQUIRED = 1u << 4,
    /** A 200 to GET or HEAD that was not flushed gets an ETag, of a digest of the whole body, unless the handler has
     * set one; and who has it by If-None-Match is answered by 304, who wants another by If-Match by 412. (compute_etag)
     */
    TC_ETAG = 1u << 5,
    /**
     * Of "/a" and "/a/", the one with a slash at its end is the page; the other leads there by a 301 that keeps the
     * query, for GET and HEAD, and is a 404 for other methods. The route is both, whichever of them its pattern says; a
     * regular expression must match both. For patterns that end in {x:*} it has no meaning. (addslash)
     */
    TC_ADDSLASH = 1u << 6,
    TC_REMOVESLASH = 1u << 7, /**< the same, and the page is the one without; "/" stays as it is. Of both flags the
                                   handler's own goes before its base's (removeslash) */
    /** The answers are compressed, whatever the application's compress_response says; not those of pages that show
     *  secrets beside what a stranger may choose: docs/security.md. */
    TC_COMPRESS = 1u << 8,
    TC_NO_COMPRESS = 1u << 9 /**< they are not. Of both flags the handler's own goes before its base's */
};

/* ---- Around the answer ---------------------------------------------------------------------------------------- */

/** What is asked of an output transform with a piece of the body. */
typedef enum {
    TC_OUTPUT_MORE = 0, /**< nothing: it may keep bytes for later */
    TC_OUTPUT_FLUSH,    /**< the handler flushes: what it was given so far should go out now */
    TC_OUTPUT_FINISH    /**< this is the last of the body: all has to go out */
} tc_output_flush_t;

enum { TC_PASS = 1 }; /**< what a transform's begin returns for an answer that it takes no part in */

/**
 * Stands between what handlers write and what is sent, as `.transform` of a handler or of a `base`: the handler's own
 * comes first, then those of its groups from the inside out, then the application's; compress_response is
 * last. (OutputTransform)
 *
 * They run when the headers are about to go out, in tc_flush or at the end, and then with each flush, on the stack of
 * whoever flushes: they must not wait, flush or finish. Error pages pass through them as well.
 *
 * An answer of 204 or 205 passes none of them. Of a 304 and a 206 they see the headers alone: `begin` runs, `chunk`
 * does not. A static file that is sent by the system, from its descriptor, passes those alone that have no `chunk`. A
 * HEAD request gets the headers of a GET: the body passes through, if it was written whole, and is dropped.
 */
typedef struct {
    const char *name; /**< for the log; copied */
    size_t data_size; /**< zeroed bytes of state per answer: `data` */
    /**
     * The headers go out next: see them by tc_get_status and tc_response_header, change them by tc_set_status,
     * tc_set_header and their like. NULL: it always takes part.
     *
     * @param size bytes of the body, if that is whole or has a Content-Length; -1: it is not known
     * @return 0; TC_PASS: no part of this answer's body is given to `chunk`; negative: a failure of the handler's, 500
     */
    int (*begin)(tc_request_t *req, void *data, int64_t size);
    /**
     * The next bytes of the body, valid until the return. What is to be sent for them is written by tc_write and its
     * like. Trailers may be set, and headers too if the body is whole (nothing was flushed). A Content-Length of the
     * handler's is taken away: a whole body is counted anew, another is sent in chunks. NULL: the body passes as it is.
     *
     * @return 0; negative: a failure of the handler's; once headers went out, the connection is cut
     */
    int (*chunk)(tc_request_t *req, void *data, tc_bytes_t bytes, tc_output_flush_t flush);
    uintptr_t reserved[4]; /**< must be zero */
} tc_output_transform_t;

/* ---- The request handler, in full ----------------------------------------------------------------------------- */

/** Copied when registered, so that a compound literal is fine. NULL callbacks are inherited from the group's `base`,
 * and so are body, max_body_size and timeout_ms of 0; flags are joined; the largest data_size goes, one tc_data for
 * all. */
typedef struct {
    const char *name;     /**< of the route, for tc_reverse_url: each once in an application; default none; copied */
    uint32_t flags;       /**< TC_COROUTINE, TC_CANCEL_ON_CLOSE, … */
    tc_body_mode_t body;  /**< default TC_BODY_BUFFER */
    size_t max_body_size; /**< bytes; default the server's, 100 MiB; beyond it 413 */
    size_t data_size;     /**< zeroed bytes of state per request: tc_data */
    /** From the headers to the outcome, else 503, a line in the log, TC_ETIMEDOUT for on_finish, and what tc_then waits
     *  for is cancelled; default TC_FOREVER. */
    uint64_t timeout_ms;
    /** After set_default_headers. A 404, a 405 and an OPTIONS answered by itself skip it and what follows, but for
     *  on_finish, which may meet tc_data as zeroed. */
    tc_request_fn initialize;
    tc_request_fn admit;   /**< headers are in; no byte of the body is read, no 100 Continue sent: refuse, set limits */
    tc_request_fn prepare; /**< before the method, for all methods */
    tc_request_fn get, head, post, put, delete_, patch, options; /**< HEAD is answered by `get` unless `head` is set */
    tc_request_fn any;                                           /**< every method that has no callback of its own */
    /** With TC_BODY_STREAM only. `chunk` lives, and the next one waits, until the outcome. */
    int (*data_received)(tc_request_t *req, tc_bytes_t chunk);
    void (*on_connection_close)(tc_request_t *req); /**< the client left before the outcome; at most once */
    /** Last, exactly once. 0: the answer is with the system, or goes there in a moment: small ones are sent once all
     *  that was read is dealt with, and if just that fails it is too late to tell; TC_ECLOSED: not, or not wholly, for
     *  the client left or the handler failed too late; TC_ETIMEDOUT; TC_ECANCELED: the loop ended. Nothing can hold the
     *  request any more. */
    void (*on_finish)(tc_request_t *req, int err);
    /** Writes the page of an error; tc_error_message. It answers at once; anything but 0: the default page. */
    int (*write_error)(tc_request_t *req, int status);
    tc_request_fn set_default_headers; /**< runs first, and again before an error page */
    /** With TC_BODY_FORM only: for each part of a multipart form, field or file, in order, before its bytes. Here
     *  tc_part_set_sink and tc_part_set_max_size say what becomes of it; arguments of the parts before are there. */
    int (*part_begin)(tc_request_t *req, tc_http_file_t *part);
    /** Of parts for TC_PART_CALLBACK. `chunk` lives, and the next one waits, until the outcome. */
    int (*part_received)(tc_request_t *req, tc_http_file_t *part, tc_bytes_t chunk);
    /** The part is whole, and written if it is a file. */
    int (*part_end)(tc_request_t *req, tc_http_file_t *part);
    /** The server drains, and will cut what has not ended at its deadline: what streams without an end should end now.
     *  At most once, before the outcome; see tc_going_away. */
    void (*on_going_away)(tc_request_t *req);
    /** Who asks: what tc_current_user returns. Called when that is first asked for, and once. */
    void *(*get_current_user)(tc_request_t *req);
    /** Which pages of other origins may read the answers: tornadoc/auth.h. Copied; NULL: none. */
    const tc_cors_options_t *cors;
    /** What its answers pass through before they are sent; those of the bases come after it. Copied; NULL: none. */
    const tc_output_transform_t *transform;
    uintptr_t reserved[8]; /**< must be zero: checked, TC_EINVAL */
} tc_request_handler_t;

/* ---- The application ------------------------------------------------------------------------------------------ */

typedef struct {
    const tc_request_handler_t *base; /**< what Tornado programs put into BaseHandler: inherited by every route */
    /** For development, not for where strangers may ask: error pages show the cause, the route and the request, as HTML
     *  to browsers and as plain text to others; what has the name of a secret is hidden. And access lines are logged:
     *  log_level is INFO at most. (debug, serve_traceback) */
    bool debug;
    tc_log_level_t log_level; /**< of what is logged about its requests; default the process's, see tc_set_log_level */
    tc_log_cb log;            /**< where that goes; default the process's callback. Kept like log_data for as long as
                                   the application lives */
    void *log_data;
    size_t max_arguments;     /**< form and query fields of a request; default 1,000; beyond it 400 */
    size_t max_buffered_size; /**< of all request bodies held in memory at once, with what tc_read_json makes of them;
                                   default 1 GiB; beyond it 503, to those first that still arrive and come slowest for
                                   what they hold */
    /** Where TC_BODY_SPOOL and TC_BODY_FORM put their files; default TMPDIR, or /tmp. A directory that others may write
     *  to needs the sticky bit. It must exist when the application is made (copied, as an absolute path); whether files
     *  can be made there is found out by the first. */
    const char *spool_dir;
    uint64_t max_spooled_size; /**< of all request bodies in files at once, kept ones until their request ends; default
                                    10 GiB; beyond it 507, to the same */
    size_t max_form_memory; /**< of a form: all of an urlencoded one; of TC_BODY_FORM fields, names, and parts kept in
                               memory; default 10 MiB; beyond it 413 */
    size_t max_parts;       /**< of a multipart form; default 100; beyond it 400 */
    size_t max_part_header_size; /**< of each; default 8 KiB, at most 65,535; beyond it 400 */
    /** Bytes of a body that tc_read_json reads; default 2 MiB; beyond it 413. A tree takes more memory than its text,
     *  ten times as much for a list of digits, twenty for brackets without an end, and that counts as no body. */
    size_t max_json_size;
    /** Signs cookies: 32 bytes or more, that stay secret and the same, from `openssl rand -base64 32`. Copied. Default
     *  none, and the functions of signed cookies fail. */
    const char *cookie_secret;
    /** Instead of cookie_secret, for secrets that change: signed with the key of key_version, read with any of them;
     *  ended by one whose key is NULL. Copied. */
    const tc_signing_key_t *cookie_secrets;
    int key_version;       /**< one of cookie_secrets' */
    const char *login_url; /**< for TC_LOGIN_REQUIRED: "/login", or "https://…" of another host; copied */
    /** Requests that may change something (all but GET, HEAD and OPTIONS) must show that a page of ours sent them, by
     *  tc_xsrf_token; else they get a 403. */
    bool xsrf_cookies;
    const char *xsrf_cookie_name; /**< default "_xsrf"; over https better "__Host-xsrf". Copied */
    /** Default: until the browser closes, or 30 days if there is a user; TC_SAMESITE_LAX. Copied */
    const tc_cookie_options_t *xsrf_cookie_options;
    const char *session_cookie_name; /**< of tc_session_set; default "session". Copied */
    /** Default: 30 days, TC_SAMESITE_LAX, and no script sees it. Copied */
    const tc_cookie_options_t *session_cookie_options;
    bool request_ids;       /**< answers have X-Request-Id, and lines of the log begin with it: tc_request_id */
    bool trust_request_ids; /**< take the one that comes with a request: a proxy sets it, and no client can */
    /** Strict-Transport-Security of all answers over https, "max-age=63072000; includeSubDomains"; default none */
    const char *strict_transport_security;
    /** A folder that is served at static_url_prefix, and of it favicon.ico and robots.txt at "/favicon.ico" and
     *  "/robots.txt"; default none. As tc_application_add_static, with the base inherited. */
    const char *static_path;
    const char *static_url_prefix;             /**< default "/static/" */
    const tc_static_options_t *static_options; /**< default NULL. Copied as by tc_router_add_static */
    /**
     * Answers are compressed, by gzip or, if tornadoc_has("brotli"), br, for clients whose Accept-Encoding says so: of
     * types that shrink (text, JSON, XML, JavaScript, SVG, WebAssembly …), from 1,024 bytes on, or of any size if they
     * are flushed, and then each flush arrives. Such types have `Vary: Accept-Encoding`, compressed or not; a strong
     * ETag becomes a weak one. Not compressed are a 206, an answer that has a Content-Encoding or
     * `Cache-Control: no-transform`, and static files that are not kept in memory. For one route: TC_COMPRESS,
     * TC_NO_COMPRESS. Not for pages that show secrets beside what a stranger may choose: docs/security.md.
     */
    bool compress_response;
    int compress_level; /**< of gzip: 1, fast, to 9, small; default 6 */
    /** Bytes that the compressors of one loop may take, default 64 MiB; beyond it answers go out as they are. A whole
     *  answer takes 264 KiB with gzip, a megabyte or two with br, for no longer than it is compressed; one that is
     *  flushed takes 72 KiB with gzip until its end. */
    size_t max_compress_memory;
    uintptr_t reserved[8]; /**< must be zero */
} tc_application_options_t;

/**
 * NULL: out of memory, and every function that takes an application accepts it (TC_ENOMEM). The first failure of a call
 * below is kept and returned by run and listen, so that a program checks once; tc_error_detail() says what it was.
 */
TC_EXTERN tc_application_t *tc_application_new(const tc_application_options_t *options);
/** Drop the caller's reference; servers hold their own. NULL is fine. */
TC_EXTERN void tc_application_free(tc_application_t *app);
/** Free `data` with the application, last registered first; on failure at once. */
TC_EXTERN int tc_application_own(tc_application_t *app, void *data, tc_free_fn free_data);

/**
 * Route `pattern` to `handler`. "/users/{id:int}/files/{path:*}": {x} is one segment that is not empty, {x:int} a
 * number, {x:*} the rest of the path. Literal goes before typed before untyped before the rest, whatever the order of
 * the calls. Patterns match the undecoded path; what was captured is decoded.
 *
 * @param arg for tc_arg; shared by all requests of the route
 * @return 0; TC_EPATTERN; TC_EALREADY for a route that exists; TC_EINVAL for a handler without a method, with unknown
 *         flags or with `reserved` set; TC_EBUSY once the application listens; TC_ENOMEM
 */
TC_EXTERN int tc_application_add(tc_application_t *app, const char *pattern, const tc_request_handler_t *handler,
                                 void *arg);

/** Route a PCRE2 expression, which must match the whole path. Tried after the patterns, in the order of the calls.
 *  Groups are tc_path_arg's by name, or by number from "1". */
TC_EXTERN int tc_application_add_regex(tc_application_t *app, const char *regex, const tc_request_handler_t *handler,
                                       void *arg);

/** Routes for a host only: "example.com", "*.example.com". Hosts are tried in order, then the routes without one. NULL:
 * it failed (tc_application_error), and the functions that take a router accept it. */
TC_EXTERN tc_router_t *tc_application_host(tc_application_t *app, const char *host_pattern);

/** Routes under a prefix, that inherit: a callback which a handler leaves NULL comes from `base` (copied; NULL: none);
 *  admit and prepare run the base's first, then the handler's; on_finish the handler's first. Prefix and pattern are
 * put together as they are: "/api" and "/items". At most seven bases lie above a handler. */
TC_EXTERN tc_router_t *tc_application_group(tc_application_t *app, const char *prefix,
                                            const tc_request_handler_t *base);
TC_EXTERN tc_router_t *tc_router_group(tc_router_t *router, const char *prefix, const tc_request_handler_t *base);
TC_EXTERN int tc_router_add(tc_router_t *router, const char *pattern, const tc_request_handler_t *handler, void *arg);
TC_EXTERN int tc_router_add_regex(tc_router_t *router, const char *regex, const tc_request_handler_t *handler,
                                  void *arg);

/**
 * All paths below a prefix, as those of another application: it has its own routes, hosts, bases, settings, log and
 * default handler, and nothing of this one's. Its patterns take what follows the prefix, "/items" of "/shop/items";
 * "/shop" itself is a path of this one. What the prefix captures is tc_path_arg's; tc_route has the prefix in front,
 * and so have the URLs of its routes. Below the prefix, routes of this one go before as they do before "/shop/{x:*}".
 *
 * @param prefix as a group's; "" to give it all paths, of a host for instance
 * @param app taken, also on failure; but one that is mounted already, or would contain itself, stays whose it is.
 * Routes may still be added to it until the outer one listens
 * @return 0; TC_EPATTERN; TC_EALREADY for those two, and for a prefix that is taken; TC_EBUSY: one of them listens;
 *         TC_EINVAL: the prefix is NULL; TC_ENOMEM. What it could not do itself is told when the outer one is to listen
 */
TC_EXTERN int tc_router_mount(tc_router_t *router, const char *prefix, tc_application_t *app);
TC_EXTERN int tc_application_mount(tc_application_t *app, const char *prefix, tc_application_t *mounted);

/** A row of a table of routes. Its fields are these for good, so that it may stand in arrays. (URLSpec) */
typedef struct {
    const char *pattern;                 /**< as tc_application_add's, or NULL … */
    const tc_request_handler_t *handler; /**< copied */
    void *arg;                           /**< for tc_arg */
    const char *name;                    /**< of this route; default the handler's */
    const char *regex;                   /**< … and as tc_application_add_regex's; neither: the end of the table */
} tc_url_spec_t;
/**
 * All routes of a table, up to the row that has neither a pattern nor a regex; at the first that fails it ends, and
 * that one's code is returned: tc_application_add's, or TC_EINVAL for a row that has both.
 *
 *     static const tc_url_spec_t urls[] = {
 *         { .pattern = "/users", .handler = &users },
 *         { .pattern = "/users/{id:int}", .handler = &user, .name = "user" },
 *         { 0 },
 *     };
 */
TC_EXTERN int tc_application_add_handlers(tc_application_t *app, const tc_url_spec_t *rows);
TC_EXTERN int tc_router_add_handlers(tc_router_t *router, const tc_url_spec_t *rows);

/**
 * A route that leads elsewhere: to a path of this host, "/people/{id}", or to "https://example.com/people/{id}", where
 * {id} is what the pattern captured, as it came; the request's query goes along. For GET and HEAD; with 307 and 308,
 * which keep the method, for all. No XSRF token is asked for here, but where it leads. Captures cannot be part of the
 * host. (RedirectHandler)
 *
 * @param status 0: 301; 302, 303, 307, 308
 */
TC_EXTERN int tc_application_add_redirect(tc_application_t *app, const char *pattern, const char *url, int status);
TC_EXTERN int tc_router_add_redirect(tc_router_t *router, const char *pattern, const char *url, int status);

/** A route that is answered by the page of an error, by whatever method, before its body is read; no XSRF token is
 * asked for. The bases' `admit` come before. (ErrorHandler) @param status 400 to 599 */
TC_EXTERN int tc_application_add_error(tc_application_t *app, const char *pattern, int status);
TC_EXTERN int tc_router_add_error(tc_router_t *router, const char *pattern, int status);

/** Requests that no route takes; default a 404. */
TC_EXTERN int tc_application_set_default(tc_application_t *app, const tc_request_handler_t *handler, void *arg);

/**
 * The URL of the route that has this name: a path, from pairs of a parameter and its value, in any order, and NULL.
 * Values are percent-encoded, {x:*} keeps its slashes. Groups of a regular expression are parameters, too, by name or
 * "1", "2" …; the rest of it must be literal text. Whoever asks for the URL gets to that route, with those values.
 *
 *     char url[100];
 *     int len = tc_application_reverse_url(app, url, sizeof(url), "user", "id", "42", NULL); // "/users/42"
 *
 * Any thread, once the application listens.
 *
 * @return the length without its NUL, as snprintf: if it is `size` or more, `out` is ""; TC_ENOENT: no route has the
 *         name; TC_EINVAL: a parameter is missing, or unknown, or a value cannot be its: empty, no number, no UTF-8, or
 *         "..", which browsers take out of a path; TC_ENOMEM. tc_error_detail() tells, and what is a bug of the
 *         program is logged: all but a value
 */
TC_ANY_THREAD int tc_application_reverse_url(const tc_application_t *app, char *out, size_t size, const char *name,
                                             ...) TC_SENTINEL;

/** What the application could not do, of all calls so far: 0, or the first failure. */
TC_EXTERN int tc_application_error(const tc_application_t *app);

/* ---- Running it ----------------------------------------------------------------------------------------------- */

typedef struct {
    int port;                  /**< default 8888; TC_ANY_PORT for one the system picks */
    const char *address;       /**< default all; see tc_bind_sockets: "127.0.0.1", "unix:/run/app.sock", "systemd" */
    uint64_t drain_timeout_ms; /**< after SIGINT or SIGTERM; default 30,000 */
    bool no_signals;           /**< leave SIGINT and SIGTERM alone */
    int (*on_worker_start)(tc_ioloop_t *loop, void *arg); /**< before it accepts; a failure ends the run */
    void (*on_worker_stop)(tc_ioloop_t *loop, void *arg);
    void *arg;
    const tc_httpserver_options_t *server;
    tc_tls_context_t *tls; /**< serve https: the same as server->tls, for short; stays the caller's */
    bool reload_tls;       /**< on SIGHUP read the certificates again (tc_tls_context_reload), off the loop: logged at
                                TC_LOG_INFO, a failure as an error */
    int redirect_port; /**< with tls: of the same address, a port that answers in the clear, by redirects to https alone
                            (tc_redirect_to_https); usually 80; TC_ANY_PORT; default none */
    uintptr_t reserved[5]; /**< must be zero */
} tc_run_options_t;

/**
 * Serve until SIGINT, SIGTERM or tc_ioloop_stop; takes the application. It owns main, so it raises the limit of
 * descriptors and handles the two signals: no new connections, what runs is ended, the rest is cut at the deadline. A
 * second signal cuts at once.
 *
 * @return 0 after a clean drain; else a negative code, logged, and fit for main's return
 */
TC_EXTERN int tc_application_run(tc_application_t *app, const tc_run_options_t *options) TC_MUST_CHECK;

/** A server for the application on a loop, which it references. @return 0; the application's kept failure; TC_EINVAL */
TC_EXTERN int tc_httpserver_new(tc_httpserver_t **out, tc_ioloop_t *loop, tc_application_t *app,
                                const tc_httpserver_options_t *options) TC_MUST_CHECK;

/* ---- The request: what getters return lives until on_finish has returned --------------------------------------- */

TC_EXTERN const char *tc_method(const tc_request_t *req);       /**< "GET" */
TC_EXTERN const char *tc_path(const tc_request_t *req);         /**< undecoded, without the query */
TC_EXTERN const char *tc_query(const tc_request_t *req);        /**< undecoded, without "?"; "" if there is none */
TC_EXTERN const char *tc_uri(const tc_request_t *req);          /**< path and query as sent */
TC_EXTERN const char *tc_http_version(const tc_request_t *req); /**< "HTTP/1.1" */
TC_EXTERN const char *tc_host(const tc_request_t *req);     /**< with the port, as sent; "" from a 1.0 client without */
TC_EXTERN const char *tc_protocol(const tc_request_t *req); /**< "http" or "https" */
TC_EXTERN const char *tc_remote_ip(const tc_request_t *req); /**< numeric; "" on a unix socket, and if a
                                                                  proxy's fields name different clients */
TC_EXTERN const char *tc_route(const tc_request_t *req);     /**< the pattern that matched; NULL: none did */
TC_EXTERN const char *tc_header(const tc_request_t *req, const char *name); /**< several joined with ", "; NULL */
typedef struct {
    tc_bytes_t name, value;
} tc_header_field_t;
/** All fields, as received and in order. */
TC_EXTERN size_t tc_headers(const tc_request_t *req, const tc_header_field_t **out);
/**
 * The fields that stand behind a chunked body, as received and in order; 0 until the body is complete, so for streamed
 * bodies in the method. They are never among the headers, and are no more to be relied on than a body. Those that would
 * frame the message, such as Content-Length or Host, are answered by 400; those that come too late to be heard
 * (Authorization, Cookie, Content-Type, Range, Forwarded and their like, RFC 9110 section 6.5.1) are left out.
 */
TC_EXTERN size_t tc_trailers(const tc_request_t *req, const tc_header_field_t **out);
/** What a pattern captured, decoded; NULL. A capture that is not UTF-8 was answered by 400 before. */
TC_EXTERN const char *tc_path_arg(const tc_request_t *req, const char *name);
TC_EXTERN int64_t tc_path_int(const tc_request_t *req, const char *name); /**< the same as a number; 0 if it is none */

/**
 * Arguments, as Tornado: of several the last one, of the body before the query's; UTF-8 (else the request is answered
 * by 400), control bytes made spaces, stripped.
 */
TC_EXTERN const char *tc_get_argument(const tc_request_t *req, const char *name, const char *fallback);
TC_EXTERN const char *tc_get_query_argument(const tc_request_t *req, const char *name, const char *fallback);
TC_EXTERN const char *tc_get_body_argument(const tc_request_t *req, const char *name, const char *fallback);
/** All of that name, the query's first. */
TC_EXTERN size_t tc_get_arguments(const tc_request_t *req, const char *name, const char *const **out);
TC_EXTERN size_t tc_get_query_arguments(const tc_request_t *req, const char *name, const char *const **out);
TC_EXTERN size_t tc_get_body_arguments(const tc_request_t *req, const char *name, const char *const **out);
/** 400 if it is missing: `TC_TRY(tc_require_argument(req, "text", &text));` (MissingArgumentError) */
TC_EXTERN int tc_require_argument(tc_request_t *req, const char *name, const char **out) TC_MUST_CHECK;

/**
 * Files of a body of type multipart/form-data that is buffered or read as TC_BODY_FORM; its other parts are arguments
 * of the body. A part whose filename is empty, as browsers send it where no file was chosen, is no file. A form that is
 * cut short, has too many parts, or is none by its syntax, is answered by 400: if it is buffered, once somebody has
 * asked for a file or an argument.
 */
/** The last file of that field, or NULL. */
TC_EXTERN const tc_http_file_t *tc_get_file(const tc_request_t *req, const char *field);
/** All files of that field, in order; `field` NULL: of all fields. */
TC_EXTERN size_t tc_get_files(const tc_request_t *req, const char *field, const tc_http_file_t *const **out);
/* Of a file; NULL reads as "" and no bytes. */
TC_EXTERN const char *tc_http_file_field(const tc_http_file_t *file); /**< the name of the form's field */
/** What may be the name of a file in a folder: without the sender's folders, slashes, backslashes and control bytes;
 *  never "", "." or ".."; at most 255 bytes of UTF-8. Not unique, and not always fit to be shown: escape it. "" for a
 *  part that is no file. */
TC_EXTERN const char *tc_http_file_name(const tc_http_file_t *file);
TC_EXTERN const char *tc_http_file_raw_name(const tc_http_file_t *file); /**< as sent ("../a.txt"): no path to open */
/** What the sender says it is, unchecked; "application/octet-stream" if that is nothing. */
TC_EXTERN const char *tc_http_file_content_type(const tc_http_file_t *file);
TC_EXTERN uint64_t tc_http_file_size(const tc_http_file_t *file); /**< in bytes; of those that came so far */
/** Its bytes if they are in memory: a piece of tc_body, without a copy and without a NUL behind it, or those of a part
 *  for TC_PART_MEMORY. */
TC_EXTERN tc_bytes_t tc_http_file_body(const tc_http_file_t *file);
/** The file that its bytes are in, readable for this user only, and closed; removed with the request unless it is kept.
 *  NULL while it is not whole, and for bytes that are in no file. */
TC_EXTERN const char *tc_http_file_path(const tc_http_file_t *file);

enum { TC_KEEP_SYNC = 1u << 0 /**< it is there after a power cut, too */ };
/**
 * Let its bytes stay, as a file under `path` (copied; relative to the working directory; never one made of raw names),
 * wherever they are. Nothing is overwritten, and no link followed. Off the loop. Its mode is 0600.
 *
 *     return tc_then(req, tc_http_file_keep(file, path, 0), kept, NULL);
 *
 * @param flags TC_KEEP_SYNC, or 0
 * @return a future: 0; TC_EEXIST if there is something of that name: another may be tried; TC_EXDEV if spool_dir is on
 *         another file system; other system errors; TC_EALREADY; TC_EBUSY for a part that is not whole, or is being
 * kept; TC_EINVAL for a part for TC_PART_CALLBACK or TC_PART_DISCARD. NULL: out of memory, also for a NULL `path`
 */
TC_EXTERN tc_future_t *tc_http_file_keep(const tc_http_file_t *file, const char *path, unsigned flags);

/** Where the bytes of a part go. */
typedef enum {
    TC_PART_MEMORY = 1, /**< the default of fields, which become arguments; a file's: tc_http_file_body */
    TC_PART_FILE,       /**< the default of files: tc_http_file_path, tc_http_file_keep */
    TC_PART_CALLBACK,   /**< part_received; the part is not among files and arguments */
    TC_PART_DISCARD     /**< nowhere, as if it had not been sent */
} tc_part_sink_t;
/** From part_begin. @return 0; TC_EINVAL, also for TC_PART_CALLBACK without part_received; TC_EBUSY later on */
TC_EXTERN int tc_part_set_sink(tc_http_file_t *part, tc_part_sink_t sink);
/** From part_begin: the part's own limit, in bytes; beyond it 413. Default none but that of the body. */
TC_EXTERN int tc_part_set_max_size(tc_http_file_t *part, uint64_t size);

/** NUL behind it, not counted; empty if it is streamed, in a file, or read as a multipart form. */
TC_EXTERN tc_bytes_t tc_body(const tc_request_t *req);
/** Bytes of a body that is buffered or spooled; 0 for others. */
TC_EXTERN uint64_t tc_body_size(const tc_request_t *req);
/** The descriptor of a body that TC_BODY_SPOOL has put into a file: to be read from offset 0, and closed with the
 *  request. -1: it is in memory, tc_body. */
TC_EXTERN int tc_body_file(const tc_request_t *req);
/** As tc_http_file_keep, of a body that is buffered or spooled; TC_EINVAL for others, and before it is whole. */
TC_EXTERN tc_future_t *tc_keep_body(tc_request_t *req, const char *path, unsigned flags);
/** The body as JSON, in the arena. 415 unless it says it is JSON, 413 beyond max_json_size, 400 if it is none: for
 * TC_TRY. */
TC_EXTERN int tc_read_json(tc_request_t *req, yyjson_val **root) TC_MUST_CHECK;
TC_EXTERN const char *tc_get_cookie(const tc_request_t *req, const char *name, const char *fallback);
/** The value of a cookie that tc_set_signed_cookie set: NULL if there is none, it was signed more than `max_age_ms` ago
 *  (0: 31 days; TC_FOREVER), or was not signed by us for that name. */
TC_EXTERN const char *tc_get_signed_cookie(const tc_request_t *req, const char *name, uint64_t max_age_ms);

/** What TLS agreed on with whoever is connected: the client, or a proxy that speaks TLS to us. */
typedef struct {
    const char *version;     /**< "TLSv1.3" */
    const char *cipher;      /**< "TLS_AES_256_GCM_SHA384" */
    const char *server_name; /**< that the client asked for (SNI), unchecked; NULL: none */
    const char *alpn;        /**< "http/1.1"; "" if the client did not say */
    bool session_reused;     /**< a session of before was taken up again */
} tc_tls_info_t;
/** NULL for a connection in the clear, and if it is asked for the first time when the client is gone. */
TC_EXTERN const tc_tls_info_t *tc_tls_info(const tc_request_t *req);
/** The certificate that the client has shown, which `.client_cert` of the TLS context asks for, and checks: see
 *  tc_peer_certificate_t. NULL if it has shown none, and as above. (get_ssl_certificate) */
TC_EXTERN const tc_peer_certificate_t *tc_client_certificate(const tc_request_t *req);

TC_EXTERN void *tc_arg(const tc_request_t *req); /**< given with the route */
TC_EXTERN void *tc_data(tc_request_t *req);      /**< data_size zeroed bytes; NULL if that is 0 */
TC_EXTERN tc_ioloop_t *tc_loop(const tc_request_t *req);
TC_EXTERN bool tc_closed(const tc_request_t *req);              /**< the client is gone */
TC_EXTERN bool tc_going_away(const tc_request_t *req);          /**< its server drains */
TC_EXTERN uint64_t tc_request_time_ms(const tc_request_t *req); /**< since its headers were in */
/** What tells this request from others, in logs: 32 hex digits, or what came with it and is trusted: at most 128
 * letters, digits, and any of "-_.:=+/@". Made when first asked for; "": out of memory. */
TC_EXTERN const char *tc_request_id(tc_request_t *req);
TC_EXTERN tc_application_t *tc_request_application(const tc_request_t *req);
/** The URL of a route of the request's application, or of those in which it is mounted, in memory of the request: as
 * tc_application_reverse_url. NULL: there is none, tc_error_detail() tells why. (reverse_url)
 *
 *     return tc_redirect(req, tc_reverse_url(req, "user", "id", id, NULL), 303);
 */
TC_EXTERN const char *tc_reverse_url(tc_request_t *req, const char *name, ...) TC_SENTINEL;

/* Memory of the request; NULL: out of memory. */
TC_EXTERN void *tc_alloc(tc_request_t *req, size_t size);
TC_EXTERN char *tc_strdup(tc_request_t *req, const char *text);
TC_EXTERN char *tc_sprintf(tc_request_t *req, const char *fmt, ...) TC_PRINTF(2, 3);
/** Escaped for HTML, or as a part of a query; never NULL: without memory it is "", and the request fails. */
TC_EXTERN const char *tc_xhtml_escape_alloc(tc_request_t *req, const char *text);
TC_EXTERN const char *tc_url_escape_alloc(tc_request_t *req, const char *text);
/** Escaped for HTML, with links: see tc_linkify; `options` NULL: the defaults. As above on failure. */
TC_EXTERN const char *tc_linkify_alloc(tc_request_t *req, const char *text, const tc_linkify_options_t *options);
/** Call fn(data) after on_finish, last registered first; on failure at once. */
TC_EXTERN int tc_on_cleanup(tc_request_t *req, tc_free_fn fn, void *data);
/** From initialize or admit: this request's own limit; 0 allows no body. */
TC_EXTERN int tc_set_max_body_size(tc_request_t *req, size_t size);

/* ---- The answer ------------------------------------------------------------------------------------------------
 *
 * Verbs return 0 or a negative code. The first failure is kept by the request and becomes its outcome, so that results
 * may be ignored. Text and bytes are copied unless the name says otherwise.
 *
 * What comes too late fails with a line in the log, and leaves the answer as it is: TC_EBUSY for status and headers
 * after the flush, TC_EALREADY for everything after the end; TC_ECLOSED, silently, if the client left.
 */

TC_EXTERN int tc_write(tc_request_t *req, const char *text);
TC_EXTERN int tc_writef(tc_request_t *req, const char *fmt, ...) TC_PRINTF(2, 3);
TC_EXTERN int tc_write_bytes(tc_request_t *req, tc_bytes_t bytes);
/** Not copied: the bytes must live until on_finish. Constants, and the request's own memory. */
TC_EXTERN int tc_write_borrowed(tc_request_t *req, tc_bytes_t bytes);
/** Taken, also on failure: `free_owner(owner)` is called once the bytes are not needed any more. */
TC_EXTERN int tc_write_owned(tc_request_t *req, tc_bytes_t bytes, tc_free_fn free_owner, void *owner);
TC_EXTERN yyjson_mut_doc *tc_json_new(tc_request_t *req); /**< in the arena: nothing to free */
/** Write a document, "</" escaped, with Content-Type application/json unless one is set. TC_ENOMEM also if any memory
 * of the request failed before, for then parts of the document may be missing. */
TC_EXTERN int tc_write_json(tc_request_t *req, const yyjson_mut_doc *doc);
/** The same text, not written: for an event, or in a page's script element. Memory of the request; NULL: a failure,
 * kept as a verb's. (json_encode) */
TC_EXTERN const char *tc_json_encode(tc_request_t *req, const yyjson_mut_doc *doc);

TC_EXTERN int tc_set_status(tc_request_t *req, int status); /**< 200 to 599 */
TC_EXTERN int tc_get_status(const tc_request_t *req);
TC_EXTERN int tc_set_header(tc_request_t *req, const char *name, const char *value); /**< replaces */
TC_EXTERN int tc_add_header(tc_request_t *req, const char *name, const char *value);
TC_EXTERN int tc_clear_header(tc_request_t *req, const char *name);
/** What the answer's headers say so far; several of that name joined with ", ". NULL: there is none. Those that the
 *  connection adds, such as Date, are not among them. */
TC_EXTERN const char *tc_response_header(const tc_request_t *req, const char *name);

/**
 * A field behind the body: a digest, a time, a status known only at the end. Until the end, flush or not; replaces one
 * of that name. The answer becomes chunked, also one that is complete, and its head announces what was set before it
 * went out in `Trailer`, unless the handler sets that itself. No trailer is sent to HTTP/1.0, to HEAD, with 204, 304 or
 * a Content-Length of the handler's; error pages begin without any. Clients may pass over trailers.
 *
 * @return 0, also where none is sent; TC_EINVAL for what cannot be a field, or is of no use so late (RFC 9110 section
 *         6.5.1: Content-Length, Content-Type, Set-Cookie, Cache-Control, Location …)
 */
TC_EXTERN int tc_set_trailer(tc_request_t *req, const char *name, const char *value);

/**
 * What the answer is a version of, and whether the client has it, or wants another (RFC 9110 section 13): sets ETag and
 * Last-Modified, and looks at If-Match, If-None-Match, If-Unmodified-Since and If-Modified-Since. Before the work, in
 * any method:
 *
 *     TC_TRY(tc_check_conditions(req, tc_sprintf(req, "\"v%d\"", version), 0));
 *
 * @param etag with its quotes, "\"v7\"" or "W/\"v7\""; NULL: none
 * @param modified seconds since 1970; 0: not known
 * @return 0: go on; 304, which was answered, and 412, which is the outcome: to be returned; TC_EINVAL; TC_ENOMEM
 */
TC_EXTERN int tc_check_conditions(tc_request_t *req, const char *etag, int64_t modified) TC_MUST_CHECK;

/** Answer with Location, percent-encoded where it must be; finishes. `status` 0: 302. */
TC_EXTERN int tc_redirect(tc_request_t *req, const char *url, int status);
/**
 * A request that came by https goes on: 0, and nothing is done. One that came in the clear is answered by a 308 to the
 * same host, path and query by https, on `port` (0: 443), and finished; from `admit`, before its body is read. Whether
 * it came by https is what tc_protocol says. Without a Host, as from old HTTP/1.0 clients, it is 400.
 *
 *     static int to_https(tc_request_t *req) { return tc_redirect_to_https(req, 0); }
 */
TC_EXTERN int tc_redirect_to_https(tc_request_t *req, int port);
/** `return tc_http_error(req, 404, "no such user");` returns `status`; the message (or NULL) is shown and logged: it is
 *  for the client to read. Without the `return` it changes nothing: the handler goes on. */
TC_EXTERN int tc_http_error(tc_request_t *req, int status, const char *message) TC_MUST_CHECK;
TC_EXTERN int tc_http_errorf(tc_request_t *req, int status, const char *fmt, ...) TC_PRINTF(3, 4) TC_MUST_CHECK;
/** For write_error: the message, or NULL. Of a failure, a negative outcome, only with debug. */
TC_EXTERN const char *tc_error_message(const tc_request_t *req);
/** Drop what was written and answer with the page of an error now; finishes. Once headers went out it aborts. */
TC_EXTERN int tc_send_error(tc_request_t *req, int status);

/**
 * Take the connection out of HTTP, for a protocol of the program's own: from the method, where the request is complete,
 * and before anything was sent. The answer is `101 Switching Protocols` with the header fields that were set, Upgrade
 * and Connection; the request ends with it, and on_finish follows with 0. The stream is the caller's, who closes it;
 * what the client sent ahead is read first. It works over TLS, too. (detach)
 *
 *     tc_iostream_t *stream;
 *     TC_TRY(tc_detach_stream(req, "line-echo", &stream));
 *     if (tc_iostream_read_until(stream, tc_str("\n"), 1000, on_line, NULL) < 0)
 *         tc_iostream_close(stream);
 *     return 0;
 *
 * Deadlines are the caller's affair from here on. The server still counts the connection, and its max_output_size and
 * max_queued_size hold; a drain waits for it until its deadline, and then, as tc_httpserver_free, cuts it:
 * TC_ECANCELED.
 *
 * @param protocol the name that the client has to have asked for by Upgrade (RFC 9110 section 7.8); NULL: nothing is
 *        asked and nothing is sent, be it the first bytes of another answer
 * @return 0; 400 for a client that asked for no such upgrade, to be returned; TC_EBUSY: the request is not complete, or
 *         the headers were sent; TC_EALREADY; TC_ECLOSED; TC_ENOMEM
 */
TC_EXTERN int tc_detach_stream(tc_request_t *req, const char *protocol, tc_iostream_t **out) TC_MUST_CHECK;

/**
 * Tell the client at once what the page will need, while the answer is being made: 103 (Early Hints) with this Link
 * field, "</style.css>; rel=preload; as=style". Several links by commas, or by several calls, each a 103 of its own.
 * The answer itself has to name them again, for clients that pass over hints. Before or after 100 Continue; to HTTP/1.0
 * clients, who do not know it, nothing is sent.
 *
 * @return 0, also to HTTP/1.0; TC_EBUSY once the headers went out; TC_EINVAL
 */
TC_EXTERN int tc_early_hints(tc_request_t *req, const char *link);
/** Send the headers and what is written so far; never waits. Then more may be written (chunked, or counted if
 *  Content-Length is set). If a verb failed before, that failure is returned and nothing sent. */
TC_EXTERN int tc_flush(tc_request_t *req);
TC_EXTERN bool tc_writable(const tc_request_t *req);  /**< queued output is below the mark (1 MiB) */
TC_EXTERN tc_future_t *tc_drained(tc_request_t *req); /**< done when it is; TC_ECLOSED when the client left */
/** The answer ends here; if a verb failed before, with the page of that failure. A second time: TC_EALREADY, and a line
 * in the log. */
TC_EXTERN int tc_finish(tc_request_t *req);

/* ---- Cookies --------------------------------------------------------------------------------------------------- */

typedef enum { TC_SAMESITE_DEFAULT = 0, TC_SAMESITE_LAX, TC_SAMESITE_STRICT, TC_SAMESITE_NONE } tc_samesite_t;

struct tc_cookie_options {
    const char *domain; /**< "example.com" for all of its hosts; default this host alone */
    const char *path;   /**< default "/" */
    /** Default: until the browser closes, but 30 days for a signed cookie. At most 400 days, as browsers have it;
     *  TC_FOREVER for those. */
    uint64_t max_age_ms;
    bool session; /**< until the browser closes, a signed one too */
    /** Over https only. So is, without asking, a cookie that is set over https, one whose name begins with "__Host-" or
     *  "__Secure-", one with TC_SAMESITE_NONE, and one that is partitioned. */
    bool secure;
    bool insecure;          /**< over http too, though it is set over https */
    bool httponly;          /**< no script sees it */
    bool partitioned;       /**< one for each site that embeds this one */
    tc_samesite_t samesite; /**< default the browser's: mostly as TC_SAMESITE_LAX */
    uintptr_t reserved[4];  /**< must be zero */
};

/**
 * Set a cookie with the answer, be that an error page; one of that name that was set before is replaced. What is no
 * text for a cookie is quoted, and tc_get_cookie undoes it: quotes, commas, semicolons, backslashes, and what is not
 * ASCII.
 *
 * @param options NULL: the defaults
 * @return 0; TC_EINVAL for a name that is no token or that of an attribute, for control bytes and spaces in the value,
 *         for what may not be in a domain or path, and where the prefix of a name forbids what the options say;
 *         TC_ETOOBIG for more than the 4,096 bytes of name and value that browsers keep
 */
TC_EXTERN int tc_set_cookie(tc_request_t *req, const char *name, const char *value, const tc_cookie_options_t *options);
/** The same, signed: clients can read the value, but not change it. Any text; it grows by a third, and some 110 bytes.
 *  TC_EINVAL also without a cookie_secret. */
TC_EXTERN int tc_set_signed_cookie(tc_request_t *req, const char *name, const char *value,
                                   const tc_cookie_options_t *options);
/** Make the browser forget a cookie; domain, path and the prefix of its name must be those that it was set with. */
TC_EXTERN int tc_clear_cookie(tc_request_t *req, const char *name, const tc_cookie_options_t *options);

/* ---- Signed values -----------------------------------------------------------------------------------------------
 *
 * Text that anybody may read, and nobody without the key can make or change: for links in mails, and what
 * tc_set_signed_cookie is made of. Version 2 of Tornado's format, HMAC-SHA256; version 1 is not read.
 */

/** What values are signed with. */
struct tc_signing_key {
    int version;     /**< 0 or more; Tornado's of a single secret is 0 */
    const char *key; /**< a secret of 32 bytes or more, from `openssl rand -base64 32` */
};

/**
 * Sign `value`, which may be any bytes, for `name`, at a time in seconds since 1970: time(NULL).
 *
 * @return the length without its NUL, as snprintf: if it is `size` or more, `out` is ""; TC_EINVAL; TC_ENOMEM
 */
TC_ANY_THREAD int tc_create_signed_value(char *out, size_t size, const tc_signing_key_t *key, const char *name,
                                         tc_bytes_t value, int64_t seconds);

/**
 * Write the value of a signed text to `out`, and a NUL behind it; `size` must be text.len at least.
 *
 * @param keys       any of them may have signed it; one whose key is NULL ends them
 * @param max_age_ms default 31 days; TC_FOREVER for none. More than five minutes in the future is refused as well.
 * @return the value's length; TC_EINVAL for what is not signed, or for another name; TC_ETIMEDOUT for what is too old;
 *         TC_ETOOBIG; TC_ENOMEM
 */
TC_ANY_THREAD int tc_decode_signed_value(char *out, size_t size, const tc_signing_key_t *keys, const char *name,
                                         tc_bytes_t text, uint64_t max_age_ms, int64_t now);

/** The version of the key that a text says it is signed by, unchecked: should it be signed anew? -1: it is not signed.
 */
TC_ANY_THREAD int tc_get_signature_key_version(tc_bytes_t text);

/* ---- Users, and requests that others forge --------------------------------------------------------------------- */

/** Who asks: what the handler's get_current_user returned, or tc_set_current_user set; NULL: nobody is logged in. */
TC_EXTERN void *tc_current_user(tc_request_t *req);
/** For those who find out by themselves, in `admit` and after some waiting: in place of get_current_user. */
TC_EXTERN void tc_set_current_user(tc_request_t *req, void *user);

/**
 * Where to go after the login: the argument "next" if it is a path of this host, as TC_LOGIN_REQUIRED sends it, else
 * `fallback`. Nobody can make it lead elsewhere.
 *
 *     return tc_redirect(req, tc_get_next_url(req, "/"), 303);
 */
TC_EXTERN const char *tc_get_next_url(const tc_request_t *req, const char *fallback);

/**
 * A token that shows that a request comes from a page of ours, for its argument "_xsrf" or its field X-XSRFToken; no
 * two answers have the same. Sets the cookie that it is compared with, if the client has none, so it must be asked for
 * before the headers go out. Never NULL: on failure it is "", and the request fails. (xsrf_token)
 */
TC_EXTERN const char *tc_xsrf_token(tc_request_t *req);
/** The same as a hidden field, to be written into a form. (xsrf_form_html) */
TC_EXTERN const char *tc_xsrf_form_html(tc_request_t *req);
/**
 * What xsrf_cookies does before `admit`, and for tokens in a body before `prepare`: does the token in X-XSRFToken,
 * X-CSRFToken or the argument "_xsrf" belong to the cookie, and do Sec-Fetch-Site or Origin speak of no other site?
 *
 * A body that the handler gets while it arrives is too late for a token: TC_BODY_STREAM, forms with part_… callbacks
 * and bodies in files need it in the field or in the query.
 *
 * @return 0 or 403, with words for the log
 */
TC_EXTERN int tc_check_xsrf_cookie(tc_request_t *req) TC_MUST_CHECK;

/* ---- Later ---------------------------------------------------------------------------------------------------- */

/** What the future brought; returns the outcome, or TC_DETACH for later still. */
typedef int (*tc_then_fn)(tc_request_t *req, tc_future_t *future, void *arg);

/**
 * When `future` is done, call `fn` on the loop, client or not; if the loop ends first, with a cancelled future then.
 * `fn` NULL: the future's status is the outcome. Steals `future`, which must be of the request's loop; NULL is
 * TC_ENOMEM.
 *
 * A request may wait for several: the first outcome that is not TC_DETACH counts.
 *
 * @return TC_DETACH, or an error: to be returned either way
 */
TC_EXTERN int tc_then(tc_request_t *req, tc_future_t *future, tc_then_fn fn, void *arg) TC_MUST_CHECK;

/**
 * A counted token. While one lives, the request does, beyond disconnect, timeout and the server's end. When the last
 * goes and no outcome is in: 500, and a line in the log, unless the client left. NULL: out of memory, or on_finish has
 * run.
 */
TC_EXTERN tc_deferred_t *tc_defer(tc_request_t *req) TC_MUST_CHECK;
TC_ANY_THREAD tc_deferred_t *tc_deferred_ref(tc_deferred_t *token);
TC_ANY_THREAD void tc_deferred_unref(tc_deferred_t *token); /**< NULL is fine */
/** Whether an answer comes too late: the client left, or the outcome is in (a timeout's, say). A hint: either may
 * happen at any moment. */
TC_ANY_THREAD bool tc_deferred_closed(const tc_deferred_t *token);

typedef int (*tc_deferred_fn)(tc_request_t *req, void *arg);
/**
 * Run `fn` on the loop; it returns the outcome, or TC_DETACH: more to come. 0: it runs exactly once, client or not, and
 * keeps the request alive until then.
 *
 * @return 0; TC_ECLOSED (the loop is gone), TC_EALREADY (the outcome is in), TC_ENOMEM: never runs, `arg` stays yours
 */
TC_ANY_THREAD int tc_deferred_post(tc_deferred_t *token, tc_deferred_fn fn, void *arg) TC_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
