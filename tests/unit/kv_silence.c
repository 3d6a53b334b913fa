/*
 * KV events that do not come: when it is said.
 */
#include "routing/kv_silence.h"

#include "gateway/base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define START_US  1000000000
#define LOOKS_MAX 8

/* One look: when, in seconds; what is seen; whether it is said then. */
struct look {
    uint64_t at_s;
    enum kv_feed_kind kind;
    uint32_t rank;
    uint64_t served;
    bool ill, said;
};

#define UNREACHED KV_FEED_UNREACHED
#define SILENT    KV_FEED_SILENT
#define HEARD     KV_FEED_HEARD

static const struct {
    const char *why;
    struct look looks[LOOKS_MAX];
    size_t count;
} rows[] = {
    { "no events are configured", { { .at_s = 0 }, { .at_s = 60 } }, 2 },
    { "they are heard",
      { { .at_s = 0, .kind = HEARD }, { .at_s = 60, .kind = HEARD, .served = 9 } },
      2 },
    { "it is told once, after ten seconds",
      { { .at_s = 0, .kind = UNREACHED },
        { .at_s = 9, .kind = UNREACHED },
        { .at_s = 10, .kind = UNREACHED, .said = true },
        { .at_s = 99, .kind = UNREACHED } },
      4 },
    { "and again after it was otherwise",
      { { .at_s = 0, .kind = UNREACHED },
        { .at_s = 10, .kind = UNREACHED, .said = true },
        { .at_s = 11, .kind = HEARD },
        { .at_s = 12, .kind = UNREACHED },
        { .at_s = 21, .kind = UNREACHED },
        { .at_s = 22, .kind = UNREACHED, .said = true } },
      6 },
    { "another rank is another silence",
      { { .at_s = 0, .kind = UNREACHED },
        { .at_s = 10, .kind = UNREACHED, .said = true },
        { .at_s = 11, .kind = UNREACHED, .rank = 1 },
        { .at_s = 21, .kind = UNREACHED, .rank = 1, .said = true } },
      4 },
    { "an engine that is not there need not publish",
      { { .at_s = 0, .kind = UNREACHED, .ill = true },
        { .at_s = 30, .kind = UNREACHED, .ill = true },
        { .at_s = 39, .kind = UNREACHED },
        { .at_s = 40, .kind = UNREACHED, .said = true } },
      4 },
    { "who is asked nothing has nothing to say",
      { { .at_s = 0, .kind = SILENT }, { .at_s = 99, .kind = SILENT } },
      2 },
    { "what was answered before it was connected does not count",
      { { .at_s = 0, .kind = UNREACHED, .served = 3 },
        { .at_s = 1, .kind = SILENT, .served = 4 },
        { .at_s = 99, .kind = SILENT, .served = 4 } },
      3 },
    { "who has answered since should have said something",
      { { .at_s = 0, .kind = SILENT },
        { .at_s = 50, .kind = SILENT },
        { .at_s = 51, .kind = SILENT, .served = 1 },
        { .at_s = 59, .kind = SILENT, .served = 9 },
        { .at_s = 60, .kind = SILENT, .served = 9, .said = true },
        { .at_s = 99, .kind = SILENT, .served = 99 } },
      6 },
    { "and who has before the first look",
      { { .at_s = 0, .kind = SILENT, .served = 1 },
        { .at_s = 10, .kind = SILENT, .served = 1, .said = true } },
      2 },
};

static void what_does_not_come_is_told_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct kv_silence silence = { 0 };

        for (size_t j = 0; j < rows[i].count; j++) {
            const struct look *at = &rows[i].looks[j];
            struct kv_silence_look look = {
                .standing = { at->kind, at->rank },
                .well = !at->ill,
                .served = at->served,
                .now_us = START_US + at->at_s * CLOCK_US_PER_S,
            };

            if (kv_silence_is_due(&silence, &look) != at->said)
                fail_msg("%s: look %zu, %s", rows[i].why, j, at->said ? "not said" : "said");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_come_is_told_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
