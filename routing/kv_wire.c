/*
 * Wires to publishers. See kv_wire.h.
 */
#include "routing/kv_wire.h"

#include "routing/kv_decode.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#define FRAMES_MAX       4
#define NUMBER_BYTES     8
#define NUMBER_END       UINT64_MAX
#define RECONNECT_MS     100
#define RECONNECT_MAX_MS 5000
/* More than a message is: a batch, its topic, and what libzmq reads at a time. */
#define MESSAGE_BYTES_MAX (KV_BATCH_BYTES_MAX + KV_BATCH_BYTES_MAX / 4)
#define SOCKETS_A_WIRE    3 /* libzmq has one of its own for a monitor's other end */

struct kv_wires {
    void *zmq;
    int epoll;
    uint64_t monitors; /* so far: their names */
};

/* A message of several frames. */
struct kv_frames {
    zmq_msg_t at[FRAMES_MAX];
    size_t count;      /* those beyond FRAMES_MAX are dropped, and counted */
    size_t delimiters; /* before what a publisher sends: of a replay one, an empty part */
};

struct kv_wires *kv_wires_new(int epoll, size_t most)
{
    struct kv_wires *wires = xcalloc(1, sizeof(*wires));

    wires->epoll = epoll;
    wires->zmq = zmq_ctx_new();
    CHECK(wires->zmq);
    zmq_ctx_set(wires->zmq, ZMQ_MAX_SOCKETS, (int)(SOCKETS_A_WIRE * most));
    return wires;
}

void kv_wires_free(struct kv_wires *wires)
{
    zmq_ctx_term(wires->zmq);
    free(wires);
}

/* ---- sockets ---- */

/* -1, and errno says why: it has none. */
static int descriptor_of(void *socket)
{
    size_t size = sizeof(int);
    int fd;

    return zmq_getsockopt(socket, ZMQ_FD, &fd, &size) == 0 ? fd : -1;
}

/* A socket whose descriptor rings. */
static void *socket_new(struct kv_wires *wires, int type, void *ring)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.ptr = ring };
    void *socket = zmq_socket(wires->zmq, type);
    int linger = 0, fd, error;

    if (!socket)
        return NULL;
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger));
    fd = descriptor_of(socket);
    if (fd >= 0 && epoll_ctl(wires->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
        return socket;
    error = errno;
    zmq_close(socket); /* nobody would hear it */
    errno = error;
    return NULL;
}

static void socket_free(struct kv_wires *wires, void **socket)
{
    int fd;

    if (!*socket)
        return;
    fd = descriptor_of(*socket);
    if (fd >= 0)
        epoll_ctl(wires->epoll, EPOLL_CTL_DEL, fd, NULL);
    zmq_close(*socket);
    *socket = NULL;
}

static void set_number(void *socket, int option, int value)
{
    zmq_setsockopt(socket, option, &value, sizeof(value));
}

static void set_network(void *socket)
{
    int64_t limit = KV_BATCH_BYTES_MAX;

    zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &limit, sizeof(limit));
    set_number(socket, ZMQ_RCVHWM, KV_WIRE_WAITING);
    set_number(socket, ZMQ_IPV6, 1);
    set_number(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS);
    set_number(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
    set_number(socket, ZMQ_TCP_KEEPALIVE, 1);
    set_number(socket, ZMQ_TCP_KEEPALIVE_IDLE, 30); /* s; then every 10, three times */
    set_number(socket, ZMQ_TCP_KEEPALIVE_INTVL, 10);
    set_number(socket, ZMQ_TCP_KEEPALIVE_CNT, 3);
}

/* Each has a name that none had before: libzmq gives a name back some time after its close. */
static bool open_monitor(struct kv_wire *wire, void *ring)
{
    char name[64];

    snprintf(name, sizeof(name), "inproc://wire-%llu", (unsigned long long)wire->wires->monitors++);
    wire->monitor = socket_new(wire->wires, ZMQ_PAIR, ring);
    return wire->monitor &&
           zmq_socket_monitor(wire->socket, name,
                              ZMQ_EVENT_CONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED |
                                  ZMQ_EVENT_DISCONNECTED) == 0 &&
           zmq_connect(wire->monitor, name) == 0;
}

static bool open_sockets(struct kv_wire *wire, struct kv_wires *wires, int type, void *ring)
{
    *wire = (struct kv_wire){ .wires = wires, .fd = -1 };
    wire->frames = xcalloc(1, sizeof(*wire->frames));
    wire->frames->delimiters = type == ZMQ_DEALER;
    wire->socket = socket_new(wires, type, ring);
    if (!wire->socket || !open_monitor(wire, ring))
        return false;
    set_network(wire->socket);
    return true;
}

/* Not made after all. */
static const char *fail(struct kv_wire *wire)
{
    const char *why = zmq_strerror(errno);

    kv_wire_close(wire);
    return why;
}

const char *kv_wire_subscribe(struct kv_wire *wire, struct kv_wires *wires, void *ring,
                              const char *url, const char *topic)
{
    if (!open_sockets(wire, wires, ZMQ_SUB, ring) ||
        zmq_setsockopt(wire->socket, ZMQ_SUBSCRIBE, topic, strlen(topic)) != 0 ||
        zmq_connect(wire->socket, url) != 0)
        return fail(wire);
    return NULL;
}

const char *kv_wire_ask(struct kv_wire *wire, struct kv_wires *wires, void *ring, const char *url,
                        uint64_t from)
{
    char number[NUMBER_BYTES];

    for (size_t i = 0; i < NUMBER_BYTES; i++)
        number[i] = (char)(from >> 8 * (NUMBER_BYTES - 1 - i));
    if (!open_sockets(wire, wires, ZMQ_DEALER, ring) || zmq_connect(wire->socket, url) != 0 ||
        zmq_send(wire->socket, "", 0, ZMQ_SNDMORE) < 0 ||
        zmq_send(wire->socket, number, sizeof(number), 0) < 0)
        return fail(wire);
    return NULL;
}

bool kv_wire_is_open(const struct kv_wire *wire)
{
    return wire->socket != NULL;
}

/* ---- messages ---- */

static void frames_release(struct kv_frames *frames)
{
    for (size_t i = 0; i < frames->count && i < FRAMES_MAX; i++)
        zmq_msg_close(&frames->at[i]);
    frames->count = 0;
}

static struct slice frame(struct kv_frames *frames, size_t i)
{
    return slice_of(zmq_msg_data(&frames->at[i]), zmq_msg_size(&frames->at[i]));
}

static bool frames_receive(struct kv_frames *frames, void *socket)
{
    bool more = true;

    frames_release(frames);
    while (more) {
        zmq_msg_t spare;
        zmq_msg_t *at = frames->count < FRAMES_MAX ? &frames->at[frames->count] : &spare;

        zmq_msg_init(at);
        if (zmq_msg_recv(at, socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(at);
            frames_release(frames);
            return false;
        }
        more = zmq_msg_more(at);
        if (at == &spare)
            zmq_msg_close(at);
        frames->count++;
    }
    return true;
}

/* A topic, a number and a payload; in replays old publishers leave the topic out. */
static struct kv_message message_of(struct kv_frames *frames)
{
    struct kv_message message = { .kind = KV_MESSAGE_STRANGE };
    size_t count = frames->count - frames->delimiters;
    struct slice number;

    if (frames->count > FRAMES_MAX || count > 3 || count < 3 - frames->delimiters)
        return message;
    number = frame(frames, frames->count - 2);
    if (number.len != NUMBER_BYTES)
        return message;
    for (size_t i = 0; i < NUMBER_BYTES; i++)
        message.number = message.number << 8 | (uint8_t)number.at[i];
    message.payload = frame(frames, frames->count - 1);
    message.kind = message.number == NUMBER_END ? KV_MESSAGE_END : KV_MESSAGE_BATCH;
    return message;
}

bool kv_wire_receive(struct kv_wire *wire, struct kv_message *ret_message)
{
    wire->unread = false;
    if (!wire->socket || !frames_receive(wire->frames, wire->socket))
        return false;
    wire->whole_came = true;
    *ret_message = message_of(wire->frames);
    return true;
}

void kv_wire_close(struct kv_wire *wire)
{
    if (wire->socket)
        zmq_socket_monitor(wire->socket, NULL, 0);
    if (wire->frames)
        frames_release(wire->frames);
    socket_free(wire->wires, &wire->monitor);
    socket_free(wire->wires, &wire->socket);
    free(wire->frames);
    wire->frames = NULL;
    wire->fd = -1;
}

/* ---- the connection ---- */

/* Connected, not yet greeted. */
static void note_connection(struct kv_wire *wire, int fd)
{
    struct stat stat;

    wire->fd = fstat(fd, &stat) == 0 ? fd : -1;
    wire->inode = stat.st_ino;
    wire->bytes = 0;
}

enum kv_wire_word kv_wire_hear(struct kv_wire *wire)
{
    struct kv_frames said = { .count = 0 };
    uint16_t event = 0;
    int32_t value = -1;

    if (!wire->monitor || !frames_receive(&said, wire->monitor))
        return KV_WIRE_NONE;
    if (frame(&said, 0).len >= sizeof(event) + sizeof(value)) {
        memcpy(&event, frame(&said, 0).at, sizeof(event));
        memcpy(&value, frame(&said, 0).at + sizeof(event), sizeof(value));
    }
    frames_release(&said);
    if (event == ZMQ_EVENT_CONNECTED)
        note_connection(wire, value);
    if (event == ZMQ_EVENT_DISCONNECTED)
        wire->fd = -1;
    return event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED ? KV_WIRE_CONNECTED
           : event == ZMQ_EVENT_DISCONNECTED      ? KV_WIRE_LOST
                                                  : KV_WIRE_OTHER;
}

/* What the connection has brought so far, by the kernel's count; none is known of other sockets
 * than TCP's. */
static bool received(const struct kv_wire *wire, uint64_t *ret_bytes)
{
    struct tcp_info info = { 0 };
    socklen_t size = sizeof(info);
    struct stat stat;

    if (!wire->socket || wire->fd < 0 || fstat(wire->fd, &stat) != 0 ||
        stat.st_ino != wire->inode ||
        getsockopt(wire->fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
        return false;
    *ret_bytes = info.tcpi_bytes_received;
    return true;
}

void kv_wire_leave(struct kv_wire *wire)
{
    wire->unread = true;
}

bool kv_wire_is_choked(struct kv_wire *wire)
{
    uint64_t most = (wire->unread ? KV_WIRE_WAITING + 1 : 1) * (uint64_t)MESSAGE_BYTES_MAX;
    uint64_t bytes;

    if (!received(wire, &bytes))
        return false;
    if (wire->whole_came)
        wire->bytes = bytes;
    wire->whole_came = false;
    return bytes - wire->bytes > most;
}
