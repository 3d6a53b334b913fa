/*
 * Values of templates: from JSON, dicts small and large, numbers as Python computes and prints
 * them.
 */
#include "gateway/prompt/value.h"

#include "gateway/base/real.h"
#include "gateway/prompt/value_number.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct reason *read(struct arena *arena, const char *text, struct value **ret_value)
{
    struct json_reader reader;
    struct json_value json;

    json_open(&reader, slice_str(text), NULL);
    json_take(&reader, &json);
    assert_null(json_close(&reader));
    return value_json(arena, json, ret_value);
}

static const char *number_text(struct arena *arena, const struct value *number)
{
    char real[REAL_TEXT_BYTES];
    char *digits;

    if (number->kind == VALUE_FLOAT)
        return arena_str(arena, slice_of(real, real_repr(number->real, real)));
    digits = arena_alloc(arena, number_int_bytes(number) + 1);
    digits[number_print_int(number, digits)] = '\0';
    return digits;
}

/* As CPython 3.11 prints them. */
static const struct {
    const char *json, *printed;
} numbers[] = {
    { "0", "0" },
    { "-0", "0" },
    { "-0.0", "-0.0" },
    { "9223372036854775807", "9223372036854775807" },
    { "-9223372036854775808", "-9223372036854775808" },
    { "9223372036854775808", "9223372036854775808" },
    { "-12345678901234567890123", "-12345678901234567890123" },
    { "1000000000000000000000000000", "1000000000000000000000000000" },
    { "1.0", "1.0" },
    { "0.1", "0.1" },
    { "1e-7", "1e-07" },
    { "0.0001", "0.0001" },
    { "0.00001", "1e-05" },
    { "1e15", "1000000000000000.0" },
    { "1e16", "1e+16" },
    { "1.5e22", "1.5e+22" },
    { "123456.789", "123456.789" },
    { "0.30000000000000004", "0.30000000000000004" },
    { "5e-324", "5e-324" },
    { "2.2250738585072014e-308", "2.2250738585072014e-308" },
    { "1.7976931348623157e308", "1.7976931348623157e+308" },
    { "9007199254740993.0", "9007199254740992.0" },
    { "9.5367431640625e-07", "9.5367431640625e-07" },
    { "1e400", "inf" },
    { "-1e400", "-inf" },
};

static void numbers_print_as_python_prints_them(void **state)
{
    struct arena arena;
    struct value *value;

    (void)state;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        assert_null(read(&arena, numbers[i].json, &value));
        assert_string_equal(number_text(&arena, value), numbers[i].printed);
    }
    arena_release(&arena);
}

static const struct {
    const char *a;
    enum number_op op;
    const char *b, *result; /* NULL: an error in Python's words or a limit */
} sums[] = {
    { "1", NUMBER_ADD, "2", "3" },
    { "9223372036854775807", NUMBER_ADD, "1", "9223372036854775808" },
    { "9223372036854775808", NUMBER_SUB, "1", "9223372036854775807" },
    { "-9223372036854775808", NUMBER_SUB, "1", "-9223372036854775809" },
    { "99999999999", NUMBER_MUL, "99999999999", "9999999999800000000001" },
    { "-9999999999800000000001", NUMBER_FLOORDIV, "99999999999", "-99999999999" },
    { "-9999999999800000000000", NUMBER_FLOORDIV, "99999999999", "-99999999999" },
    { "-9999999999800000000002", NUMBER_FLOORDIV, "99999999999", "-100000000000" },
    { "-9999999999800000000002", NUMBER_MOD, "99999999999", "99999999998" },
    { "123456789012345678901234567890", NUMBER_MOD, "987654321098765432109",
      "850308642085140432108" },
    { "123456789012345678901234567890", NUMBER_FLOORDIV, "987654321098765432109", "124999998" },
    { "123456789012345678901234567890", NUMBER_MOD, "7", "0" },
    { "5", NUMBER_FLOORDIV, "-9999999999999999999999", "-1" },
    { "5", NUMBER_MOD, "-9999999999999999999999", "-9999999999999999999994" },
    { "-7", NUMBER_FLOORDIV, "2", "-4" },
    { "-7", NUMBER_MOD, "3", "2" },
    { "7", NUMBER_MOD, "-3", "-2" },
    { "7", NUMBER_DIV, "2", "3.5" },
    { "6", NUMBER_DIV, "2", "3.0" },
    { "2", NUMBER_POW, "10", "1024" },
    { "2", NUMBER_POW, "-1", "0.5" },
    { "2", NUMBER_POW, "100", "1267650600228229401496703205376" },
    { "-1", NUMBER_POW, "99999999999999999999", "-1" },
    { "-7.5", NUMBER_FLOORDIV, "2", "-4.0" },
    { "-7.5", NUMBER_MOD, "2", "0.5" },
    { "6.0", NUMBER_MOD, "-3.0", "-0.0" },
    { "0.1", NUMBER_ADD, "0.2", "0.30000000000000004" },
    { "2", NUMBER_POW, "1000000", NULL },
    { "1", NUMBER_DIV, "0", NULL },
    { "1", NUMBER_MOD, "0.0", NULL },
    { "0", NUMBER_POW, "-1", NULL },
    { "-1.5", NUMBER_POW, "0.5", NULL },
    { "10", NUMBER_POW, "400.5", NULL },
};

static void numbers_compute_as_python_computes(void **state)
{
    struct arena arena;
    struct value *a, *b, *result;
    const char *error;

    (void)state;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(sums); i++) {
        assert_null(read(&arena, sums[i].a, &a));
        assert_null(read(&arena, sums[i].b, &b));
        result = number_apply(&arena, sums[i].op, a, b, &error);
        assert_int_equal(!result, !sums[i].result);
        if (result)
            assert_string_equal(number_text(&arena, result), sums[i].result);
    }
    arena_release(&arena);
}

/* Rows grow: every number equals itself and is less than those below it. */
static const char *const rising[] = {
    "-1e400",
    "-10000000000000000000000",
    "-9223372036854775809",
    "-9223372036854775808",
    "-1.5",
    "-1",
    "0",
    "0.5",
    "1",
    "9007199254740992",
    "9007199254740993",
    "9007199254740994.0",
    "9223372036854775807",
    "9223372036854775808.0",
    "9223372036854775809",
    "10000000000000000000000",
    "1e300",
    "1e400",
};

static void numbers_compare_exactly_across_kinds(void **state)
{
    struct arena arena;
    struct value *a, *b;

    (void)state;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(rising); i++)
        for (size_t k = 0; k < ARRAY_LEN(rising); k++) {
            assert_null(read(&arena, rising[i], &a));
            assert_null(read(&arena, rising[k], &b));
            assert_int_equal(number_compare(a, b), i < k ? -1 : i > k);
        }
    arena_release(&arena);
}

static void dicts_keep_order_and_the_last_value(void **state)
{
    struct arena arena;
    struct value *dict;
    char key[16];

    (void)state;
    arena_init(&arena, 1 << 22);
    dict = value_dict(&arena);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 5000; i++) {
            int len = snprintf(key, sizeof(key), "k%d", i);
            struct slice name = arena_copy(&arena, slice_of(key, (size_t)len));

            assert_true(value_put(&arena, dict, name, value_int(&arena, i + round)));
        }
    assert_int_equal(dict->count, 5000);
    assert_int_equal(value_get(dict, SLICE("k0"))->integer, 1);
    assert_int_equal(value_get(dict, SLICE("k4999"))->integer, 5000);
    assert_null(value_get(dict, SLICE("k5000")));
    assert_memory_equal(value_entry(dict, 17)->key.text, "k17", 3);
    arena_release(&arena);
}

static void json_becomes_values(void **state)
{
    struct arena arena;
    struct value *dict, *list;

    (void)state;
    arena_init(&arena, 1 << 20);
    assert_null(
        read(&arena, "{\"a\":[1,null,true,\"x\\n\\u00e9\"],\"b\":{},\"a\":[2.5,[]]}", &dict));
    assert_int_equal(dict->count, 2);
    list = value_get(dict, SLICE("a"));
    assert_int_equal(list->count, 2);
    assert_true(list->items[0]->real == 2.5);
    assert_null(read(&arena, "\"x\\n\\u00e9\"", &list));
    assert_int_equal(list->count, 4);
    assert_memory_equal(list->text, "x\n\xc3\xa9", 4);
    assert_ptr_equal(read(&arena, "[\"\\ud800\"]", &list), &reason_bad_value);
    arena_release(&arena);
    arena_init(&arena, 4096);
    assert_null(read(&arena, "[1,2]", &list));
    while (value_list(&arena))
        ;
    assert_ptr_equal(read(&arena, "[1,2]", &list), &reason_memory_limit);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_print_as_python_prints_them),
        cmocka_unit_test(numbers_compute_as_python_computes),
        cmocka_unit_test(numbers_compare_exactly_across_kinds),
        cmocka_unit_test(dicts_keep_order_and_the_last_value),
        cmocka_unit_test(json_becomes_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
