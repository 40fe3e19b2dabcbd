/*
 * attacks.c - the table of attacks, one idea a row, and the makers of what does not fit into a row: requests that leave
 * at every byte, random bytes, requests that are mutated.
 */
#include "attacker.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/ssl.h>
#include <zlib.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HOST "Host: a\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"
#define POST(path, type)                                                                \
    "POST " path " HTTP/1.1\r\n" HOST "Connection: close\r\nContent-Type: " type "\r\n" \
    "Content-Length: %llu\r\n\r\n"
#define CHUNKED(path) "POST " path " HTTP/1.1\r\n" HOST "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
#define FILE_PART "Content-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\n"
#define MULTIPART "multipart/form-data; boundary=b"
#define URLENCODED "application/x-www-form-urlencoded"

/* ---- Random numbers: splitmix64 (Vigna) ---- */

static uint64_t state;

void random_seed(uint64_t seed) {
    state = seed;
}

static uint64_t random_next(void) {
    uint64_t z = (state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

uint64_t random_below(uint64_t limit) {
    return random_next() % limit;
}

/* ---- Leaving at every byte ---- */

static const char conversation[] = GET("/") "POST / HTTP/1.1\r\nContent-Length: 5\r\n" HOST "\r\nhello" GET(
    "/flush") "POST /stream HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HOST
              "\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n" GET(
                  "/slow") "POST /json HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 7\r\n" HOST
                           "\r\n{\"a\":1}";

static void leave_within_request(plan_t *plan, uint64_t n) {
    static const ending_t endings[] = { LEAVE, RESET, HALF };
    plan->parts[0].data = conversation;
    plan->parts[0].len = plan->parts[0].total = sizeof conversation - 1;
    plan->sends_at_most = n / COUNT(endings) % sizeof conversation;
    plan->ending = endings[n % COUNT(endings)];
}

static void leave_within_answer(plan_t *plan, uint64_t n) {
    static const ending_t endings[] = { LEAVE, RESET };
    plan->ending = endings[n % COUNT(endings)];
    plan->reads_at_least = 1 + n / COUNT(endings) % 700;
}

/* ---- Requests that nobody would send ---- */

enum { MOST_SEEDS = 256, MOST_MUTANT = 8192 };

static struct {
    char *data;
    size_t len;
} corpus[MOST_SEEDS];
static size_t corpus_count;

static void add_to_corpus(const char *data, size_t len) {
    if (corpus_count == MOST_SEEDS || len > MOST_MUTANT / 2)
        return;
    corpus[corpus_count].data = malloc(len + 1);
    memcpy(corpus[corpus_count].data, data, len);
    corpus[corpus_count++].len = len;
}

static void load_seed(const char *folder, const char *name) {
    char path[4096], data[MOST_MUTANT];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    size_t len = file ? fread(data, 1, sizeof data, file) : 0;
    if (file)
        fclose(file);
    if (len > 2)
        add_to_corpus(data + 2, len - 2);
}

void load_corpus(const char *folder) {
    static const char form[] =
        "POST /form HTTP/1.1\r\n" HOST "Content-Type: " MULTIPART "\r\nContent-Length: 86\r\n\r\n"
        "--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"f\"\r\n\r\nx\r\n--b\r\n\r\n\r\n--b--";
    struct dirent **names;
    int count = scandir(folder, &names, NULL, alphasort);
    add_to_corpus(conversation, sizeof conversation - 1);
    add_to_corpus(form, sizeof form - 1);
    for (int i = 0; i < count; i++) {
        if (names[i]->d_name[0] != '.')
            load_seed(folder, names[i]->d_name);
        free(names[i]);
    }
    if (count >= 0)
        free(names);
}

static void send_owned(plan_t *plan, char *data, size_t len) {
    plan->owned = data;
    plan->parts[0].data = data;
    plan->parts[0].len = plan->parts[0].total = len;
    plan->ending = random_below(4) == 0 ? RESET : HALF;
    if (random_below(4) == 0) {
        plan->pace = 1 + random_below(64);
        plan->pace_ms = 1;
    }
}

static void random_bytes(plan_t *plan, uint64_t n) {
    size_t len = 1 + random_below(2000), from = n % 2 ? 0 : 4;
    char *data = malloc(len + from);
    memcpy(data, "GET ", from);
    for (size_t i = from; i < from + len; i++)
        data[i] = (char)random_below(256);
    send_owned(plan, data, from + len);
}

/* Bits flipped, bytes replaced, pieces left out, doubled or put in. */
static size_t mutate_once(char *data, size_t len) {
    static const char *const words[] = { "\r\n",
                                         "\r\n\r\n",
                                         "\n",
                                         " ",
                                         ":",
                                         "0\r\n\r\n",
                                         "ffffffffffffffff\r\n",
                                         "%00",
                                         "chunked",
                                         ", ",
                                         "HTTP/1.0",
                                         "Content-Length: 9\r\n",
                                         "--b",
                                         "\0" };
    size_t at = random_below(len), n = 1 + random_below(len - at < 40 ? len - at : 40);
    const char *word = words[random_below(COUNT(words))];
    switch (random_below(6)) {
    case 0:
        data[at] = (char)(data[at] ^ (1 << random_below(8)));
        return len;
    case 1:
        data[at] = (char)random_below(256);
        return len;
    case 2:
        memmove(data + at, data + at + n, len - at - n);
        return len - n;
    case 3:
        memmove(data + at + n, data + at, len - at);
        return len + n;
    case 4:
        n = strlen(word) ? strlen(word) : 1;
        memmove(data + at + n, data + at, len - at);
        memcpy(data + at, word, n);
        return len + n;
    default:
        return at + 1; /* cut short */
    }
}

static void mutated(plan_t *plan, uint64_t n) {
    char *data = malloc(2 * MOST_MUTANT);
    size_t seed = random_below(corpus_count), len = corpus[seed].len;
    memcpy(data, corpus[seed].data, len);
    if (n % 3 == 0) { /* the beginning of one, the end of another */
        size_t other = random_below(corpus_count), keep = random_below(len + 1),
               from = random_below(corpus[other].len + 1);
        memcpy(data + keep, corpus[other].data + from, corpus[other].len - from);
        len = keep + corpus[other].len - from;
    }
    for (uint64_t i = random_below(6); i > 0 && len > 0; i--)
        len = mutate_once(data, len);
    send_owned(plan, data, len > 0 ? len : 1);
}

/* ---- Names for which common hash functions have one value ---- */

static size_t put_colliding(char *out, unsigned n) {
    for (int bit = 0; bit < 10; bit++)
        memcpy(out + 2 * bit, n >> bit & 1 ? "Aa" : "BB", 2);
    return 20;
}

static void colliding_arguments(plan_t *plan, uint64_t n) {
    char *data = malloc(65536), body[32768];
    size_t len = 0;
    for (unsigned i = 0; i < 900; i++) {
        len += put_colliding(body + len, i);
        memcpy(body + len, "=1&", 3);
        len += 3;
    }
    int head = snprintf(
        data, 65536, "POST /form HTTP/1.1\r\n" HOST "Content-Type: " URLENCODED "\r\nContent-Length: %zu\r\n\r\n", len);
    memcpy(data + head, body, len);
    (void)n;
    plan->owned = data;
    plan->parts[0].data = data;
    plan->parts[0].len = (size_t)head + len;
    plan->parts[0].total = FOREVER;
}

static void colliding_fields(plan_t *plan, uint64_t n) {
    char *data = malloc(8192);
    size_t len = (size_t)snprintf(data, 8192, "GET / HTTP/1.1\r\n" HOST);
    (void)n;
    for (unsigned i = 0; i < 120; i++) {
        len += put_colliding(data + len, i);
        memcpy(data + len, ": 1\r\n", 5);
        len += 5;
    }
    memcpy(data + len, "\r\n", 2);
    plan->owned = data;
    plan->parts[0].data = data;
    plan->parts[0].len = len + 2;
    plan->parts[0].total = FOREVER;
}

/* ---- Bodies that grow a thousandfold ---- */

enum { BOMB_ROOM = 256 * 1024, BOMB_PIECE = 1024 * 1024, BOMB_PIECES = 100 };

static void make_bomb(plan_t *plan, const char *path) {
    static char bomb[BOMB_ROOM], zeros[BOMB_PIECE];
    static size_t len;
    if (len == 0) {
        z_stream z = { .next_out = (Bytef *)bomb, .avail_out = sizeof bomb };
        deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY);
        for (int i = 1; i <= BOMB_PIECES; i++) {
            z.next_in = (Bytef *)zeros;
            z.avail_in = sizeof zeros;
            deflate(&z, i == BOMB_PIECES ? Z_FINISH : Z_NO_FLUSH);
        }
        len = z.total_out;
        deflateEnd(&z);
    }
    char *head = plan->owned = malloc(512);
    plan->parts[0].data = head;
    plan->parts[0].len = plan->parts[0].total = (size_t)snprintf(
        head, 512,
        "POST %s HTTP/1.1\r\n" HOST "Connection: close\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", path,
        len);
    plan->parts[1].data = bomb;
    plan->parts[1].len = plan->parts[1].total = len;
}

static void bomb_buffered(plan_t *plan, uint64_t n) {
    (void)n;
    make_bomb(plan, "/gzip/buffered");
}

static void bomb_streamed(plan_t *plan, uint64_t n) {
    (void)n;
    make_bomb(plan, "/gzip/streamed");
}

/* ---- TLS ---- */

/* What a client says first, and all that one connection says here: the answer costs a server more than this costs us.
 */
static void client_hello(plan_t *plan, uint64_t n) {
    static char hello[4096];
    static size_t len;
    (void)n;
    if (len == 0) {
        SSL_CTX *context = SSL_CTX_new(TLS_client_method());
        SSL *ssl = context ? SSL_new(context) : NULL;
        BIO *out = BIO_new(BIO_s_mem());
        if (!ssl || !out)
            abort();
        SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
        SSL_connect(ssl);
        len = (size_t)BIO_read(out, hello, sizeof hello);
        SSL_free(ssl);
        SSL_CTX_free(context);
    }
    plan->parts[0].data = hello;
    plan->parts[0].len = plan->parts[0].total = len;
    plan->reads_at_least = plan->ending == RESET;
}

/* ---- The table ---- */

const attack_t attacks[] = {
    /* Slowness */
    { "slow headers", 1000, 2, .head = "GET / HTTP/1.1\r\n" HOST "X: ", .filler = "x", .times = FOREVER, .pace = 1,
      .pace_ms = 20, .answers = "408" },
    { "64 KiB of headers, byte by byte", 100, 2, .head = "GET / HTTP/1.1\r\n" HOST "X: ", .filler = "x",
      .times = FOREVER, .pace = 1, .answers = "408 431" },
    { "slow bodies, buffered", 500, 2, .head = POST("/", "text/plain"), .filler = "x", .times = 1000000, .pace = 1,
      .pace_ms = 20, .answers = "408" },
    { "slow bodies, streamed", 500, 2, .head = POST("/stream", "text/plain"), .filler = "x", .times = 1000000,
      .pace = 1, .pace_ms = 20, .answers = "408" },
    { "large bodies that trickle in the end", 8, 12, .head = POST("/", "text/plain"), .filler = "xxxxxxxxxxxxxxxx",
      .times = 262144, .pace = 150, .pace_ms = 100, .before_pace = 4000000, .answers = "503" },
    { "slow chunks", 500, 2, .head = CHUNKED("/stream"), .filler = "1\r\nx\r\n", .times = FOREVER, .pace = 1,
      .pace_ms = 20, .answers = "408" },
    { "slow readers of an endless answer", 500, 2, .head = GET("/endless"), .pace_ms = 20, .reading = READ_SLOWLY },
    { "slow readers of large answers", 500, .head = GET("/big"), .filler = GET("/big"), .times = FOREVER, .pace_ms = 20,
      .reading = READ_SLOWLY },
    { "Expect, then nothing", 500,
      .head = "POST /stream HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n", .answers = "100" },
    { "answers awaited, the handler slow", 1000, 2, .head = GET("/slow"), .filler = GET("/slow"), .times = FOREVER },

    /* Numbers */
    { "10,000 idle connections", 10000, .head = GET("/"), .gathers = true, .answers = "200" },
    { "connections that say nothing", 2000, 2, .head = "" },
    { "connections, then a reset", 200, .ending = RESET },
    { "connections, then an end", 200, .ending = LEAVE },
    { "a connection for each request", 200, .head = "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
      .answers = "200" },
    { "connections that ask and reset", 200, .head = GET("/"), .ending = RESET },
    { "slow handlers left behind", 200, .head = GET("/slow"), .ending = RESET },
    { "slow handlers left behind, cancelled", 200, .head = GET("/cancelled"), .ending = LEAVE },

    /* Greed */
    { "pipelining", 200, .filler = GET("/"), .times = FOREVER },
    { "pipelining from 1,000 connections", 1000, .filler = GET("/"), .times = FOREVER },
    { "pipelining without reading", 1000, 2, .filler = GET("/"), .times = FOREVER, .reading = READ_NOTHING },
    { "pipelined megabytes, not read", 1000, 2, .filler = GET("/big"), .times = FOREVER, .reading = READ_NOTHING },
    { "pipelined copied megabytes, not read", 500, 2, .filler = GET("/copied"), .times = FOREVER,
      .reading = READ_NOTHING },
    { "endless answers, not read", 1000, .filler = GET("/endless"), .times = FOREVER, .reading = READ_NOTHING },
    { "downloads", 50, .filler = GET("/big"), .times = FOREVER },
    { "uploads, buffered", 100, .head = POST("/", "text/plain"), .filler = "xxxxxxxxxxxxxxxx", .times = 262144,
      .answers = "503" },
    { "uploads, streamed", 20, .head = POST("/stream", "text/plain"), .filler = "xxxxxxxxxxxxxxxx", .times = 262144,
      .answers = "200" },
    { "uploads, spooled", 20, .head = POST("/spool", "text/plain"), .filler = "xxxxxxxxxxxxxxxx", .times = 262144,
      .answers = "200" },
    { "uploads, spooled, cut short", 50, .head = "POST /spool HTTP/1.1\r\n" HOST "Content-Length: 4000000\r\n\r\n",
      .filler = "xxxxxxxxxxxxxxxx", .times = 6000, .ending = RESET },
    { "forms with a file, cut short", 50,
      .head = "POST /files HTTP/1.1\r\n" HOST "Content-Type: " MULTIPART
              "\r\nContent-Length: 4000000\r\n\r\n--b\r\n" FILE_PART,
      .filler = "xxxxxxxxxxxxxxxx", .times = 6000, .ending = RESET },
    { "forms with 99 files, never completed", 300, 2,
      .head = "POST /files HTTP/1.1\r\n" HOST "Content-Type: " MULTIPART "\r\nContent-Length: 4000000\r\n\r\n",
      .filler = "--b\r\n" FILE_PART "x\r\n", .times = 99, .answers = "408 503" },
    { "forms with 100,000 files", 10, .head = POST("/files", MULTIPART), .filler = "--b\r\n" FILE_PART "x\r\n",
      .times = 50000, .answers = "400" },

    /* Bombs in the head */
    { "a request line without an end", 50, .head = "GET /", .filler = "x", .times = FOREVER, .answers = "414" },
    { "a field without an end", 50, .head = "GET / HTTP/1.1\r\n" HOST "X: ", .filler = "x", .times = FOREVER,
      .answers = "431" },
    { "fields without an end", 50, .head = "GET / HTTP/1.1\r\n" HOST, .filler = "X: y\r\n", .times = FOREVER,
      .answers = "431" },
    { "many fields", 50, .head = "GET / HTTP/1.1\r\n" HOST, .filler = "X:\r\n", .times = 5000, .tail = "\r\n",
      .answers = "431" },
    { "empty lines", 50, .filler = "\r\n", .times = FOREVER, .answers = "400" },
    { "cookies by the thousand", 50, .head = "GET / HTTP/1.1\r\n" HOST "Connection: close\r\nCookie: a=b",
      .filler = "; a=b", .times = 12000, .tail = "\r\n\r\n", .answers = "400" },
    { "long queries", 50, .head = "GET /?a=1", .filler = "&a=%20", .times = 1200,
      .tail = " HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", .answers = "400" },
    { "names that collide, in fields", 50, .make = colliding_fields },
    { "regular expressions that backtrack", 50, .head = "GET /r/", .filler = "aaaaaaaa", .times = 900,
      .tail = "/xyxyxyz HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", .answers = "404" },

    /* Bombs in the body */
    { "chunk extensions", 50, .head = CHUNKED("/stream"), .filler = "1;a=bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\nx\r\n",
      .times = FOREVER, .answers = "431" },
    { "an extension without an end", 50, .head = CHUNKED("/stream") "1;a=", .filler = "b", .times = FOREVER,
      .answers = "431" },
    { "a chunk size of zeros", 50, .head = CHUNKED("/stream"), .filler = "0", .times = FOREVER, .answers = "431 400" },
    { "trailers", 50, .head = CHUNKED("/stream") "0\r\n", .filler = "X: y\r\n", .times = FOREVER, .answers = "431" },
    { "chunks of one byte, streamed", 5, .head = CHUNKED("/stream"), .filler = "1\r\nx\r\n", .times = 100000,
      .tail = "0\r\n\r\n", .answers = "200" },
    { "chunks of one byte, buffered", 5, .head = CHUNKED("/"), .filler = "1\r\nx\r\n", .times = 100000,
      .tail = "0\r\n\r\n", .answers = "200" },
    { "100,000 parts", 10, .head = POST("/form", MULTIPART), .filler = "--b\r\n\r\n\r\n", .times = 100000,
      .tail = "--b--", .answers = "400" },
    { "a part with a huge head", 10, .head = POST("/form", MULTIPART),
      .filler = "--b\r\nX: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy", .times = 50000, .answers = "400" },
    { "almost boundaries", 10, .head = POST("/form", MULTIPART), .filler = "\r\n-\r\n--", .times = 60000,
      .answers = "400" },
    { "1,000,000 fields", 10, .head = POST("/form", URLENCODED), .filler = "a=&", .times = 1000000, .answers = "400" },
    { "names that collide, in a form", 50, .make = colliding_arguments },
    { "bombs of gzip, buffered", 50, .make = bomb_buffered, .answers = "413" },
    { "bombs of gzip, streamed", 10, .make = bomb_streamed, .answers = "413" },
    { "nested JSON", 20, .head = POST("/json", "application/json"), .filler = "[[[[[[[[", .times = 30000,
      .answers = "400" },
    { "JSON of many values", 50,
      .head = "POST /json HTTP/1.1\r\n" HOST
              "Connection: close\r\nContent-Type: application/json\r\nContent-Length: 240003\r\n\r\n[",
      .filler = "[],", .times = 80000, .tail = "0]", .answers = "200" },

    /* Leaving, and what makes no sense */
    { "leaving at every byte of a request", 200, .make = leave_within_request },
    { "leaving at every byte of an answer", 200, .head = GET("/") GET("/flush") GET("/"), .make = leave_within_answer },
    { "leaving large answers", 100, .head = GET("/big"), .ending = RESET, .make = leave_within_answer },
    { "garbage instead of the PROXY header", 100, .make = random_bytes, .port = PROXIED },
    { "a PROXY header without an end", 100, .head = "PROXY TCP4 ", .filler = "1", .times = FOREVER, .port = PROXIED },
    { "a slow PROXY header", 500, .head = "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n", .pace = 1, .pace_ms = 50,
      .port = PROXIED },
    { "TLS handshakes, slowly", 500, 2, .make = client_hello, .pace = 1, .pace_ms = 20, .port = TLS },
    { "TLS handshakes that go no further", 500, 2, .make = client_hello, .port = TLS },
    { "TLS handshakes left behind", 500, .make = client_hello, .ending = RESET, .port = TLS },
    { "random bytes instead of TLS", 100, .make = random_bytes, .port = TLS },
    { "plain HTTP instead of TLS", 200, .head = GET("/"), .port = TLS, .answers = "400" },
    { "random bytes", 100, .make = random_bytes, .answers = "400" },
    { "mutated requests", 100, .make = mutated, .answers = "400" },
};
const size_t attack_count = COUNT(attacks);
