/*
 * Texts searched by blocks: found where memmem finds them, and nothing beyond their ends is read.
 */
#include "gateway/prompt/template_text.h"

#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* A copy with nothing around it: a byte read too many is seen. */
static struct slice alone(const char *bytes, size_t len)
{
    char *copy = xmalloc(len ? len : 1);

    if (len > 0)
        memcpy(copy, bytes, len);
    return slice_of(copy, len);
}

static void check_find(const char *text_bytes, size_t text_len, const char *part_bytes,
                       size_t part_len)
{
    struct slice text = alone(text_bytes, text_len), part = alone(part_bytes, part_len);
    const char *expected = memmem(text.at, text.len, part.at, part.len);

    assert_int_equal(text_find(text, part), expected ? expected - text.at : -1);
    free((void *)(uintptr_t)text.at);
    free((void *)(uintptr_t)part.at);
}

static void parts_are_found_where_memmem_finds_them(void **state)
{
    uint64_t seed = 5;

    (void)state;
    for (int round = 0; round < 100000; round++) {
        size_t text_len = random_below(&seed, 120), part_len = random_below(&seed, 40);
        uint64_t letters = 1 + random_below(&seed, 3);
        char text[120], part[40];

        for (size_t i = 0; i < text_len; i++)
            text[i] = (char)('a' + random_below(&seed, letters));
        for (size_t i = 0; i < part_len; i++)
            part[i] = (char)('a' + random_below(&seed, letters));
        if (round % 2 && part_len > 0 && part_len <= text_len)
            memcpy(text + random_below(&seed, text_len - part_len + 1), part, part_len);
        check_find(text, text_len, part, part_len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_found_where_memmem_finds_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
