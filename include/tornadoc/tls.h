/*
 * tornadoc/tls.h - TLS contexts: certificates, keys, and how much is asked of the other side. (Tornado: ssl_options)
 *
 *     tc_tls_context_t *tls;
 *     TC_TRY(tc_tls_context_new(&tls, "cert.pem", "key.pem"));
 *
 * A context belongs to no loop: servers, clients and streams on any thread hold references to it. What it does by
 * default is what is safe today: TLS 1.2 and 1.3, ciphers that authenticate what they encrypt, keys of the moment, no
 * renegotiation, no compression; a client checks certificate and host name.
 *
 * Whatever fails says so in tc_error_detail(), by file and reason: "certs/a.pem: no such file or directory".
 */
#ifndef TORNADOC_TLS_H
#define TORNADOC_TLS_H

#include <tornadoc/util.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tc_tls_context tc_tls_context_t;

/* ---- What a context is made from ------------------------------------------------------------------------------ */

/**
 * The password of a key: write it to `out` and return its length; negative: there is none. Called whenever the key is
 * read, by the functions that make a context, add to it or reload it, and on their thread.
 */
typedef int (*tc_tls_password_cb)(char *out, size_t size, void *user_data);

/** A certificate and its key, as PEM, each from a file or from memory. Files are regular ones, of 16 MiB at most. */
typedef struct tc_tls_certificate {
    const char *cert_file;          /**< the certificate, then those that lead from it towards a root */
    const char *key_file;           /**< its private key; NULL: cert_file holds it too */
    tc_bytes_t cert, key;           /**< the same from memory, where no file is named */
    tc_tls_password_cb password_cb; /**< of an encrypted key */
    void *password_data;            /**< lives as long as the context */
    const char *ocsp_file; /**< of servers: what the authority says of it, an OCSP response in DER as it came (`openssl
                              ocsp -respout`); sent to clients that ask, until it is out of date */
    const struct tc_tls_certificate *also; /**< for the same names with a key of another kind: RSA for clients that do
                                              not know ECDSA */
    uintptr_t reserved[8];                 /**< must be zero */
} tc_tls_certificate_t;

/** What a server asks of its clients. */
typedef enum {
    TC_TLS_CLIENT_CERT_NONE,     /**< no certificate */
    TC_TLS_CLIENT_CERT_OPTIONAL, /**< one that is valid, or none */
    TC_TLS_CLIENT_CERT_REQUIRED  /**< a valid one */
} tc_tls_client_cert_t;

/** Older versions are not offered by any context but an adopted one (RFC 8996). */
typedef enum { TC_TLS_VERSION_DEFAULT, TC_TLS_1_2, TC_TLS_1_3 } tc_tls_version_t;

/**
 * Choose the context of a client by the host name that it asks for: in small letters, "" if it names none. Set
 * `*chosen` to a server's context, of which the callback gives a reference away (tc_tls_context_ref), or leave it NULL:
 * then the names of `tls` itself count. It runs within the handshake, on the connection's thread, and must not wait.
 *
 * What a client must show, certificates, versions, ciphers and protocols are those of the chosen context; its choose_cb
 * is not asked; sessions are kept by `tls`.
 *
 * @return 0; anything else refuses the client (unrecognized_name)
 */
typedef int (*tc_tls_choose_cb)(tc_tls_context_t *tls, const char *host, tc_tls_context_t **chosen, void *user_data);

/** All zero means the defaults. Texts and bytes are copied. */
typedef struct {
    tc_tls_certificate_t certificate; /**< a server has one; a client may */
    bool allow_expired;               /**< let a server begin whose certificate has expired, or is not valid yet */

    const char *ca_file; /**< PEM: whose certificates the other side's must lead to. Several sources add up; without
                              one a client trusts whom the system trusts */
    const char *ca_dir;  /**< a folder of such files, named by hash as `openssl rehash` does */
    tc_bytes_t ca;       /**< the same from memory */

    tc_tls_client_cert_t client_cert; /**< of servers; asking for one takes a CA */
    bool insecure_skip_verify;        /**< of clients: take any certificate from anyone */

    tc_tls_version_t min_version, max_version; /**< default TLS 1.2 and 1.3 */
    const char *ciphers; /**< of TLS 1.2, in OpenSSL's notation; default of servers: ECDHE with AES-GCM or ChaCha20 */
    const char *ciphersuites; /**< of TLS 1.3; default OpenSSL's */
    const char *groups; /**< "X25519:P-256", best first; default of servers: those, P-384, and X25519MLKEM768 where
                             OpenSSL has it */
    const char *alpn;   /**< "h2, http/1.1", best first; a client that offers none of a server's is refused. Default:
                             what the protocol above speaks */

    bool no_session_tickets;      /**< of servers: sessions are kept here, not by clients */
    bool no_session_cache;        /**< of servers: no sessions for clients that take no tickets */
    size_t session_cache_size;    /**< how many of those; default 1,024; at most a million */
    uint64_t session_lifetime_ms; /**< how long a session may be resumed; default 2 hours; a minute to 7 days */

    tc_tls_choose_cb choose_cb; /**< of servers */
    void *choose_data;          /**< lives as long as the context and its connections */

    const char *insecure_key_log_file; /**< for debugging: append the keys of all connections, as SSLKEYLOGFILE of
                                            browsers; whoever reads it reads all that was sent */
    uintptr_t reserved[16];            /**< must be zero */
} tc_tls_options_t;

/* ---- Life ----------------------------------------------------------------------------------------------------- */

/**
 * A server's context: a certificate with its chain, and its key.
 *
 * @param key_file NULL: cert_file holds the key too
 * @return 0; TC_ENOENT and other codes of the system for files; TC_ETLS for what is in them: no certificate, a key of
 *         another one, a certificate that has expired …
 */
TC_EXTERN int tc_tls_context_new(tc_tls_context_t **out, const char *cert_file, const char *key_file) TC_MUST_CHECK;

/** The same with all options. @return as tc_tls_context_new; TC_EINVAL for options that do not fit */
TC_EXTERN int tc_tls_context_new_server(tc_tls_context_t **out, const tc_tls_options_t *options) TC_MUST_CHECK;

/** A client's context; NULL options are fine. */
TC_EXTERN int tc_tls_context_new_client(tc_tls_context_t **out, const tc_tls_options_t *options) TC_MUST_CHECK;

/**
 * A server's context for development: its certificate is made on the spot and signed by itself, so browsers warn, and
 * clients must skip verification. It lasts for 30 days, and no other program ever has the same.
 *
 * @param hosts further names and addresses, "dev.example.com, 192.0.2.1"; NULL: only localhost, 127.0.0.1 and ::1
 * @return 0; TC_EINVAL: no host name; TC_ENOMEM
 */
TC_EXTERN int tc_tls_context_self_signed(tc_tls_context_t **out, const char *hosts) TC_MUST_CHECK;

/**
 * A certificate for some host names (SNI): "example.com, *.example.com"; NULL: for those that it names itself. Case
 * does not matter; a "*" stands for one label, the first. A name goes before a pattern, and what is told here before
 * what a certificate brings along; whoever asks for something else, or for nothing, meets the first certificate of the
 * context.
 *
 * The certificate is copied. Connections that are made from now on will meet it; a reload reads it again.
 *
 * @return 0; TC_EEXIST: one of `hosts` was told before; TC_EINVAL: no host name, or not a server's context; else as the
 *         function that made the context
 */
TC_ANY_THREAD int tc_tls_context_add(tc_tls_context_t *tls, const char *hosts,
                                     const tc_tls_certificate_t *certificate) TC_MUST_CHECK;

/**
 * Read all files again, for certificates that were renewed. All or nothing: if anything is wrong with any of them, the
 * context stays as it was, and tc_error_detail() has the reason. Connections that were made keep what they have;
 * whoever connects from now on meets the new. It blocks while it reads.
 *
 * @return as the function that made the context
 */
TC_ANY_THREAD int tc_tls_context_reload(tc_tls_context_t *tls) TC_MUST_CHECK;

enum { TC_TLS_TICKET_KEY_SIZE = 80 };

/**
 * Keys of session tickets, for servers on several machines that shall resume each other's sessions. Each has 80 random
 * bytes, as nginx's ssl_session_ticket_key; the first makes tickets, all open them, 8 at most. To change keys, give the
 * new one behind the old one everywhere first, then before it, and in the end without it.
 *
 * Without this call a context makes its own, and changes them every half session_lifetime_ms. Processes that are forked
 * after the context was made know each other's; keys that are given later are those of one process.
 *
 * @return 0; TC_EINVAL
 */
TC_ANY_THREAD int tc_tls_context_set_ticket_keys(tc_tls_context_t *tls, tc_bytes_t keys) TC_MUST_CHECK;

TC_ANY_THREAD tc_tls_context_t *tc_tls_context_ref(tc_tls_context_t *tls);
/** Give a reference back; the last one frees the context. Connections hold their own. NULL is fine. */
TC_ANY_THREAD void tc_tls_context_unref(tc_tls_context_t *tls);

#ifdef __cplusplus
}
#endif
#endif
