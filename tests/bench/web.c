/* What programs of the web framework do all day, to be measured: bench_web PORT FOLDER (127.0.0.1 only; silent)
 *
 *     GET  /files/…       files of FOLDER/files
 *     GET  /page.html     FOLDER/page.html from memory, compressed for each request
 *     GET  /object.json   a small object
 *     POST /object.json   what was posted: read, built again, written */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tornadoc.h>
#include <yyjson.h>

static char page[64 * 1024];
static size_t page_len;

static void load_page(const char *folder) {
    char path[4096];
    snprintf(path, sizeof path, "%s/page.html", folder);
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(1);
    }
    page_len = fread(page, 1, sizeof page, file);
    fclose(file);
}

static int give_page(tc_request_t *req) {
    return tc_write_borrowed(req, tc_bytes(page, page_len));
}

static int give_object(tc_request_t *req) {
    yyjson_mut_doc *doc = tc_json_new(req);
    yyjson_mut_val *object = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, object);
    yyjson_mut_obj_add_uint(doc, object, "id", 4711);
    yyjson_mut_obj_add_str(doc, object, "message", "Hello, world");
    yyjson_mut_obj_add_bool(doc, object, "read", false);
    return tc_write_json(req, doc);
}

static int echo(tc_request_t *req) {
    yyjson_val *posted;
    TC_TRY(tc_read_json(req, &posted));
    yyjson_mut_doc *doc = tc_json_new(req);
    yyjson_mut_doc_set_root(doc, yyjson_val_mut_copy(doc, posted));
    return tc_write_json(req, doc);
}

int main(int argc, char **argv) {
    int port = argc == 3 ? atoi(argv[1]) : 0;
    char files[4096];
    if (port <= 0 || port > 65535 || strlen(argv[2]) > sizeof files - sizeof "/files") {
        fprintf(stderr, "usage: bench_web PORT FOLDER\n");
        return 2;
    }
    snprintf(files, sizeof files, "%s/files", argv[2]);
    load_page(argv[2]);
    tc_application_t *app = tc_application_new(NULL);
    tc_application_add_static(app, "/files/", files);
    tc_application_add(app, "/page.html", &(tc_request_handler_t){ .flags = TC_COMPRESS, .get = give_page }, NULL);
    tc_application_add(app, "/object.json", &(tc_request_handler_t){ .get = give_object, .post = echo }, NULL);
    return tc_application_run(app, &(tc_run_options_t){ .address = "127.0.0.1", .port = port });
}
