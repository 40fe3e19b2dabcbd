#undef NDEBUG /* a test is nothing without assert */
#include <assert.h>
#include <tornadoc.h>

static int answer(tc_request_t *req, tc_future_t *slept, void *arg) {
    (void)slept;
    return tc_write(req, arg);
}

static int slow(tc_request_t *req) {
    return tc_then(req, tc_sleep(NULL, 1000), answer, "later");
}

int main(void) {
    tc_application_t *app = tc_application_new(NULL);
    tc_application_add(app, "/slow", &(tc_request_handler_t){ .get = slow }, NULL);
    tc_test_client_t *client = tc_test_client_new(app);
    int id = tc_test_client_start(client, "/slow", NULL);
    tc_test_client_advance(client, 999);
    assert(!tc_test_client_response(client, id));
    tc_test_client_advance(client, 1);
    assert(tc_http_response_status(tc_test_client_response(client, id)) == 200);
    tc_test_client_free(client);
    return 0;
}
