/*
 * await.c - a page of three answers, asked for at once, and not for ever. (Tornado: await gen.multi, gen.with_timeout)
 *
 *     examples/run await
 *     curl localhost:8888/                          # after half a second, though they take 1.2 seconds together
 *     curl 'localhost:8888/?within=100'             # 503: too slow
 *
 * With TC_COROUTINE a handler reads as if it waited, while the loop goes on with everybody else's requests.
 */
#define _POSIX_C_SOURCE 200809L /* nanosleep, under -std=c11 */
#include <stdlib.h>
#include <time.h>
#include <tornadoc.h>
#include <yyjson.h>

/* A database whose driver blocks: on a thread of the executor. */
static int ask_database(void *arg, void **out) {
    (void)arg;
    nanosleep(&(struct timespec){ .tv_nsec = 300 * 1000 * 1000 }, NULL);
    *out = "17 seats";
    return 0;
}

/* A service that is asked twice: in a coroutine of its own. */
static int ask_hotel(void *arg) {
    (void)arg;
    TC_TRY(tc_await(tc_sleep(NULL, 200), NULL));
    TC_TRY(tc_await(tc_sleep(NULL, 300), NULL));
    return tc_coroutine_set_result("a room for two", NULL); /* constant; else what frees it stands behind it */
}

static int ask_weather(void *arg) {
    (void)arg;
    TC_TRY(tc_await(tc_sleep(NULL, 400), NULL));
    return tc_coroutine_set_result("sunny", NULL);
}

static int trip(tc_request_t *req) {
    int within = atoi(tc_get_argument(req, "within", "2000"));
    if (within < 0)
        return tc_http_error(req, 400, "within must be a number of milliseconds");

    tc_future_t *asked[] = { tc_run_in_executor(NULL, ask_database, NULL, NULL), tc_spawn(NULL, ask_hotel, NULL),
                             tc_spawn(NULL, ask_weather, NULL) };
    tc_results_t *answers;
    int err = tc_await(tc_with_timeout(tc_gather(asked, 3), (uint64_t)within), &answers);
    if (err == TC_ETIMEDOUT)
        return tc_http_error(req, 503, "somebody is slow today");
    TC_TRY(err);

    yyjson_mut_doc *doc = tc_json_new(req);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_obj_add_str(doc, root, "flight", tc_results_get(answers, 0));
    yyjson_mut_obj_add_str(doc, root, "hotel", tc_results_get(answers, 1));
    yyjson_mut_obj_add_str(doc, root, "weather", tc_results_get(answers, 2));
    yyjson_mut_doc_set_root(doc, root);
    tc_write_json(req, doc); /* if it fails, so does the request */
    tc_results_free(answers);
    return 0;
}

int main(void) {
    tc_application_t *app = tc_application_new(NULL);
    tc_application_add(app, "/", &(tc_request_handler_t){ .get = trip, .flags = TC_COROUTINE | TC_CANCEL_ON_CLOSE },
                       NULL);
    return tc_application_run(app, &(tc_run_options_t){ .port = 8888 });
}
