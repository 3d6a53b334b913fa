/*
 * Transports in the clear: over real sockets, with a peer that the test moves by hand.
 */
#include "gateway/io/transport.h"

#include "tests/unit/io_rig.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

#define MEGABYTE (1024 * 1024)

static bool is_open(void *user)
{
    return ((struct end *)user)->opened > 0;
}

static bool has_failed(void *user)
{
    return ((struct end *)user)->failed != NULL;
}

static bool has_bytes(void *user)
{
    return ((struct end *)user)->in.len > 0;
}

static bool is_over(void *user)
{
    const struct end *end = user;

    return end->ended || end->broken;
}

static bool sees_peer_closed(void *user)
{
    return ((struct end *)user)->peer_closed > 0;
}

/* An open end on an accepted socket, and the peer's socket. */
static int accepted(struct rig *rig, struct end *end)
{
    int fd[2];

    rig_connect(fd);
    end_init(end);
    transport_accept(&end->transport, rig->worker, fd[0], NULL, 1000, &end_events);
    assert_int_equal(end->opened, 0); /* never from within */
    assert_true(rig_until(rig, is_open, end));
    return fd[1];
}

static void dial(struct rig *rig, struct end *end, const struct sockaddr_in *address, unsigned ms)
{
    end_init(end);
    transport_dial(&end->transport, rig->worker, (const struct sockaddr *)address, sizeof(*address),
                   NULL, NULL, false, ms, &end_events);
}

static void reset_on_close(int fd)
{
    struct linger linger = { .l_onoff = 1 };

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(fd);
}

static void accepted_socket_opens_from_the_loop_and_knows_its_peer(void **state UNUSED)
{
    char text[TRANSPORT_PEER_SIZE];
    struct slice peer;
    struct end end;
    struct rig rig;
    int fd;

    rig_open(&rig);
    fd = accepted(&rig, &end);
    peer = transport_peer(&end.transport, text);
    assert_true(slice_starts(peer, SLICE("127.0.0.1:")));
    assert_false(transport_is_tls(&end.transport));
    assert_false(transport_is_h2(&end.transport));
    end_release(&end, TRANSPORT_CLOSE_NOW);
    assert_true(slice_eq(transport_peer(&end.transport, text), SLICE("unknown")));
    close(fd);
    rig_close(&rig);
}

static void a_short_read_leaves_nothing_to_be_read(void **state UNUSED)
{
    struct slice bytes;
    struct end end;
    struct rig rig;
    int fd;

    rig_open(&rig);
    fd = accepted(&rig, &end);
    assert_int_equal(transport_recv(&end.transport, &bytes), TRANSPORT_EMPTY);
    assert_int_equal(write(fd, "hello", 5), 5);
    assert_true(rig_until(&rig, has_bytes, &end));
    assert_true(slice_eq(buf_join(&end.in), SLICE("hello")));
    assert_int_equal(end.reads, 1);
    assert_false(end.transport.read_ready);
    end_release(&end, TRANSPORT_CLOSE_NOW);
    close(fd);
    rig_close(&rig);
}

struct crossing {
    struct end a, b;
    size_t len;
};

static bool has_crossed(void *user)
{
    struct crossing *crossing = user;

    return crossing->a.in.len == crossing->len && crossing->b.in.len == crossing->len;
}

static void a_megabyte_crosses_both_ways_through_small_socket_buffers(void **state UNUSED)
{
    struct crossing crossing = { .len = MEGABYTE };
    struct rig rig;
    int fd[2];

    rig_open(&rig);
    rig_connect(fd);
    for (int i = 0; i < 2; i++)
        setsockopt(fd[i], SOL_SOCKET, SO_SNDBUF, &(int){ 8192 }, sizeof(int));
    fcntl(fd[1], F_SETFL, O_NONBLOCK);
    end_init(&crossing.a);
    end_init(&crossing.b);
    rig_fill(&crossing.a.out, MEGABYTE);
    rig_fill(&crossing.b.out, MEGABYTE);
    transport_accept(&crossing.a.transport, rig.worker, fd[0], NULL, 0, &end_events);
    transport_accept(&crossing.b.transport, rig.worker, fd[1], NULL, 0, &end_events);
    assert_true(rig_until(&rig, has_crossed, &crossing));
    assert_true(rig_is_filled(&crossing.a.in, MEGABYTE));
    assert_true(rig_is_filled(&crossing.b.in, MEGABYTE));
    end_release(&crossing.a, TRANSPORT_CLOSE_NOW);
    end_release(&crossing.b, TRANSPORT_CLOSE_NOW);
    rig_close(&rig);
}

static void more_pieces_than_a_call_takes_go_out_whole_and_in_order(void **state UNUSED)
{
    enum { PIECES = 200, PIECE = 600 };
    char got[PIECES * PIECE];
    struct buf source;
    struct end end;
    struct rig rig;
    int fd;

    rig_open(&rig);
    fd = accepted(&rig, &end);
    buf_init(&source, SIZE_MAX);
    rig_fill(&source, PIECES * PIECE);
    buf_join(&source);
    for (size_t i = 0; i < PIECES; i++)
        buf_share_range(&end.out, &source, i * PIECE, PIECE);
    assert_true(transport_send(&end.transport, &end.out));
    assert_int_equal(end.out.len, 0);
    assert_true(transport_is_flushed(&end.transport));
    assert_int_equal(recv(fd, got, sizeof(got), MSG_WAITALL), sizeof(got));
    assert_memory_equal(got, buf_front(&source).at, sizeof(got));
    buf_release(&source);
    end_release(&end, TRANSPORT_CLOSE_NOW);
    close(fd);
    rig_close(&rig);
}

static void writes_of_one_byte_arrive_in_order(void **state UNUSED)
{
    struct end end;
    struct rig rig;
    int fd;

    rig_open(&rig);
    fd = accepted(&rig, &end);
    for (size_t i = 0; i < 300; i++) {
        assert_int_equal(write(fd, &(char){ (char)(i * 31 + i / 253) }, 1), 1);
        if (i % 50 == 0)
            assert_true(rig_turns(&rig));
    }
    close(fd);
    assert_true(rig_until(&rig, is_over, &end));
    assert_true(end.ended);
    assert_true(rig_is_filled(&end.in, 300));
    end_release(&end, TRANSPORT_CLOSE_NOW);
    rig_close(&rig);
}

static void bytes_and_fin_that_come_together_are_both_read(void **state UNUSED)
{
    struct end end;
    struct rig rig;
    int fd[2];

    rig_open(&rig);
    rig_connect(fd);
    assert_int_equal(write(fd[1], "last words", 10), 10);
    close(fd[1]);
    end_init(&end);
    transport_accept(&end.transport, rig.worker, fd[0], NULL, 0, &end_events);
    assert_true(rig_until(&rig, is_over, &end));
    assert_true(end.ended);
    assert_int_equal(end.peer_closed, 1);
    assert_true(slice_eq(buf_join(&end.in), SLICE("last words")));
    end_release(&end, TRANSPORT_CLOSE_NOW);
    rig_close(&rig);
}

static void a_fin_is_reported_while_nobody_reads_and_the_bytes_wait(void **state UNUSED)
{
    struct end end;
    struct rig rig;
    int fd;

    rig_open(&rig);
    fd = accepted(&rig, &end);
    end.paused = true;
    assert_int_equal(write(fd, "unread", 6), 6);
    assert_true(rig_turns(&rig));
    assert_int_equal(end.peer_closed, 0);
    shutdown(fd, SHUT_WR);
    assert_true(rig_until(&rig, sees_peer_closed, &end));
    assert_int_equal(end.in.len, 0);
    end.paused = false;
    end_read(&end);
    assert_true(end.ended);
    assert_true(slice_eq(buf_join(&end.in), SLICE("unread")));
    assert_int_equal(end.peer_closed, 1);
    end_release(&end, TRANSPORT_CLOSE_NOW);
    close(fd);
    rig_close(&rig);
}

static void behind_the_end_only_a_reset_is_readable(void **state UNUSED)
{
    static char drop[65536];
    struct slice bytes;
    struct end end;
    struct rig rig;
    unsigned readable;
    int fd;

    rig_open(&rig);
    fd = accepted(&rig, &end);
    shutdown(fd, SHUT_WR);
    assert_true(rig_until(&rig, is_over, &end));
    assert_true(end.ended);
    assert_int_equal(transport_recv(&end.transport, &bytes), TRANSPORT_END); /* as often as asked */
    readable = end.readable;
    rig_fill(&end.out, 8 * MEGABYTE); /* so much that there are edges for writing */
    assert_true(transport_send(&end.transport, &end.out));
    for (size_t total = 0; total < 8 * MEGABYTE;) {
        ssize_t n = recv(fd, drop, sizeof(drop), MSG_DONTWAIT);

        total += n > 0 ? (size_t)n : 0;
        end.ended = false; /* so that the rig goes on writing */
        if (n < 0)
            assert_true(rig_turns(&rig));
    }
    assert_int_equal(end.readable, readable);
    reset_on_close(fd);
    assert_true(rig_until(&rig, is_over, &end));
    assert_true(end.broken);
    end_release(&end, TRANSPORT_CLOSE_NOW);
    rig_close(&rig);
}

static void a_reset_is_reported_while_nobody_reads(void **state UNUSED)
{
    struct end end;
    struct rig rig;
    int fd;

    for (int unread = 0; unread < 2; unread++) {
        rig_open(&rig);
        fd = accepted(&rig, &end);
        end.paused = true;
        if (unread) {
            assert_int_equal(write(fd, "unread", 6), 6);
            assert_true(rig_turns(&rig));
        }
        assert_int_equal(end.peer_closed, 0);
        reset_on_close(fd);
        assert_true(rig_until(&rig, sees_peer_closed, &end));
        assert_int_equal(end.peer_closed, 1);
        end_release(&end, TRANSPORT_CLOSE_NOW);
        rig_close(&rig);
    }
}

static void a_reset_fails_reading_and_writing(void **state UNUSED)
{
    struct end end;
    struct rig rig;
    int fd;

    rig_open(&rig);
    fd = accepted(&rig, &end);
    reset_on_close(fd);
    assert_true(rig_until(&rig, is_over, &end));
    assert_true(end.broken);
    buf_add(&end.out, SLICE("too late"));
    assert_false(transport_send(&end.transport, &end.out));
    end_release(&end, TRANSPORT_CLOSE_NOW);
    assert_false(transport_send(&end.transport, &end.out));
    rig_close(&rig);
}

static void a_peer_that_takes_nothing_blocks_writing_until_it_reads(void **state UNUSED)
{
    static char drop[65536];
    struct buf source;
    struct end end;
    struct rig rig;
    size_t total = 0;
    int fd;

    rig_open(&rig);
    fd = accepted(&rig, &end);
    buf_init(&source, SIZE_MAX);
    rig_fill(&source, MEGABYTE);
    for (int i = 0; i < 16; i++)
        buf_share(&end.out, &source);
    buf_release(&source);
    assert_true(transport_send(&end.transport, &end.out));
    assert_true(end.transport.write_blocked);
    assert_true(end.out.len > 0);
    while (total < 16 * MEGABYTE) {
        ssize_t n = recv(fd, drop, sizeof(drop), MSG_DONTWAIT);

        if (n > 0)
            total += (size_t)n;
        else
            assert_true(rig_turns(&rig));
    }
    assert_int_equal(end.out.len, 0);
    end_release(&end, TRANSPORT_CLOSE_NOW);
    close(fd);
    rig_close(&rig);
}

static void a_dialled_socket_opens_and_carries_bytes(void **state UNUSED)
{
    struct sockaddr_in address;
    int listening = rig_listen(&address, 4), fd, alive = 0;
    socklen_t len = sizeof(alive);
    char got[5];
    struct end end;
    struct rig rig;

    rig_open(&rig);
    dial(&rig, &end, &address, 1000);
    assert_int_equal(end.opened, 0);
    assert_int_equal(getsockopt(end.transport.fd, SOL_SOCKET, SO_KEEPALIVE, &alive, &len), 0);
    assert_int_not_equal(alive, 0);
    buf_add(&end.out, SLICE("hello"));
    assert_true(rig_until(&rig, is_open, &end));
    fd = accept(listening, NULL, NULL);
    assert_int_equal(recv(fd, got, sizeof(got), MSG_WAITALL), 5);
    assert_memory_equal(got, "hello", 5);
    end_release(&end, TRANSPORT_CLOSE_NOW);
    close(fd);
    close(listening);
    rig_close(&rig);
}

static bool is_broken(void *user)
{
    return ((struct end *)user)->broken;
}

static void a_reset_that_comes_with_an_endpoints_last_bytes_is_seen(void **state UNUSED)
{
    struct sockaddr_in address;
    int listening = rig_listen(&address, 1), peer;
    struct end end;
    struct rig rig;

    rig_open(&rig);
    dial(&rig, &end, &address, 1000);
    peer = accept(listening, NULL, NULL);
    assert_true(rig_until(&rig, is_open, &end));
    assert_int_equal(send(peer, "last", 4, 0), 4);
    reset_on_close(peer); /* both are there when the loop looks next */
    assert_true(rig_until(&rig, is_broken, &end));
    assert_true(slice_eq(buf_join(&end.in), SLICE("last")));
    end_release(&end, TRANSPORT_CLOSE_NOW);
    close(listening);
    rig_close(&rig);
}

static void a_reset_right_behind_a_clients_bytes_is_seen(void **state UNUSED)
{
    struct end end;
    struct rig rig;
    int fd[2];

    rig_open(&rig);
    fd[1] = accepted(&rig, &end);
    assert_int_equal(send(fd[1], "last", 4, 0), 4);
    reset_on_close(fd[1]); /* both are there when the loop looks next */
    assert_true(rig_until(&rig, is_broken, &end));
    assert_true(slice_eq(buf_join(&end.in), SLICE("last")));
    end_release(&end, TRANSPORT_CLOSE_NOW);

    rig_connect(fd);
    assert_int_equal(send(fd[1], "last", 4, 0), 4);
    reset_on_close(fd[1]); /* both are there before it is accepted */
    end_init(&end);
    transport_accept(&end.transport, rig.worker, fd[0], NULL, 1000, &end_events);
    assert_true(rig_until(&rig, is_broken, &end));
    assert_true(slice_eq(buf_join(&end.in), SLICE("last")));
    end_release(&end, TRANSPORT_CLOSE_NOW);
    rig_close(&rig);
}

static void a_refused_dial_fails_from_the_loop(void **state UNUSED)
{
    struct sockaddr_in address;
    struct end end;
    struct rig rig;

    rig_open(&rig);
    close(rig_listen(&address, 1)); /* a port that nobody listens on */
    dial(&rig, &end, &address, 1000);
    assert_null(end.failed);
    assert_true(rig_until(&rig, has_failed, &end));
    assert_ptr_equal(end.failed, &reason_dial_failed);
    assert_int_equal(end.opened, 0);
    end_release(&end, TRANSPORT_CLOSE_NOW);
    rig_close(&rig);
}

static void a_dial_that_fails_at_once_still_fails_from_the_loop(void **state UNUSED)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/nonexistent/socket" };
    struct end end;
    struct rig rig;

    rig_open(&rig);
    end_init(&end);
    transport_dial(&end.transport, rig.worker, (const struct sockaddr *)&address, sizeof(address),
                   NULL, NULL, false, 1000, &end_events);
    assert_null(end.failed);
    assert_true(rig_until(&rig, has_failed, &end));
    assert_ptr_equal(end.failed, &reason_dial_failed);
    end_release(&end, TRANSPORT_CLOSE_NOW);
    rig_close(&rig);
}

static void a_dial_that_nobody_answers_times_out(void **state UNUSED)
{
    struct sockaddr_in address;
    int listening = rig_listen(&address, 0), filler[2];
    uint64_t begun_us = clock_now_us();
    struct end end;
    struct rig rig;

    rig_open(&rig);
    for (int i = 0; i < 2; i++) { /* a full queue drops the next SYN */
        filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(filler[i], (struct sockaddr *)&address, sizeof(address));
    }
    dial(&rig, &end, &address, 100);
    assert_true(rig_until(&rig, has_failed, &end));
    assert_ptr_equal(end.failed, &reason_dial_timeout);
    assert_true(clock_now_us() - begun_us >= 100 * CLOCK_US_PER_MS);
    end_release(&end, TRANSPORT_CLOSE_NOW);
    close(filler[0]);
    close(filler[1]);
    close(listening);
    rig_close(&rig);
}

static void closing_before_the_dial_is_over_ends_in_silence(void **state UNUSED)
{
    struct sockaddr_in address;
    int listening = rig_listen(&address, 4);
    struct end end;
    struct rig rig;

    rig_open(&rig);
    dial(&rig, &end, &address, 50);
    end_release(&end, TRANSPORT_CLOSE_NOW);
    assert_true(rig_turns(&rig));
    assert_int_equal(end.opened, 0);
    assert_null(end.failed);
    close(listening);
    rig_close(&rig);
}

/* Reads all there is to come. Returns the last recv's result, *ret_len what came before it. */
static ssize_t read_to_end(struct rig *rig, int fd, char *bytes, size_t size, size_t *ret_len)
{
    uint64_t deadline_us = clock_now_us() + RIG_WAIT_US;
    ssize_t n = -1;

    *ret_len = 0;
    while (clock_now_us() < deadline_us) {
        n = recv(fd, bytes + *ret_len, size - *ret_len, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            break;
        if (n > 0)
            *ret_len += (size_t)n;
        else
            assert_true(rig_turns(rig));
    }
    return n;
}

static bool nobody_lingers(void *user)
{
    return list_is_empty(&((struct rig *)user)->worker->lingering);
}

static void a_refusal_reaches_a_peer_that_is_still_sending(void **state UNUSED)
{
    static char upload[300 * 1024];
    char got[64];
    struct end end;
    struct rig rig;
    size_t len;
    int fd;

    rig_open(&rig);
    fd = accepted(&rig, &end);
    end.paused = true;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    assert_true(write(fd, upload, sizeof(upload)) > 0);
    assert_true(rig_turns(&rig));
    buf_add(&end.out, SLICE("413 too much"));
    assert_true(transport_send(&end.transport, &end.out));
    end_release(&end, TRANSPORT_CLOSE_LINGER);
    assert_true(rig_turns(&rig));
    assert_true(write(fd, upload, 1000) > 0); /* no reset has come */
    assert_int_equal(read_to_end(&rig, fd, got, sizeof(got), &len), 0);
    assert_true(slice_eq(slice_of(got, len), SLICE("413 too much")));
    close(fd);
    assert_true(rig_until(&rig, nobody_lingers, &rig));
    rig_close(&rig);
}

static void lingering_ends_after_two_seconds_or_a_megabyte(void **state UNUSED)
{
    static char upload[MEGABYTE];
    uint64_t begun_us;
    struct end end;
    struct rig rig;
    size_t sent = 0;
    int fd;

    rig_open(&rig);
    fd = accepted(&rig, &end);
    begun_us = clock_now_us();
    end_release(&end, TRANSPORT_CLOSE_LINGER);
    assert_true(rig_until(&rig, nobody_lingers, &rig)); /* the peer just waits */
    assert_true(clock_now_us() - begun_us >= 2 * CLOCK_US_PER_S);
    close(fd);

    fd = accepted(&rig, &end);
    begun_us = clock_now_us();
    end_release(&end, TRANSPORT_CLOSE_LINGER);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    while (!nobody_lingers(&rig) && sent < 64 * MEGABYTE) {
        ssize_t n = send(fd, upload, sizeof(upload), MSG_NOSIGNAL);

        sent += n > 0 ? (size_t)n : 0;
        assert_true(rig_turns(&rig));
    }
    assert_true(nobody_lingers(&rig));
    assert_true(clock_now_us() - begun_us < 2 * CLOCK_US_PER_S);
    close(fd);
    rig_close(&rig);
}

static void a_dialled_socket_that_lingers_tells_nobody_of_its_reset(void **state UNUSED)
{
    struct sockaddr_in address;
    int listening = rig_listen(&address, 1), peer;
    struct end end;
    struct rig rig;

    rig_open(&rig);
    dial(&rig, &end, &address, 1000);
    peer = accept(listening, NULL, NULL);
    assert_true(rig_until(&rig, is_open, &end));
    reset_on_close(peer); /* noted by the kernel, not yet by the loop */
    end_release(&end, TRANSPORT_CLOSE_LINGER);
    end.transport.fd = peer; /* as if another transport lay here now */
    assert_true(rig_until(&rig, nobody_lingers, &rig));
    assert_false(end.transport.peer_closed);
    close(listening);
    rig_close(&rig);
}

static void a_worker_that_ends_closes_who_lingers(void **state UNUSED)
{
    struct end end;
    struct rig rig;
    char byte;
    int fd;

    rig_open(&rig);
    fd = accepted(&rig, &end);
    end_release(&end, TRANSPORT_CLOSE_LINGER);
    rig_close(&rig);
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
}

static void a_reset_close_is_no_clean_end_for_the_peer(void **state UNUSED)
{
    struct end end;
    struct rig rig;
    char byte;
    int fd;

    rig_open(&rig);
    fd = accepted(&rig, &end);
    end_release(&end, TRANSPORT_CLOSE_RESET);
    assert_int_equal(recv(fd, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(fd);
    rig_close(&rig);
}

static void unix_sockets_work_and_print_as_such(void **state UNUSED)
{
    char text[TRANSPORT_PEER_SIZE];
    struct end end;
    struct rig rig;
    int fd[2];

    rig_open(&rig);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
    end_init(&end);
    transport_accept(&end.transport, rig.worker, fd[0], NULL, 0, &end_events);
    assert_int_equal(write(fd[1], "hello", 5), 5);
    assert_true(rig_until(&rig, has_bytes, &end));
    assert_true(slice_eq(transport_peer(&end.transport, text), SLICE("unix")));
    close(fd[1]);
    assert_true(rig_until(&rig, is_over, &end));
    assert_true(end.ended);
    end_release(&end, TRANSPORT_CLOSE_NOW);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted_socket_opens_from_the_loop_and_knows_its_peer),
        cmocka_unit_test(a_short_read_leaves_nothing_to_be_read),
        cmocka_unit_test(a_megabyte_crosses_both_ways_through_small_socket_buffers),
        cmocka_unit_test(more_pieces_than_a_call_takes_go_out_whole_and_in_order),
        cmocka_unit_test(writes_of_one_byte_arrive_in_order),
        cmocka_unit_test(bytes_and_fin_that_come_together_are_both_read),
        cmocka_unit_test(a_fin_is_reported_while_nobody_reads_and_the_bytes_wait),
        cmocka_unit_test(behind_the_end_only_a_reset_is_readable),
        cmocka_unit_test(a_reset_is_reported_while_nobody_reads),
        cmocka_unit_test(a_reset_fails_reading_and_writing),
        cmocka_unit_test(a_peer_that_takes_nothing_blocks_writing_until_it_reads),
        cmocka_unit_test(a_dialled_socket_opens_and_carries_bytes),
        cmocka_unit_test(a_reset_that_comes_with_an_endpoints_last_bytes_is_seen),
        cmocka_unit_test(a_reset_right_behind_a_clients_bytes_is_seen),
        cmocka_unit_test(a_refused_dial_fails_from_the_loop),
        cmocka_unit_test(a_dial_that_fails_at_once_still_fails_from_the_loop),
        cmocka_unit_test(a_dial_that_nobody_answers_times_out),
        cmocka_unit_test(closing_before_the_dial_is_over_ends_in_silence),
        cmocka_unit_test(a_refusal_reaches_a_peer_that_is_still_sending),
        cmocka_unit_test(lingering_ends_after_two_seconds_or_a_megabyte),
        cmocka_unit_test(a_dialled_socket_that_lingers_tells_nobody_of_its_reset),
        cmocka_unit_test(a_worker_that_ends_closes_who_lingers),
        cmocka_unit_test(a_reset_close_is_no_clean_end_for_the_peer),
        cmocka_unit_test(unix_sockets_work_and_print_as_such),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
