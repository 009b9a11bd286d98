/*
 * Echo load, for bench/compare.py and bench/more.py.
 *
 *   loadgen tcp|udp|accept PORT CONNECTIONS BYTES DEPTH IDLE
 *
 * Opens CONNECTIONS to 127.0.0.1:PORT, and IDLE more over TCP on which nothing more happens, each
 * proven by one echo, and writes "ready". Then each line "SECONDS" on standard input is one run:
 * every connection has DEPTH messages of BYTES under way, and sends one for each that comes back.
 * A run writes one line of JSON; when it does, nothing is under way any more. At the end of the
 * input everything is closed.
 *
 * With "accept", a message is a connection: connect, send, wait for the echo, reset, again.
 *
 * Every byte that comes back is compared. Latency is from sending to the whole message's return;
 * with DEPTH over 1 it says little, since it is from the latest sending to the next return.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CHUNK = 1 << 18,        /* bytes read and written at once */
    EVENTS = 512,           /* events taken at once */
    SLOWEST = 2 * 1000000,  /* µs; what takes longer is counted here */
};

/* Seconds of silence until a datagram counts as lost, and another is sent. */
static const double LOST_AFTER = 0.2;

struct connection {
    int fd;
    int connecting;   /* accept: the handshake is under way */
    size_t to_send;   /* stream: bytes which the kernel did not take yet */
    size_t received;  /* stream: bytes of the message that is coming back */
    size_t under_way; /* messages sent, or being sent, and not back */
    double sent_at;
};

static enum { TCP, UDP, ACCEPT } mode;
static struct sockaddr_in server;
static size_t bytes, depth, count;
static struct connection *connections;
static int poller;
static char sample[CHUNK]; /* what every message is made of */
static char buffer[CHUNK];
static uint32_t latencies[SLOWEST + 1];
static uint64_t done, lost;
static int stopping;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void check(size_t length)
{
    if (memcmp(buffer, sample, length))
        errx(1, "an echo has other bytes than were sent");
}

static int open_socket(int type)
{
    int fd = socket(AF_INET, type, 0), on = 1;
    if (fd < 0)
        err(1, "socket");
    if (!(type & SOCK_DGRAM) && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on))
        err(1, "TCP_NODELAY");
    return fd;
}

/* Open a connection and prove it. Going one by one, the server's queue of connections cannot overflow. */
static int open_proven(int type)
{
    int fd = open_socket(type);
    struct timeval patience = {.tv_sec = 20};
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience))
        err(1, "SO_RCVTIMEO");
    if (connect(fd, (struct sockaddr *)&server, sizeof server))
        err(1, "connect");
    if (send(fd, sample, 1, 0) != 1 || recv(fd, buffer, 1, 0) != 1)
        err(1, "no echo of one byte");
    check(1);
    return fd;
}

static void watch(struct connection *c, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(poller, operation, c->fd, &event))
        err(1, "epoll_ctl");
}

/* Write what is due on a stream. Only what the kernel does not take at once costs an epoll_ctl. */
static void flush(struct connection *c, int was_waiting)
{
    while (c->to_send) {
        ssize_t n = send(c->fd, sample, least(c->to_send, CHUNK), MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            err(1, "send");
        c->to_send -= (size_t)n;
    }
    if (was_waiting != (c->to_send > 0))
        watch(c, EPOLL_CTL_MOD, c->to_send ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void send_messages(struct connection *c, size_t n)
{
    c->under_way += n;
    c->sent_at = now();
    if (mode == UDP) {
        for (size_t i = 0; i < n; i++)
            if (send(c->fd, sample, bytes, 0) < 0)
                err(1, "send");
    } else {
        int was_waiting = c->to_send > 0;
        c->to_send += n * bytes;
        flush(c, was_waiting);
    }
}

static void dial(struct connection *c)
{
    c->fd = open_socket(SOCK_STREAM | SOCK_NONBLOCK);
    if (connect(c->fd, (struct sockaddr *)&server, sizeof server) && errno != EINPROGRESS)
        err(1, "connect");
    c->connecting = 1;
    c->under_way = 1;
    c->sent_at = now();
    watch(c, EPOLL_CTL_ADD, EPOLLOUT);
}

static void dialled(struct connection *c)
{
    double since = c->sent_at;
    watch(c, EPOLL_CTL_MOD, EPOLLIN);
    c->connecting = 0;
    c->under_way = 0;
    send_messages(c, 1);
    c->sent_at = since; /* latency begins with the call to connect */
}

static void hang_up(struct connection *c)
{
    struct linger reset = {.l_onoff = 1}; /* a reset leaves no TIME_WAIT, of which the ports would run out */
    if (setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset))
        err(1, "SO_LINGER");
    close(c->fd);
    c->fd = -1;
}

/* Count messages that came back, and send as many. */
static void came_back(struct connection *c, size_t n)
{
    double took = (now() - c->sent_at) * 1e6;
    latencies[took < SLOWEST ? (size_t)took : SLOWEST]++;
    done += n;
    c->under_way -= least(n, c->under_way); /* a datagram may come that was given up */
    if (mode == ACCEPT) {
        hang_up(c);
        if (!stopping)
            dial(c);
    } else if (!stopping) {
        send_messages(c, n);
    }
}

static void receive_stream(struct connection *c)
{
    ssize_t n = recv(c->fd, buffer, CHUNK, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n < 0)
        err(1, "recv");
    if (n == 0)
        errx(1, "the server closed a connection");
    check((size_t)n);
    c->received += (size_t)n;
    if (c->received > c->under_way * bytes)
        errx(1, "more came back than was sent");
    size_t whole = c->received / bytes;
    c->received %= bytes;
    if (whole)
        came_back(c, whole);
}

static void receive_datagrams(struct connection *c)
{
    ssize_t n;
    while ((n = recv(c->fd, buffer, CHUNK, MSG_DONTWAIT)) >= 0) {
        if ((size_t)n != bytes)
            errx(1, "%zd bytes came back of a datagram of %zu", n, bytes);
        check(bytes);
        came_back(c, 1);
    }
    if (errno != EAGAIN)
        err(1, "recv");
}

static void serve(struct connection *c, uint32_t events)
{
    if (c->connecting)
        dialled(c);
    else if (mode == UDP)
        receive_datagrams(c);
    else {
        if (events & EPOLLOUT)
            flush(c, 1);
        receive_stream(c);
    }
}

/* Datagrams that did not come back are given up; unless stopping, others take their place. */
static void give_up_lost(void)
{
    double limit = now() - LOST_AFTER;
    for (size_t i = 0; i < count; i++) {
        struct connection *c = &connections[i];
        if (c->under_way && c->sent_at < limit) {
            lost += c->under_way;
            c->under_way = 0;
            if (!stopping)
                send_messages(c, depth);
        }
    }
}

static size_t under_way(void)
{
    size_t all = 0;
    for (size_t i = 0; i < count; i++)
        all += connections[i].under_way;
    return all;
}

static unsigned percentile(double share, uint64_t measured)
{
    uint64_t seen = 0;
    unsigned us = 0;
    while (us < SLOWEST && (seen += latencies[us]) < (uint64_t)(share * (double)measured))
        us++;
    return us;
}

static void run(double seconds)
{
    struct epoll_event events[EVENTS];
    double began = now(), end = began + seconds, looked = began, elapsed = 0;
    uint64_t in_time = 0, measured = 0;

    memset(latencies, 0, sizeof latencies);
    done = lost = 0;
    stopping = 0;
    for (size_t i = 0; i < count; i++) {
        if (mode == ACCEPT)
            dial(&connections[i]);
        else
            send_messages(&connections[i], depth);
    }
    while (!stopping || under_way()) {
        int n = epoll_wait(poller, events, EVENTS, 50);
        double t = now();
        if (!stopping && t > end) {
            stopping = 1;
            elapsed = t - began;
            in_time = done;
        }
        for (int i = 0; i < n; i++)
            serve(events[i].data.ptr, events[i].events);
        if (mode == UDP && t - looked > LOST_AFTER) {
            give_up_lost();
            looked = t;
        }
        if (t > end + 10)
            errx(1, "%zu messages are not back 10 s after the last was sent", under_way());
    }
    for (unsigned us = 0; us <= SLOWEST; us++)
        measured += latencies[us];
    printf("{\"messages\": %lu, \"rate\": %.1f, \"p50_us\": %u, \"p99_us\": %u, \"lost\": %lu}\n",
           (unsigned long)done, (double)in_time / elapsed, percentile(0.5, measured),
           percentile(0.99, measured), (unsigned long)lost);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc != 7)
        errx(2, "usage: loadgen tcp|udp|accept PORT CONNECTIONS BYTES DEPTH IDLE");
    mode = !strcmp(argv[1], "udp") ? UDP : !strcmp(argv[1], "accept") ? ACCEPT : TCP;
    server.sin_family = AF_INET;
    server.sin_port = htons((uint16_t)atoi(argv[2]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    count = (size_t)atol(argv[3]);
    bytes = (size_t)atol(argv[4]);
    depth = (size_t)atol(argv[5]);
    if (bytes < 1 || depth < 1)
        errx(2, "BYTES and DEPTH are at least 1");
    memset(sample, 'x', sizeof sample);
    poller = epoll_create1(0);
    connections = calloc(count, sizeof *connections);
    if (poller < 0 || (count && !connections))
        err(1, "no memory");
    for (size_t i = 0; i < count && mode != ACCEPT; i++) {
        connections[i].fd = open_proven(mode == UDP ? SOCK_DGRAM : SOCK_STREAM);
        watch(&connections[i], EPOLL_CTL_ADD, EPOLLIN);
    }
    for (long idle = atol(argv[6]); idle > 0; idle--)
        open_proven(SOCK_STREAM);
    puts("ready");
    fflush(stdout);

    char line[64];
    while (fgets(line, sizeof line, stdin))
        run(atof(line));
    return 0;
}
