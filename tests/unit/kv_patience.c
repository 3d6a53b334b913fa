/*
 * Replays and their times: when one may begin, and when it has failed.
 */
#include "routing/kv_patience.h"

#include "gateway/base/check.h"
#include "gateway/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define START_US 1000000000
#define ENDS_MAX 12

#define U KV_REPLAY_USEFUL
#define V KV_REPLAY_USELESS
#define F KV_REPLAY_FAILED

/* Replays that end like this, one as soon as may be after the other; then the pause. */
static const struct {
    const char *why;
    enum kv_replay_end ends[ENDS_MAX];
    size_t count;
    uint64_t pause_ms;
    bool waited_for;
} rows[] = {
    { "none was there", { U }, 0, 0, true },
    { "a useful one", { U }, 1, 100, true },
    { "many useful ones", { U, U, U, U, U }, 5, 100, true },
    { "a useless one", { V }, 1, 100, true },
    { "another", { V, V }, 2, 200, true },
    { "a fifth", { V, V, V, V }, 4, 800, true },
    { "live batches do not wait for the next one", { V, V, V, V, V }, 5, 1600, false },
    { "there is a longest pause", { V, V, V, V, V, V, V, V, V, V }, 10, 30000, false },
    { "a useful one is believed", { V, V, V, V, U }, 5, 100, true },
    { "and begins it anew", { V, V, V, V, U, V }, 6, 200, true },
    { "one that failed", { F }, 1, 30000, false },
    { "a useless one after it", { F, V }, 2, 30000, false },
    { "a useful one after it", { F, U }, 2, 100, true },
};

static void replays_are_spaced(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct kv_patience patience = { 0 };
        uint64_t now_us = START_US, pause_us;

        for (size_t j = 0; j < rows[i].count; j++) {
            now_us = kv_patience_next_us(&patience, now_us);
            kv_patience_begun(&patience, now_us);
            kv_patience_ended(&patience, rows[i].ends[j], ++now_us);
        }
        pause_us = kv_patience_next_us(&patience, now_us) - now_us;
        if (pause_us != rows[i].pause_ms * CLOCK_US_PER_MS)
            fail_msg("%s: a pause of %llu us, not %llu ms", rows[i].why,
                     (unsigned long long)pause_us, (unsigned long long)rows[i].pause_ms);
        if (kv_patience_allows(&patience, now_us) != rows[i].waited_for)
            fail_msg("%s: it is %swaited for", rows[i].why, rows[i].waited_for ? "not " : "");
        if (!kv_patience_allows(&patience, now_us + pause_us))
            fail_msg("%s: it is not allowed when its time has come", rows[i].why);
    }
}

/* A message every so often, for so long; when it is over then. */
static const struct {
    const char *why;
    uint64_t every_ms, for_ms, over_ms;
} trickles[] = {
    { "nothing comes", 1, 0, 2000 },      { "something came", 500, 500, 2500 },
    { "it goes on", 1000, 20000, 22000 }, { "it goes on for ever", 1000, 29000, 30000 },
    { "and ever", 10, 60000, 30000 },
};

static void a_replay_has_an_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(trickles); i++) {
        struct kv_patience patience = { 0 };
        uint64_t over_us;

        kv_patience_begun(&patience, START_US);
        for (uint64_t at = 0; at < trickles[i].for_ms; at += trickles[i].every_ms)
            kv_patience_heard(&patience, START_US + (at + trickles[i].every_ms) * CLOCK_US_PER_MS);
        over_us = kv_patience_until_us(&patience) - START_US;
        if (over_us != trickles[i].over_ms * CLOCK_US_PER_MS)
            fail_msg("%s: over after %llu us, not %llu ms", trickles[i].why,
                     (unsigned long long)over_us, (unsigned long long)trickles[i].over_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replays_are_spaced),
        cmocka_unit_test(a_replay_has_an_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
