/*
 * tls_bad_input_test.c - files, texts and options that make no context, and the words for each.
 */
#include "net/tls_test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/file_calls_internal.h"

static certificate_t ca, good, other, expired, early;
static const char *good_cert, *good_key;

static int make_certificates(void **state) {
    (void)state;
    certificate_make(&ca, NULL, &(certificate_spec_t){ .names = "Test CA", .ca = true });
    certificate_make(&good, &ca, &(certificate_spec_t){ .names = "example.com" });
    certificate_make(&other, &ca, &(certificate_spec_t){ .names = "example.com" });
    certificate_make(&expired, &ca, &(certificate_spec_t){ .names = "example.com", .begins = -10, .ends = -1 });
    certificate_make(&early, &ca, &(certificate_spec_t){ .names = "example.com", .begins = 1, .ends = 10 });

    char *encrypted = certificate_encrypted_key(&good, "secret");
    good_cert = certificates_file("good.pem", good.cert_pem, NULL);
    good_key = certificates_file("good.key", good.key_pem, NULL);
    certificates_file("other.key", other.key_pem, NULL);
    certificates_file("encrypted.key", encrypted, NULL);
    certificates_file("both.pem", good.key_pem, good.cert_pem, NULL);
    certificates_file("expired.pem", expired.cert_pem, expired.key_pem, NULL);
    certificates_file("early.pem", early.cert_pem, early.key_pem, NULL);
    certificates_file("empty.pem", "", NULL);
    certificates_file("text.pem", "Dear reader,\n", NULL);
    certificates_file("base64.pem", "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n", NULL);
    certificates_file("asn1.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", NULL);
    certificates_file("cut.pem", good.cert_pem, "-----BEGIN CERTIFICATE-----\nMIIB\n", NULL);
    certificates_file("secret.pem",
                      "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n"
                      "DEK-Info: AES-128-CBC,00000000000000000000000000000000\n\n"
                      "AAAA\n-----END CERTIFICATE-----\n",
                      NULL);
    certificates_file("bad.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", NULL);
    free(encrypted);
    return 0;
}

static int free_certificates(void **state) {
    (void)state;
    certificate_t *all[] = { &ca, &good, &other, &expired, &early };
    for (size_t i = 0; i < COUNT(all); i++)
        certificate_free(all[i]);
    certificates_remove_folder();
    return 0;
}

static const char *path_of(const char *name) {
    static char paths[4][160];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", certificates_folder(), name);
    return name ? path : NULL;
}

/* The words without the folder. */
static const char *detail(void) {
    static char text[512];
    const char *folder = certificates_folder();
    size_t len = 0;
    for (const char *rest = tc_error_detail(); *rest && len < sizeof text - 1;) {
        if (strncmp(rest, folder, strlen(folder)) == 0)
            rest += strlen(folder) + 1;
        else
            text[len++] = *rest++;
    }
    text[len] = '\0';
    return text;
}

/* Words that end in "(" go on with OpenSSL's, which change with its versions. */
static void expect_failure(const char *why, int err, int wanted, const char *words) {
    size_t len = strlen(words);
    bool same = words[len - 1] == '(' ? strncmp(detail(), words, len) == 0 : strcmp(detail(), words) == 0;
    if (err != wanted || !same)
        fail_msg("%s: %d, \"%s\"", why, err, detail());
    assert_int_equal(ERR_peek_error(), 0);
}

/* ---- Files ---- */

static const struct {
    const char *why, *cert, *key, *words;
    int err;
} files[] = {
    { "a file that is not there", "none.pem", "good.key", "none.pem: no such file or directory", TC_ENOENT },
    { "a key that is not there", "good.pem", "none.key", "none.key: no such file or directory", TC_ENOENT },
    { "a folder", ".", "good.key", ".: illegal operation on a directory", -EISDIR },
    { "a device without an end", "zero", NULL, "zero: not a regular file", TC_EINVAL },
    { "a pipe without a writer", "pipe", NULL, "pipe: not a regular file", TC_EINVAL },
    { "a huge file", "huge.pem", NULL, "huge.pem: larger than 16 MiB", TC_ETOOBIG },
    { "an empty file", "empty.pem", "good.key", "empty.pem: no certificate in it", TC_ETLS },
    { "other text", "text.pem", "good.key", "text.pem: no certificate in it", TC_ETLS },
    { "a key in the place of the certificate", "good.key", "good.key", "good.key: no certificate in it", TC_ETLS },
    { "a certificate in the place of the key", "good.pem", "good.pem", "good.pem: no private key in it", TC_ETLS },
    { "the file should hold the key, too", "good.pem", NULL, "good.pem: no private key in it", TC_ETLS },
    { "letters that are no base64", "base64.pem", "good.key", "base64.pem: no certificate that can be read (",
      TC_ETLS },
    { "bytes that are no certificate", "asn1.pem", "good.key", "asn1.pem: no certificate that can be read (", TC_ETLS },
    { "a chain that is cut", "cut.pem", "good.key", "cut.pem: no certificate that can be read (", TC_ETLS },
    { "a certificate behind a password", "secret.pem", "good.key", "secret.pem: no certificate that can be read (",
      TC_ETLS },
    { "bytes that are no key", "good.pem", "bad.key", "bad.key: no key that can be read (", TC_ETLS },
    { "the key of another", "good.pem", "other.key", "other.key: not the key of good.pem", TC_ETLS },
    { "a certificate that has expired", "expired.pem", NULL, "expired.pem: the certificate has expired", TC_ETLS },
    { "one that is not valid yet", "early.pem", NULL, "early.pem: the certificate is not valid yet", TC_ETLS },
    { "an encrypted key", "good.pem", "encrypted.key",
      "encrypted.key: the key is encrypted, and there is no password_cb", TC_ETLS },
};

static void make_odd_files(void) {
    assert_int_equal(symlink("/dev/zero", path_of("zero")), 0);
    assert_int_equal(mkfifo(path_of("pipe"), 0600), 0);
    int fd = open(path_of("huge.pem"), O_WRONLY | O_CREAT, 0600);
    assert_int_equal(ftruncate(fd, 16 * 1024 * 1024 + 1), 0);
    close(fd);
}

static void a_bad_file_is_named_with_the_reason(void **state) {
    (void)state;
    make_odd_files();
    for (size_t i = 0; i < COUNT(files); i++) {
        tc_tls_context_t *tls = NULL;
        int err = tc_tls_context_new(&tls, path_of(files[i].cert), files[i].key ? path_of(files[i].key) : NULL);
        expect_failure(files[i].why, err, files[i].err, files[i].words);
        assert_null(tls);
    }
}

static void a_key_may_stand_with_its_certificate(void **state) {
    (void)state;
    tc_tls_context_t *tls = NULL;
    assert_int_equal(tc_tls_context_new(&tls, path_of("both.pem"), NULL), 0);
    tc_tls_context_unref(tls);
}

static void an_expired_certificate_is_allowed_to_those_who_ask(void **state) {
    (void)state;
    tc_tls_context_t *tls = NULL;
    tc_tls_options_t options = { .certificate = { .cert_file = path_of("expired.pem") }, .allow_expired = true };
    assert_int_equal(tc_tls_context_new_server(&tls, &options), 0);
    tc_tls_context_unref(tls);
}

/* ---- Passwords ---- */

static int give_password(char *out, size_t size, void *user_data) {
    int len = snprintf(out, size, "%s", (const char *)user_data);
    return len > 0 ? len : -1;
}

static int give_too_much(char *out, size_t size, void *user_data) {
    (void)out, (void)user_data;
    return (int)size + 1;
}

static int new_with_password(tc_tls_context_t **out, tc_tls_password_cb cb, char *password) {
    tc_tls_options_t options = { .certificate = { .cert_file = good_cert,
                                                  .key_file = path_of("encrypted.key"),
                                                  .password_cb = cb,
                                                  .password_data = password } };
    return tc_tls_context_new_server(out, &options);
}

static void an_encrypted_key_takes_its_password(void **state) {
    (void)state;
    tc_tls_context_t *tls = NULL;
    char secret[] = "secret", wrong[] = "wrong", none[] = "";
    assert_int_equal(new_with_password(&tls, give_password, secret), 0);
    assert_int_equal(tc_tls_context_reload(tls), 0);
    tc_tls_context_unref(tls);
    expect_failure("another password", new_with_password(&tls, give_password, wrong), TC_ETLS,
                   "encrypted.key: the key is encrypted, with another password (");
    expect_failure("no password", new_with_password(&tls, give_password, none), TC_ETLS,
                   "encrypted.key: the key is encrypted, and password_cb gave no password");
    expect_failure("more than there is room for", new_with_password(&tls, give_too_much, none), TC_ETLS,
                   "encrypted.key: the key is encrypted, and password_cb gave no password");
}

/* ---- Memory ---- */

static void what_comes_from_memory_is_checked_alike(void **state) {
    (void)state;
    tc_tls_context_t *tls = NULL;
    tc_tls_options_t options = { .certificate = { .cert = tc_str(good.cert_pem), .key = tc_str(other.key_pem) } };
    expect_failure("the key of another", tc_tls_context_new_server(&tls, &options), TC_ETLS,
                   "the key: not the key of the certificate");
    options.certificate.key = tc_str(good.key_pem);
    assert_int_equal(tc_tls_context_new_server(&tls, &options), 0);
    assert_int_equal(tc_tls_context_reload(tls), 0);
    tc_tls_context_unref(tls);
    options = (tc_tls_options_t){ .ca = tc_str("nobody") };
    expect_failure("no authority", tc_tls_context_new_client(&tls, &options), TC_ETLS, "the CA: no certificate in it");
}

/* ---- Options ---- */

static const struct {
    const char *words;
    tc_tls_options_t options;
    bool client;
} bad_options[] = {
    { "a TLS server needs a certificate", { .alpn = "h2" }, false },
    { "insecure_skip_verify is for clients", { .insecure_skip_verify = true }, false },
    { "client_cert: by whose certificates? ca_file, ca_dir or ca says so",
      { .client_cert = TC_TLS_CLIENT_CERT_OPTIONAL },
      false },
    { "client_cert: 3 is none of its values", { .client_cert = (tc_tls_client_cert_t)3 }, false },
    { "a key without its certificate", { .certificate = { .key_file = "a.key" } }, true },
    { "client_cert and choose_cb are for servers", { .client_cert = TC_TLS_CLIENT_CERT_REQUIRED }, true },
    { "sessions are for servers to keep", { .no_session_tickets = true }, true },
    { "min_version is above max_version", { .min_version = TC_TLS_1_3, .max_version = TC_TLS_1_2 }, true },
    { "min_version, max_version: no such version of TLS", { .min_version = (tc_tls_version_t)7 }, true },
    { "session_lifetime_ms: a session lives a minute to seven days", { .session_lifetime_ms = 1000 }, false },
    { "session_lifetime_ms: a session lives a minute to seven days", { .session_lifetime_ms = TC_FOREVER }, false },
    { "session_cache_size: at most a million", { .session_cache_size = TC_UNLIMITED }, false },
    { "tc_tls_options_t: reserved must be zero", { .reserved = { 1 } }, true },
    { "tc_tls_certificate_t: reserved must be zero", { .certificate = { .reserved = { 1 } } }, true },
    { "ciphers \"none\" (no cipher match)", { .ciphers = "none" }, true },
    { "groups \"none\" (", { .groups = "none" }, true },
    { "alpn: names no protocol", { .alpn = ", " }, true },
    { "none/ca.pem: no such file or directory", { .ca_file = "none/ca.pem" }, true },
    { "none/keys: no such file or directory", { .insecure_key_log_file = "none/keys" }, true },
};

static void options_that_do_not_fit_are_told(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(bad_options); i++) {
        tc_tls_context_t *tls = NULL;
        tc_tls_options_t options = bad_options[i].options;
        if (!bad_options[i].client && i > 0) {
            options.certificate.cert_file = good_cert;
            options.certificate.key_file = good_key;
        }
        int err = bad_options[i].client ? tc_tls_context_new_client(&tls, &options)
                                        : tc_tls_context_new_server(&tls, &options);
        expect_failure(bad_options[i].words, err, strstr(bad_options[i].words, "no such file") ? TC_ENOENT : TC_EINVAL,
                       bad_options[i].words);
    }
    tc_tls_context_t *tls;
    assert_int_equal(tc_tls_context_new(NULL, good_cert, good_key), TC_EINVAL);
    assert_int_equal(tc_tls_context_new(&tls, NULL, good_key), TC_EINVAL);
    assert_int_equal(tc_tls_context_new_server(&tls, NULL), TC_EINVAL);
    assert_int_equal(tc_tls_context_new_client(NULL, NULL), TC_EINVAL);
    assert_int_equal(tc_tls_context_reload(NULL), TC_EINVAL);
    tc_tls_context_unref(NULL);
}

static void a_name_of_a_protocol_has_255_bytes_at_most(void **state) {
    (void)state;
    char name[257];
    memset(name, 'x', sizeof name - 1);
    name[256] = '\0';
    tc_tls_context_t *tls = NULL;
    assert_int_equal(tc_tls_context_new_client(&tls, &(tc_tls_options_t){ .alpn = name }), TC_EINVAL);
    assert_int_equal(tc_tls_context_new_client(&tls, &(tc_tls_options_t){ .alpn = name + 1 }), 0);
    tc_tls_context_unref(tls);
}

/* ---- System calls ---- */

static int fail_open(const char *path, int flags, mode_t mode) {
    (void)path, (void)flags, (void)mode;
    errno = EMFILE;
    return -1;
}

static int fail_fstat(int fd, struct stat *out) {
    (void)fd, (void)out;
    errno = EIO;
    return -1;
}

static ssize_t fail_read(int fd, void *data, size_t len) {
    (void)fd, (void)data, (void)len;
    errno = EIO;
    return -1;
}

/* One byte at a time, and every other call is interrupted. */
static ssize_t read_slowly(int fd, void *data, size_t len) {
    static int calls;
    errno = EINTR;
    return calls++ % 2 ? -1 : read(fd, data, len < 1 ? len : 1);
}

static void a_failing_system_call_is_told(void **state) {
    (void)state;
    tc__file_sys_t real = tc__file_sys;
    tc_tls_context_t *tls = NULL;
    tc__file_sys.open = fail_open;
    expect_failure("open", tc_tls_context_new(&tls, good_cert, good_key), -EMFILE, "good.pem: too many open files");
    tc__file_sys = real;
    tc__file_sys.fstat = fail_fstat;
    expect_failure("fstat", tc_tls_context_new(&tls, good_cert, good_key), -EIO, "good.pem: i/o error");
    tc__file_sys = real;
    tc__file_sys.read = fail_read;
    expect_failure("read", tc_tls_context_new(&tls, good_cert, good_key), -EIO, "good.pem: i/o error");
    tc__file_sys.read = read_slowly;
    assert_int_equal(tc_tls_context_new(&tls, good_cert, good_key), 0);
    tc__file_sys = real;
    tc_tls_context_unref(tls);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bad_file_is_named_with_the_reason),
        cmocka_unit_test(a_key_may_stand_with_its_certificate),
        cmocka_unit_test(an_expired_certificate_is_allowed_to_those_who_ask),
        cmocka_unit_test(an_encrypted_key_takes_its_password),
        cmocka_unit_test(what_comes_from_memory_is_checked_alike),
        cmocka_unit_test(options_that_do_not_fit_are_told),
        cmocka_unit_test(a_name_of_a_protocol_has_255_bytes_at_most),
        cmocka_unit_test(a_failing_system_call_is_told),
    };
    return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
