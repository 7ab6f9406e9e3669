/* A small upstream for the benchmark: one thread, epoll, keep-alive, answers that differ from each other.
 *
 *   upstream PORT
 *
 *   POST …/chat/completions   with "stream":true in the first or last bytes of the body: CHUNKS server-sent events, one
 *                             every CHUNK_MS milliseconds, each in a write of its own (chunked coding);
 *                             else a reply of about 1.5 KB with new text each time (content-length)
 *   POST …/messages           the same stream in Anthropic's events
 *   anything else             the same reply
 *
 * Knows just enough HTTP for wrk, nginx and Dragoman: requests with content-length or chunked bodies, one at a
 * time on a connection. Not for anything but the benchmark.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { MAX_FD = 4096, HEAD_MAX = 65536, TEXT = 1 << 20, CHUNKS = 100, CHUNK_MS = 10, REPLY_TEXT = 1150 };

struct connection {
    char head[HEAD_MAX];
    int used;            /* bytes in head */
    long body_left;      /* of a body with content-length; -1: chunked, watched for its end */
    int in_body, is_stream, is_messages, chunks_left, tail_matched;
};

static struct connection *connections[MAX_FD];
static char text[TEXT + 4096];
static unsigned long counter, seed = 88172645463325252UL;

static unsigned long next_random(void) {
    seed ^= seed << 13; seed ^= seed >> 7; seed ^= seed << 17;
    return seed;
}

static void fill_text(void) {
    int at = 0;
    while (at < TEXT + 4000) {
        int length = 3 + next_random() % 7;
        for (int i = 0; i < length; i++) text[at++] = 'a' + next_random() % 26;
        text[at++] = ' ';
    }
}

static int send_all(int fd, const char *data, int length) {
    while (length > 0) {
        int sent = send(fd, data, length, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EAGAIN || errno == EINTR) continue;
            return -1;
        }
        data += sent;
        length -= sent;
    }
    return 0;
}

static int answer_whole(int fd) {
    char body[4096], out[8192];
    const char *words = text + next_random() % TEXT;
    counter++;
    int length = snprintf(body, sizeof body,
        "{\"id\":\"chatcmpl-%lu\",\"object\":\"chat.completion\",\"created\":1760000000,\"model\":\"bench-1\",\"choices\":"
        "[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%lu %.*s\",\"refusal\":null},"
        "\"finish_reason\":\"stop\",\"logprobs\":null}],\"usage\":{\"prompt_tokens\":500,\"completion_tokens\":300,"
        "\"total_tokens\":800,\"prompt_tokens_details\":{\"cached_tokens\":0},\"completion_tokens_details\":"
        "{\"reasoning_tokens\":0}}}", counter, counter, REPLY_TEXT, words);
    int total = snprintf(out, sizeof out,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-request-id: req_%lu\r\nContent-Length: %d\r\n\r\n%s",
        counter, length, body);
    return send_all(fd, out, total);
}

static int begin_stream(int fd, struct connection *c) {
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n";
    c->chunks_left = CHUNKS;
    return send_all(fd, head, sizeof head - 1);
}

static int messages_event(char *event, int size, int left) {
    if (left == CHUNKS)
        return snprintf(event, size,
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\","
            "\"role\":\"assistant\",\"model\":\"bench-1\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,"
            "\"usage\":{\"input_tokens\":500,\"output_tokens\":1}}}\n\n"
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
            "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n");
    if (left == 1)
        return snprintf(event, size,
            "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\","
            "\"stop_sequence\":null},\"usage\":{\"output_tokens\":300}}\n\n"
            "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    return snprintf(event, size,
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
        "\"delta\":{\"type\":\"text_delta\",\"text\":\"%.*s\"}}\n\n", 6, text + next_random() % TEXT);
}

static int send_chunk(int fd, struct connection *c) {
    char event[1024], out[1200];
    int length;
    if (c->is_messages)
        length = messages_event(event, sizeof event, c->chunks_left);
    else if (c->chunks_left == 1)
        length = snprintf(event, sizeof event, "data: [DONE]\n\n");
    else
        length = snprintf(event, sizeof event,
            "data: {\"id\":\"chatcmpl-%d\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,\"model\":\"bench-1\","
            "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%.*s\"},\"finish_reason\":%s}]}\n\n",
            fd, 6, text + next_random() % TEXT, c->chunks_left == 2 ? "\"stop\"" : "null");
    int total = snprintf(out, sizeof out, "%x\r\n%s\r\n%s", length, event, c->chunks_left == 1 ? "0\r\n\r\n" : "");
    c->chunks_left--;
    return send_all(fd, out, total);
}

static void drop(int fd) {
    free(connections[fd]);
    connections[fd] = NULL;
    close(fd);
}

static int answer(int fd, struct connection *c) {
    int is_stream = c->is_stream;
    c->used = 0; c->in_body = 0; c->is_stream = 0; c->tail_matched = 0;
    return is_stream ? begin_stream(fd, c) : answer_whole(fd);
}

static void look_for_stream(struct connection *c, const char *data, int length) {
    /* At the beginning of a client's body, at the end of a translated one. */
    int tail = length < 512 ? length : 512;
    if (memmem(data, tail, "\"stream\":true", 13) || memmem(data + length - tail, tail, "\"stream\":true", 13))
        c->is_stream = 1;
}

/* Watch for the last chunk of a chunked body. */
static int chunked_is_over(struct connection *c, const char *data, int length) {
    static const char end[] = "\r\n0\r\n\r\n";
    for (int i = 0; i < length; i++) {
        if (data[i] == end[c->tail_matched]) c->tail_matched++;
        else c->tail_matched = data[i] == '\r';
        if (c->tail_matched == 7) return 1;
    }
    return 0;
}

static int take_body(int fd, struct connection *c, const char *data, int length) {
    look_for_stream(c, data, length);
    if (c->body_left < 0) {
        return chunked_is_over(c, data, length) ? answer(fd, c) : 0;
    }
    c->body_left -= length;
    return c->body_left <= 0 ? answer(fd, c) : 0;
}

static int take(int fd, struct connection *c) {
    static char buffer[1 << 18];
    if (c->in_body) {
        int got = recv(fd, buffer, sizeof buffer, 0);
        if (got <= 0) return got < 0 && errno == EAGAIN ? 0 : -1;
        return take_body(fd, c, buffer, got);
    }
    int got = recv(fd, c->head + c->used, HEAD_MAX - 1 - c->used, 0);
    if (got <= 0) return got < 0 && errno == EAGAIN ? 0 : -1;
    c->used += got;
    c->head[c->used] = 0;
    char *end = memmem(c->head, c->used, "\r\n\r\n", 4);
    if (!end) return c->used >= HEAD_MAX - 1 ? -1 : 0;
    char *body = end + 4, *line = strchr(c->head, '\n');
    char *path = strstr(c->head, "/messages");
    c->is_messages = path && line && path < line;
    int body_got = c->head + c->used - body;
    *end = 0;
    char *field = strcasestr(c->head, "\r\ncontent-length:");
    long length = field ? atol(field + 17) : 0;
    c->body_left = strcasestr(c->head, "\r\ntransfer-encoding: chunked") ? -1 : length;
    if (c->body_left == 0) return answer(fd, c);
    c->in_body = 1;
    return take_body(fd, c, body, body_got);
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) { fprintf(stderr, "usage: upstream PORT\n"); return 2; }
    fill_text();
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 1024)) { perror("upstream"); return 1; }
    int poller = epoll_create1(0);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec every = {.it_interval = {0, CHUNK_MS * 1000000L}, .it_value = {0, CHUNK_MS * 1000000L}};
    timerfd_settime(timer, 0, &every, NULL);
    struct epoll_event watch = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &watch);
    watch.data.fd = timer;
    epoll_ctl(poller, EPOLL_CTL_ADD, timer, &watch);
    for (;;) {
        struct epoll_event ready[256];
        int count = epoll_wait(poller, ready, 256, -1);
        for (int i = 0; i < count; i++) {
            int fd = ready[i].data.fd;
            if (fd == listener) {
                int client;
                while ((client = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    if (client >= MAX_FD) { close(client); continue; }
                    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                    connections[client] = calloc(1, sizeof(struct connection));
                    watch.data.fd = client;
                    epoll_ctl(poller, EPOLL_CTL_ADD, client, &watch);
                }
            } else if (fd == timer) {
                unsigned long ticks;
                if (read(timer, &ticks, sizeof ticks) < 0) continue;
                for (int other = 0; other < MAX_FD; other++)
                    if (connections[other] && connections[other]->chunks_left && send_chunk(other, connections[other]))
                        drop(other);
            } else if (connections[fd] && take(fd, connections[fd])) {
                drop(fd);
            }
        }
    }
}
