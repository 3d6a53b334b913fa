/*
 * Names to addresses, asked of a small DNS server of the tests' own.
 */
#include "gateway/io/resolve.h"

#include "tests/unit/io_rig.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

static struct {
    pid_t pid;
    int input; /* it ends when this is closed */
    char address[32];
} server;

static int start_server(void **state UNUSED)
{
    static const char *const arguments[] = {
        "python3",
        "tests/scenario/lib/dns_server.py",
        "one.test=10.0.0.1/60",
        "both.test=10.0.0.1,fd00::1/120",
        "short.test=10.0.0.1/0",
        "long.test=10.0.0.1/86400",
        "alias.test=cname:real.test:5:10.0.0.9/60",
        "many.test=10.1.0.0+300/30",
        "most.test=10.1.0.0+1100/30",
        "mute.test=silent",
        "broken.test=servfail",
        NULL,
    };
    int in[2], out[2];
    char port[16] = "";

    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    server.pid = fork();
    if (server.pid == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        close(in[1]);
        execvp("python3", (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    server.input = in[1];
    assert_true(read(out[0], port, sizeof(port) - 1) > 0);
    close(out[0]);
    snprintf(server.address, sizeof(server.address), "127.0.0.1:%d", atoi(port));
    return 0;
}

static int stop_server(void **state UNUSED)
{
    close(server.input);
    return waitpid(server.pid, NULL, 0) == server.pid ? 0 : -1;
}

struct answer {
    unsigned calls;
    const struct reason *reason;
    size_t count, v6;
    unsigned ttl_s;
    char first[RESOLVE_TEXT_SIZE], last[RESOLVE_TEXT_SIZE];
};

static void take(void *user, const struct reason *reason, const struct resolve_answer *answer)
{
    struct answer *got = user;

    got->calls++;
    got->reason = reason;
    if (reason)
        return;
    got->count = answer->count;
    got->ttl_s = answer->ttl_s;
    resolve_address_text(&answer->addresses[0], got->first);
    resolve_address_text(&answer->addresses[answer->count - 1], got->last);
    for (size_t i = 0; i < answer->count; i++)
        got->v6 += answer->addresses[i].sa.sa_family == AF_INET6;
}

static bool was_called(void *user)
{
    return ((struct answer *)user)->calls > 0;
}

static void names_get_their_addresses_ports_and_smallest_ttl(void **state UNUSED)
{
    static const struct {
        const char *host;
        size_t count, v6;
        unsigned ttl_s;
        const char *first; /* NULL: any */
    } rows[] = {
        { "one.test", 1, 0, 60, "10.0.0.1:8000" },
        { "both.test", 2, 1, 120, NULL },
        { "short.test", 1, 0, 1, "10.0.0.1:8000" },
        { "long.test", 1, 0, 300, "10.0.0.1:8000" },
        { "alias.test", 1, 0, 5, "10.0.0.9:8000" },
        { "ONE.test", 1, 0, 60, "10.0.0.1:8000" },
        { "many.test", 300, 0, 30, "10.1.0.0:8000" },
        { "most.test", RESOLVE_MAX, 0, 30, "10.1.0.0:8000" },
        { "10.2.3.4", 1, 0, 300, "10.2.3.4:8000" },
        { "fd00::5", 1, 1, 300, "[fd00::5]:8000" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct answer answer = { 0 };
        struct rig rig;

        rig_open(&rig);
        resolver_set_servers(rig.worker->resolver, server.address);
        resolve(rig.worker->resolver, slice_str(rows[i].host), 8000, 5000, take, &answer);
        assert_int_equal(answer.calls, 0); /* never from within */
        assert_true(rig_until(&rig, was_called, &answer));
        assert_null(answer.reason);
        if (answer.count != rows[i].count || answer.v6 != rows[i].v6 ||
            answer.ttl_s != rows[i].ttl_s)
            fail_msg("%s: %zu addresses, %zu of IPv6, %u s", rows[i].host, answer.count, answer.v6,
                     answer.ttl_s);
        if (rows[i].first)
            assert_string_equal(answer.first, rows[i].first);
        assert_int_equal(answer.calls, 1);
        rig_close(&rig);
    }
}

static void all_three_hundred_addresses_of_a_name_come_in_order(void **state UNUSED)
{
    struct answer answer = { 0 };
    struct rig rig;

    rig_open(&rig);
    resolver_set_servers(rig.worker->resolver, server.address);
    resolve(rig.worker->resolver, SLICE("many.test"), 80, 5000, take, &answer);
    assert_true(rig_until(&rig, was_called, &answer));
    assert_string_equal(answer.first, "10.1.0.0:80");
    assert_string_equal(answer.last, "10.1.1.43:80");
    rig_close(&rig);
}

static void names_that_have_no_address_fail(void **state UNUSED)
{
    char long_name[300];
    const char *const rows[] = {
        "unknown.test", "broken.test", "", "a..b", long_name, "not a name"
    };

    memset(long_name, 'a', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct answer answer = { 0 };
        struct rig rig;

        rig_open(&rig);
        resolver_set_servers(rig.worker->resolver, server.address);
        resolve(rig.worker->resolver, slice_str(rows[i]), 80, 10000, take, &answer);
        assert_true(rig_until(&rig, was_called, &answer));
        if (answer.reason != &reason_name_failed)
            fail_msg("row %zu", i);
        rig_close(&rig);
    }
}

static void a_server_that_says_nothing_ends_at_the_deadline(void **state UNUSED)
{
    uint64_t begun_us = clock_now_us();
    struct answer answer = { 0 };
    struct rig rig;

    rig_open(&rig);
    resolver_set_servers(rig.worker->resolver, server.address);
    resolve(rig.worker->resolver, SLICE("mute.test"), 80, 100, take, &answer);
    assert_true(rig_until(&rig, was_called, &answer));
    assert_ptr_equal(answer.reason, &reason_name_failed);
    assert_true(clock_now_us() - begun_us >= 100 * CLOCK_US_PER_MS);
    assert_true(clock_now_us() - begun_us < 5 * CLOCK_US_PER_S);

    /* the resolver goes on */
    answer = (struct answer){ 0 };
    resolve(rig.worker->resolver, SLICE("one.test"), 80, 5000, take, &answer);
    assert_true(rig_until(&rig, was_called, &answer));
    assert_null(answer.reason);
    assert_int_equal(metric_total(METRIC_ID_resolutions), 2);
    rig_close(&rig);
}

static void cancelled_questions_are_not_answered(void **state UNUSED)
{
    static const char *const hosts[] = { "one.test", "mute.test", "10.0.0.1", "localhost" };
    struct answer silent = { 0 }, last = { 0 };
    struct rig rig;

    rig_open(&rig);
    resolver_set_servers(rig.worker->resolver, server.address);
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        resolve_cancel(resolve(rig.worker->resolver, slice_str(hosts[i]), 80, 50, take, &silent));
    resolve(rig.worker->resolver, SLICE("both.test"), 80, 5000, take, &last);
    assert_true(rig_until(&rig, was_called, &last));
    assert_true(rig_turns(&rig));
    assert_int_equal(silent.calls, 0);
    rig_close(&rig);
}

static void a_resolver_that_ends_drops_what_is_pending(void **state UNUSED)
{
    struct answer answer = { 0 };
    struct rig rig;

    rig_open(&rig);
    resolver_set_servers(rig.worker->resolver, server.address);
    resolve(rig.worker->resolver, SLICE("mute.test"), 80, 5000, take, &answer);
    resolve(rig.worker->resolver, SLICE("10.0.0.1"), 80, 5000, take, &answer);
    rig_close(&rig);
    assert_int_equal(answer.calls, 0);
}

static void the_hosts_file_is_honoured(void **state UNUSED)
{
    struct answer answer = { 0 };
    struct rig rig;

    rig_open(&rig);
    resolver_set_servers(rig.worker->resolver, "127.0.0.1:1"); /* nobody answers there */
    resolve(rig.worker->resolver, SLICE("localhost"), 80, 5000, take, &answer);
    assert_true(rig_until(&rig, was_called, &answer));
    assert_null(answer.reason);
    assert_true(answer.count > 0);
    rig_close(&rig);
}

static void many_questions_at_once_are_all_answered(void **state UNUSED)
{
    enum { QUESTIONS = 100 };
    struct answer answers[QUESTIONS] = { 0 };
    struct rig rig;

    rig_open(&rig);
    resolver_set_servers(rig.worker->resolver, server.address);
    for (size_t i = 0; i < QUESTIONS; i++)
        resolve(rig.worker->resolver, i % 2 ? SLICE("many.test") : SLICE("both.test"), 80, 9000,
                take, &answers[i]);
    for (size_t i = 0; i < QUESTIONS; i++) {
        assert_true(rig_until(&rig, was_called, &answers[i]));
        assert_int_equal(answers[i].count, i % 2 ? 300 : 2);
    }
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_get_their_addresses_ports_and_smallest_ttl),
        cmocka_unit_test(all_three_hundred_addresses_of_a_name_come_in_order),
        cmocka_unit_test(names_that_have_no_address_fail),
        cmocka_unit_test(a_server_that_says_nothing_ends_at_the_deadline),
        cmocka_unit_test(cancelled_questions_are_not_answered),
        cmocka_unit_test(a_resolver_that_ends_drops_what_is_pending),
        cmocka_unit_test(the_hosts_file_is_honoured),
        cmocka_unit_test(many_questions_at_once_are_all_answered),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
