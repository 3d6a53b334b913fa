/*
 * Bufs, compared with flat arrays that do the same, and what a model cannot see: counts of memory,
 * sharing, limits.
 */
#include "gateway/base/buf.h"

#include "gateway/base/held.h"

#include "tests/unit/aborts.h"
#include "tests/unit/random.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define BUFS        4
#define MODEL_BYTES (1 << 20)

struct model {
    char *bytes;
    size_t len;
};

struct world {
    struct buf buf[BUFS];
    struct model model[BUFS];
    uint64_t seed;
    unsigned char next; /* the byte that is written next: no two neighbours are the same */
};

static void world_init(struct world *world, uint64_t seed)
{
    *world = (struct world){ .seed = seed };
    for (int i = 0; i < BUFS; i++) {
        buf_init(&world->buf[i], MODEL_BYTES);
        world->model[i].bytes = malloc(MODEL_BYTES);
    }
}

static void world_release(struct world *world)
{
    for (int i = 0; i < BUFS; i++) {
        buf_release(&world->buf[i]);
        free(world->model[i].bytes);
    }
}

static void world_fill(struct world *world, char *at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        at[i] = (char)world->next++;
}

/* Mostly small, now and then larger than any chunk. */
static size_t world_size(struct world *world)
{
    static const size_t limits[] = { 1, 8, 100, 511, 513, 600, 5000, 70000 };

    return random_below(&world->seed, limits[random_below(&world->seed, ARRAY_LEN(limits))] + 1);
}

static void model_drop(struct model *model, size_t n)
{
    memmove(model->bytes, model->bytes + n, model->len - n);
    model->len -= n;
}

static void model_add(struct model *model, const char *at, size_t n)
{
    memcpy(model->bytes + model->len, at, n);
    model->len += n;
}

static void do_append(struct world *world, int i)
{
    size_t n = world_size(world);
    char *bytes = malloc(n + 1);

    world_fill(world, bytes, n);
    assert_int_equal(buf_append(&world->buf[i], slice_of(bytes, n)),
                     world->model[i].len + n <= MODEL_BYTES);
    if (world->model[i].len + n <= MODEL_BYTES)
        model_add(&world->model[i], bytes, n);
    free(bytes);
}

/* Reserves, perhaps more than once, and commits to less than that, or to nothing. */
static void do_reserve(struct world *world, int i)
{
    struct model *model = &world->model[i];
    size_t n = world_size(world);
    size_t used;
    char *at;

    if (model->len + n > MODEL_BYTES)
        return;
    buf_reserve(&world->buf[i], world_size(world));
    at = buf_reserve(&world->buf[i], n);
    used = random_below(&world->seed, n + 1);
    if (random_below(&world->seed, 8) == 0)
        return;
    world_fill(world, at, used);
    model_add(model, at, used);
    buf_commit(&world->buf[i], used);
}

static void do_move(struct world *world, int i, int k)
{
    size_t max = world_size(world);
    size_t n = max < world->model[i].len ? max : world->model[i].len;

    if (i == k || world->model[k].len + n > MODEL_BYTES)
        return;
    assert_int_equal(buf_move(&world->buf[k], &world->buf[i], max), n);
    model_add(&world->model[k], world->model[i].bytes, n);
    model_drop(&world->model[i], n);
}

static void do_share(struct world *world, int i, int k)
{
    size_t offset = random_below(&world->seed, world->model[i].len + 1);
    size_t n = random_below(&world->seed, world->model[i].len - offset + 1);

    if (i == k || world->model[k].len + world->model[i].len > MODEL_BYTES)
        return;
    if (random_below(&world->seed, 4) == 0) {
        offset = 0;
        n = world->model[i].len;
        buf_share(&world->buf[k], &world->buf[i]);
    } else {
        buf_share_range(&world->buf[k], &world->buf[i], offset, n);
    }
    model_add(&world->model[k], world->model[i].bytes + offset, n);
}

static void do_drop(struct world *world, int i)
{
    size_t n = world_size(world);

    if (n > world->model[i].len)
        n = world->model[i].len;
    buf_drop(&world->buf[i], n);
    model_drop(&world->model[i], n);
}

static void do_join(struct world *world, int i)
{
    struct slice all = buf_join(&world->buf[i]);

    assert_int_equal(all.len, world->model[i].len);
    if (all.len > 0)
        assert_memory_equal(all.at, world->model[i].bytes, all.len);
}

static void do_release(struct world *world, int i)
{
    buf_release(&world->buf[i]);
    world->model[i].len = 0;
}

static void do_printf(struct world *world, int i)
{
    struct model *model = &world->model[i];
    char text[64];

    if (model->len + sizeof(text) > MODEL_BYTES)
        return;
    snprintf(text, sizeof(text), "%d:%*d", i, (int)random_below(&world->seed, 40), world->next);
    buf_printf(&world->buf[i], "%s", text);
    model_add(model, text, strlen(text));
}

static void step(struct world *world)
{
    int i = (int)random_below(&world->seed, BUFS);
    int k = (int)random_below(&world->seed, BUFS);

    switch (random_below(&world->seed, 32)) {
    case 0:
        do_release(world, i);
        break;
    case 1:
        do_join(world, i);
        break;
    case 2:
        do_printf(world, i);
        break;
    default:
        switch (random_below(&world->seed, 6)) {
        case 0:
        case 1:
            do_append(world, i);
            break;
        case 2:
            do_reserve(world, i);
            break;
        case 3:
            do_move(world, i, k);
            break;
        case 4:
            do_share(world, i, k);
            break;
        default:
            do_drop(world, i);
        }
    }
}

/* The bytes of a buf seen through each of its windows. */
static void assert_same(struct world *world, int i)
{
    static char bytes[MODEL_BYTES];
    struct buf *buf = &world->buf[i];
    struct model *model = &world->model[i];
    struct slice front = buf_front(buf);
    struct iovec iov[5];
    size_t entries = buf_iov(buf, iov, ARRAY_LEN(iov));
    size_t offset = random_below(&world->seed, model->len + 1);
    size_t at = 0;

    assert_int_equal(buf->len, model->len);
    assert_int_equal(buf_is_empty(buf), model->len == 0);
    assert_int_equal(buf_room(buf), MODEL_BYTES - model->len);
    assert_int_equal(front.len > 0, model->len > 0);
    assert_true(front.len <= model->len);
    if (front.len > 0)
        assert_memory_equal(front.at, model->bytes, front.len);
    for (size_t n = 0; n < entries; n++) {
        assert_true(iov[n].iov_len > 0 && at + iov[n].iov_len <= model->len);
        assert_memory_equal(iov[n].iov_base, model->bytes + at, iov[n].iov_len);
        at += iov[n].iov_len;
    }
    assert_true(entries == ARRAY_LEN(iov) || at == model->len);
    assert_int_equal(buf_peek(buf, offset, bytes, MODEL_BYTES), model->len - offset);
    assert_memory_equal(bytes, model->bytes + offset, model->len - offset);
}

static void bufs_do_what_flat_arrays_do(void **state)
{
    size_t before = held_bytes();

    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct world world;

        world_init(&world, seed);
        for (int i = 0; i < 2000; i++) {
            step(&world);
            assert_same(&world, i % BUFS);
        }
        for (int i = 0; i < BUFS; i++)
            assert_same(&world, i);
        world_release(&world);
        assert_int_equal(held_bytes(), before);
    }
}

static void an_unused_buf_takes_no_memory(void **state)
{
    size_t before = held_bytes();
    struct buf buf;

    (void)state;
    buf_init(&buf, 100);
    buf_add(&buf, SLICE(""));
    assert_true(buf_append(&buf, slice_of(NULL, 0)));
    buf_drop(&buf, 0);
    buf_share(&buf, &buf);
    assert_int_equal(buf_join(&buf).len, 0);
    assert_int_equal(held_bytes(), before);
    buf_release(&buf);
}

static void the_limit_is_met_at_the_byte(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 3);
    assert_true(buf_append(&buf, SLICE("abc")));
    assert_false(buf_append(&buf, SLICE("d")));
    assert_true(buf_append(&buf, SLICE("")));
    assert_int_equal(buf_room(&buf), 0);
    buf_add(&buf, SLICE("de")); /* ours: past the limit */
    assert_int_equal(buf.len, 5);
    assert_int_equal(buf_room(&buf), 0);
    buf_release(&buf);
    buf_init(&buf, 0);
    assert_false(buf_append(&buf, SLICE("a")));
    buf_release(&buf);
}

static void a_reservation_of_nothing_is_a_place(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 100);
    assert_non_null(buf_reserve(&buf, 0));
    buf_commit(&buf, 0);
    assert_int_equal(buf.len, 0);
    buf_release(&buf);
}

static void reservations_nobody_used_are_given_back(void **state)
{
    size_t before = held_bytes();
    struct buf buf;

    (void)state;
    buf_init(&buf, 100);
    buf_reserve(&buf, 10);
    buf_reserve(&buf, 1000);
    buf_reserve(&buf, 100000);
    buf_release(&buf);
    assert_int_equal(held_bytes(), before);
}

static void shared_bytes_are_never_written_again(void **state)
{
    struct buf a, b;

    (void)state;
    buf_init(&a, 100);
    buf_init(&b, 100);
    buf_add(&a, SLICE("one "));
    buf_share(&b, &a);
    buf_add(&a, SLICE("two"));
    buf_add(&b, SLICE("three"));
    assert_true(slice_eq(buf_join(&a), SLICE("one two")));
    assert_true(slice_eq(buf_join(&b), SLICE("one three")));
    buf_release(&a);
    assert_true(slice_eq(buf_join(&b), SLICE("one three")));
    buf_release(&b);
}

/* The usual way of an event: appended, moved, sent. One chunk must do for all of it. */
static void a_small_event_moves_without_a_second_chunk(void **state)
{
    struct buf in, out;
    const char *at;

    (void)state;
    buf_init(&in, 1000);
    buf_init(&out, 1000);
    buf_add(&in, SLICE("data: {}\n\n"));
    at = buf_front(&in).at;
    buf_move(&out, &in, SIZE_MAX);
    assert_ptr_equal(buf_front(&out).at, at);
    buf_add(&in, SLICE("data: {}\n\n"));
    buf_move(&out, &in, SIZE_MAX); /* to where there is room: one run, one entry of a writev */
    assert_int_equal(buf_front(&out).len, out.len);
    buf_release(&out);
    buf_release(&in);
}

static void more_than_reserved(void)
{
    struct buf buf;

    buf_init(&buf, 100);
    buf_reserve(&buf, 10);
    buf_commit(&buf, 100000);
}

static void more_than_there_is(void)
{
    struct buf buf;

    buf_init(&buf, 100);
    buf_add(&buf, SLICE("a"));
    buf_drop(&buf, 2);
}

static void misuse_aborts(void **state)
{
    (void)state;
    assert_true(aborts(more_than_reserved));
    assert_true(aborts(more_than_there_is));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bufs_do_what_flat_arrays_do),
        cmocka_unit_test(an_unused_buf_takes_no_memory),
        cmocka_unit_test(the_limit_is_met_at_the_byte),
        cmocka_unit_test(a_reservation_of_nothing_is_a_place),
        cmocka_unit_test(reservations_nobody_used_are_given_back),
        cmocka_unit_test(shared_bytes_are_never_written_again),
        cmocka_unit_test(a_small_event_moves_without_a_second_chunk),
        cmocka_unit_test(misuse_aborts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
