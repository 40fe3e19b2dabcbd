/*
 * routes.c - paths, forms, JSON, groups, hosts, own error pages. (Tornado: Application, URLSpec, write_error)
 *
 *     examples/run routes
 *     curl localhost:8888/                                              # a form; or open it in a browser
 *     curl -d name=Ada localhost:8888/greet
 *     curl localhost:8888/users/7/files/photos/cat.jpg                  # a number, and the rest of the path
 *     curl -i localhost:8888/users/1001                                 # an error page of this program
 *     curl -H 'Content-Type: application/json' -H 'Authorization: Bearer s3cret' -d '[1, 2, 3]' localhost:8888/api/sum
 *     curl -i -d '[1]' localhost:8888/api/sum                           # errors below /api are JSON
 *     curl -i localhost:8888/old
 *     curl -H 'Host: status.localhost' localhost:8888/                  # another host, other routes
 */
#include <inttypes.h>
#include <tornadoc.h>
#include <yyjson.h>

/* ---- Pages ---- */

static int index_page(tc_request_t *req) {
    return tc_write(req, "<form action='/greet' method='post'><input name='name'><button>Greet</button></form>\n");
}

static int greet(tc_request_t *req) {
    const char *name;
    TC_TRY(tc_require_argument(req, "name", &name)); /* 400 if there is none */
    return tc_writef(req, "<p>Hello, %s</p>\n", tc_xhtml_escape_alloc(req, name));
}

static int show_user(tc_request_t *req) {
    int64_t id = tc_path_int(req, "id");
    if (id > 1000)
        return tc_http_errorf(req, 404, "no user %" PRId64, id);
    return tc_writef(req, "user %" PRId64 "\n", id);
}

static int show_file(tc_request_t *req) {
    tc_set_header(req, "Content-Type", "text/plain; charset=UTF-8");
    return tc_writef(req, "%s of user %s\n", tc_path_arg(req, "path"), tc_path_arg(req, "id"));
}

static int old(tc_request_t *req) {
    return tc_redirect(req, "/users/7", 301);
}

static int fine(tc_request_t *req) {
    return tc_write(req, "fine\n");
}

/* For every route, unless its group or itself has another one. */
static int error_page(tc_request_t *req, int status) {
    const char *message = tc_error_message(req);
    tc_set_header(req, "Content-Type", "text/plain; charset=UTF-8");
    return tc_writef(req, "Sorry: %s (%d)\n", message ? message : tc_http_reason(status), status);
}

/* ---- Below /api ---- */

static int require_token(tc_request_t *req) { /* the headers are in; no byte of the body has been read */
    const char *token = tc_header(req, "Authorization");
    return token && strcmp(token, "Bearer s3cret") == 0 ? 0 : tc_http_error(req, 403, "a token is wanted");
}

static int sum(tc_request_t *req) {
    yyjson_val *in, *item;
    size_t i, count;
    double total = 0;
    TC_TRY(tc_read_json(req, &in)); /* 415 unless it is JSON by its type, 400 if it is not valid */
    yyjson_arr_foreach(in, i, count, item) total += yyjson_get_num(item);

    yyjson_mut_doc *out = tc_json_new(req); /* in the request's memory: nothing to free */
    yyjson_mut_val *root = yyjson_mut_obj(out);
    if (!yyjson_mut_obj_add_real(out, root, "sum", total))
        return TC_ENOMEM;
    yyjson_mut_doc_set_root(out, root);
    return tc_write_json(req, out);
}

static int error_json(tc_request_t *req, int status) {
    const char *message = tc_error_message(req);
    yyjson_mut_doc *out = tc_json_new(req);
    yyjson_mut_val *root = yyjson_mut_obj(out);
    if (!yyjson_mut_obj_add_strcpy(out, root, "error", message ? message : tc_http_reason(status)))
        return TC_ENOMEM;
    yyjson_mut_doc_set_root(out, root);
    return tc_write_json(req, out);
}

int main(void) {
    tc_application_t *app = tc_application_new(
        &(tc_application_options_t){ .base = &(tc_request_handler_t){ .write_error = error_page } });
    tc_application_add(app, "/", &(tc_request_handler_t){ .get = index_page }, NULL);
    tc_application_add(app, "/greet", &(tc_request_handler_t){ .post = greet, .max_body_size = 4096 }, NULL);
    tc_application_add(app, "/users/{id:int}", &(tc_request_handler_t){ .get = show_user }, NULL);
    tc_application_add(app, "/users/{id:int}/files/{path:*}", &(tc_request_handler_t){ .get = show_file }, NULL);
    tc_application_add(app, "/old", &(tc_request_handler_t){ .get = old }, NULL);

    tc_router_t *api = tc_application_group(
        app, "/api", &(tc_request_handler_t){ .admit = require_token, .write_error = error_json });
    tc_router_add(api, "/sum", &(tc_request_handler_t){ .post = sum }, NULL);

    tc_router_t *status = tc_application_host(app, "status.localhost");
    tc_router_add(status, "/", &(tc_request_handler_t){ .get = fine }, NULL);
    return tc_application_run(app, &(tc_run_options_t){ .port = 8888 }); /* says which of these failed */
}
