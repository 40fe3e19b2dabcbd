/*
 * server.c - the server of tests/scripts/streaming_test: answers and bodies of any length, a piece at a time. Its
 * handler never has more than a piece of either in its hands, so what the process grows by is the library's.
 */
#include <tornadoc.h>

enum { PIECE = 64 * 1024, BREATH = 1024 * 1024 };

typedef struct {
    int64_t left; /* of the answer */
    int64_t seen; /* of the body */
} transfer_t;

static char piece[PIECE];

static int write_more(tc_request_t *req, tc_future_t *drained, void *arg) {
    transfer_t *transfer = tc_data(req);
    if (drained)
        TC_TRY(tc_future_status(drained));
    while (transfer->left > 0) {
        int64_t len = transfer->left < PIECE ? transfer->left : PIECE;
        TC_TRY(tc_write_bytes(req, tc_bytes(piece, (size_t)len)));
        TC_TRY(tc_flush(req));
        transfer->left -= len;
        if (!tc_writable(req))
            return tc_then(req, tc_drained(req), write_more, arg);
    }
    return 0;
}

/* "/down/1000000": so many bytes, counted. "/down/1000000/chunked": the same in chunks. */
static int send_down(tc_request_t *req) {
    transfer_t *transfer = tc_data(req);
    transfer->left = tc_path_int(req, "size");
    if (!tc_path_arg(req, "chunked"))
        tc_set_header(req, "Content-Length", tc_path_arg(req, "size"));
    return write_more(req, NULL, NULL);
}

static int go_on(tc_request_t *req, tc_future_t *slept, void *arg) {
    (void)req, (void)arg;
    return tc_future_status(slept);
}

/* It takes its time over every mebibyte. */
static int take_piece(tc_request_t *req, tc_bytes_t chunk) {
    transfer_t *transfer = tc_data(req);
    int64_t before = transfer->seen;
    transfer->seen += (int64_t)chunk.len;
    if (before / BREATH == transfer->seen / BREATH)
        return 0;
    return tc_then(req, tc_sleep(NULL, 1), go_on, NULL);
}

static int say_how_much(tc_request_t *req) {
    transfer_t *transfer = tc_data(req);
    return tc_writef(req, "%lld\n", (long long)transfer->seen);
}

int main(void) {
    tc_application_t *app = tc_application_new(NULL);
    const tc_request_handler_t down = { .get = send_down, .data_size = sizeof(transfer_t) };
    tc_application_add(app, "/down/{size:int}", &down, NULL);
    tc_application_add(app, "/down/{size:int}/{chunked}", &down, NULL);
    tc_application_add(app, "/up",
                       &(tc_request_handler_t){ .post = say_how_much,
                                                .body = TC_BODY_STREAM,
                                                .max_body_size = TC_UNLIMITED,
                                                .data_received = take_piece,
                                                .data_size = sizeof(transfer_t) },
                       NULL);
    return tc_application_run(app, NULL);
}
