/* The yardstick: what a request costs when nothing but the kernel's work is done.
 *
 * A bare epoll server, one thread, level triggered, one read buffer for all connections. It looks for blank lines,
 * sends the same answer for each, and sends the answers to one read in one go. It is not an HTTP server.
 *
 *     bench_raw PORT [ANSWER [CERTIFICATE KEY | file FILE | json | gzip PAGE]]
 *
 * ANSWER is a file that holds the complete answer to a keep-alive request, so that the yardstick sends exactly the
 * bytes of the server it is compared with; "" stands for one of its own. A request with `Connection: close` gets that
 * line added, and a close. With a certificate it is the yardstick of TLS: OpenSSL on the descriptor, reading ahead, and
 * nothing around it. With a FILE, only ANSWER's head counts: the file goes behind it by sendfile, in bursts of 128 KiB.
 * With "json" that head goes before a body that is made anew by yyjson, in memory of our own: what was posted, parsed,
 * built and written; or, for a GET, a small object. With a PAGE a head
 * of our own goes before that page, compressed by zlib for each request, level 6. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <yyjson.h>
#include <zlib.h>

enum { READ_SIZE = 64 * 1024, OUT_SIZE = 512 * 1024, ANSWER_SIZE = 8192, MAX_FD = 1 << 20, EVENTS = 256 };

/* What a read left unfinished; by descriptor. Pages that are never touched cost nothing. */
static struct connection {
    unsigned char matched; /* bytes of the blank line seen at the end of the last read */
    unsigned char close;   /* the unfinished head asks for a close */
    SSL *ssl;
} connections[MAX_FD];

static SSL_CTX *context; /* NULL: in the clear */

static char in[READ_SIZE];
static char out[OUT_SIZE];
static char keep_answer[ANSWER_SIZE] = "HTTP/1.1 200 OK\r\n"
                                       "Server: tornadoc/0.1.0\r\n"
                                       "Content-Type: text/html; charset=UTF-8\r\n"
                                       "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                                       "Content-Length: 12\r\n"
                                       "\r\n"
                                       "Hello, world";
static char close_answer[ANSWER_SIZE];
static size_t keep_len, close_len;
static size_t keep_head_len; /* with the blank line */

static const char blank_line[] = "\r\n\r\n";
static const char close_field[] = "Connection: close";

static void die(const char *what) {
    fprintf(stderr, "bench_raw: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void load_answer(const char *path) {
    if (path) {
        FILE *file = fopen(path, "rb");
        if (!file)
            die(path);
        keep_len = fread(keep_answer, 1, sizeof keep_answer - sizeof close_field - 2, file);
        if (getc(file) != EOF) {
            fprintf(stderr, "bench_raw: the answer is too large\n");
            exit(1);
        }
        fclose(file);
    } else {
        keep_len = strlen(keep_answer);
    }
    char *head_end = memmem(keep_answer, keep_len, blank_line, 4);
    if (!head_end) {
        fprintf(stderr, "bench_raw: the answer has no blank line\n");
        exit(1);
    }
    keep_head_len = (size_t)(head_end - keep_answer) + 4;
    size_t head_len = (size_t)(head_end - keep_answer) + 2; /* with the last field's line end */
    memcpy(close_answer, keep_answer, head_len);
    close_len = head_len;
    close_len += (size_t)sprintf(close_answer + close_len, "%s\r\n", close_field);
    memcpy(close_answer + close_len, keep_answer + head_len, keep_len - head_len);
    close_len += keep_len - head_len;
}

/* How many bytes of a blank line the data ends with. */
static unsigned char blank_line_begun(const char *data, size_t len) {
    for (size_t n = len < 3 ? len : 3; n > 0; n--)
        if (memcmp(data + len - n, blank_line, n) == 0)
            return (unsigned char)n;
    return 0;
}

/* One answer per blank line; returns the bytes to send. */
static size_t answer(struct connection *connection, const char *data, size_t len, int *close_after) {
    const char *end = data + len;
    size_t out_len = 0;
    while (data < end && !*close_after) {
        const char *head_end = NULL;
        size_t rest = sizeof blank_line - 1 - connection->matched;
        if (connection->matched > 0 && rest <= (size_t)(end - data) &&
            memcmp(data, blank_line + connection->matched, rest) == 0) {
            head_end = data + rest;
        } else {
            head_end = memmem(data, (size_t)(end - data), blank_line, 4);
            if (head_end)
                head_end += 4;
        }
        size_t head_len = (size_t)((head_end ? head_end : end) - data);
        if (memmem(data, head_len, close_field, sizeof close_field - 1))
            connection->close = 1;
        if (!head_end) {
            connection->matched = blank_line_begun(data, head_len);
            break;
        }
        connection->matched = 0;
        *close_after = connection->close;
        const char *text = *close_after ? close_answer : keep_answer;
        size_t text_len = *close_after ? close_len : keep_len;
        if (out_len + text_len > sizeof out) { /* more requests in one read than a benchmark sends */
            *close_after = 1;
            break;
        }
        memcpy(out + out_len, text, text_len);
        out_len += text_len;
        data = head_end;
    }
    return out_len;
}

/* As recv; -1 with EAGAIN also while hands are shaken. */
static ssize_t receive(int fd, SSL *ssl) {
    if (!ssl)
        return recv(fd, in, sizeof in, 0);
    ERR_clear_error();
    int n = SSL_read(ssl, in, sizeof in); /* shakes hands first, where that is not done */
    if (n > 0)
        return n;
    int why = SSL_get_error(ssl, n);
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    return why == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static ssize_t transmit(int fd, SSL *ssl, size_t len) {
    return ssl ? SSL_write(ssl, out, (int)len) : send(fd, out, len, MSG_NOSIGNAL);
}

static void end(int fd, SSL *ssl) {
    if (ssl) {
        SSL_shutdown(ssl);
        SSL_free(ssl);
        ERR_clear_error();
    }
    close(fd);
}

static void on_request(int fd) {
    SSL *ssl = connections[fd].ssl;
    ssize_t len = receive(fd, ssl);
    if (len < 0 && errno == EAGAIN)
        return;
    int close_after = len <= 0;
    if (len > 0) {
        size_t out_len = answer(&connections[fd], in, (size_t)len, &close_after);
        /* A peer that does not read ends its connection: the load generator will say so. */
        if (out_len > 0 && transmit(fd, ssl, out_len) != (ssize_t)out_len)
            close_after = 1;
    }
    if (close_after)
        end(fd, ssl);
}

/* ---- A file behind the head ---- */

enum { BURST = 128 * 1024 };

static int body_fd = -1;
static off_t body_len, body_left[MAX_FD]; /* by descriptor, as connections; 0: waits for a request */

static void watch_for(int epoll, int fd, uint32_t events) {
    if (epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &(struct epoll_event){ .events = events, .data.fd = fd }) < 0)
        die("epoll_ctl");
}

static void send_burst(int epoll, int fd) {
    off_t offset = body_len - body_left[fd];
    ssize_t n = sendfile(fd, body_fd, &offset, body_left[fd] < BURST ? (size_t)body_left[fd] : BURST);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        body_left[fd] = 0;
        close(fd);
        return;
    }
    body_left[fd] -= n > 0 ? n : 0;
    if (body_left[fd] == 0)
        watch_for(epoll, fd, EPOLLIN);
}

/* A request comes in one piece, and no other behind it. */
static void begin_file(int epoll, int fd) {
    ssize_t len = recv(fd, in, sizeof in, 0);
    if (len < 0 && errno == EAGAIN)
        return;
    if (len < 4 || memcmp(in + len - 4, blank_line, 4) != 0 ||
        send(fd, keep_answer, keep_head_len, MSG_NOSIGNAL | MSG_MORE) != (ssize_t)keep_head_len) {
        close(fd);
        return;
    }
    body_left[fd] = body_len;
    watch_for(epoll, fd, EPOLLOUT);
    send_burst(epoll, fd);
}

static void open_body(const char *path) {
    struct stat status;
    body_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (body_fd < 0 || fstat(body_fd, &status) < 0)
        die(path);
    body_len = status.st_size;
}

/* ---- JSON ---- */

static int json;
static char json_memory[256 * 1024];

static yyjson_mut_doc *make_object(const yyjson_alc *memory) {
    yyjson_mut_doc *doc = yyjson_mut_doc_new(memory);
    yyjson_mut_val *object = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, object);
    yyjson_mut_obj_add_uint(doc, object, "id", 4711);
    yyjson_mut_obj_add_str(doc, object, "message", "Hello, world");
    yyjson_mut_obj_add_bool(doc, object, "read", false);
    return doc;
}

static yyjson_mut_doc *make_echo(const yyjson_alc *memory, char *body, size_t len) {
    yyjson_doc *posted = yyjson_read_opts(body, len, 0, memory, NULL);
    yyjson_mut_doc *doc = yyjson_mut_doc_new(memory);
    yyjson_mut_doc_set_root(doc, yyjson_val_mut_copy(doc, yyjson_doc_get_root(posted)));
    return doc;
}

/* 0: it is not the answer's body that comes out. */
static size_t answer_json(size_t len) {
    yyjson_alc memory;
    char *head_end = memmem(in, len, blank_line, 4);
    if (!head_end)
        return 0;
    yyjson_alc_pool_init(&memory, json_memory, sizeof json_memory);
    len -= (size_t)(head_end + 4 - in);
    yyjson_mut_doc *doc = len > 0 ? make_echo(&memory, head_end + 4, len) : make_object(&memory);
    const char *text = yyjson_mut_write_opts(doc, 0, &memory, &len, NULL);
    if (!text || len != keep_len - keep_head_len)
        return 0;
    memcpy(out, keep_answer, keep_head_len);
    memcpy(out + keep_head_len, text, len);
    return keep_head_len + len;
}

/* A request comes in one piece, and no other behind it. */
static void on_json_request(int fd) {
    ssize_t len = recv(fd, in, sizeof in, 0);
    if (len < 0 && errno == EAGAIN)
        return;
    size_t out_len = len > 0 ? answer_json((size_t)len) : 0;
    if (out_len == 0 || send(fd, out, out_len, MSG_NOSIGNAL) != (ssize_t)out_len)
        close(fd);
}

/* ---- gzip ---- */

static char page[64 * 1024];
static size_t page_len; /* 0: none */
static z_stream deflater;

static void load_page(const char *path) {
    FILE *opened = fopen(path, "rb");
    if (!opened)
        die(path);
    page_len = fread(page, 1, sizeof page, opened);
    fclose(opened);
    if (deflateInit2(&deflater, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        exit(1);
}

static size_t answer_gzip(void) {
    enum { HEAD = 256 };
    deflateReset(&deflater);
    deflater.next_in = (unsigned char *)page;
    deflater.avail_in = (unsigned)page_len;
    deflater.next_out = (unsigned char *)out + HEAD;
    deflater.avail_out = OUT_SIZE - HEAD;
    if (deflate(&deflater, Z_FINISH) != Z_STREAM_END)
        return 0;
    char head[HEAD];
    int len = snprintf(head, sizeof head,
                       "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=UTF-8\r\nContent-Encoding: gzip\r\n"
                       "Vary: Accept-Encoding\r\nContent-Length: %lu\r\n\r\n",
                       deflater.total_out);
    memmove(out + len, out + HEAD, deflater.total_out);
    memcpy(out, head, (size_t)len);
    return (size_t)len + deflater.total_out;
}

/* A request comes in one piece, and no other behind it. */
static void on_page_request(int fd) {
    ssize_t len = recv(fd, in, sizeof in, 0);
    if (len < 0 && errno == EAGAIN)
        return;
    size_t out_len = len > 0 ? answer_gzip() : 0;
    if (out_len == 0 || send(fd, out, out_len, MSG_NOSIGNAL) != (ssize_t)out_len)
        close(fd);
}

/* ---- Events ---- */

static void on_ready(int epoll, int fd) {
    if (json)
        on_json_request(fd);
    else if (page_len > 0)
        on_page_request(fd);
    else if (body_fd < 0)
        on_request(fd);
    else if (body_left[fd] > 0)
        send_burst(epoll, fd);
    else
        begin_file(epoll, fd);
}

/* One per event: cheaper here than a loop until EAGAIN, by a tenth of what a short connection costs. */
static void on_connection(int listener, int epoll) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (fd >= MAX_FD) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    connections[fd] = (struct connection){ .ssl = context ? SSL_new(context) : NULL };
    if (context) {
        SSL_set_fd(connections[fd].ssl, fd);
        SSL_set_accept_state(connections[fd].ssl);
    }
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){ .events = EPOLLIN, .data.fd = fd }) < 0)
        close(fd);
}

static int open_listener(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((unsigned short)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (fd < 0)
        die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("bind");
    if (listen(fd, 4096) < 0)
        die("listen");
    return fd;
}

static void load_certificate(const char *certificate, const char *key) {
    context = SSL_CTX_new(TLS_server_method());
    if (!context || SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
        ERR_print_errors_fp(stderr);
        exit(1);
    }
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1);
}

static void on_sigterm(int signum) {
    (void)signum;
    _exit(0);
}

int main(int argc, char **argv) {
    int port = argc >= 2 ? atoi(argv[1]) : 0;
    json = argc == 4 && strcmp(argv[3], "json") == 0;
    if (port <= 0 || port > 65535 || (argc > 3 && argc != 5 && !json)) {
        fprintf(stderr, "usage: bench_raw PORT [ANSWER [CERTIFICATE KEY | file FILE | json | gzip PAGE]]\n");
        return 2;
    }
    load_answer(argc >= 3 && argv[2][0] ? argv[2] : NULL);
    if (argc == 5 && strcmp(argv[3], "file") == 0)
        open_body(argv[4]);
    else if (argc == 5 && strcmp(argv[3], "gzip") == 0)
        load_page(argv[4]);
    else if (argc == 5)
        load_certificate(argv[3], argv[4]);
    signal(SIGTERM, on_sigterm);
    signal(SIGPIPE, SIG_IGN);
    int listener = open_listener(port);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        die("epoll_create1");
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &(struct epoll_event){ .events = EPOLLIN, .data.fd = listener }) < 0)
        die("epoll_ctl");
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                on_connection(listener, epoll);
            else
                on_ready(epoll, events[i].data.fd);
        }
    }
}
