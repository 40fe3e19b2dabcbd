/* tls_context_private.h - what the files of the TLS context share. */
#ifndef TC_NET_TLS_CONTEXT_PRIVATE_H
#define TC_NET_TLS_CONTEXT_PRIVATE_H

#include "net/tls_context_internal.h"

#include <stdatomic.h>

#include <openssl/x509.h>
#include <uv.h>

#include "util/arena_internal.h"
#include "util/map_internal.h"

/* ---- tls_context_pem.c: what stands in files ---- */

/* A text that was read, or that the program gave: `name` is the file's, or says what it is; `owned` is freed. */
typedef struct {
    const char *name;
    tc_bytes_t text;
    void *owned;
} tc__tls_text_t;

/* Read `file`, or else take `memory`, which is lent; an empty text if there is neither. */
int tc__tls_text_init(tc__tls_text_t *text, const char *file, tc_bytes_t memory, const char *what);
void tc__tls_text_deinit(tc__tls_text_t *text); /* erases what was read: it may be a key */

/* All certificates of a text, in their order; none is an error. */
int tc__tls_read_certificates(STACK_OF(X509) * *out, const tc__tls_text_t *text);
int tc__tls_read_key(EVP_PKEY **out, const tc__tls_text_t *text, tc_tls_password_cb cb, void *user_data);

/* ---- tls_context_certificate.c: what one certificate stands for ---- */

/* A certificate with what is read from beside it. */
typedef struct {
    STACK_OF(X509) * certificates; /* the first is whose key it is */
    EVP_PKEY *key;
} tc__tls_loaded_t;

/* Read it, and check that all fits. */
int tc__tls_load(tc__tls_loaded_t *out, const tc_tls_certificate_t *certificate, bool check_dates);
void tc__tls_loaded_deinit(tc__tls_loaded_t *loaded);

bool tc__tls_has_certificate(const tc_tls_certificate_t *certificate);

/* Copy what it points at; the rest stays as it is. */
int tc__tls_check_certificate(const tc_tls_certificate_t *certificate);
int tc__tls_copy_certificate(tc__arena_t *arena, tc_tls_certificate_t *certificate);
void tc__tls_erase_certificate(const tc_tls_certificate_t *copy); /* what may be a key in memory */

/* ---- tls_context_options.c: options to OpenSSL's SSL_CTX ---- */

enum { TC__TLS_SESSION_ID_CONTEXT = 32 };

/* What the program gave for some hosts. */
typedef struct tc__tls_source {
    struct tc__tls_source *next;
    const char *hosts; /* NULL: those that the certificate names */
    tc_tls_certificate_t certificate;
} tc__tls_source_t;

/* What was made of it: an SSL_CTX, which is never changed. */
typedef struct {
    atomic_uint refs;
    SSL_CTX *ctx;
    unsigned char session_id_context[TC__TLS_SESSION_ID_CONTEXT]; /* what it demands of clients: sessions are no way
                                                                     around it */
    bool told;   /* the names are the program's, not the certificate's */
    char *names; /* with spaces between them; NULL: none */
} tc__tls_site_t;

typedef enum { TC__TLS_SERVER, TC__TLS_CLIENT, TC__TLS_ADOPTED } tc__tls_role_t;

/* Replace what is pointed at by a copy. */
int tc__tls_copy_text(tc__arena_t *arena, const char **text);
int tc__tls_copy_bytes(tc__arena_t *arena, tc_bytes_t *bytes);

uint64_t tc__tls_session_lifetime_ms(const tc_tls_options_t *options);
int tc__tls_check_options(const tc_tls_options_t *options, tc__tls_role_t role);
int tc__tls_copy_options(tc__arena_t *arena, tc_tls_options_t *options);

/* Another site as the context's options have it: files are read again. With a `base`, a site of the same options, what
 * both have in common is shared. */
int tc__tls_site_new(tc__tls_site_t **out, const tc_tls_context_t *tls, const tc__tls_source_t *source,
                     const tc__tls_site_t *base);
tc__tls_site_t *tc__tls_site_ref(tc__tls_site_t *site);
void tc__tls_site_unref(tc__tls_site_t *site); /* NULL is fine */

/* ---- tls_context_names.c: host names to sites ---- */

/* The sites of a context at one time. */
typedef struct {
    atomic_uint refs;
    tc__map_t names; /* "example.com", "*.example.com": to the sites below */
    size_t count;
    tc__tls_site_t *sites[]; /* the first is for all other names */
} tc__tls_sites_t;

/* Those of `old`, or none if it is NULL, and room for `more`. */
int tc__tls_sites_new(tc__tls_sites_t **out, const tc__tls_sites_t *old, size_t more);
/* Take a reference to one, and its names. TC_EEXIST: one that was told is there already. */
int tc__tls_sites_push(tc__tls_sites_t *sites, tc__tls_site_t *site);
tc__tls_sites_t *tc__tls_sites_ref(tc__tls_sites_t *sites);
void tc__tls_sites_unref(tc__tls_sites_t *sites); /* NULL is fine */

enum { TC__TLS_HOST_SIZE = 256 };

/* A host name in its one form, small letters without the dot at the end, into TC__TLS_HOST_SIZE bytes. False: it is
 * none. */
bool tc__tls_host_normal(char *out, tc_bytes_t host);

/* The same with "*." before it, or without. */
bool tc__tls_pattern_normal(char *out, tc_bytes_t pattern);

/* Names for a site: a list that the program gave, or those of a certificate; to be freed. NULL if it has none. */
int tc__tls_names_told(char **out, const char *hosts);
int tc__tls_names_of(char **out, const X509 *leaf);

/* Let the client's name choose the site. */
void tc__tls_set_name_callbacks(SSL_CTX *ctx);

/* ---- tls_context_tickets.c: keys of session tickets ---- */

enum {
    TC__TLS_TICKET_SECRET = 32,
    TC__TLS_TICKET_STEPS = 3, /* how long a key is there */
    TC__TLS_TICKET_KEYS = 8   /* at most, if the program gives them */
};

typedef struct {
    unsigned char name[16], mac[32], cipher[32];
} tc__tls_ticket_key_t;

typedef struct {
    uv_mutex_t lock; /* guards all of it */
    bool ready;      /* there is a lock */
    bool given;      /* by the program: they do not change by themselves */
    uint64_t period_ms, since_ms;
    uint64_t (*now_ms)(void);
    unsigned char secret[TC__TLS_TICKET_SECRET];
    tc__tls_ticket_key_t keys[TC__TLS_TICKET_KEYS]; /* the first makes tickets, all open them */
    size_t count;
} tc__tls_tickets_t;

int tc__tls_tickets_init(tc__tls_tickets_t *tickets, uint64_t lifetime_ms);
void tc__tls_tickets_deinit(tc__tls_tickets_t *tickets); /* one that is all zero is fine */
void tc__tls_set_ticket_callback(SSL_CTX *ctx);

/* ---- tls_context_staple.c: OCSP responses ---- */

/* Read one that is about the certificate `leaf` of `ctx`. */
int tc__tls_staple(SSL_CTX *ctx, const char *file, X509 *leaf);
void tc__tls_set_staple_callback(SSL_CTX *ctx);

/* ---- tls_context.c ---- */

struct tc_tls_context {
    atomic_uint refs;
    tc__tls_role_t role;

    uv_mutex_t now_lock; /* guards `now`, for moments */
    tc__tls_sites_t *now;

    uv_mutex_t change_lock; /* guards `sources`; one change at a time */
    tc__tls_source_t first; /* and those that were added */

    tc__arena_t memory;        /* of what options and sources point at */
    tc_tls_options_t options;  /* without the certificate */
    tc_bytes_t alpn;           /* as the protocol has it; empty: none is told */
    int key_log;               /* descriptor, or -1 */
    tc__tls_tickets_t tickets; /* of servers */
};

tc__tls_sites_t *tc__tls_sites_now(tc_tls_context_t *tls); /* a reference */

/* What an SSL is to its context; freed with the SSL. */
typedef struct {
    tc_tls_context_t *tls;
    tc_tls_context_t *chosen; /* by a choose_cb, or NULL */
    bool greeted;             /* the client has told a name, or none */
    uint64_t name_hash;       /* of that */
    tc_bytes_t default_alpn;  /* for a context that says nothing of it */
} tc__tls_connection_t;

/* OpenSSL's number for data of ours in each object of a class, made with the first use; negative: no memory. */
int tc__tls_ex_index(atomic_int *known, int class_index, CRYPTO_EX_free *free_fn);

tc__tls_connection_t *tc__tls_connection(const SSL *ssl);

/* The callbacks of OpenSSL, for a context's every SSL_CTX. */
void tc__tls_set_callbacks(SSL_CTX *ctx, const tc_tls_context_t *tls);

/* ---- tls_context_alpn.c ---- */

/* "h2, http/1.1" as the protocol has it. */
int tc__tls_parse_alpn(tc__arena_t *arena, tc_bytes_t *out, const char *text);
void tc__tls_set_alpn_callback(SSL_CTX *ctx);

/* ---- tls_context_key_log.c ---- */

int tc__tls_key_log_open(const char *file); /* a descriptor, or a failure with its words */
void tc__tls_key_log_write(int fd, const char *line);

#endif
