/*
 * tls_fuzz.c - streams with TLS, whose peer sends what it likes, or what passes on the way is changed.
 *
 * The first byte of the input says who sends it and how it passes, the second seeds the pieces. Then come the bytes
 * themselves; or, for two sides that speak TLS, where the client's ciphertext is changed: the distance to the next
 * change, and what is added to the byte there. What does not change passes as it is, so most of it is understood.
 *
 * Whatever it is: in the end both sides are closed, or shook hands; what comes out is what was put in; and OpenSSL's
 * queue of errors is empty. OpenSSL's random numbers are the same each time, so that an input does the same each time.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/rand.h>

#include <tornadoc/log.h>

#include "fuzz/fuzzing.h"
#include "net/tls_transport_internal.h"

enum {
    KINDS = 3, /* 0 bytes to a server, 1 bytes to a client, 2 both speak TLS 1.2, 3 both 1.3 */
    IN_PIECES = 1 << 2,
    NARROW = 1 << 3, /* few bytes pass at once */
    PLAIN_ANSWER = 1 << 4,
    SENDS_FIN = 1 << 5,
    RESETS = 1 << 6,
    WRITES_FAIL = 1 << 7 /* in the end */
};
enum { MUCH = 5000 };

static const char certificate[] = "-----BEGIN CERTIFICATE-----\n"
                                  "MIIBUTCB+KADAgECAgEBMAoGCCqGSM49BAMCMA8xDTALBgNVBAMMBGZ1enowIBcN\n"
                                  "MjAwMTAxMDAwMDAwWhgPOTk5OTEyMzEyMzU5NTlaMA8xDTALBgNVBAMMBGZ1enow\n"
                                  "WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATB7x0Ozpmv3lJDwPsmeTjpTXSOGPzx\n"
                                  "Cu3gGpyM0sl9rrVTPgygxltkQxy5lSvBwh3tkvRds7hGDbJUiESqWWu8o0MwQTAP\n"
                                  "BgNVHREECDAGggRmdXp6MA8GA1UdEwEB/wQFMAMBAf8wHQYDVR0OBBYEFHfiQxJH\n"
                                  "kR3Sju+Ry3730Ec7F4YQMAoGCCqGSM49BAMCA0gAMEUCIQCh1MRVSIrTx/cKIfJ3\n"
                                  "SAlvg7XcXxubC/+ooo5OJOUpSQIgFIgzBAzDKiVhp8GqHBV1LNshYS8P4+naHkYT\n"
                                  "oWuxpvY=\n"
                                  "-----END CERTIFICATE-----\n";
static const char key[] = "-----BEGIN PRIVATE KEY-----\n"
                          "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgsqVOFflCztGqup2J\n"
                          "B2ELAuUvPsujZ9HLMN40bmJ+q4+hRANCAATB7x0Ozpmv3lJDwPsmeTjpTXSOGPzx\n"
                          "Cu3gGpyM0sl9rrVTPgygxltkQxy5lSvBwh3tkvRds7hGDbJUiESqWWu8\n"
                          "-----END PRIVATE KEY-----\n";

static tc_ioloop_t *loop;
static tc_tls_context_t *server_tls, *client_tls;

/* ---- Random numbers that are none ---- */

static uint32_t state;

static int next_bytes(unsigned char *out, int len) {
    for (int i = 0; i < len; i++) {
        state = state * 1103515245u + 12345u;
        out[i] = (unsigned char)(state >> 16);
    }
    return 1;
}

static int ready(void) {
    return 1;
}

static void start(void) {
    static RAND_METHOD method = { .bytes = next_bytes, .pseudorand = next_bytes, .status = ready };
    MUST(RAND_set_rand_method(&method) == 1);
    tc_set_log_callback(NULL, NULL);
    MUST(tc__ioloop_new_virtual(&loop) == 0);
    tc_tls_options_t server = { .certificate.cert = tc_str(certificate), .certificate.key = tc_str(key) };
    MUST(tc_tls_context_new_server(&server_tls, &server) == 0);
    MUST(tc_tls_context_new_client(&client_tls, &(tc_tls_options_t){ .ca = tc_str(certificate) }) == 0);
}

/* ---- What comes out: it is all the same letter ---- */

typedef struct {
    tc_iostream_t *stream;
    size_t received;
} side_t;

static size_t on_data(tc_iostream_t *stream, void *self, tc_bytes_t bytes) {
    side_t *side = self;
    (void)stream;
    for (size_t i = 0; i < bytes.len; i++)
        MUST(bytes.data[i] == 'x');
    side->received += bytes.len;
    return bytes.len;
}

static void on_nothing(tc_iostream_t *stream, void *self) {
    (void)stream, (void)self;
}

static void on_closed(tc_iostream_t *stream, void *self, int err) {
    (void)stream, (void)err;
    ((side_t *)self)->stream = NULL;
}

static const tc__stream_sink_t sink = { on_data, on_nothing, on_nothing, on_nothing, on_closed };

static void speak_tls(side_t *side, bool server, const char *plain_answer) {
    tc__tls_params_t params = {
        .context = server ? server_tls : client_tls, .server = server, .hostname = "fuzz", .plain_answer = plain_answer
    };
    tc__iostream_set_sink(side->stream, &sink, side);
    MUST(tc__tls_start(side->stream, &params) == 0);
    tc__iostream_resume(side->stream);
}

/* ---- What passes from the client is changed ---- */

static struct {
    const uint8_t *data;
    size_t size;
    size_t distance; /* bytes to the next change; SIZE_MAX: there is none */
    uint8_t change;
} noise;

static void next_change(void) {
    noise.distance = SIZE_MAX;
    if (noise.size < 3)
        return;
    noise.distance = noise.data[0] | (size_t)noise.data[1] << 8;
    noise.change = noise.data[2];
    noise.data += 3;
    noise.size -= 3;
}

static ssize_t noisy_sendv(tc_iostream_t *stream, const struct iovec *iov, int count) {
    static char changed[TC__TLS_FLIGHT];
    MUST(count == 1 && iov->iov_len <= sizeof changed);
    size_t len = iov->iov_len;
    if (noise.distance < len)
        len = noise.distance + 1;
    memcpy(changed, iov->iov_base, len);
    if (len > noise.distance)
        changed[noise.distance] = (char)(changed[noise.distance] + noise.change);
    ssize_t n = tc__memory_transport.sendv(stream, &(struct iovec){ changed, len }, 1);
    if (n <= 0)
        return n;
    if ((size_t)n > noise.distance)
        next_change();
    else if (noise.distance != SIZE_MAX)
        noise.distance -= (size_t)n;
    return n; /* perhaps less than all: the rest follows */
}

/* ---- One input ---- */

static void send_pieces(side_t *side, const uint8_t *data, size_t size, bool in_pieces, unsigned seed) {
    while (size > 0 && side->stream) {
        seed = seed * 1103515245u + 12345u;
        size_t len = in_pieces ? 1 + (seed >> 16) % 200 : size;
        len = len < size ? len : size;
        if (tc_iostream_write(side->stream, tc_bytes(data, len), NULL, NULL) < 0)
            return;
        tc__ioloop_advance(loop, 0);
        data += len;
        size -= len;
    }
}

static void talk(side_t *from, size_t len) {
    static char text[MUCH];
    memset(text, 'x', sizeof text);
    if (from->stream)
        tc_iostream_write(from->stream, tc_bytes(text, len), NULL, NULL);
    tc__ioloop_advance(loop, 0);
}

static void abort_side(side_t *side) {
    tc_iostream_t *stream = side->stream;
    side->stream = NULL;
    tc__iostream_abort(stream);
}

static void end(side_t *side, unsigned how) {
    if (side->stream && (how & WRITES_FAIL))
        tc__memory_fail_send(side->stream, -EPIPE);
    if (side->stream && (how & SENDS_FIN))
        tc_iostream_shutdown(side->stream);
    if (side->stream && (how & RESETS))
        abort_side(side);
    tc__ioloop_advance(loop, 60 * 1000);
    MUST(!side->stream || !side->stream->tls || side->stream->tls->state == TC__TLS_OPEN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static tc__transport_t noisy;
    if (!loop)
        start();
    if (size < 2)
        return 0;
    unsigned how = data[0], seed = data[1], kind = how & KINDS;
    data += 2;
    size -= 2;
    state = 1;
    noisy = tc__memory_transport;
    noisy.sendv = noisy_sendv;
    side_t server = { 0 }, client = { 0 };
    MUST(tc_iostream_pair(&server.stream, &client.stream, loop, NULL) == 0);
    if (how & NARROW) {
        tc__memory_set_window(server.stream, 1 + seed * 4);
        tc__memory_set_window(client.stream, 1 + seed * 4);
    }
    if (kind != 1)
        speak_tls(&server, true, how & PLAIN_ANSWER ? "use https\n" : NULL);
    if (kind == 1 || kind >= 2) {
        if (kind >= 2)
            client.stream->transport = &noisy;
        speak_tls(&client, false, NULL);
        SSL_set_max_proto_version(client.stream->tls->ssl, kind == 2 ? TLS1_2_VERSION : TLS1_3_VERSION);
    }
    noise.data = data;
    noise.size = kind >= 2 ? size : 0;
    next_change();

    if (kind < 2) {
        side_t *from = kind == 0 ? &client : &server;
        send_pieces(from, data, size, how & IN_PIECES, seed);
    } else {
        for (int i = 0; i < 3; i++) {
            talk(&client, how & IN_PIECES ? seed : MUCH);
            talk(&server, how & IN_PIECES ? seed : MUCH);
        }
    }
    end(&client, how);
    end(&server, how);
    tc_iostream_close(client.stream);
    tc_iostream_close(server.stream);
    tc__ioloop_advance(loop, 0);
    MUST(ERR_peek_error() == 0);
    return 0;
}
