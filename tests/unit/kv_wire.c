/*
 * When what a wire has brought is too much for a message that has not come whole, and when it only
 * was not read.
 */
#include "routing/kv_wire.h"

#include "gateway/base/check.h"
#include "routing/kv_decode.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#define WAIT_US (20 * CLOCK_US_PER_S)
#define LARGE   ((size_t)KV_BATCH_BYTES_MAX / 2)
#define MANY    4

struct rig {
    void *zmq, *pub;
    int epoll;
    struct kv_wires *wires;
    struct kv_wire wire;
};

static void send_batch(struct rig *rig, size_t size)
{
    static const char number[8] = "", payload[LARGE];

    zmq_send(rig->pub, "", 0, ZMQ_SNDMORE);
    zmq_send(rig->pub, number, sizeof(number), ZMQ_SNDMORE);
    assert_true(zmq_send(rig->pub, payload, size, 0) >= 0);
}

/* Until the publisher knows that somebody listens. */
static void rig_init(struct rig *rig)
{
    uint64_t until_us = clock_now_us() + WAIT_US;
    char url[64];
    size_t size = sizeof(url);
    struct kv_message message;

    rig->zmq = zmq_ctx_new();
    rig->pub = zmq_socket(rig->zmq, ZMQ_PUB);
    assert_int_equal(zmq_bind(rig->pub, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq_getsockopt(rig->pub, ZMQ_LAST_ENDPOINT, url, &size), 0);
    rig->epoll = epoll_create1(0);
    rig->wires = kv_wires_new(rig->epoll, 1);
    assert_null(kv_wire_subscribe(&rig->wire, rig->wires, rig, url, ""));
    while (!kv_wire_receive(&rig->wire, &message)) {
        assert_true(clock_now_us() < until_us);
        send_batch(rig, 0);
        while (kv_wire_hear(&rig->wire) != KV_WIRE_NONE)
            ;
        poll(NULL, 0, 1);
    }
}

static void rig_release(struct rig *rig)
{
    int linger = 0;

    kv_wire_close(&rig->wire);
    kv_wires_free(rig->wires);
    close(rig->epoll);
    zmq_setsockopt(rig->pub, ZMQ_LINGER, &linger, sizeof(linger));
    zmq_close(rig->pub);
    zmq_ctx_term(rig->zmq);
}

static void wait_bytes(const struct rig *rig, uint64_t bytes)
{
    uint64_t until_us = clock_now_us() + WAIT_US;
    struct tcp_info info = { 0 };
    socklen_t size = sizeof(info);

    while (info.tcpi_bytes_received < bytes) {
        assert_true(clock_now_us() < until_us);
        assert_int_equal(getsockopt(rig->wire.fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
        poll(NULL, 0, 1);
    }
}

static void what_was_left_unread_is_no_message_without_end(void **state)
{
    struct kv_message message;
    struct rig rig;

    (void)state;
    rig_init(&rig);
    assert_false(kv_wire_is_choked(&rig.wire));
    kv_wire_leave(&rig.wire);
    for (size_t i = 0; i < MANY; i++)
        send_batch(&rig, LARGE);
    wait_bytes(&rig, MANY * LARGE);
    for (int looks = 0; looks < 2;
         looks++) /* once more when a replay is over: nobody has read yet */
        assert_false(kv_wire_is_choked(&rig.wire));
    assert_true(kv_wire_receive(&rig.wire, &message));
    assert_false(kv_wire_is_choked(&rig.wire));
    rig_release(&rig);
}

/* To the wire these are parts of one that has not come whole: nobody finds a whole one there. */
static void a_message_without_end_is_seen(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    assert_false(kv_wire_is_choked(&rig.wire));
    for (size_t i = 0; i < MANY; i++)
        send_batch(&rig, LARGE);
    wait_bytes(&rig, MANY * LARGE);
    assert_true(kv_wire_is_choked(&rig.wire));
    rig_release(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_left_unread_is_no_message_without_end),
        cmocka_unit_test(a_message_without_end_is_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
