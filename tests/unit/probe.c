/*
 * Health checks of a pool most of whose endpoints never answer.
 */
#include "tests/unit/fleet_rig.h"
#include "tests/unit/upstream_rig.h"

#include "routing/probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/resource.h>

#include <cmocka.h>

/* More than any limit on questions that are under way at once. */
#define HANGING 5000

static void add(struct buf *out, const char *text)
{
    buf_add(out, slice_str(text));
}

/* The hanging ones are paths of a socket that nobody accepts from: the first few connections are
 * made and stay silent, for the others there is no answer at all. */
static struct fleet *fleet_of(uint16_t hanging, uint16_t well)
{
    struct fleet *fleet;
    struct buf text;

    buf_init(&text, SIZE_MAX);
    add(&text, "models: [ { name: m, pool: hanging }, { name: n, pool: well } ]\n"
               "pools: [ { name: hanging, health: { timeout: 60s }, timeouts: { connect: 60s }, "
               "endpoints: [ ");
    for (unsigned i = 0; i < HANGING; i++)
        buf_printf(&text, "\"http://127.0.0.1:%u/%u\", ", hanging, i);
    buf_printf(&text, "] }, { name: well, endpoints: [ \"http://127.0.0.1:%u\" ] } ]\n", well);
    buf_add(&text, slice_of("", 1));
    fleet = rig_fleet(buf_join(&text).at, NULL, NULL);
    buf_release(&text);
    return fleet;
}

static bool is_asked(void *user)
{
    struct engine *engine = user;

    engine_turn(engine);
    return engine_got(engine, 0, "\r\n\r\n");
}

static void endpoints_that_hang_hold_up_nobody(void **state)
{
    struct engine hanging, well;
    struct probes *probes;
    struct fleet *fleet;
    struct rlimit files;
    struct rig rig;

    (void)state;
    getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_max < HANGING + 100) {
        print_message("SKIP: no %d open files are allowed\n", HANGING + 100);
        skip();
    }
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    upstream_rig_open(&rig);
    engine_open(&hanging);
    engine_open(&well);
    fleet = fleet_of(hanging.port, well.port);
    probes = probes_new(rig.worker);
    probes_follow(probes, fleet);
    if (!rig_until(&rig, is_asked, &well))
        fail_msg("it waited for those that hang");
    probes_free(probes);
    fleet_unref(fleet);
    upstream_rig_close(&rig);
    engine_close(&hanging);
    engine_close(&well);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoints_that_hang_hold_up_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
