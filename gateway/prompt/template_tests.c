/*
 * Tests: `value is name`.
 */
#include "gateway/prompt/template_eval.h"
#include "gateway/prompt/template_natives.h"
#include "gateway/prompt/template_text.h"
#include "gateway/prompt/value_number.h"

/* A test that asks nothing but the value. */
#define TEST_OF(name, condition)                                                                   \
    const struct value *test_##name(struct run *run, const struct value *self,                     \
                                    const struct value *const *bound)                              \
    {                                                                                              \
        (void)run;                                                                                 \
        (void)bound;                                                                               \
        return value_bool(condition);                                                              \
    }

TEST_OF(boolean, self->kind == VALUE_BOOL)
TEST_OF(defined, self->kind != VALUE_UNDEFINED)
TEST_OF(undefined, self->kind == VALUE_UNDEFINED)
TEST_OF(none, self->kind == VALUE_NONE)
TEST_OF(true, self->kind == VALUE_BOOL && self->integer == 1)
TEST_OF(false, self->kind == VALUE_BOOL && self->integer == 0)
TEST_OF(string, self->kind == VALUE_TEXT)
TEST_OF(mapping, self->kind == VALUE_DICT)
TEST_OF(number, number_is(self))
TEST_OF(float, self->kind == VALUE_FLOAT)
TEST_OF(integer, self->kind == VALUE_INT || self->kind == VALUE_BIG)
TEST_OF(iterable, iter_possible(self))
TEST_OF(escaped, self->kind == VALUE_TEXT && self->flags & VALUE_MARKUP)
/* Is the value a name of that table? */
static const struct value *is_name(struct run *run, const struct value *self,
                                   const struct native *(*find)(struct slice name))
{
    if (!value_hashable(self))
        return run_fail(run, "unhashable type: '%s'", type_name(self));
    return value_bool(self->kind == VALUE_TEXT && find(value_slice(self)));
}

const struct value *test_filter(struct run *run, const struct value *self,
                                const struct value *const *bound)
{
    (void)bound;
    return is_name(run, self, native_filter);
}

const struct value *test_test(struct run *run, const struct value *self,
                              const struct value *const *bound)
{
    (void)bound;
    return is_name(run, self, native_test);
}

/* A length, and items by number or key: Jinja asks for __len__ and __getitem__. */
TEST_OF(sequence, self->kind == VALUE_TEXT || self->kind == VALUE_BYTES ||
                      self->kind == VALUE_LIST || self->kind == VALUE_TUPLE ||
                      self->kind == VALUE_DICT || self->kind == VALUE_RANGE ||
                      self->kind == VALUE_UNDEFINED)

TEST_OF(callable, self->kind == VALUE_MACRO || self->kind == VALUE_FUNCTION ||
                      self->kind == VALUE_METHOD || self->kind == VALUE_JOINER ||
                      self->kind == VALUE_LOOP || self->kind == VALUE_UNDEFINED)

/* A comparison under the name of a test. */
#define TEST_COMPARE(name, op)                                                                     \
    const struct value *test_##name(struct run *run, const struct value *self,                     \
                                    const struct value *const *bound)                              \
    {                                                                                              \
        bool truth = compare(run, op, self, bound[0]);                                             \
                                                                                                   \
        return run->reason ? NULL : value_bool(truth);                                             \
    }

TEST_COMPARE(eq, COMPARE_EQ)
TEST_COMPARE(ne, COMPARE_NE)
TEST_COMPARE(lt, COMPARE_LT)
TEST_COMPARE(le, COMPARE_LE)
TEST_COMPARE(gt, COMPARE_GT)
TEST_COMPARE(ge, COMPARE_GE)
TEST_COMPARE(in, COMPARE_IN)

/* Is the remainder of dividing by `divisor` the one that is looked for? */
static const struct value *leaves(struct run *run, const struct value *self,
                                  const struct value *divisor, int64_t rest)
{
    const struct value *found = arithmetic(run, NUMBER_MOD, self, divisor);
    const struct value wanted = { .kind = VALUE_INT, .integer = rest };

    return found ? value_bool(equal(run, found, &wanted)) : NULL;
}

const struct value *test_divisibleby(struct run *run, const struct value *self,
                                     const struct value *const *bound)
{
    return leaves(run, self, bound[0], 0);
}

static const struct value two = { .kind = VALUE_INT, .integer = 2 };

const struct value *test_even(struct run *run, const struct value *self,
                              const struct value *const *bound)
{
    (void)bound;
    return leaves(run, self, &two, 0);
}

const struct value *test_odd(struct run *run, const struct value *self,
                             const struct value *const *bound)
{
    (void)bound;
    return leaves(run, self, &two, 1);
}

/* `is`: the same object. Small ints and equal literals are one object to Python, too. */
const struct value *test_sameas(struct run *run, const struct value *self,
                                const struct value *const *bound)
{
    const struct value *other = bound[0];

    if (self->kind == other->kind && (self->kind <= VALUE_INT || self->kind == VALUE_TEXT))
        return value_bool(equal(run, self, other));
    return value_bool(self == other);
}

/* str(value).islower() and .isupper() */
static const struct value *is_all(struct run *run, const struct value *self, native_fn *method)
{
    const struct value *text = text_of(run, self);

    return text ? method(run, text, NULL) : NULL;
}

const struct value *test_lower(struct run *run, const struct value *self,
                               const struct value *const *bound)
{
    (void)bound;
    return is_all(run, self, text_method_islower);
}

const struct value *test_upper(struct run *run, const struct value *self,
                               const struct value *const *bound)
{
    (void)bound;
    return is_all(run, self, text_method_isupper);
}
