/*
 * Values as they are written: where they are, and numbers as Hugging Face tokenizers 0.23.2 reads
 * them (a Unigram score, as Tokenizer.to_str writes it again).
 */
#include "gateway/token/written.h"

#include "gateway/token/text.h"

#include "tests/unit/tokenizer_rig.h"

#include <math.h>

static void numbers_are_the_reference_s_to_the_last_bit(void **state)
{
    static const struct {
        const char *written;
        double read;
    } rows[] = {
        { "-1.5", -1.5 },
        { "0", 0.0 },
        { "-0", -0.0 },
        { "-0.0", -0.0 },
        { "1", 1.0 },
        { "0.1", 0.1 },
        { "-11.477439037581577", -11.477439037581576 },
        { "-11.4774390375815770", -11.477439037581577 },
        { "-11.47743903758157700000", -11.477439037581576 },
        { "-11.4774390375815770000000000000001", -11.477439037581576 },
        { "-11.47743903758157662", -11.477439037581577 },
        { "-6.0221407599999999e23", -6.02214076e+23 },
        { "-3.14159265358979323846264338327950288", -3.141592653589793 },
        { "-2.71828182845904523536028747135266249", -2.7182818284590455 },
        { "-1.99999999999999999999999", -2.0 },
        { "-9223372036854775808", -9.223372036854776e+18 },
        { "-9223372036854775809", -9.223372036854776e+18 },
        { "18446744073709551615", 1.8446744073709552e+19 },
        { "18446744073709551616", 1.8446744073709552e+19 },
        { "18446744073709551619.3", 1.8446744073709552e+19 },
        { "18446744073709551619.7", 1.8446744073709552e+19 },
        { "123456789012345678901234567890", 1.2345678901234568e+29 },
        { "123456789012345678901234567890.5e-10", 1.2345678901234567e+19 },
        { "0.00000000000000000000000000001234567890123456789", 1.2345678901234567e-29 },
        { "-12345678901234567e-30", -1.2345678901234568e-14 },
        { "1e22", 1e+22 },
        { "1e23", 1e+23 },
        { "1e-23", 1.0000000000000001e-23 },
        { "9007199254740993", 9007199254740992.0 },
        { "9007199254740993e3", 9.007199254740992e+18 },
        { "5e-324", 5e-324 },
        { "2.5e-324", 5e-324 },
        { "2.4703282292062328e-324", 0.0 },
        { "1e-400", 0.0 },
        { "0e400", 0.0 },
        { "-0e-99999999999", -0.0 },
        { "1e-99999999999", 0.0 },
        { "2.2250738585072011e-308", 2.2250738585072014e-308 },
        { "2.2250738585072012e-308", 2.2250738585072014e-308 },
        { "1.7976931348623157e308", 1.7976931348623157e+308 },
        { "0.17976931348623157e309", 1.7976931348623157e+308 },
        { "-8.41e21", -8.41e+21 },
        { "-8.41E+21", -8.41e+21 },
        { "1.0e+0", 1.0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        double number = written_number(slice_str(rows[i].written));

        if (number != rows[i].read || signbit(number) != signbit(rows[i].read))
            fail_msg("%s: %.17g, wanted %.17g", rows[i].written, number, rows[i].read);
    }
}

static void what_is_out_of_range_is_infinite(void **state)
{
    static const char *const rows[] = { "1e309",     "-2e308",        "17976931348623159e292",
                                        "1e9999999", "1e99999999999", "1e99999999999999999999" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (!isinf(written_number(slice_str(rows[i]))))
            fail_msg("%s is %g", rows[i], written_number(slice_str(rows[i])));
}

/* Brackets, quotes and commas in strings are no structure; keys are told apart as they are meant,
 * however they are written. */
static void values_are_found_by_their_place(void **state)
{
    static const struct {
        const char *json, *inside; /* what is in the list "x", or the object; between bars */
    } rows[] = {
        { "{'x':[]}", "" },
        { "{'x':[1]}", "1" },
        { "{'x':[ 1 , -2.50e+3,'a' ]}", "1|-2.50e+3|'a'" },
        { "{'x':[[1,[2]],{'a':[3]}, null,true ]}", "[1,[2]]|{'a':[3]}|null|true" },
        { "{'y':['x',{'x':[9]}],'x':[1]}", "1" },
        { "{'y':1.5,'\\u0078':[7]}", "7" },
        { "{'y':']},\\\\','x':['[{:,\\\"','\\\\',2]}", "'[{:,\\''|'\\\\'|2" },
        { " {\t'y' :\n{ } , 'x':\r[\n8\n]\n}\n", "8" },
        { "{'z':[[[]]],'y':{'x':[]},'x':{'k':4,'l':[5]}}", "'k'|4|'l'|[5]" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct slice inside, value;
        struct rig_node rig;
        struct text found;
        struct node list;

        text_init(&found);
        rig_open(&rig, rows[i].json);
        list = node_get(&rig.node, "x");
        inside = written_open(written_from(&list));
        while (written_next(&inside, &value)) {
            text_add(&found, found.len > 0 ? SLICE("|") : SLICE(""));
            text_add(&found, value);
        }
        for (size_t at = 0; at < found.len; at++)
            found.at[at] = found.at[at] == '"' ? '\'' : found.at[at];
        if (!slice_eq(text_slice(&found), slice_str(rows[i].inside)))
            fail_msg("%s: \"%.*s\", wanted \"%s\"", rows[i].json, SLICE_ARGS(text_slice(&found)),
                     rows[i].inside);
        text_release(&found);
        rig_close(&rig);
    }
}

static void elements_are_counted(void **state)
{
    struct node list, third, second;
    struct rig_node rig;

    (void)state;
    rig_open(&rig, "{'a':0,'x':['[',1,[2,3.0]]}");
    list = node_get(&rig.node, "x");
    third = node_at(&list, 2);
    second = node_at(&third, 1);
    assert_true(slice_starts(written_from(&third), SLICE("[2,3.0]]}")));
    assert_true(slice_starts(written_from(&second), SLICE("3.0]]}")));
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_the_reference_s_to_the_last_bit),
        cmocka_unit_test(what_is_out_of_range_is_infinite),
        cmocka_unit_test(values_are_found_by_their_place),
        cmocka_unit_test(elements_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
