/*
 * upload.c - a form with files: its fields, and what came with it. (Tornado: request.files, demos/file_upload)
 *
 *     examples/run upload
 *     curl localhost:8888/                                              # a form; or open it in a browser
 *     curl -F title=Holidays -F 'files=@README.md' -F 'files=@LICENSE;type=text/plain' localhost:8888/upload
 *     curl -F 'files=@LICENSE;filename="../../etc/passwd"' localhost:8888/upload   # the name leads nowhere
 *     curl -i -F title=Nothing localhost:8888/upload                    # 400: no file
 *
 * The whole form is in memory, so the route has a limit. For larger ones see form_upload.c.
 */
#include <tornadoc.h>

static int index_page(tc_request_t *req) {
    return tc_write(req, "<form action='/upload' method='post' enctype='multipart/form-data'>\n"
                         "<input name='title'> <input name='files' type='file' multiple> <button>Upload</button>\n"
                         "</form>\n");
}

static void show_file(tc_request_t *req, const tc_http_file_t *file) {
    tc_bytes_t body = tc_http_file_body(file); /* a piece of the request's body: it lives until on_finish */
    tc_writef(req, "<li>%s, %s: %zu bytes</li>\n", tc_xhtml_escape_alloc(req, tc_http_file_name(file)),
              tc_xhtml_escape_alloc(req, tc_http_file_content_type(file)), body.len);
}

static int upload(tc_request_t *req) {
    const tc_http_file_t *const *files;
    size_t count = tc_get_files(req, "files", &files); /* tc_get_file is enough where one is wanted */
    if (count == 0)
        return tc_http_error(req, 400, "choose a file");
    const char *title = tc_get_body_argument(req, "title", "Untitled");
    tc_writef(req, "<h1>%s</h1>\n<ul>\n", tc_xhtml_escape_alloc(req, title));
    for (size_t i = 0; i < count; i++)
        show_file(req, files[i]);
    return tc_write(req, "</ul>\n");
}

int main(void) {
    tc_application_t *app = tc_application_new(NULL);
    tc_application_add(app, "/", &(tc_request_handler_t){ .get = index_page }, NULL);
    tc_application_add(app, "/upload", &(tc_request_handler_t){ .post = upload, .max_body_size = 10 << 20 }, NULL);
    return tc_application_run(app, &(tc_run_options_t){ .port = 8888 });
}
