/*
 * form_upload.c - files of any size, from a page to a folder, with their progress. (Tornado: demos/file_upload)
 *
 *     examples/run form_upload
 *     curl localhost:8888/                                             # the page; open it in a browser
 *     curl -i -F 'file=@README.md' localhost:8888/upload               # now it is in uploads/, under a name of its own
 *     curl -F 'file=@LICENSE;filename="../etc/passwd"' localhost:8888/upload   # the name leads nowhere
 *     curl -i -F 'title=Nothing' localhost:8888/upload                 # 400: no file
 *
 * The form is read while it arrives and written off the loop: two gigabytes take no more memory than two kilobytes. The
 * file is written inside the folder that it will stay in, and gets its name once it is whole: one that nobody can
 * guess. What its sender calls it is for people to read. It is never shown as a page of this site: browsers save it.
 *
 * The script sends each file by a request of its own, for its browser tells how far that is. Without scripts the form
 * works as well, for one file. The list is in memory: a program that is to know its files tomorrow has a database.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <tornadoc.h>

enum { MAX_UPLOADS = 1000 };

typedef struct {
    char id[33], name[256];
    uint64_t size;
} upload_t;

static struct {
    upload_t list[MAX_UPLOADS];
    size_t count;
} uploads;

/* ---- The page ---- */

static const char page_begin[] = "<!DOCTYPE html>\n"
                                 "<title>Uploads</title>\n"
                                 "<form action='/upload' method='post' enctype='multipart/form-data'>\n"
                                 "<input name='file' type='file'> <button>Upload</button>\n"
                                 "</form>\n"
                                 "<ul id='running'></ul>\n"
                                 "<ul id='files'>\n";

static const char page_end[] =
    "</ul>\n"
    "<script>\n"
    "const form = document.forms[0];\n"
    "form.file.multiple = true;\n"
    "form.onsubmit = (event) => {\n"
    "  event.preventDefault();\n"
    "  for (const file of form.file.files)\n"
    "    send(file);\n"
    "  form.reset();\n"
    "};\n"
    "function send(file) {\n"
    "  const line = document.createElement('li'), bar = document.createElement('progress');\n"
    "  const request = new XMLHttpRequest(), data = new FormData();\n"
    "  line.append(bar, ' ' + file.name);\n"
    "  running.append(line);\n"
    "  request.upload.onprogress = request.upload.onload = (event) => {\n"
    "    bar.max = event.total;\n"
    "    bar.value = event.loaded;\n"
    "  };\n"
    "  request.onloadend = () => {\n"
    "    if (request.status == 201) {\n"
    "      files.insertAdjacentHTML('beforeend', request.responseText);\n"
    "      line.remove();\n"
    "    } else {\n"
    "      bar.replaceWith(request.status ? 'refused, ' + request.status + ':' : 'the server is away:');\n"
    "    }\n"
    "  };\n"
    "  data.append('file', file);\n"
    "  request.open('POST', form.action);\n"
    "  request.send(data);\n"
    "}\n"
    "</script>\n";

static int write_line(tc_request_t *req, const upload_t *upload) {
    return tc_writef(req, "<li><a href='/files/%s'>%s</a>, %" PRIu64 " bytes\n", upload->id,
                     tc_xhtml_escape_alloc(req, upload->name), upload->size);
}

static int index_page(tc_request_t *req) {
    tc_write(req, page_begin);
    for (size_t i = 0; i < uploads.count; i++)
        write_line(req, &uploads.list[i]);
    return tc_write(req, page_end);
}

/* ---- In ---- */

static const char *path_of(tc_request_t *req, char out[64]) {
    snprintf(out, 64, "uploads/%s", tc_request_id(req)); /* 32 digits of chance */
    return out;
}

static int kept(tc_request_t *req, tc_future_t *future, void *arg) {
    const tc_http_file_t *file = arg;
    char path[64];
    TC_TRY(tc_future_status(future));
    if (uploads.count == MAX_UPLOADS) {
        remove(path_of(req, path));
        return tc_http_error(req, 507, "there are too many files");
    }
    upload_t *upload = &uploads.list[uploads.count++];
    upload->size = tc_http_file_size(file);
    snprintf(upload->id, sizeof upload->id, "%s", tc_request_id(req));
    snprintf(upload->name, sizeof upload->name, "%s", tc_http_file_name(file)); /* without a way to it: at most 255 */
    tc_set_status(req, 201);
    return write_line(req, upload);
}

static int receive(tc_request_t *req) {
    char path[64];
    const tc_http_file_t *file = tc_get_file(req, "file");
    if (!file)
        return tc_http_error(req, 400, "choose a file");
    if (*tc_request_id(req) == '\0')
        return TC_ENOMEM;
    return tc_then(req, tc_http_file_keep(file, path_of(req, path), 0), kept, (void *)file);
}

/* ---- Out ---- */

static const char *no_type(const char *id, void *arg) {
    (void)id, (void)arg;
    return "application/octet-stream"; /* whatever its sender says that it is */
}

/* To be saved, by the name that it came with (RFC 6266); and what is not in the list is not there. */
static int describe(tc_request_t *req, const char *id, void *arg) {
    char name[3 * 256];
    (void)arg;
    for (size_t i = 0; i < uploads.count; i++)
        if (strcmp(uploads.list[i].id, id) == 0) {
            tc_url_escape_path(name, sizeof name, tc_str(uploads.list[i].name));
            const char *value = tc_sprintf(req, "attachment; filename*=UTF-8''%s", name);
            return tc_set_header(req, "Content-Disposition", value);
        }
    return 404;
}

int main(void) {
    mkdir("uploads", 0700); /* it may be there already */
    const tc_request_handler_t upload = { .post = receive, .body = TC_BODY_FORM, .max_body_size = (size_t)4 << 30 };
    const tc_static_options_t files = { .content_type = no_type, .set_extra_headers = describe };
    tc_application_t *app = tc_application_new(&(tc_application_options_t){ .spool_dir = "uploads" });
    tc_application_add(app, "/", &(tc_request_handler_t){ .get = index_page }, NULL);
    tc_application_add(app, "/upload", &upload, NULL);
    tc_router_add_static(tc_application_group(app, "", NULL), "/files/", "uploads", &files);
    return tc_application_run(app, &(tc_run_options_t){ .port = 8888 });
}
