/*
 * chat.c - a chat by long polling: a request for news is answered once there are any. (Tornado: demos/chat)
 *
 *     examples/run chat
 *     curl localhost:8888/                                             # the page; open it in two windows of a browser
 *     curl -i -d 'text=Hello' localhost:8888/messages
 *     curl 'localhost:8888/messages?after=0'                           # "last" is what to ask for next: that one waits
 *
 * Who waits costs a request and a small stack, no thread. Everything runs on one loop, and only an await lets others
 * in: so the room needs no lock.
 */
#include <stdlib.h>
#include <tornadoc.h>
#include <yyjson.h>

enum { KEPT = 200, MAX_TEXT = 500, PATIENCE_MS = 30000 };

typedef struct {
    tc_condition_t *changed;
    uint64_t last; /* how many messages there were; the last KEPT of them are still here */
    char texts[KEPT][MAX_TEXT + 1];
} room_t;

static const char page[] =
    "<!DOCTYPE html>\n"
    "<title>Chat</title>\n"
    "<ul id='messages'></ul>\n"
    "<form><input name='text' maxlength='100' autofocus autocomplete='off'> <button>Say</button></form>\n"
    "<script>\n"
    "document.forms[0].onsubmit = (event) => {\n"
    "  event.preventDefault();\n"
    "  fetch('/messages', { method: 'POST', body: new URLSearchParams(new FormData(event.target)) });\n"
    "  event.target.reset();\n"
    "};\n"
    "(async () => {\n"
    "  for (let after = 0;;) {\n"
    "    try {\n"
    "      const news = await (await fetch('/messages?after=' + after)).json();\n"
    "      for (const text of news.messages)\n"
    "        messages.appendChild(document.createElement('li')).textContent = text;\n"
    "      after = news.last;\n"
    "    } catch (problem) { /* the server is away: try again in a while */\n"
    "      await new Promise((resolve) => setTimeout(resolve, 1000));\n"
    "    }\n"
    "  }\n"
    "})();\n"
    "</script>\n";

static int index_page(tc_request_t *req) {
    return tc_write(req, page);
}

static int write_messages(tc_request_t *req, room_t *room, uint64_t after) {
    yyjson_mut_doc *doc = tc_json_new(req);
    yyjson_mut_val *root = yyjson_mut_obj(doc), *texts = yyjson_mut_obj_add_arr(doc, root, "messages");
    if (room->last > KEPT && after < room->last - KEPT)
        after = room->last - KEPT;
    while (after < room->last)
        yyjson_mut_arr_add_str(doc, texts, room->texts[after++ % KEPT]);
    yyjson_mut_obj_add_uint(doc, root, "last", room->last);
    yyjson_mut_doc_set_root(doc, root);
    tc_set_header(req, "Cache-Control", "no-store");
    return tc_write_json(req, doc);
}

/* A coroutine, cancelled when its client leaves. */
static int news(tc_request_t *req) {
    room_t *room = tc_arg(req);
    uint64_t after = strtoull(tc_get_argument(req, "after", "0"), NULL, 10);
    if (after > room->last)
        after = 0; /* of a server that ran before this one */
    while (after == room->last && !tc_going_away(req)) {
        int err = tc_await(tc_condition_wait(room->changed, PATIENCE_MS), NULL);
        if (err == TC_ETIMEDOUT)
            break; /* no news; the client asks again */
        TC_TRY(err);
    }
    return write_messages(req, room, after);
}

static int say(tc_request_t *req) {
    room_t *room = tc_arg(req);
    const char *text;
    TC_TRY(tc_require_argument(req, "text", &text));
    if (!*text || strlen(text) > MAX_TEXT)
        return tc_http_errorf(req, 400, "a message has 1 to %d bytes", MAX_TEXT);
    strcpy(room->texts[room->last++ % KEPT], text);
    tc_condition_notify_all(room->changed);
    return tc_set_status(req, 204);
}

static void let_go(tc_request_t *req) { /* the server is to end: nobody waits any longer */
    room_t *room = tc_arg(req);
    tc_condition_notify_all(room->changed);
}

static const tc_request_handler_t messages = {
    .get = news,
    .post = say,
    .on_going_away = let_go,
    .max_body_size = 4096,
    .flags = TC_COROUTINE | TC_CANCEL_ON_CLOSE,
};

int main(void) {
    static room_t room;
    room.changed = tc_condition_new();
    tc_application_t *app = tc_application_new(NULL);
    tc_application_add(app, "/", &(tc_request_handler_t){ .get = index_page }, NULL);
    tc_application_add(app, "/messages", &messages, &room);
    int err = tc_application_run(app, &(tc_run_options_t){ .port = 8888 });
    tc_condition_free(room.changed);
    return err;
}
