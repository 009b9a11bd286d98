/*
 * The echo that all others are compared with: peer_c tcp|udp PORT, on 127.0.0.1.
 *
 * What a C programmer writes who wants it fast: one epoll for the connections, recvmmsg and sendmmsg for the
 * datagrams. It has no guards: no timeouts, no limits, and a peer that does not read stops everyone.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BATCH = 64,          /* datagrams taken at once */
    DATAGRAM = 1 << 16,  /* the longest */
    CHUNK = 1 << 18,     /* bytes taken from a stream at once */
    EVENTS = 512,        /* events taken at once */
};

static void echo_datagrams(int fd)
{
    static char buffers[BATCH][DATAGRAM];
    static struct sockaddr_in peers[BATCH];
    struct iovec vectors[BATCH];
    struct mmsghdr messages[BATCH];

    for (;;) {
        for (int i = 0; i < BATCH; i++) {
            vectors[i] = (struct iovec){.iov_base = buffers[i], .iov_len = DATAGRAM};
            messages[i] = (struct mmsghdr){.msg_hdr = {
                .msg_name = &peers[i],
                .msg_namelen = sizeof peers[i],
                .msg_iov = &vectors[i],
                .msg_iovlen = 1,
            }};
        }
        int n = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
        if (n < 0)
            continue; /* an ICMP error for an earlier reply */
        for (int i = 0; i < n; i++)
            vectors[i].iov_len = messages[i].msg_len;
        sendmmsg(fd, messages, (unsigned)n, 0);
    }
}

static int send_all(int fd, const char *data, size_t length)
{
    while (length) {
        ssize_t n = send(fd, data, length, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            struct pollfd writable = {.fd = fd, .events = POLLOUT};
            poll(&writable, 1, -1);
            continue;
        }
        if (n < 0)
            return -1;
        data += n;
        length -= (size_t)n;
    }
    return 0;
}

static void accept_all(int listener, int poller)
{
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event))
            err(1, "epoll_ctl");
    }
}

static void echo_streams(int listener)
{
    static char buffer[CHUNK];
    struct epoll_event events[EVENTS], event = {.events = EPOLLIN, .data.fd = listener};
    int poller = epoll_create1(0);

    if (poller < 0 || listen(listener, 1024) || epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event))
        err(1, "listen");
    for (;;) {
        int n = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                accept_all(listener, poller);
                continue;
            }
            ssize_t length = recv(fd, buffer, sizeof buffer, 0);
            if (length <= 0 || send_all(fd, buffer, (size_t)length))
                close(fd);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 3)
        errx(2, "usage: peer_c tcp|udp PORT");
    int udp = !strcmp(argv[1], "udp"), on = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)atoi(argv[2])),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM | SOCK_NONBLOCK, 0);

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address))
        err(1, "cannot listen");
    if (udp)
        echo_datagrams(fd);
    echo_streams(fd);
}
