/*
 * Names of "dns:" endpoints, followed against a DNS server of the tests' own.
 */
#include "tests/unit/fleet_rig.h"
#include "tests/unit/io_rig.h"

#include "routing/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>

#include <cmocka.h>

#define POOL(endpoints)                                                                            \
    "pools: [ { name: p, endpoints: [ " endpoints " ] } ]\nmodels: [ { name: m, pool: p } ]\n"

struct fixture {
    struct rig rig;
    struct names *names;
    unsigned changes;
    struct conf *conf;
    pid_t server;
    int server_input; /* it ends when this is closed */
};

static void on_change(void *user)
{
    ((struct fixture *)user)->changes++;
}

static void start_server(struct fixture *f, char ret_address[32])
{
    static const char *const arguments[] = {
        "python3",
        "tests/scenario/lib/dns_server.py",
        "two.test=10.0.0.2,10.0.0.1/60",
        "v6.test=fd00::1",
        "many.test=10.1.0.0+300/30",
        "bad.test=servfail",
        NULL,
    };
    char port[16] = "";
    int in[2], out[2];

    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    f->server = fork();
    if (f->server == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        execvp("python3", (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    f->server_input = in[1];
    for (size_t n = 0; !strchr(port, '\n'); n++) /* it dies if this goes before the line's end */
        assert_int_equal(read(out[0], port + n, 1), 1);
    close(out[0]);
    snprintf(ret_address, 32, "127.0.0.1:%d", atoi(port));
}

static int setup(void **state)
{
    static struct fixture f;
    char address[32];

    log_level = LOG_ERROR;
    f = (struct fixture){ .changes = 0 };
    start_server(&f, address);
    rig_open(&f.rig);
    resolver_set_servers(f.rig.worker->resolver, address);
    f.names = names_new(f.rig.worker, on_change, &f);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    names_free(f->names);
    conf_unref(f->conf);
    rig_close(&f->rig);
    close(f->server_input);
    return waitpid(f->server, NULL, 0) == f->server ? 0 : -1;
}

static bool are_settled(void *user)
{
    struct fixture *f = user;

    return names_are_settled(f->names) && f->changes > 0;
}

static void follow(struct fixture *f, const char *text)
{
    conf_unref(f->conf);
    f->conf = rig_conf(text, NULL);
    assert_non_null(f->conf);
    names_follow(f->names, f->conf);
}

static size_t count_of(const struct fixture *f, const char *host)
{
    size_t count;

    names_addresses(f->names, slice_str(host), &count);
    return count;
}

static void every_address_of_a_name_is_an_endpoint(void **state)
{
    struct fixture *f = *state;
    struct fleet *fleet;
    struct buf errors;

    follow(f, POOL("\"dns:http://two.test:8000/x\", \"dns:http://v6.test:1\", "
                   "\"dns:http://two.test:9\", \"http://e:1\""));
    assert_false(names_are_settled(f->names));
    assert_true(rig_until(&f->rig, are_settled, f));
    buf_init(&errors, SIZE_MAX);
    fleet = fleet_new(f->conf, f->names, NULL, 1, &errors);
    assert_non_null(fleet);
    assert_int_equal(fleet->pools[0].count, 6);
    assert_string_equal(fleet->pools[0].endpoints[0].name, "http://10.0.0.1:8000/x");
    assert_string_equal(fleet->pools[0].endpoints[1].name, "http://10.0.0.2:8000/x");
    assert_string_equal(fleet->pools[0].endpoints[2].name, "http://[fd00::1]:1");
    assert_string_equal(fleet->pools[0].endpoints[5].name, "http://e:1");
    assert_string_equal(fleet->pools[0].endpoints[0].origin->authority, "two.test:8000");
    assert_string_equal(fleet->pools[0].endpoints[0].origin->pin, "10.0.0.1");
    fleet_unref(fleet);
    buf_release(&errors);
}

static void three_hundred_addresses_come_whole_and_as_one_change(void **state)
{
    struct fixture *f = *state;

    follow(f, POOL("\"dns:http://many.test:1\""));
    assert_true(rig_until(&f->rig, are_settled, f));
    assert_int_equal(count_of(f, "many.test"), 300);
    assert_int_equal(f->changes, 1);
}

static void a_name_that_fails_is_settled_and_has_no_addresses(void **state)
{
    struct fixture *f = *state;

    follow(f, POOL("\"dns:http://bad.test:1\", \"dns:http://nobody.test:1\""));
    assert_true(rig_until(&f->rig, are_settled, f));
    assert_int_equal(count_of(f, "bad.test"), 0);
    assert_int_equal(count_of(f, "nobody.test"), 0);
}

static void what_is_no_longer_named_is_forgotten_and_the_rest_stays(void **state)
{
    struct fixture *f = *state;
    struct conf *coming = rig_conf(POOL("\"dns:http://v6.test:1\""), NULL);

    follow(f, POOL("\"dns:http://two.test:1\""));
    assert_true(rig_until(&f->rig, are_settled, f));
    names_add(f->names, coming); /* a reload that may still be refused */
    assert_int_equal(count_of(f, "two.test"), 2);
    assert_false(names_are_settled(f->names));
    assert_true(rig_until(&f->rig, are_settled, f));
    names_follow(f->names, f->conf); /* it was */
    assert_int_equal(count_of(f, "two.test"), 2);
    assert_int_equal(count_of(f, "v6.test"), 0);
    names_follow(f->names, coming);
    assert_int_equal(count_of(f, "two.test"), 0);
    conf_unref(coming);
}

static void names_are_settled_where_there_are_none(void **state)
{
    struct fixture *f = *state;

    follow(f, POOL("\"http://e:1\""));
    assert_true(names_are_settled(f->names));
    assert_int_equal(count_of(f, "e"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_address_of_a_name_is_an_endpoint),
        TEST(three_hundred_addresses_come_whole_and_as_one_change),
        TEST(a_name_that_fails_is_settled_and_has_no_addresses),
        TEST(what_is_no_longer_named_is_forgotten_and_the_rest_stays),
        TEST(names_are_settled_where_there_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
