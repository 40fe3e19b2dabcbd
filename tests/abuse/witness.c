/*
 * witness.c - the healthy client: while others attack, it asks for one small page every ten milliseconds, two times out
 * of three on a connection that it keeps, else on a new one, and looks at the victim's memory.
 *
 *     witness PORT PID        reads commands from its standard input:
 *     watch [kept]            forget what was; `kept`: make no new connections
 *     tell                    print what was, as JSON
 *     calibrate               print what one answer costs the victim while nobody attacks, as JSON
 *
 * Beside the time by the wall clock it records how much processor time the victim spent meanwhile, as the kernel tells
 * in /proc/PID/schedstat: that is the work that was done before ours, whatever else keeps the machine busy.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVERY_MS = 10, PATIENCE_S = 5, MOST = 100000, CALIBRATION = 1000 };

static int port, victim_schedstat, victim_statm;
static int kept = -1;
static bool kept_only;

static struct {
    long count, failures;
    uint64_t wall_us[MOST];
    uint64_t work_us; /* the victim's, while an answer was awaited; the worst */
    long peak_kib;
    char failure[128];
} seen;

/* ---- What the kernel knows ---- */

static uint64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void read_text(int fd, char *text, size_t size) {
    ssize_t n = fd < 0 ? 0 : pread(fd, text, size - 1, 0);
    text[n > 0 ? n : 0] = '\0';
}

/* Microseconds of processor time that the victim has had. */
static uint64_t victim_ran_us(void) {
    char text[128];
    unsigned long long ran = 0;
    read_text(victim_schedstat, text, sizeof text);
    return sscanf(text, "%llu", &ran) == 1 ? ran / 1000 : 0;
}

static void look_at_memory(void) {
    char text[128];
    long size, resident = 0;
    read_text(victim_statm, text, sizeof text);
    if (sscanf(text, "%ld %ld", &size, &resident) == 2) {
        resident *= sysconf(_SC_PAGESIZE) / 1024;
        if (resident > seen.peak_kib)
            seen.peak_kib = resident;
    }
}

/* ---- Asking ---- */

static int connect_to_victim(void) {
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval patience = { .tv_sec = PATIENCE_S };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
        snprintf(seen.failure, sizeof seen.failure, "connect: %s", strerror(errno));
        close(fd);
        return -1;
    }
    return fd;
}

/* False: no complete answer with status 200. Answers are small and have a Content-Length. */
static bool ask(int fd, const char *path, char *answer, size_t size) {
    char request[256];
    int len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: healthy\r\n\r\n", path);
    if (send(fd, request, (size_t)len, MSG_NOSIGNAL) != len) {
        snprintf(seen.failure, sizeof seen.failure, "send: %s", strerror(errno));
        return false;
    }
    size_t got = 0;
    for (;;) {
        ssize_t n = recv(fd, answer + got, size - 1 - got, 0);
        if (n <= 0) {
            snprintf(seen.failure, sizeof seen.failure, "after %zu bytes: %s", got, n ? strerror(errno) : "closed");
            return false;
        }
        answer[got += (size_t)n] = '\0';
        const char *body = strstr(answer, "\r\n\r\n"), *length = strstr(answer, "Content-Length: ");
        if (body && length && got >= (size_t)(body + 4 - answer) + strtoul(length + 16, NULL, 10))
            break;
    }
    if (strncmp(answer, "HTTP/1.1 200", 12) == 0)
        return true;
    snprintf(seen.failure, sizeof seen.failure, "answered %.12s", answer);
    return false;
}

static bool ask_on_new(void) {
    char answer[4096];
    int fd = connect_to_victim();
    if (fd < 0)
        return false;
    bool fine = ask(fd, "/", answer, sizeof answer);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 }, sizeof(struct linger));
    close(fd);
    return fine;
}

static bool ask_on_kept(const char *path, char *answer, size_t size) {
    if (kept < 0)
        kept = connect_to_victim();
    if (kept < 0)
        return false;
    if (ask(kept, path, answer, size))
        return true;
    close(kept);
    kept = -1;
    return false;
}

static void ask_once(bool on_new) {
    char answer[4096];
    uint64_t ran = victim_ran_us(), began = now_us();
    bool fine = on_new ? ask_on_new() : ask_on_kept("/", answer, sizeof answer);
    uint64_t took = now_us() - began;
    ran = victim_ran_us() - ran;
    if (seen.count < MOST)
        seen.wall_us[seen.count++] = took;
    if (ran > seen.work_us)
        seen.work_us = ran;
    seen.failures += !fine;
}

/* ---- Telling ---- */

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void forget(void) {
    char answer[4096];
    memset(&seen, 0, sizeof seen);
    if (!ask_on_kept("/measures", answer, sizeof answer))
        seen.failures++;
    look_at_memory();
}

static void tell(void) {
    char answer[4096] = "";
    bool fine = ask_on_kept("/measures", answer, sizeof answer);
    unsigned long turn_us = 0, held_kib = 0;
    if (fine)
        sscanf(strstr(answer, "\r\n\r\n"), " %lu %lu", &turn_us, &held_kib);
    qsort(seen.wall_us, (size_t)seen.count, sizeof seen.wall_us[0], compare);
    printf("{\"answers\": %ld, \"failures\": %ld, \"failure\": \"%s\", \"p99_us\": %llu, \"worst_us\": %llu, "
           "\"work_us\": %llu, \"turn_us\": %lu, \"held_kib\": %lu, \"resident_kib\": %ld}\n",
           seen.count, seen.failures + !fine, seen.failure,
           seen.count ? (unsigned long long)seen.wall_us[seen.count * 99 / 100] : 0,
           seen.count ? (unsigned long long)seen.wall_us[seen.count - 1] : 0, (unsigned long long)seen.work_us, turn_us,
           held_kib, seen.peak_kib);
    fflush(stdout);
}

static void calibrate(void) {
    char answer[4096];
    uint64_t ran = victim_ran_us();
    for (int i = 0; i < CALIBRATION; i++)
        ask_on_kept("/", answer, sizeof answer);
    printf("{\"request_us\": %.1f}\n", (double)(victim_ran_us() - ran) / CALIBRATION);
    fflush(stdout);
}

static bool obey(void) {
    char command[64];
    if (!fgets(command, sizeof command, stdin))
        return false;
    kept_only = strcmp(command, "watch kept\n") == 0;
    if (strcmp(command, "tell\n") == 0)
        tell();
    else if (strcmp(command, "calibrate\n") == 0)
        calibrate();
    else
        forget();
    return true;
}

static int open_of(const char *pid, const char *name) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/%s", pid, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    port = atoi(argv[1]);
    victim_schedstat = open_of(argv[2], "schedstat");
    victim_statm = open_of(argv[2], "statm");
    setvbuf(stdin, NULL, _IONBF, 0); /* so that poll knows of what is left */
    for (unsigned i = 0;; i++) {
        struct pollfd commands = { .fd = STDIN_FILENO, .events = POLLIN };
        if (poll(&commands, 1, EVERY_MS) > 0) {
            if (!obey())
                return 0;
            continue;
        }
        ask_once(i % 3 == 2 && !kept_only);
        look_at_memory();
    }
}
