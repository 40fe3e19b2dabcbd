/*
 * tornadoc/httpserver.h - a server on a loop of your own. (Tornado: httpserver)
 *
 * tc_application_run makes a loop and a server by itself; this is for programs that have a loop already, or that serve
 * several applications. tc_httpserver_new stands in tornadoc/web.h, with the application that it serves.
 */
#ifndef TORNADOC_HTTPSERVER_H
#define TORNADOC_HTTPSERVER_H

#include <tornadoc/ioloop.h>
#include <tornadoc/netutil.h>
#include <tornadoc/tls.h>
#include <tornadoc/util.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tc_httpserver tc_httpserver_t;

/** Header fields in which proxies tell who the client is, and by which protocol it came. */
enum {
    TC_TRUST_FORWARDED = 1u << 0, /**< RFC 7239 */
    TC_TRUST_X_FORWARDED_FOR = 1u << 1,
    TC_TRUST_X_REAL_IP = 1u << 2,
    TC_TRUST_X_FORWARDED_PROTO = 1u << 3,
    TC_TRUST_X_SCHEME = 1u << 4
};

/** Zero is the default, everywhere. Sizes are bytes (TC_UNLIMITED), times milliseconds (TC_FOREVER). */
typedef struct {
    size_t max_request_line; /**< default 8 KiB; beyond it 414 */
    size_t max_header_size;  /**< request line and header block; default 64 KiB; beyond it 431 */
    size_t max_header_count; /**< default 128; beyond it 431 */
    size_t max_body_size;    /**< default 100 MiB; beyond it 413; routes may have their own */
    size_t max_trailer_size; /**< trailers of a body with the extensions of its chunks; default 16 KiB; beyond it 431 */
    size_t max_pipelined_size; /**< read ahead of the request under way, and most that one read takes; default, and at
                                  most, 64 KiB; what is beyond stays with the system until the answer is out */
    size_t max_output_size;    /**< queued for one client; default 64 MiB; beyond it the connection is aborted */
    size_t max_queued_size;    /**< memory of output queued for all clients at once, less what was only lent; default
                                    1 GiB; beyond it those are aborted that took nothing for the longest */
    size_t output_mark;        /**< above it tc_writable is false; default 1 MiB */
    size_t max_connections;    /**< with requests that outlive theirs; then accepting pauses; default from
                                    RLIMIT_NOFILE, less a reserve */
    size_t max_requests_per_connection; /**< the last answer says `Connection: close`; default TC_UNLIMITED */
    uint64_t idle_timeout_ms;           /**< between two requests of a connection; default 75,000 */
    uint64_t header_timeout_ms; /**< from the first byte to the complete header block, then 408; a new connection that
                                     stays silent as long is closed; default 20,000 */
    uint64_t body_timeout_ms;   /**< without a byte of the body, or with less than one per millisecond; default 30,000;
                                     then 408 */
    uint64_t write_timeout_ms;  /**< default 60,000: a client for which output is pending for so long without a break,
                                   and  that has acknowledged less than a byte per millisecond of it, is aborted */
    bool no_keep_alive;         /**< one request per connection */
    bool xheaders; /**< tc_remote_ip and tc_protocol are what proxies tell in Forwarded, X-Forwarded-For, X-Real-Ip,
                        X-Forwarded-Proto and X-Scheme: believed if the peer is trusted and if they do not disagree */
    bool proxy_protocol;            /**< every connection begins with a PROXY header, version 1 or 2, from a peer in
                                         trusted_downstream; any other is closed */
    const char *trusted_downstream; /**< whom to believe: "10.0.0.0/8, 2001:db8::1, unix"; default this machine,
                                         "127.0.0.0/8, ::1, unix"; the client is the first from the right who is not
                                         among them */
    const char *server_name; /**< the Server header field; default "tornadoc/" and the version; "": none; copied */
    tc_tls_context_t *tls;   /**< a server's: connections speak TLS; referenced. A PROXY header comes before, in the
                                  clear. Who speaks plain HTTP is answered by a 400 that says so */
    uint64_t handshake_timeout_ms; /**< of TLS, all of it; default 10,000 */
    tc_bind_options_t bind;        /**< for tc_httpserver_listen */
    unsigned trusted_fields; /**< with xheaders: those of TC_TRUST_… that the proxy sets itself, so that no client can;
                                  default all. A proxy passes on what it does not set, as the client wrote it */
    uintptr_t reserved[8];   /**< must be zero */
} tc_httpserver_options_t;

/** Bind and accept: see tc_bind_sockets for `address`, and for `port` 0 or TC_ANY_PORT. Repeatable. */
TC_EXTERN int tc_httpserver_listen(tc_httpserver_t *server, const char *address, int port) TC_MUST_CHECK;

/** Accept on a listening socket that exists (inherited, or made before a fork): taken, also on failure. */
TC_EXTERN int tc_httpserver_add_socket(tc_httpserver_t *server, int fd) TC_MUST_CHECK;

/** The port of the first socket; 0 without one. */
TC_EXTERN int tc_httpserver_port(const tc_httpserver_t *server);

/** How many connections are open. */
TC_EXTERN size_t tc_httpserver_connections(const tc_httpserver_t *server);

/** Accept no more; connections go on. Idempotent. */
TC_EXTERN void tc_httpserver_stop(tc_httpserver_t *server);

typedef void (*tc_httpserver_cb)(tc_httpserver_t *server, int err, void *user_data);
/**
 * Stop accepting, close idle connections, let what runs end with `Connection: close` (and give the client half a second
 * to end as well, lest what it sent meanwhile resets the connection under its answer), cut the rest at the deadline;
 * then call `cb` (or NULL) on the loop: 0, or TC_ETIMEDOUT if something was cut. A second drain only moves the deadline
 * nearer; its `cb` is called as well. Once the server is freed, no `cb` runs any more.
 *
 * @return 0; TC_ENOMEM, TC_ECLOSED (the loop is gone): `cb` never runs
 */
TC_ANY_THREAD int tc_httpserver_drain(tc_httpserver_t *server, uint64_t timeout_ms, tc_httpserver_cb cb,
                                      void *user_data);

/** Stop, abort what is left, free. Detached requests outlive it; a drain that is under way ends without its `cb`. NULL
 * is fine. Not while another thread asks for a drain. */
TC_EXTERN void tc_httpserver_free(tc_httpserver_t *server);

#ifdef __cplusplus
}
#endif
#endif
