/*
 * Echo load, for bench/compare.py and bench/more.py.
 *
 *   loadgen tcp|udp|accept PORT CONNECTIONS BYTES DEPTH IDLE
 *
 * Opens CONNECTIONS to 127.0.0.1:PORT, and IDLE more over TCP on which nothing more happens, each proven by one
 * echo, and writes "ready". Then each line "SECONDS" on standard input is one run: every connection has DEPTH
 * messages of BYTES under way, and sends one for each that comes back. A run writes one line of JSON; when it does,
 * nothing is under way any more. At the end of the input everything is closed.
 *
 * With "accept", a message is a connection: connect, send, wait for the echo, reset, again.
 *
 * Every byte that comes back is compared. Latency is from sending to the whole message's return; with DEPTH over 1,
 * from sending to the next return.
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

static const double LOST_AFTER = 0.2; /* seconds of silence until a datagram counts as lost and is sent again */

struct connection {
    int fd;
    int connecting;    /* accept: the handshake is under way */
    size_t to_send;    /* bytes which the kernel did not take yet */
    size_t received;   /* bytes of the message that is coming */
    size_t under_way;  /* messages sent, or being sent, and not back */
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

static void watch(struct connection *c, int operation)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (c->connecting || c->to_send)
        event.events |= EPOLLOUT;
    if (epoll_ctl(poller, operation, c->fd, &event))
        err(1, "epoll_ctl");
}

/* Write what is due; be told when the kernel takes the rest. */
static void flush(struct connection *c)
{
    size_t before = c->to_send;
    while (c->to_send) {
        ssize_t n = send(c->fd, sample, least(c->to_send, mode == UDP ? bytes : CHUNK), MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            err(1, "send");
        c->to_send -= (size_t)n;
        if (mode == UDP && bytes == 0)
            break;
    }
    if (c->to_send || before > c->to_send)
        watch(c, EPOLL_CTL_MOD);
}

static void send_messages(struct connection *c, size_t n)
{
    c->under_way += n;
    c->sent_at = now();
    /* The usual case costs one system call: no epoll_ctl. */
    for (size_t i = 0; mode == UDP && i < n; i++)
        if (send(c->fd, sample, bytes, MSG_DONTWAIT) < 0)
            err(1, "send");
    if (mode != UDP) {
        ssize_t sent = c->to_send ? 0 : send(c->fd, sample, least(n * bytes, CHUNK), MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN)
            err(1, "send");
        c->to_send += n * bytes - (size_t)(sent > 0 ? sent : 0);
        if (c->to_send)
            watch(c, EPOLL_CTL_MOD);
    }
}
