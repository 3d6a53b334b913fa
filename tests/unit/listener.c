/*
 * Listening sockets: binding, accepting in portions, running out of descriptors.
 */
#include "gateway/io/listener.h"

#include "tests/unit/io_rig.h"

#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cmocka.h>

/* What an accepting side has seen. */
struct door {
    int fds[512];
    size_t count, expected;
    size_t this_turn, most_a_turn;
    struct defer turn; /* resets this_turn */
};

static void door_turn(struct defer *defer)
{
    CONTAINER_OF(defer, struct door, turn)->this_turn = 0;
}

static void door_init(struct door *door)
{
    *door = (struct door){ 0 };
    defer_init(&door->turn, door_turn);
}

static void door_accept(struct worker *worker, int fd, void *user)
{
    struct door *door = user;

    door->fds[door->count++ % ARRAY_LEN(door->fds)] = fd;
    door->this_turn++;
    if (door->this_turn > door->most_a_turn)
        door->most_a_turn = door->this_turn;
    worker_defer(worker, WORKER_FREE, &door->turn);
}

static void door_close_all(struct door *door)
{
    for (size_t i = 0; i < door->count; i++)
        close(door->fds[i]);
    door->count = 0;
}

static bool door_is_full(void *user)
{
    struct door *door = user;

    return door->count >= door->expected;
}

static struct sockaddr_in address_of(int fd)
{
    struct sockaddr_in address;
    socklen_t len = sizeof(address);

    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    return address;
}

static int connect_to(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)address, sizeof(*address)), 0);
    return fd;
}

static void accepted_sockets_do_not_block_or_delay_or_survive_an_exec(void **state UNUSED)
{
    int fd = listener_bind("127.0.0.1:0", true), peer, delay = 0;
    struct sockaddr_in address = address_of(fd);
    struct listener *listener;
    struct door door;
    struct rig rig;
    socklen_t len = sizeof(delay);

    rig_open(&rig);
    door_init(&door);
    listener = listener_open(rig.worker, fd, door_accept, &door);
    peer = connect_to(&address);
    door.expected = 1;
    assert_true(rig_until(&rig, door_is_full, &door));
    assert_true(fcntl(door.fds[0], F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(door.fds[0], F_GETFD) & FD_CLOEXEC);
    assert_int_equal(getsockopt(door.fds[0], IPPROTO_TCP, TCP_NODELAY, &delay, &len), 0);
    assert_int_not_equal(delay, 0);
    listener_close(listener);
    door_close_all(&door);
    close(peer);
    rig_close(&rig);
}

static void a_herd_is_accepted_in_portions(void **state UNUSED)
{
    enum { HERD = 300 };
    int fd = listener_bind("127.0.0.1:0", true), peers[HERD];
    struct sockaddr_in address = address_of(fd);
    struct listener *listener;
    struct door door;
    struct rig rig;

    rig_open(&rig);
    door_init(&door);
    for (size_t i = 0; i < HERD; i++)
        peers[i] = connect_to(&address);
    listener = listener_open(rig.worker, fd, door_accept, &door);
    door.expected = HERD;
    assert_true(rig_until(&rig, door_is_full, &door));
    assert_int_equal(door.count, HERD);
    assert_int_equal(door.most_a_turn, 64);
    listener_close(listener);
    door_close_all(&door);
    for (size_t i = 0; i < HERD; i++)
        close(peers[i]);
    rig_close(&rig);
}

static void out_of_descriptors_accepting_pauses_and_recovers(void **state UNUSED)
{
    int fd = listener_bind("127.0.0.1:0", true), peers[2], probe;
    struct sockaddr_in address = address_of(fd);
    struct rlimit before, tight;
    struct listener *listener;
    uint64_t begun_us;
    struct door door;
    struct rig rig;

    rig_open(&rig);
    door_init(&door);
    listener = listener_open(rig.worker, fd, door_accept, &door);
    for (size_t i = 0; i < 2; i++)
        peers[i] = connect_to(&address);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    probe = dup(fd); /* the lowest free number: everything from there on is refused */
    close(probe);
    tight = (struct rlimit){ (rlim_t)probe, before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);

    begun_us = clock_now_us();
    while (clock_now_us() - begun_us < 250 * CLOCK_US_PER_MS)
        assert_true(rig_turns(&rig));
    assert_int_equal(door.count, 0);
    assert_in_range(metric_total(METRIC_ID_accept_paused), 1, 4); /* no spinning */

    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    door.expected = 2;
    assert_true(rig_until(&rig, door_is_full, &door));
    listener_close(listener);
    door_close_all(&door);
    close(peers[0]);
    close(peers[1]);
    rig_close(&rig);
}

static void descriptors_kept_free_are_not_given_to_clients(void **state UNUSED)
{
    int fd = listener_bind("127.0.0.1:0", true), peers[2], probe;
    struct sockaddr_in address = address_of(fd);
    struct rlimit before, tight;
    struct listener *listener;
    struct door door;
    struct rig rig;

    rig_open(&rig);
    door_init(&door);
    listener = listener_open(rig.worker, fd, door_accept, &door);
    for (size_t i = 0; i < 2; i++)
        peers[i] = connect_to(&address);
    getrlimit(RLIMIT_NOFILE, &before);
    probe = dup(fd); /* the first accepted gets this number, the second one more */
    close(probe);
    tight = (struct rlimit){ (rlim_t)probe, before.rlim_max };
    while (tight.rlim_cur - tight.rlim_cur * 25 / 100 < (rlim_t)probe)
        tight.rlim_cur++;
    setrlimit(RLIMIT_NOFILE, &tight);
    listener_keep_free(listener, 25);
    while (metric_total(METRIC_ID_accept_paused) == 0)
        assert_true(rig_turns(&rig));
    assert_int_equal(door.count, 1);
    probe = dup(fd); /* there is room all the same */
    assert_true(probe >= 0);
    close(probe);
    setrlimit(RLIMIT_NOFILE, &before);
    listener_close(listener);
    door_close_all(&door);
    close(peers[0]);
    close(peers[1]);
    rig_close(&rig);
}

static void a_paused_listener_can_be_closed(void **state UNUSED)
{
    int fd = listener_bind("127.0.0.1:0", true), peer, probe;
    struct sockaddr_in address = address_of(fd);
    struct rlimit before, tight;
    struct listener *listener;
    struct door door;
    struct rig rig;

    rig_open(&rig);
    door_init(&door);
    listener = listener_open(rig.worker, fd, door_accept, &door);
    peer = connect_to(&address);
    getrlimit(RLIMIT_NOFILE, &before);
    probe = dup(fd);
    close(probe);
    tight = (struct rlimit){ (rlim_t)probe, before.rlim_max };
    setrlimit(RLIMIT_NOFILE, &tight);
    while (metric_total(METRIC_ID_accept_paused) == 0)
        assert_true(rig_turns(&rig));
    listener_close(listener);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_true(rig_turns(&rig));
    assert_int_equal(door.count, 0);
    close(peer);
    rig_close(&rig);
}

static void two_workers_may_bind_the_same_port(void **state UNUSED)
{
    int one = listener_bind("127.0.0.1:0", true), two;
    struct sockaddr_in address = address_of(one);
    char text[32];

    snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(address.sin_port));
    two = listener_bind(text, true);
    assert_true(two >= 0);
    assert_int_equal(listener_bind(text, false), -1); /* who does not share cannot */
    assert_int_equal(errno, EADDRINUSE);
    close(one);
    close(two);
}

static void addresses_that_cannot_be_bound_say_why(void **state UNUSED)
{
    static const struct {
        const char *address;
        int expected;
    } rows[] = {
        { "", EINVAL },
        { "8080", EINVAL },
        { "127.0.0.1", EINVAL },
        { "127.0.0.1:", EINVAL },
        { "::1:8080", EINVAL }, /* wants brackets */
        { "127.0.0.1:http", EINVAL },
        { "127.0.0.1:65536", EINVAL },
        { "192.0.2.1:0", EADDRNOTAVAIL }, /* not ours */
        { "unix:", EINVAL },
        { "unix:/nonexistent/folder/socket", ENOENT },
        { "unix:/dev/null", EADDRINUSE }, /* a file that is no socket is not touched */
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int fd = listener_bind(rows[i].address, true), error = errno;

        if (fd >= 0 || error != rows[i].expected)
            fail_msg("%s: %d, %s", rows[i].address, fd, strerror(error));
    }
}

static void ipv6_and_every_address_of_the_machine_can_be_bound(void **state UNUSED)
{
    static const char *const rows[] = { "[::1]:0", "[::]:0", "0.0.0.0:0", ":0", "localhost:0" };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int fd = listener_bind(rows[i], true);

        if (fd < 0 && !(errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT)) /* a machine without v6 */
            fail_msg("%s: %s", rows[i], strerror(errno));
        if (fd >= 0)
            close(fd);
    }
}

static void a_stale_unix_socket_is_replaced_and_a_live_one_is_not(void **state UNUSED)
{
    char folder[] = "/tmp/sluice-unit-XXXXXX", path[64], address[80];
    int fd, again;

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/socket", folder);
    snprintf(address, sizeof(address), "unix:%s", path);
    fd = listener_bind(address, true);
    assert_true(fd >= 0);
    assert_int_equal(listener_bind(address, true), -1);
    assert_int_equal(errno, EADDRINUSE);
    close(fd); /* as after a crash: the file stays */
    assert_int_equal(access(path, F_OK), 0);
    again = listener_bind(address, true);
    assert_true(again >= 0);
    close(again);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted_sockets_do_not_block_or_delay_or_survive_an_exec),
        cmocka_unit_test(a_herd_is_accepted_in_portions),
        cmocka_unit_test(out_of_descriptors_accepting_pauses_and_recovers),
        cmocka_unit_test(descriptors_kept_free_are_not_given_to_clients),
        cmocka_unit_test(a_paused_listener_can_be_closed),
        cmocka_unit_test(two_workers_may_bind_the_same_port),
        cmocka_unit_test(addresses_that_cannot_be_bound_say_why),
        cmocka_unit_test(ipv6_and_every_address_of_the_machine_can_be_bound),
        cmocka_unit_test(a_stale_unix_socket_is_replaced_and_a_live_one_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
