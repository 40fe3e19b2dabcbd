/*
 * sse_clock.c - the server's time in every open page, by server-sent events. (Tornado: write and flush, for ever)
 *
 *     examples/run sse_clock
 *     curl localhost:8888/                                             # the page; open it in a browser
 *
 * `curl -N localhost:8888/clock` shows the events themselves. One timer makes one a second, and a group sends it to all
 * who listen. A page that lost its connection, since the server was started anew, say, connects again by itself, and
 * tells the last event that it had, as `curl -N -H 'Last-Event-ID: 1' localhost:8888/clock` does.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <tornadoc.h>

typedef struct {
    tc_sse_group_t *listeners;
    tc_periodic_callback_t *every_second;
    uint64_t ticks;
} clock_state_t;

static const char page[] = "<!DOCTYPE html>\n"
                           "<title>Clock</title>\n"
                           "<h1 id='time'></h1>\n"
                           "<p id='state'>connecting</p>\n"
                           "<script>\n"
                           "const events = new EventSource('/clock');\n"
                           "events.onopen = () => { state.textContent = 'connected'; };\n"
                           "events.onerror = () => { state.textContent = 'connecting'; };\n"
                           "events.addEventListener('tick', (event) => { time.textContent = event.data; });\n"
                           "</script>\n";

static int index_page(tc_request_t *req) {
    return tc_write(req, page);
}

static int listen_to_clock(tc_request_t *req) {
    clock_state_t *state = tc_arg(req);
    tc_sse_t *sse;
    TC_TRY(tc_sse_begin(&sse, req, &(tc_sse_options_t){ .retry_ms = 1000 }));
    const char *last = tc_sse_last_event_id(req);
    if (*last) {
        uint64_t missed = state->ticks - strtoull(last, NULL, 10);
        const char *text = tc_sprintf(req, "%" PRIu64, missed);
        tc_sse_send(sse, &(tc_sse_event_t){ .type = "missed", .data = tc_str(text) });
    }
    TC_TRY(tc_sse_group_add(state->listeners, sse));
    return tc_then(req, tc_sse_ended(sse), NULL, NULL); /* until then there is nothing to do here */
}

static int tick(tc_periodic_callback_t *periodic, void *arg) {
    clock_state_t *state = arg;
    char id[24], text[32];
    time_t now = time(NULL);
    (void)periodic;
    snprintf(id, sizeof id, "%" PRIu64, ++state->ticks);
    strftime(text, sizeof text, "%H:%M:%S", localtime(&now));
    tc_sse_group_send(state->listeners, &(tc_sse_event_t){ .type = "tick", .id = id, .data = tc_str(text) });
    return 0;
}

static int start_clock(tc_ioloop_t *loop, void *arg) {
    clock_state_t *state = arg;
    TC_TRY(tc_periodic_callback_new(&state->every_second, loop, 1000, 0, tick, state));
    tc_periodic_callback_start(state->every_second);
    return 0;
}

static void stop_clock(tc_ioloop_t *loop, void *arg) {
    clock_state_t *state = arg;
    (void)loop;
    tc_periodic_callback_free(state->every_second);
}

int main(void) {
    clock_state_t state = { .listeners = tc_sse_group_new() };
    tc_application_t *app = tc_application_new(NULL);
    tc_application_add(app, "/", &(tc_request_handler_t){ .get = index_page }, NULL);
    tc_application_add(app, "/clock", &(tc_request_handler_t){ .get = listen_to_clock }, &state);
    int err = tc_application_run(
        app, &(tc_run_options_t){ .on_worker_start = start_clock, .on_worker_stop = stop_clock, .arg = &state });
    tc_sse_group_free(state.listeners);
    return err;
}
