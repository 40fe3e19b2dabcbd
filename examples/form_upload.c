/*
 * form_upload.c - files of any size, from a form to a folder. (Tornado: demos/file_upload, stream_request_body)
 *
 *     examples/run form_upload
 *     curl localhost:8888/                                             # a form; or open it in a browser
 *     curl -F 'file=@README.md' localhost:8888/upload                  # now it is in uploads/
 *     curl -F 'file=@README.md' localhost:8888/upload                  # 409: nothing is overwritten
 *     curl -F 'file=@LICENSE;filename="../etc/passwd"' localhost:8888/upload   # the name leads to uploads/passwd
 *
 * The form is read while it arrives and written off the loop: two gigabytes take no more memory than two kilobytes. The
 * file is written inside the folder that it will stay in, and gets its name once it is whole.
 */
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <tornadoc.h>

static int index_page(tc_request_t *req) {
    return tc_write(req, "<form action='/upload' method='post' enctype='multipart/form-data'>\n"
                         "<input name='file' type='file'> <button>Upload</button>\n"
                         "</form>\n");
}

static int kept(tc_request_t *req, tc_future_t *future, void *arg) {
    const tc_http_file_t *file = arg;
    const char *name = tc_xhtml_escape_alloc(req, tc_http_file_name(file));
    if (tc_future_status(future) == TC_EEXIST)
        return tc_http_error(req, 409, "there is a file of that name");
    TC_TRY(tc_future_status(future));
    tc_set_status(req, 201);
    return tc_writef(req, "<p>%s: %" PRIu64 " bytes</p>\n", name, tc_http_file_size(file));
}

static int upload(tc_request_t *req) {
    const tc_http_file_t *file = tc_get_file(req, "file");
    if (!file)
        return tc_http_error(req, 400, "choose a file");
    const char *path = tc_sprintf(req, "uploads/%s", tc_http_file_name(file)); /* never more than a name */
    return tc_then(req, tc_http_file_keep(file, path, 0), kept, (void *)file);
}

int main(void) {
    mkdir("uploads", 0700); /* it may be there already */
    tc_application_t *app = tc_application_new(&(tc_application_options_t){ .spool_dir = "uploads" });
    tc_application_add(app, "/", &(tc_request_handler_t){ .get = index_page }, NULL);
    tc_application_add(
        app, "/upload",
        &(tc_request_handler_t){ .post = upload, .body = TC_BODY_FORM, .max_body_size = (size_t)4 << 30 }, NULL);
    return tc_application_run(app, &(tc_run_options_t){ .port = 8888 });
}
