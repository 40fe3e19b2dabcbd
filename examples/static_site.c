/*
 * static_site.c - a folder of files, and a page that names them by their versions. (Tornado: StaticFileHandler,
 * static_url)
 *
 *     examples/run static_site
 *     curl localhost:8888/                                       # the page; or open it in a browser
 *     curl -i localhost:8888/static/style.css                    # its type, its ETag, its date
 *     curl -i -H 'Range: bytes=0-9' localhost:8888/static/style.css
 *     curl localhost:8888/static/                                # what there is
 *
 * It serves examples/static_site, or the folder that it is given.
 *
 * The page's links carry a version, so that browsers keep what they lead to, and never ask for it again until it
 * changes. A version is known from the second time that the page is asked for.
 */
#include <tornadoc.h>

static int show_page(tc_request_t *req) {
    tc_writef(req, "<!DOCTYPE html>\n<title>A static site</title>\n<link rel='stylesheet' href='%s'>\n",
              tc_static_url(req, "style.css"));
    tc_writef(req, "<h1>A static site</h1>\n<p id='text'></p>\n<p><a href='/static/'>All files</a></p>\n");
    return tc_writef(req, "<script src='%s'></script>\n", tc_static_url(req, "app.js"));
}

int main(int argc, char **argv) {
    const char *folder = argc > 1 ? argv[1] : "examples/static_site";
    tc_application_t *app = tc_application_new(NULL);
    tc_application_add(app, "/", &(tc_request_handler_t){ .get = show_page }, NULL);
    tc_router_add_static(tc_application_group(app, "", NULL), "/static/", folder,
                         &(tc_static_options_t){ .listing = true, .precompressed = true });
    return tc_application_run(app, NULL);
}
