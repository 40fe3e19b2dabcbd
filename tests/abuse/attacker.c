/*
 * attacker.c - carries out one attack of the table, on one thread: epoll, and a tick for what goes slowly.
 *
 *     attacker NAME PORT PROXIED_PORT SECONDS SEED CORPUS [CONNECTIONS]
 *     attacker                              prints the names of all attacks
 *
 * Prints what it did as JSON: connections made, most of them open at once, bytes, and how often each status was the
 * first that a connection got. Connections come from many addresses of this machine, since ports are few.
 */
#define _GNU_SOURCE
#include "attacker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    ADDRESSES = 200,
    FILLING = 64 * 1024,
    SLOW_READ = 256,
    SMALL_BUFFER = 4096,
    EVENTS = 512,
    MOST_NEW = 200,
    PATIENCE_MS = 10000
};

typedef struct {
    int fd; /* -1: none */
    plan_t plan;
    uint64_t sent, received, next_ms;
    char status[16];
    bool half_closed, asked_write;
} connection_t;

static const attack_t *attack;
static connection_t *connections;
static int connection_count, epoll, port;
static long made, open_now, most_open, answers[600], refused;
static uint64_t bytes_out, bytes_in;
static char head_text[512], *filling;
static size_t filling_len;

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- Plans ---- */

/* The filler is sent in large pieces. */
static void prepare_filler(void) {
    size_t len = attack->filler ? strlen(attack->filler) : 0;
    filling_len = len ? len * (FILLING / len + 1) : 0;
    filling = malloc(filling_len + 1);
    for (size_t at = 0; at < filling_len; at += len)
        memcpy(filling + at, attack->filler, len);
}

static void make_plan(plan_t *plan) {
    size_t filler_len = attack->filler ? strlen(attack->filler) : 0;
    uint64_t total = attack->times == FOREVER ? FOREVER : filler_len * (attack->times ? attack->times : 1);
    size_t tail_len = attack->tail ? strlen(attack->tail) : 0;
    memset(plan, 0, sizeof *plan);
    plan->parts[0].data = head_text;
    plan->parts[0].len = plan->parts[0].total = strlen(head_text);
    plan->parts[1].data = filling;
    plan->parts[1].len = filling_len;
    plan->parts[1].total = filler_len ? total : 0;
    plan->parts[2].data = attack->tail;
    plan->parts[2].len = plan->parts[2].total = tail_len;
    plan->pace = attack->pace;
    plan->pace_ms = attack->pace_ms;
    plan->before_pace = attack->before_pace;
    plan->reading = attack->reading;
    plan->ending = attack->ending;
    plan->sends_at_most = FOREVER;
    if (attack->make)
        attack->make(plan, (uint64_t)made);
}

static void prepare_head(void) {
    uint64_t follows = (attack->filler ? strlen(attack->filler) : 0) * (attack->times ? attack->times : 1) +
                       (attack->tail ? strlen(attack->tail) : 0);
    const char *head = attack->head ? attack->head : "", *number = strstr(head, "%llu");
    if (number)
        snprintf(head_text, sizeof head_text, "%.*s%llu%s", (int)(number - head), head, (unsigned long long)follows,
                 number + 4);
    else
        snprintf(head_text, sizeof head_text, "%s", head);
}

/* What to send next; 0: all is sent. */
static size_t next_piece(const connection_t *connection, const char **out) {
    const plan_t *plan = &connection->plan;
    uint64_t at = connection->sent;
    if (at >= plan->sends_at_most)
        return 0;
    for (size_t i = 0; i < 3; at -= plan->parts[i++].total) {
        if (at >= plan->parts[i].total)
            continue;
        size_t offset = at % plan->parts[i].len;
        uint64_t len = plan->parts[i].len - offset;
        if (len > plan->parts[i].total - at)
            len = plan->parts[i].total - at;
        if (len > plan->sends_at_most - connection->sent)
            len = plan->sends_at_most - connection->sent;
        if (plan->pace && len > plan->pace && connection->sent >= plan->before_pace)
            len = plan->pace;
        *out = plan->parts[i].data + offset;
        return (size_t)len;
    }
    return 0;
}

/* ---- Connections ---- */

static void ask_for_events(connection_t *connection, int operation) {
    const char *piece;
    bool write = !connection->plan.pace_ms && next_piece(connection, &piece) > 0;
    if (operation == EPOLL_CTL_MOD && write == connection->asked_write)
        return;
    connection->asked_write = write;
    struct epoll_event event = { .events = EPOLLRDHUP | (connection->plan.reading == READ_ALL ? EPOLLIN : 0) |
                                           (write ? EPOLLOUT : 0),
                                 .data.ptr = connection };
    if (connection->plan.reading != READ_ALL) /* FIN behind what is not read */
        event.events &= ~(uint32_t)EPOLLRDHUP;
    epoll_ctl(epoll, operation, connection->fd, &event);
}

static void end(connection_t *connection, bool reset) {
    int status = atoi(connection->status + 9);
    if (status > 0 && status < 600)
        answers[status]++;
    if (reset)
        setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 }, sizeof(struct linger));
    close(connection->fd);
    connection->fd = -1;
    free(connection->plan.owned);
    connection->plan.owned = NULL;
    open_now--;
}

static void begin(connection_t *connection) {
    struct sockaddr_in from = { .sin_family = AF_INET }, to = { .sin_family = AF_INET };
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)(made % ADDRESSES));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((uint16_t)port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return; /* as many as are allowed */
    memset(connection, 0, sizeof *connection);
    connection->fd = fd;
    open_now++;
    make_plan(&connection->plan);
    made++;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){ 1 }, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    if (connection->plan.reading != READ_ALL)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){ SMALL_BUFFER }, sizeof(int));
    if (bind(fd, (struct sockaddr *)&from, sizeof from) < 0 ||
        (connect(fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS)) {
        refused++;
        end(connection, true);
        return;
    }
    if (open_now > most_open)
        most_open = open_now;
    ask_for_events(connection, EPOLL_CTL_ADD);
}

/* All is sent: what now? */
static void finish_sending(connection_t *connection) {
    const plan_t *plan = &connection->plan;
    if (connection->received < plan->reads_at_least)
        return;
    if (plan->ending == LEAVE || plan->ending == RESET) {
        end(connection, plan->ending == RESET);
    } else if (plan->ending == HALF && !connection->half_closed) {
        connection->half_closed = true;
        shutdown(connection->fd, SHUT_WR);
    }
}

static void send_more(connection_t *connection) {
    const char *piece;
    size_t len = next_piece(connection, &piece);
    if (len > 0) {
        ssize_t n = send(connection->fd, piece, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != ENOTCONN) {
            end(connection, true);
            return;
        }
        if (n > 0) {
            connection->sent += (uint64_t)n;
            bytes_out += (uint64_t)n;
        }
    }
    if (next_piece(connection, &piece) == 0)
        finish_sending(connection);
    if (connection->fd >= 0)
        ask_for_events(connection, EPOLL_CTL_MOD);
}

static void receive(connection_t *connection, size_t most) {
    static char buffer[256 * 1024];
    ssize_t n = recv(connection->fd, buffer, most < sizeof buffer ? most : sizeof buffer, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        end(connection, true);
        return;
    }
    for (ssize_t i = 0; i < n && connection->received + (uint64_t)i < sizeof connection->status - 1; i++)
        connection->status[connection->received + (uint64_t)i] = buffer[i];
    connection->received += (uint64_t)n;
    bytes_in += (uint64_t)n;
    const char *piece;
    if (next_piece(connection, &piece) == 0)
        finish_sending(connection);
}

static void on_event(connection_t *connection, uint32_t events) {
    if (events & EPOLLOUT)
        send_more(connection);
    if (connection->fd >= 0 && (events & (EPOLLIN | EPOLLRDHUP)))
        receive(connection, SIZE_MAX);
    if (connection->fd >= 0 && (events & (EPOLLERR | EPOLLHUP)))
        end(connection, true);
}

static void tick(connection_t *connection, uint64_t now) {
    if (now < connection->next_ms)
        return;
    connection->next_ms = now + connection->plan.pace_ms;
    send_more(connection);
    if (connection->fd >= 0 && connection->plan.reading == READ_SLOWLY)
        receive(connection, SLOW_READ);
}

/* ---- The attack ---- */

static int count_answered(void) {
    int count = 0;
    for (int i = 0; i < connection_count; i++)
        count += connections[i].fd >= 0 && connections[i].received > 0;
    return count;
}

static void run(uint64_t until) {
    uint64_t now, ticked = 0;
    while ((now = now_ms()) < until) {
        int fresh = 0;
        for (int i = 0; i < connection_count && fresh < MOST_NEW; i++) {
            if (connections[i].fd < 0) {
                begin(&connections[i]);
                fresh++;
            }
        }
        struct epoll_event events[EVENTS];
        int n = epoll_wait(epoll, events, EVENTS, fresh == MOST_NEW ? 0 : 2);
        for (int i = 0; i < n; i++)
            on_event(events[i].data.ptr, events[i].events);
        if (now == ticked)
            continue;
        ticked = now;
        for (int i = 0; i < connection_count; i++)
            if (connections[i].fd >= 0 && connections[i].plan.pace_ms)
                tick(&connections[i], now);
    }
}

/* Is there more to wait for than its time? */
static bool has_happened(void) {
    if (attack->gathers)
        return count_answered() == connection_count;
    for (int status = 0; attack->answers && status < 600; status++) {
        char text[12];
        snprintf(text, sizeof text, "%d", status);
        if (answers[status] > 0 && strstr(attack->answers, text))
            return true;
    }
    return !attack->answers;
}

static void tell(void) {
    int missing = attack->gathers ? connection_count - count_answered() : 0;
    for (int i = 0; i < connection_count; i++)
        if (connections[i].fd >= 0)
            end(&connections[i], true);
    printf("{\"made\": %ld, \"most_open\": %ld, \"refused\": %ld, \"out\": %llu, \"in\": %llu, \"awaited\": \"%s\", "
           "\"missing\": %d, \"answers\": {",
           made, most_open, refused, (unsigned long long)bytes_out, (unsigned long long)bytes_in,
           attack->answers ? attack->answers : "", missing);
    const char *comma = "";
    for (int status = 0; status < 600; status++) {
        if (answers[status] > 0) {
            printf("%s\"%d\": %ld", comma, status, answers[status]);
            comma = ", ";
        }
    }
    printf("}}\n");
}

/* How many connections are allowed: the victim has the same limit, and needs some for others. */
static int raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 200;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_max > 100000 ? 100000 : (int)limit.rlim_max - 100;
}

static const attack_t *find(const char *name) {
    for (size_t i = 0; i < attack_count; i++)
        if (strcmp(attacks[i].name, name) == 0)
            return &attacks[i];
    return NULL;
}

int main(int argc, char **argv) {
    if (argc < 8) {
        for (size_t i = 0; i < attack_count; i++)
            puts(attacks[i].name);
        return argc == 1 ? 0 : 2;
    }
    attack = find(argv[1]);
    if (!attack)
        return 2;
    int most = raise_descriptor_limit();
    port = atoi(argv[2 + attack->port]);
    random_seed(strtoull(argv[6], NULL, 10));
    load_corpus(argv[7]);
    if (argc > 8 && atoi(argv[8]) < most)
        most = atoi(argv[8]);
    connection_count = attack->connections < most ? attack->connections : most;
    connections = calloc((size_t)connection_count, sizeof *connections);
    for (int i = 0; i < connection_count; i++)
        connections[i].fd = -1;
    prepare_filler();
    prepare_head();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    double seconds = atof(argv[5]) * (attack->seconds > 0 ? attack->seconds : 1);
    run(now_ms() + (uint64_t)(1000 * seconds));
    for (uint64_t last = now_ms() + PATIENCE_MS; argc == 8 && !has_happened() && now_ms() < last;)
        run(now_ms() + 50);
    tell();
    return 0;
}
