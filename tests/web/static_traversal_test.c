/*
 * static_traversal_test.c - nothing leads out of the folder: no path, no link, no race. Each is tried by openat2 and by
 * the walk that stands in for it.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "web/static_test.h"

static int no_openat2(int dir, const char *path, int flags) {
    (void)dir, (void)path, (void)flags;
    errno = ENOSYS;
    return -1;
}

static int filtered_openat2(int dir, const char *path, int flags) {
    (void)dir, (void)path, (void)flags;
    errno = EPERM;
    return -1;
}

static const char *outside(const char *name) {
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", base, name);
    return path;
}

static void write_outside(const char *name) {
    int fd = open(outside(name), O_WRONLY | O_CREAT, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "SECRET", 6), 6);
    close(fd);
}

static void make_site(void) {
    make("a.txt", "public");
    make("\\", "public");
    make_folder("dir");
    make("dir/a.txt", "public");
    make("dir/index.html", "public");
    make(".htpasswd", "SECRET");
    make_folder(".git");
    make(".git/config", "SECRET");
    make("dir/.env", "SECRET");
    write_outside("secret.txt");
    assert_int_equal(mkdir(outside("root_evil"), 0755), 0);
    write_outside("root_evil/secret.txt");
    write_outside("rootfile.txt");
}

/* ---- Paths ---- */

static const char *const attacks[] = {
    "/s/../secret.txt",
    "/s/dir/../../secret.txt",
    "/s/%2e%2e/secret.txt",
    "/s/%2E%2E/secret.txt",
    "/s/.%2e/secret.txt",
    "/s/%2e./secret.txt",
    "/s/..%2fsecret.txt",
    "/s/%2e%2e%2fsecret.txt",
    "/s/..%2Fsecret.txt",
    "/s/dir/..%2f..%2fsecret.txt",
    "/s/%252e%252e/secret.txt",
    "/s/%252e%252e%252fsecret.txt",
    "/s/..%252fsecret.txt",
    "/s/%25252e%25252e/secret.txt",
    "/s/..\\secret.txt",
    "/s/..%5csecret.txt",
    "/s/..%5Csecret.txt",
    "/s/dir\\..\\..\\secret.txt",
    "/s/%5c..%5csecret.txt",
    "/s/%c0%ae%c0%ae/secret.txt",
    "/s/%c0%2e%c0%2e/secret.txt",
    "/s/..%c0%afsecret.txt",
    "/s/%e0%80%ae%e0%80%ae/secret.txt",
    "/s/..%ef%bc%8fsecret.txt",
    "/s/%u002e%u002e/secret.txt",
    "/s/..;/secret.txt",
    "/s/..%00/secret.txt",
    "/s/a.txt%00",
    "/s/a.txt%00.jpg",
    "/s/%00/../../secret.txt",
    "/s/a.txt%0a",
    "/s/a.txt%0d%0aX:%20y",
    "/s/...//secret.txt",
    "/s/....//secret.txt",
    "/s/.../.../secret.txt",
    "/s/dir/./a.txt",
    "/s/./a.txt",
    "/s/dir/../a.txt",
    "/s//a.txt",
    "/s///a.txt",
    "/s/dir//a.txt",
    "/s//dir/",
    "/s/dir//",
    "/s//etc/passwd",
    "/s/%2fetc%2fpasswd",
    "/s/%2Fetc/passwd",
    "/s//etc//passwd",
    "/s/../root_evil/secret.txt",
    "/s_evil/secret.txt",
    "/s/_evil/secret.txt",
    "/s/../rootfile.txt",
    "/s/..",
    "/s/.",
    "/s/../",
    "/s/%2e",
    "/s/%2e%2e",
    "/s/dir/..",
    "/s/~root/.profile",
    "/s/.htpasswd",
    "/s/%2ehtpasswd",
    "/s/.git/config",
    "/s/%2egit/config",
    "/s/dir/.env",
    "/s/dir/%2Eenv",
    "/s/a.txt/",
    "/s/a.txt/.",
    "/s/a.txt/..",
    "/s/a.txt/../a.txt",
    "/s/a.txt%2f",
    "/s/%5c",
    "/s/\\",
    "/s/%",
    "/s/%2",
    "/s/%zz",
    "/s/a.txt%",
    "/s/proc/self/environ",
    "/s/http://127.0.0.1/secret.txt",
    "/s/file:///etc/passwd",
    "//s/../secret.txt",
    "//etc/passwd",
    "/../secret.txt",
};

static void try_attacks(void) {
    for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++) {
        int status = get(attacks[i]);
        if (status != 404 && status != 400)
            fail_msg("%s: %d %s %s", attacks[i], status, field("Location"), body());
        if (strstr(body(), "SECRET"))
            fail_msg("%s", attacks[i]);
        forget_log();
    }
    assert_ask("/s/a.txt", "200 public");
    assert_ask("/s/dir/", "200 public");
}

static void no_path_leads_out_of_the_folder(void **state) {
    (void)state;
    make_site();
    serve_folder();
    try_attacks();
}

static void no_path_leads_out_where_the_kernel_has_no_openat2(void **state) {
    (void)state;
    tc__file_sys.open_beneath = no_openat2;
    make_site();
    serve_folder();
    try_attacks();
}

static void no_path_leads_out_where_a_filter_forbids_openat2(void **state) {
    (void)state;
    tc__file_sys.open_beneath = filtered_openat2;
    make_site();
    serve_folder();
    try_attacks();
}

static void no_path_leads_out_with_every_option_on(void **state) {
    (void)state;
    make_site();
    unlink(path_of(".htpasswd"));
    unlink(path_of(".git/config"));
    unlink(path_of("dir/.env"));
    serve_with(OPTIONS(.dot_files = true, .listing = true, .precompressed = true));
    try_attacks();
}

static void very_long_names_are_404(void **state) {
    (void)state;
    char path[7000] = "/s/";
    make_site();
    serve_folder();
    memset(path + 3, 'a', 300);
    assert_int_equal(get(path), 404);
    for (size_t i = 3; i < 6000; i++)
        path[i] = i % 2 ? 'a' : '/';
    assert_int_equal(get(path), 404);
    memset(path + 3, 'a', 6000);
    assert_int_equal(get(path), 404);
}

/* Whether a redirect would leave this host. */
static void no_redirect_leads_to_another_host(void **state) {
    (void)state;
    static const char *const paths[] = {
        "//example.com",
        "//example.com/",
        "//dir",
        "///dir",
        "/%2fexample.com",
        "/%5cexample.com",
        "/\\example.com",
        "/\\/example.com/dir",
        "//example.com/%2e%2e/dir",
        "//example.com/..%2fdir",
        "/dir/..//example.com",
    };
    make_site();
    make_folder("example.com");
    make("example.com/index.html", "public");
    assert_int_equal(tc_application_add_static(app, "/", folder), 0);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_int_equal(get(paths[i]), 404);
        assert_field("Location", "(none)");
    }
    assert_int_equal(get("/example.com?//"), 301);
    assert_field("Location", "/example.com/?//");
    assert_int_equal(get(getenv("WEB_TLS") ? "https://other.example/dir" : "http://other.example/dir"), 301);
    assert_field("Location", "/dir/");
}

/* ---- Links and special files ---- */

static void make_links(void) {
    make_site();
    assert_int_equal(symlink("../secret.txt", path_of("relative")), 0);
    assert_int_equal(symlink(outside("secret.txt"), path_of("absolute")), 0);
    assert_int_equal(symlink("..", path_of("parent")), 0);
    assert_int_equal(symlink(base, path_of("elsewhere")), 0);
    assert_int_equal(symlink("elsewhere/secret.txt", path_of("chain")), 0);
    assert_int_equal(symlink("loop", path_of("loop")), 0);
    assert_int_equal(symlink("/proc/self/root", path_of("magic")), 0);
    assert_int_equal(symlink("/proc/self/cwd", path_of("magic_cwd")), 0);
    assert_int_equal(symlink(outside("root/a.txt"), path_of("there_and_back")), 0);
    assert_int_equal(symlink("dir/a.txt", path_of("inside")), 0);
    assert_int_equal(symlink("../a.txt", path_of("dir/up")), 0);
    assert_int_equal(symlink("dir", path_of("inner")), 0);
}

static void try_links_out(void) {
    static const char *const paths[] = {
        "/s/relative",
        "/s/absolute",
        "/s/parent/secret.txt",
        "/s/parent/root/a.txt",
        "/s/elsewhere/secret.txt",
        "/s/elsewhere",
        "/s/parent",
        "/s/parent/",
        "/s/chain",
        "/s/loop",
        "/s/magic/etc/hosts",
        "/s/magic_cwd/x",
        "/s/there_and_back",
        "/s/magic/",
        "/s/loop/",
    };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (get(paths[i]) != 404)
            fail_msg("%s: %s", paths[i], body());
}

static void links_are_followed_within_the_folder_and_not_out_of_it(void **state) {
    (void)state;
    make_links();
    serve_with(OPTIONS(.listing = true));
    try_links_out();
    int root = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = tc__file_sys.open_beneath(root, ".", O_RDONLY | O_CLOEXEC);
    close(root);
    if (fd < 0)
        return; /* a kernel without openat2 */
    close(fd);
    assert_ask("/s/inside", "200 public");
    assert_ask("/s/dir/up", "200 public");
    assert_ask("/s/inner/a.txt", "200 public");
}

static void without_openat2_no_link_is_followed(void **state) {
    (void)state;
    tc__file_sys.open_beneath = no_openat2;
    make_links();
    serve_with(OPTIONS(.listing = true));
    try_links_out();
    assert_int_equal(get("/s/inside"), 404);
    assert_int_equal(get("/s/dir/up"), 404);
    assert_int_equal(get("/s/inner/a.txt"), 404);
    assert_ask("/s/dir/a.txt", "200 public");
}

static void dots_lead_nowhere_whoever_opens(void **state) {
    (void)state;
    static const char *const names[] = { "..", "../secret.txt", "dir/../../secret.txt", "dir/../..", "/etc/passwd" };
    make_site();
    int root = tc__file_open_root(folder);
    for (int walked = 0; walked < 2; walked++) {
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            if (tc__file_open_beneath(root, names[i]) >= 0)
                fail_msg("%s was opened%s", names[i], walked ? " by the walk" : "");
        tc__file_sys.open_beneath = no_openat2;
    }
    close(root);
}

static void a_compressed_sibling_is_no_way_out(void **state) {
    (void)state;
    make_site();
    assert_int_equal(symlink("../secret.txt", path_of("a.txt.gz")), 0);
    serve_with(OPTIONS(.precompressed = true));
    assert_int_equal(GET("/s/a.txt", "Accept-Encoding", "gzip"), 200);
    assert_string_equal(body(), "public");
}

static void what_is_no_file_is_404_and_does_not_block(void **state) {
    (void)state;
    make_site();
    assert_int_equal(mkfifo(path_of("fifo"), 0644), 0);
    assert_int_equal(mkfifo(path_of("a.txt.gz"), 0644), 0);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path_of("socket"));
    int sock = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(sock, (struct sockaddr *)&address, sizeof address), 0);
    close(sock);
    serve_with(OPTIONS(.precompressed = true));
    alarm(600);
    assert_int_equal(get("/s/fifo"), 404);
    assert_int_equal(get("/s/socket"), 404);
    assert_int_equal(GET("/s/a.txt", "Accept-Encoding", "gzip"), 200);
    alarm(0);
}

static void what_may_not_be_read_is_403(void **state) {
    (void)state;
    make_site();
    assert_int_equal(chmod(path_of("a.txt"), 0), 0);
    serve_folder();
    assert_int_equal(get("/s/a.txt"), geteuid() == 0 ? 200 : 403);
}

/* ---- Races: a directory and a link out of the folder take each other's place all the time ---- */

static atomic_bool swapping;

static void *swap(void *arg) {
    (void)arg;
    char dir[300], link[300];
    snprintf(dir, sizeof dir, "%s/dir", folder);
    snprintf(link, sizeof link, "%s/link", folder);
    while (atomic_load(&swapping))
        renameat2(AT_FDCWD, dir, AT_FDCWD, link, RENAME_EXCHANGE);
    return NULL;
}

static void read_while_it_swaps(int rounds) {
    int root = tc__file_open_root(folder), reads = 0;
    assert_true(root >= 0);
    for (int i = 0; i < rounds || reads == 0; i++) { /* the other thread may sleep while the link is in the place */
        char text[8] = "";
        int fd = tc__file_open_beneath(root, "dir/secret.txt");
        if (fd < 0)
            continue;
        ssize_t n = tc__file_pread(fd, text, sizeof text - 1, 0);
        close(fd);
        assert_int_equal(n, 6);
        assert_string_equal(text, "public");
        reads++;
    }
    close(root);
}

static void no_race_leads_out_of_the_folder(void **state) {
    (void)state;
    pthread_t thread;
    make_site();
    make("dir/secret.txt", "public");
    assert_int_equal(symlink("..", path_of("link")), 0);
    atomic_store(&swapping, true);
    assert_int_equal(pthread_create(&thread, NULL, swap, NULL), 0);
    read_while_it_swaps(20000);
    tc__file_sys.open_beneath = no_openat2;
    read_while_it_swaps(20000);
    atomic_store(&swapping, false);
    pthread_join(thread, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STATIC_TEST(no_path_leads_out_of_the_folder),
        STATIC_TEST(no_path_leads_out_where_the_kernel_has_no_openat2),
        STATIC_TEST(no_path_leads_out_where_a_filter_forbids_openat2),
        STATIC_TEST(no_path_leads_out_with_every_option_on),
        STATIC_TEST(very_long_names_are_404),
        STATIC_TEST(no_redirect_leads_to_another_host),
        STATIC_TEST(links_are_followed_within_the_folder_and_not_out_of_it),
        STATIC_TEST(without_openat2_no_link_is_followed),
        STATIC_TEST(dots_lead_nowhere_whoever_opens),
        STATIC_TEST(a_compressed_sibling_is_no_way_out),
        STATIC_TEST(what_is_no_file_is_404_and_does_not_block),
        STATIC_TEST(what_may_not_be_read_is_403),
        STATIC_TEST(no_race_leads_out_of_the_folder),
    };
    return cmocka_run_group_tests(tests, watch_web, NULL);
}
