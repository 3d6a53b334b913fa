/*
 * What is asked for often: notes at their times, and what is left of them.
 */
#include "routing/heat.h"

#include "gateway/base/check.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define KEY   (7 + 3ull * HEAT_LINES)
#define MEETS (7 + 5ull * HEAT_LINES) /* on the same line */

struct note {
    uint64_t key;
    double at_s;
};

/* Up to four notes; then KEY's heat is asked for. */
static const struct {
    const char *why;
    struct note notes[4];
    size_t count;
    double at_s, heat;
} rows[] = {
    { "never", { { 0, 0 } }, 0, 1, 0 },
    { "once", { { KEY, 1 } }, 1, 1, 1 },
    { "it fades", { { KEY, 1 } }, 1, 1 + HEAT_S, 0.3679 },
    { "each note by itself", { { KEY, 1 }, { KEY, 1 + HEAT_S } }, 2, 1 + HEAT_S, 1.3679 },
    { "others are others", { { KEY + 1, 1 }, { KEY + 1, 1 } }, 2, 1, 0 },
    { "a newcomer takes the line of what faded", { { MEETS, 1 }, { KEY, 2 } }, 2, 2, 1 },
    { "but not that of what is asked for", { { MEETS, 1 }, { MEETS, 1 }, { KEY, 2 } }, 3, 2, 0 },
    { "until that fades as well", { { MEETS, 1 }, { MEETS, 1 }, { KEY, 60 } }, 3, 60, 1 },
    { "nothing is inherited", { { KEY, 1 }, { MEETS, 90 }, { KEY, 91 } }, 3, 91, 1 },
    { "clocks of two threads differ", { { KEY, 2 }, { KEY, 1.9 } }, 2, 1.9, 2 },
};

static void notes_fade(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct heat *heat = xcalloc(1, sizeof(*heat));
        double got;

        for (size_t j = 0; j < rows[i].count; j++)
            heat_note(heat, rows[i].notes[j].key, (uint64_t)(rows[i].notes[j].at_s * 1e6));
        got = heat_of(heat, KEY, (uint64_t)(rows[i].at_s * 1e6));
        if (fabs(got - rows[i].heat) > 1e-3)
            fail_msg("%s: %f, not %f", rows[i].why, got, rows[i].heat);
        free(heat);
    }
}

/* Milliseconds in 32 bits wrap after 50 days. */
static void time_wraps(void **state)
{
    struct heat *heat = xcalloc(1, sizeof(*heat));
    uint64_t before_us = ((1ull << 32) - 1000) * 1000;

    (void)state;
    heat_note(heat, KEY, before_us);
    assert_true(fabs(heat_of(heat, KEY, before_us + HEAT_S * 1000000ull) - 0.3679) < 1e-3);
    free(heat);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notes_fade),
        cmocka_unit_test(time_wraps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
