/*
 * Rough keys: the same for what begins alike, and never a block's.
 */
#include "gateway/prompt/rough.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct blocks keys_of(const char *body)
{
    struct blocks keys = { .parent = 5, .block = 4 }; /* 16 bytes a key */
    struct prompt prompt;
    struct arena arena;
    struct slice param;

    arena_init(&arena, 1 << 16);
    assert_null(prompt_parse(dialect_named(SLICE("chat")), slice_str(body), slice_of(NULL, 0),
                             false, &arena, &prompt, &param));
    rough_keys(&prompt, &keys);
    arena_release(&arena);
    return keys;
}

/* Keys that two bodies share from the front; and how many each has. */
static size_t shared(const char *a, const char *b, size_t *ret_a, size_t *ret_b)
{
    struct blocks keys_a = keys_of(a), keys_b = keys_of(b);
    size_t same = 0;

    while (same < keys_a.count && same < keys_b.count && keys_a.at[same] == keys_b.at[same])
        same++;
    *ret_a = keys_a.count;
    *ret_b = keys_b.count;
    blocks_release(&keys_a);
    blocks_release(&keys_b);
    return same;
}

#define HEAD "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"0123456789abcdef"

static void a_conversation_that_goes_on_keeps_its_keys(void **state)
{
    size_t first, second;
    size_t same = shared(HEAD "\"}]}", HEAD "\"},{\"role\":\"assistant\",\"content\":\"ok\"}]}",
                         &first, &second);

    (void)state;
    assert_int_equal(first, 2); /* of 47 bytes */
    assert_int_equal(second, 5);
    assert_int_equal(same, 2);
}

static void other_text_and_other_tools_have_other_keys(void **state)
{
    static const char *const others[] = {
        "{\"model\":\"m\",\"messages\":[{\"role\":\"User\",\"content\":\"0123456789abcdef\"}]}",
        "{\"model\":\"m\",\"tools\":[1],\"messages\":[{\"role\":\"user\",\"content\":"
        "\"0123456789abcdef\"}]}",
        "{\"model\":\"m\",\"tools\":[2],\"messages\":[{\"role\":\"user\",\"content\":"
        "\"0123456789abcdef\"}]}",
        "{\"model\":\"m\",\"system\":\"s\",\"messages\":[{\"role\":\"user\",\"content\":"
        "\"0123456789abcdef\"}]}",
    };
    size_t a, b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_int_equal(shared(HEAD "\"}]}", others[i], &a, &b), 0);
        for (size_t j = 0; j < i; j++)
            assert_int_equal(shared(others[j], others[i], &a, &b), 0);
    }
}

static void tools_are_hashed_wherever_they_stand(void **state)
{
    size_t a, b;

    (void)state;
    assert_int_equal(shared("{\"model\":\"m\",\"tools\":[1,2],\"prompt\":\"0123456789abcdef\"}",
                            "{\"prompt\":\"0123456789abcdef\",\"tools\":[1,2],\"model\":\"m\"}", &a,
                            &b),
                     2);
    assert_int_equal(a, 2);
    assert_int_equal(b, 2);
}

static void chunks_are_no_blocks(void **state)
{
    static const uint32_t ids[] = { 0x33323130, 0x37363534, 0x62613938, 0x66656463 };
    struct blocks keys = keys_of("{\"model\":\"m\",\"prompt\":\"123456789abcdef0\"}");
    uint64_t block;

    (void)state;
    assert_int_equal(blocks_hash(5, ids, 4, 4, &block), 1);
    assert_int_equal(keys.count, 1);
    assert_int_not_equal(keys.at[0], block);
    blocks_release(&keys);
}

static void nothing_to_hash_is_no_key(void **state)
{
    struct blocks keys = keys_of("{\"model\":\"m\"}");

    (void)state;
    assert_int_equal(keys.count, 0);
    blocks_release(&keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_conversation_that_goes_on_keeps_its_keys),
        cmocka_unit_test(other_text_and_other_tools_have_other_keys),
        cmocka_unit_test(tools_are_hashed_wherever_they_stand),
        cmocka_unit_test(chunks_are_no_blocks),
        cmocka_unit_test(nothing_to_hash_is_no_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
