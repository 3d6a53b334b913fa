/*
 * Lists, compared with an array that does the same.
 */
#include "gateway/base/list.h"

#include "tests/unit/random.h"

#include <stdarg.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#define THINGS 16

struct thing {
    struct list link;
    int number;
};

/* What a list should hold. */
struct model {
    int at[THINGS];
    size_t count;
};

static void model_insert(struct model *model, size_t where, int number)
{
    memmove(&model->at[where + 1], &model->at[where], (model->count - where) * sizeof(int));
    model->at[where] = number;
    model->count++;
}

static void model_remove(struct model *model, int number)
{
    size_t where = 0;

    while (model->at[where] != number)
        where++;
    model->count--;
    memmove(&model->at[where], &model->at[where + 1], (model->count - where) * sizeof(int));
}

static void assert_same(struct list *head, const struct model *model)
{
    size_t n = 0;

    LIST_FOREACH (at, head) {
        assert_true(n < model->count);
        assert_int_equal(CONTAINER_OF(at, struct thing, link)->number, model->at[n++]);
        assert_ptr_equal(at->next->prev, at);
    }
    assert_int_equal(n, model->count);
    assert_int_equal(list_is_empty(head), model->count == 0);
}

static void lists_do_what_arrays_do(void **state)
{
    struct thing things[THINGS];
    struct list head;
    struct model model = { .count = 0 };
    uint64_t seed = 1;

    (void)state;
    list_init(&head);
    for (int i = 0; i < THINGS; i++) {
        list_init(&things[i].link);
        things[i].number = i;
    }
    for (int round = 0; round < 20000; round++) {
        struct thing *thing = &things[random_below(&seed, THINGS - 1)];
        uint64_t what = random_below(&seed, 4);

        if (list_is_linked(&thing->link)) {
            list_remove(&thing->link);
            model_remove(&model, thing->number);
        } else if (what == 0) {
            list_push_front(&head, &thing->link);
            model_insert(&model, 0, thing->number);
        } else {
            list_push(&head, &thing->link);
            model_insert(&model, model.count, thing->number);
        }
        if (what == 3 && model.count > 0) {
            struct list *first = list_pop(&head);

            assert_int_equal(CONTAINER_OF(first, struct thing, link)->number, model.at[0]);
            assert_false(list_is_linked(first));
            model_remove(&model, model.at[0]);
        }
        assert_same(&head, &model);
    }
    while (model.count > 0) {
        list_pop(&head);
        model_remove(&model, model.at[0]);
    }
    assert_null(list_pop(&head));
}

static void splicing_moves_all_in_order(void **state)
{
    struct thing things[4] = { { .number = 0 }, { .number = 1 }, { .number = 2 }, { .number = 3 } };
    struct list a, b;

    (void)state;
    list_init(&a);
    list_init(&b);
    list_splice(&a, &b);
    assert_true(list_is_empty(&a));
    for (int i = 0; i < 4; i++)
        list_push(i < 2 ? &a : &b, &things[i].link);
    list_splice(&a, &b);
    assert_true(list_is_empty(&b));
    assert_same(&a, &(struct model){ .at = { 0, 1, 2, 3 }, .count = 4 });
    list_splice(&b, &a);
    assert_same(&b, &(struct model){ .at = { 0, 1, 2, 3 }, .count = 4 });
}

static void the_object_at_hand_may_leave_during_a_walk(void **state)
{
    struct thing things[4] = { { .number = 0 }, { .number = 1 }, { .number = 2 }, { .number = 3 } };
    struct list head;

    (void)state;
    list_init(&head);
    for (int i = 0; i < 4; i++)
        list_push(&head, &things[i].link);
    LIST_FOREACH_SAFE (at, &head)
        if (CONTAINER_OF(at, struct thing, link)->number % 2 == 0)
            list_remove(at);
    assert_same(&head, &(struct model){ .at = { 1, 3 }, .count = 2 });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_do_what_arrays_do),
        cmocka_unit_test(splicing_moves_all_in_order),
        cmocka_unit_test(the_object_at_hand_may_leave_during_a_walk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
