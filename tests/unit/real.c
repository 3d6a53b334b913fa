/*
 * Doubles as text.
 */
#include "gateway/base/real.h"

#include "gateway/base/random.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void numbers_are_as_short_as_they_can_be(void **state)
{
    static const struct {
        double number;
        const char *text, *repr;
    } rows[] = {
        { 0, "0", "0.0" },
        { -0.0, "-0", "-0.0" },
        { 3600, "3600", "3600.0" },
        { 0.3, "0.3", "0.3" },
        { 0.29999999999999999, "0.3", "0.3" },
        { 0.1 + 0.2, "0.30000000000000004", "0.30000000000000004" },
        { 1.5, "1.5", "1.5" },
        { -12.25, "-12.25", "-12.25" },
        { 0.0001, "0.0001", "0.0001" },
        { 0.00001, "1e-05", "1e-05" },
        { 1e15, "1000000000000000", "1000000000000000.0" },
        { 9999999999999998, "9999999999999998", "9999999999999998.0" },
        { 1e16, "1e+16", "1e+16" },
        { 1.25e100, "1.25e+100", "1.25e+100" },
        { 9007199254740992, "9007199254740992", "9007199254740992.0" },
        { 9.5367431640625e-07, "9.5367431640625e-07", "9.5367431640625e-07" },
        { 5e-324, "5e-324", "5e-324" },
        { DBL_MAX, "1.7976931348623157e+308", "1.7976931348623157e+308" },
        { -DBL_MIN, "-2.2250738585072014e-308", "-2.2250738585072014e-308" },
        { NAN, "nan", "nan" },
        { INFINITY, "inf", "inf" },
        { -INFINITY, "-inf", "-inf" },
    };
    char text[REAL_TEXT_BYTES];
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(real_print(rows[i].number, text), strlen(rows[i].text));
        assert_string_equal(text, rows[i].text);
        assert_int_equal(real_repr(rows[i].number, text), strlen(rows[i].repr));
        assert_string_equal(text, rows[i].repr);
    }
}

static void any_number_reads_back_as_itself(void **state)
{
    uint64_t random = 1;
    char text[REAL_TEXT_BYTES];
    (void)state;

    for (int i = 0; i < 20000; i++) {
        uint64_t bits = random_next(&random);
        double number;

        memcpy(&number, &bits, sizeof(number));
        if (!isfinite(number))
            continue;
        real_print(number, text);
        if (strtod(text, NULL) != number)
            fail_msg("%.17g became %s", number, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_as_short_as_they_can_be),
        cmocka_unit_test(any_number_reads_back_as_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
