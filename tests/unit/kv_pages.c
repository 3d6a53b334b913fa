/*
 * The pages of one engine: found by hash, in bounded memory, whatever the hashes.
 */
#include "routing/kv_pages.h"

#include "tests/unit/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void pages_are_found_until_they_are_removed(void **state)
{
    struct kv_pages_taken taken = { 0 };
    struct kv_pages pages;
    uint64_t seed = 1;

    (void)state;
    kv_pages_init(&pages, &taken);
    for (uint64_t i = 0; i < 50000; i++) {
        struct kv_page *page = kv_pages_add(&pages, random_next(&seed));

        assert_non_null(page);
        page->kind = KV_PAGE_KEY;
        page->key = i;
    }
    seed = 1;
    for (uint64_t i = 0; i < 50000; i++) {
        uint64_t hash = random_next(&seed);
        struct kv_page *page = kv_pages_find(&pages, hash);

        assert_int_equal(page->key, i);
        assert_ptr_equal(kv_pages_at(&pages, kv_page_number(&pages, page)), page);
        if (i % 2)
            kv_pages_remove(&pages, page);
    }
    assert_int_equal(pages.count, 25000);
    seed = 1;
    for (uint64_t i = 0; i < 50000; i++)
        assert_int_equal(kv_pages_find(&pages, random_next(&seed)) != NULL, i % 2 == 0);
    for (uint64_t i = 0; i < 25000; i++) /* numbers are used again */
        assert_non_null(kv_pages_add(&pages, random_next(&seed)));
    assert_int_equal(pages.next, 50001);
    kv_pages_release(&pages);
}

/* From the size on at which a piece of pages is not much. */
static void a_page_takes_at_most_32_bytes_at_every_size(void **state)
{
    struct kv_pages_taken taken = { 0 };
    struct kv_pages pages;
    uint64_t seed = 2;

    (void)state;
    kv_pages_init(&pages, &taken);
    for (uint32_t n = 1; n <= 600000; n++) {
        struct kv_page *page = kv_pages_add(&pages, random_next(&seed));

        assert_non_null(page);
        page->kind = KV_PAGE_KEY;
        if (n > 100000)
            assert_true(kv_pages_bytes(&pages) <= 32ull * n);
    }
    kv_pages_release(&pages);
}

/* Hashes with nothing but their low or high bits different, or in steps: no worse than random. */
static void hashes_that_look_alike_are_spread_as_others_are(void **state)
{
    static const unsigned shifts[] = { 0, 20, 44 };

    (void)state;
    for (size_t s = 0; s < ARRAY_LEN(shifts); s++) {
        struct kv_pages_taken taken = { 0 };
        struct kv_pages pages;

        kv_pages_init(&pages, &taken);
        for (uint64_t n = 1; n <= 100000; n++)
            assert_non_null(kv_pages_add(&pages, n << shifts[s]));
        kv_pages_release(&pages);
    }
}

static void more_pages_than_there_may_be_are_refused(void **state)
{
    struct kv_pages_taken taken = { 0 };
    struct kv_pages pages;

    (void)state;
    kv_pages_init(&pages, &taken);
    for (uint64_t n = 1; n < KV_PAGES_MAX; n++)
        assert_non_null(kv_pages_add(&pages, n));
    assert_null(kv_pages_add(&pages, KV_PAGES_MAX));
    kv_pages_remove(&pages, kv_pages_find(&pages, 77));
    assert_non_null(kv_pages_add(&pages, KV_PAGES_MAX));
    kv_pages_release(&pages);
}

/* Pages of ever so many keys have no more of them together than there may be. */
static void keys_and_parts_are_bounded(void **state)
{
    struct kv_pages_taken taken = { 0 };
    struct kv_pages pages;
    struct kv_page *page;
    uint64_t n = 1;

    (void)state;
    kv_pages_init(&pages, &taken);
    while (kv_page_make_keys(&pages, kv_pages_add(&pages, n), 65536))
        n++;
    assert_int_equal(n, 1 + KV_PAGES_MORE_BYTES / (65536 * sizeof(uint64_t)));
    page = kv_pages_find(&pages, n);
    assert_int_equal(page->kind, KV_PAGE_FOREIGN);
    assert_null(kv_page_make_part(&pages, page, 1, 0));
    kv_pages_remove(&pages, kv_pages_find(&pages, 1));
    assert_non_null(kv_page_make_part(&pages, page, 1, 0));
    assert_non_null(kv_page_make_part(&pages, page, 1000, 15));
    assert_true(pages.more_bytes <= KV_PAGES_MORE_BYTES);
    kv_pages_release(&pages);
}

/* An engine's ranks have no more together than one has. */
static void ranks_share_the_limit(void **state)
{
    struct kv_pages_taken taken = { 0 };
    struct kv_pages ranks[4];
    uint64_t count = 0;

    (void)state;
    for (size_t r = 0; r < ARRAY_LEN(ranks); r++)
        kv_pages_init(&ranks[r], &taken);
    while (kv_pages_add(&ranks[count % ARRAY_LEN(ranks)], count))
        count++;
    assert_int_equal(count, KV_PAGES_MAX - ARRAY_LEN(ranks)); /* each has a number for none */
    kv_pages_remove(&ranks[0], kv_pages_find(&ranks[0], 0));
    assert_null(kv_pages_add(&ranks[1], count)); /* the piece is still the first one's */
    kv_pages_release(&ranks[0]);
    assert_non_null(kv_pages_add(&ranks[1], count));
    for (size_t r = 1; r < ARRAY_LEN(ranks); r++)
        kv_pages_release(&ranks[r]);
    assert_int_equal(taken.pieces, 0);
}

static void ranks_share_the_room_for_keys(void **state)
{
    struct kv_pages_taken taken = { 0 };
    struct kv_pages ranks[2];
    uint64_t n = 0;

    (void)state;
    for (size_t r = 0; r < ARRAY_LEN(ranks); r++)
        kv_pages_init(&ranks[r], &taken);
    while (kv_page_make_keys(&ranks[n % 2], kv_pages_add(&ranks[n % 2], n), 65536))
        n++;
    assert_int_equal(n, KV_PAGES_MORE_BYTES / (65536 * sizeof(uint64_t)));
    kv_pages_release(&ranks[0]);
    assert_non_null(kv_page_make_keys(&ranks[1], kv_pages_add(&ranks[1], n), 65536));
    kv_pages_release(&ranks[1]);
    assert_int_equal(taken.more_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_found_until_they_are_removed),
        cmocka_unit_test(a_page_takes_at_most_32_bytes_at_every_size),
        cmocka_unit_test(hashes_that_look_alike_are_spread_as_others_are),
        cmocka_unit_test(more_pages_than_there_may_be_are_refused),
        cmocka_unit_test(keys_and_parts_are_bounded),
        cmocka_unit_test(ranks_share_the_limit),
        cmocka_unit_test(ranks_share_the_room_for_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
