/*
 * login.c - a login with a signed cookie, and forms that nobody else can send. (Tornado: demos/blog, the part of it)
 *
 *     examples/run login
 *     curl -i localhost:8888/                                          # 302: to the login; or open it in a browser
 *     curl -i localhost:8888/login                                     # the form, with a token; the password is demo
 *     curl -i -d 'name=zoe&password=demo' localhost:8888/login         # 403: a form that did not come from here
 *
 * The cookie says who asks, in plain text, and nobody can change it without the application's secret. The secret comes
 * from the environment, COOKIE_SECRET; without it each start makes its own, and all have to log in again.
 *
 * A program with real users keeps a slow hash of each password, and computes it by tc_run_in_executor.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tornadoc.h>

static const tc_cookie_options_t hidden = { .httponly = true, .samesite = TC_SAMESITE_LAX };

static void *user_of_cookie(tc_request_t *req) {
    return (void *)tc_get_signed_cookie(req, "user", 0);
}

static int home(tc_request_t *req) {
    const char *user = tc_xhtml_escape_alloc(req, tc_current_user(req));
    return tc_writef(req,
                     "<!DOCTYPE html>\n<title>Home</title>\n<p>Hello, <b>%s</b></p>\n"
                     "<form action='/logout' method='post'>%s<button>Log out</button></form>\n",
                     user, tc_xsrf_form_html(req));
}

static int write_form(tc_request_t *req, const char *problem) {
    const char *next = tc_xhtml_escape_alloc(req, tc_get_next_url(req, "/"));
    return tc_writef(req,
                     "<!DOCTYPE html>\n<title>Log in</title>\n<p>%s</p>\n"
                     "<form action='/login' method='post'>%s<input type='hidden' name='next' value='%s'>\n"
                     "<input name='name' placeholder='Name' autofocus>\n"
                     "<input name='password' type='password' placeholder='Password'> <button>Log in</button></form>\n",
                     problem, tc_xsrf_form_html(req), next);
}

static int show_login(tc_request_t *req) {
    return write_form(req, "Who are you?");
}

static int log_in(tc_request_t *req) {
    const char *name, *password;
    TC_TRY(tc_require_argument(req, "name", &name));
    TC_TRY(tc_require_argument(req, "password", &password));
    bool known = tc_secret_equal(name, "zoe"), fits = tc_secret_equal(password, "demo");
    if (!known || !fits) { /* not a word of which of them it is */
        tc_set_status(req, 403);
        return write_form(req, "That is not it.");
    }
    tc_set_signed_cookie(req, "user", name, &hidden);
    return tc_redirect(req, tc_get_next_url(req, "/"), 303); /* 303: by GET, whatever led here */
}

static int log_out(tc_request_t *req) {
    tc_clear_cookie(req, "user", &hidden);
    return tc_redirect(req, "/login", 303);
}

/* COOKIE_SECRET, or one of this start. */
static const char *find_secret(void) {
    static char secret[65];
    unsigned char random[32] = { 0 };
    FILE *file = getenv("COOKIE_SECRET") ? NULL : fopen("/dev/urandom", "rb");
    if (!file)
        return getenv("COOKIE_SECRET");
    size_t got = fread(random, 1, sizeof random, file);
    fclose(file);
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(secret + 2 * i, 3, "%02x", random[i]);
    return got == sizeof random ? secret : NULL;
}

int main(void) {
    tc_application_t *app = tc_application_new(&(tc_application_options_t){
        .base = &(tc_request_handler_t){ .get_current_user = user_of_cookie },
        .cookie_secret = find_secret(),
        .login_url = "/login",
        .xsrf_cookies = true,
    });
    tc_application_add(app, "/", &(tc_request_handler_t){ .get = home, .flags = TC_LOGIN_REQUIRED }, NULL);
    tc_application_add(app, "/login", &(tc_request_handler_t){ .get = show_login, .post = log_in }, NULL);
    tc_application_add(app, "/logout", &(tc_request_handler_t){ .post = log_out, .flags = TC_LOGIN_REQUIRED }, NULL);
    return tc_application_run(app, &(tc_run_options_t){ .port = 8888 });
}
