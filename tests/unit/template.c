/*
 * Chat templates from the inside: what is refused when compiled, limits, and vLLM's guess at the
 * content's form. What renders how is tests/scenario/test_render.py's.
 */
#include "gateway/prompt/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MEMORY ((size_t)4 << 20)
#define STEPS  1000000
#define DEPTH  500
#define OUTPUT ((size_t)1 << 20)

static struct template *compile(const char *source, struct buf *errors)
{
    buf_init(errors, SIZE_MAX);
    return template_compile(slice_str(source), errors);
}

/* How a run with nothing but {"s": "text"} in its context ends. */
static const struct reason *render(const char *source, struct template_limits limits,
                                   struct buf *out, char *ret_message, size_t size)
{
    struct template_call call = { .limits = limits };
    struct slice message = SLICE("");
    const struct reason *reason;
    struct template *template;
    struct value *context;
    struct buf errors;
    struct arena arena;

    template = compile(source, &errors);
    assert_non_null(template);
    arena_init(&arena, MEMORY);
    context = value_dict(&arena);
    assert_true(value_put(&arena, context, SLICE("s"), value_text(&arena, SLICE("text"))));
    call.context = context;
    call.arena = &arena;
    reason = template_render(template, &call, out, &message);
    snprintf(ret_message, size, "%.*s", SLICE_ARGS(message));
    arena_release(&arena);
    template_unref(template);
    buf_release(&errors);
    return reason;
}

static const struct {
    const char *source, *error;
} refused[] = {
    { "{{ }}", "line 1: an expression is missing\n" },
    { "a\n{% nonsense %}", "line 2: unknown tag 'nonsense'\n" },
    { "\n\n{% if s %}", "line 3: the template ends where 'elif' is expected\n" },
    { "{{ s|nofilter }}", "line 1: no filter named 'nofilter'\n" },
    { "{{ s is notest }}", "line 1: no test named 'notest'\n" },
    { "{% for x in s %}{% if true %}{{ x|nofilter }}{% endif %}{% endfor %}", NULL },
    { "{{ 'open }}", "line 1: a string is not closed\n" },
    { "{{ (s] }}", "line 1: a bracket closes what is not open\n" },
    { "{# open", "line 1: Missing end of comment tag\n" },
    { "{% raw %}x", "line 1: Missing end of raw directive\n" },
    { "{% break %}", "line 1: break or continue outside a loop\n" },
    { "{% set true = 1 %}", "line 1: cannot assign to 'true'\n" },
    { "{% for loop in s %}{% endfor %}", "line 1: cannot assign to loop\n" },
    { "{% include 'x' %}", "line 1: unknown tag 'include'\n" },
    { "{{ '\\ud800' }}", "line 1: an escape in a string is not valid\n" },
    { "\xff", "line 1: not UTF-8\n" },
};

static void bad_sources_are_refused_with_their_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct buf errors;
        struct template *template = compile(refused[i].source, &errors);
        char *text = slice_dup(buf_join(&errors));

        assert_int_equal(!template, refused[i].error != NULL);
        assert_string_equal(text, refused[i].error ? refused[i].error : "");
        free(text);
        template_unref(template);
        buf_release(&errors);
    }
}

static const struct {
    const char *open, *inner, *close;
} nestings[] = {
    { "{{ ", "(", " }}" },         { "{{ ", "[", " }}" },
    { "{{ ", "-", "1 }}" },        { "{{ ", "not ", "1 }}" },
    { "{{ s", ".a", " }}" },       { "{{ s", "|e", " }}" },
    { "{{ 1", "-1", " }}" },       { "{{ 1", " if 1 else 1", " }}" },
    { "", "{% if 1 %}", "" },      { "", "{% for x in s %}", "" },
    { "", "{% macro m() %}", "" }, { "{% set ", "(", "a %}" },
};

static void deep_sources_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(nestings); i++) {
        struct buf source, errors;

        buf_init(&source, SIZE_MAX);
        buf_add(&source, slice_str(nestings[i].open));
        for (int k = 0; k < 20000; k++)
            buf_add(&source, slice_str(nestings[i].inner));
        buf_add(&source, slice_str(nestings[i].close));
        buf_init(&errors, SIZE_MAX);
        assert_null(template_compile(buf_join(&source), &errors));
        assert_true(errors.len > 0);
        buf_release(&source);
        buf_release(&errors);
    }
}

/* Sources that would cost too much: pieces, and how often the middle one stands. */
static const struct {
    const char *open, *middle, *close;
    size_t times;
    const char *error;
} costly[] = {
    { "{{ s|a", ".a", " }}", 200000, "no filter named 'a.a.a" },
    { "{{ s is a", ".a", " }}", 200000, "no test named 'a.a.a" },
    { "\n{{ [1", ",1", "] }}", 200000, "line 2: the template takes more memory than one may\n" },
    { "{{ s", " ~ s", " }}", 100000, NULL },
    { "{{ ''", "''", " }}", 200000, NULL },
    { "{{ '", "\\x41", "' }}", 100000, NULL },
    { "", "{{ 1 }}", "", 70000, NULL },
};

static void large_sources_cost_what_they_are_large(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(costly); i++) {
        struct buf source, errors;
        struct template *template;
        char *said;

        buf_init(&source, SIZE_MAX);
        buf_add(&source, slice_str(costly[i].open));
        for (size_t k = 0; k < costly[i].times; k++)
            buf_add(&source, slice_str(costly[i].middle));
        buf_add(&source, slice_str(costly[i].close));
        buf_init(&errors, SIZE_MAX);
        template = template_compile(buf_join(&source), &errors);
        said = slice_dup(buf_join(&errors));
        if (!template != (costly[i].error != NULL) ||
            !strstr(said, template ? "" : costly[i].error))
            fail_msg("%s%s...: %.200s", costly[i].open, costly[i].middle, said);
        free(said);
        template_unref(template);
        buf_release(&source);
        buf_release(&errors);
    }
}

/* One of everything that takes memory when it is compiled. */
static const char all_kinds[] =
    "text\r\n{% set a, (b, c) = 1_000, (2.5, 0xff) %}{% set n.x = 'a\\n' 'b' \"c\" %}"
    "{% macro m(p, q=[1, {'k': -2}]) %}{{ caller() }}{{ varargs }}{{ kwargs }}{% endmacro %}"
    "{% call(x) m(1, *a, q=2, **b) %}{{ x }}{% endcall %}"
    "{% for i, (j, k) in s if i is not none and j in k recursive %}{{ loop(i) }}{% continue %}"
    "{% else %}{% set d = 1 %}{% endfor %}"
    "{% if a is b.c %}{{ a|b.c(1) }}{% elif a is divisibleby 3 %}{% set e = 1 %}{% else %}"
    "{% set e = a[1:2, ::3] %}{% set f = a[-1].g.0 %}{% endif %}"
    "{% set g | trim | replace('a', 'b') %}block{% endset %}"
    "{% filter upper %}{% with h = 1, i = 2 %}{{ h }}{% endwith %}{% endfilter %}"
    "{% generation %}{{ 1 < 2 <= 3 != 4 }}{{ not a or b and c }}{% endgeneration %}"
    "{{ a + b - c ~ d * 12345678901234567890123 // 2 ** 3 if e else f }}{% print 1, true %}"
    "{% set v1 = 1 %}{% set v2 = 1 %}{% set v3 = 1 %}{% set v4 = 1 %}{% set v5 = 1 %}"
    "{% raw %}{{ raw }}{% endraw %}{# comment #}";

/* Wherever memory ends, the source is refused in one line. */
static void memory_may_end_anywhere(void **state)
{
    size_t limit = 0;
    bool whole = false;

    (void)state;
    for (; !whole && limit < 1 << 20; limit += 40) {
        struct buf errors;
        struct template *template;
        char *said;

        buf_init(&errors, SIZE_MAX);
        template = template_compile_within(slice_str(all_kinds), limit, &errors);
        said = slice_dup(buf_join(&errors));
        whole = template != NULL;
        if (!whole && (!strstr(said, ": the template takes more memory than one may\n") ||
                       strchr(said, '\n')[1] != '\0'))
            fail_msg("%zu bytes: %s", limit, said);
        free(said);
        template_unref(template);
        buf_release(&errors);
    }
    assert_true(whole);
    assert_true(limit > 8000);
}

static const struct template_limits usual = { OUTPUT, STEPS, DEPTH };

/* Each ends at a limit, and soon. */
static const char *const endless[] = {
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m(x) %}{% set y = m([x]) %}{% endmacro %}{{ m(1) }}",
    "{{ 'a' * 1000000000 }}",
    "{{ [0] * 1000000000 }}",
    "{{ ('a' * 100000) * 100000 }}",
    "{{ s.center(1000000000) }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '{:1000000000}'.format(1) }}",
    "{{ 'x'.ljust(2 ** 62) }}",
    "{{ 10 ** 1000000 }}",
    "{{ 9 ** 99999 }}",
    "{% set ns = namespace(x=2) %}{% for i in range(64) %}{% set ns.x = ns.x * ns.x %}{% endfor %}",
    "{% set ns = namespace(x='a') %}{% for i in range(64) %}{% set ns.x = ns.x + ns.x %}{% endfor "
    "%}",
    "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ "
    "ns.x }}",
    "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ "
    "ns.x|tojson }}",
    "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
    "{% for x in s recursive %}{{ loop(s) }}{% endfor %}",
    "{{ s|indent(1000000000, true) }}",
    "{{ [1]|tojson(indent=1000000000) }}",
    "{{ 'a,'|replace('', 'b' * 100000) * 100000 }}",
    "{{ ('a' * 99999)|replace('', 'b' * 99999) }}",
    "{{ range(99999)|list|batch(1000000000, 0)|list }}",
    "{{ 'x'|list|slice(1000000000)|list }}",
    "{% for i in range(99999) %}0123456789012345678901234567890123456789{% endfor %}",
};

static void endless_work_meets_a_limit(void **state)
{
    char message[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(endless); i++) {
        struct buf out;

        buf_init(&out, SIZE_MAX);
        if (render(endless[i], usual, &out, message, sizeof(message)) != &reason_template_limit)
            fail_msg("%s: %s", endless[i], message);
        assert_true(out.len <= OUTPUT);
        buf_release(&out);
    }
}

static void output_may_reach_its_limit_and_no_more(void **state)
{
    char message[256];

    (void)state;
    for (size_t limit = 0; limit <= 8; limit++) {
        struct template_limits limits = { limit, STEPS, DEPTH };
        const struct reason *reason;
        struct buf out;

        buf_init(&out, SIZE_MAX);
        reason = render("{{ s }}abc", limits, &out, message, sizeof(message));
        assert_ptr_equal(reason, limit < 7 ? &reason_template_limit : NULL);
        assert_true(out.len <= limit);
        buf_release(&out);
    }
}

static const struct {
    const char *source;
    const struct reason *reason;
    const char *message;
} faults[] = {
    { "{{ raise_exception('no ' ~ s) }}", &reason_template_raised, "no text" },
    { "\n{{ nope.x }}", &reason_template_failed, "line 2: 'nope' is undefined" },
    { "{{ 1 + s }}", &reason_template_failed,
      "line 1: unsupported operand type(s) for +: 'int' and 'str'" },
    { "{{ 1 // 0 }}", &reason_template_failed, "line 1: division by zero" },
};

static void faults_say_why(void **state)
{
    char message[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        struct buf out;

        buf_init(&out, SIZE_MAX);
        assert_ptr_equal(render(faults[i].source, usual, &out, message, sizeof(message)),
                         faults[i].reason);
        assert_string_equal(message, faults[i].message);
        buf_release(&out);
    }
}

/* Names of arguments are as large as a client makes them, and no copies are made. */
static void names_behind_two_stars_take_no_memory(void **state)
{
    struct buf out;
    char message[256];

    (void)state;
    buf_init(&out, SIZE_MAX);
    assert_null(render("{% set name = 's' * 600000 %}{% for i in range(9) %}"
                       "{% set n = namespace(**{name: 1}) %}{% endfor %}done",
                       usual, &out, message, sizeof(message)));
    assert_true(slice_eq(buf_join(&out), SLICE("done")));
    buf_release(&out);
}

static const struct {
    const char *source;
    bool takes_parts;
} forms[] = {
    { "{% for m in messages %}{{ m.content }}{% endfor %}", false },
    { "{% for m in messages %}{{ m['content'] | trim }}{% endfor %}", false },
    { "{% for m in messages %}{% for c in m['content'] %}{% endfor %}{% endfor %}", true },
    { "{% for m in messages %}{% for c in m.content %}{% endfor %}{% endfor %}", true },
    { "{% for m in messages[1:] %}{% for c in m.content|list %}{% endfor %}{% endfor %}", true },
    { "{% set all = messages %}{% set rest = all[1:] %}{% for m in rest %}{% for c in m.content "
      "%}{% endfor %}{% endfor %}",
      true },
    { "{% macro r(c) %}{% for p in c %}{% endfor %}{% endmacro %}{% for m in messages %}{{ "
      "r(m.content) }}{% endfor %}",
      true },
    { "{% macro r(c) %}{{ c }}{% endmacro %}{% for m in messages %}{{ r(m.content) }}{% endfor %}",
      false },
    { "{% for m in others %}{% for c in m.content %}{% endfor %}{% endfor %}", false },
    { "{% for m in messages %}{% for c in m.tool_calls %}{% endfor %}{% endfor %}", false },
};

static void loops_over_content_are_seen(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct buf errors;
        struct template *template = compile(forms[i].source, &errors);

        assert_non_null(template);
        if (template_takes_parts(template) != forms[i].takes_parts)
            fail_msg("%s", forms[i].source);
        template_unref(template);
        buf_release(&errors);
    }
}

/* Needles long enough to be looked for from the end in parts. As Jinja2 renders them. */
static void the_last_of_a_long_needle_is_found(void **state)
{
    static const struct {
        const char *source, *text;
    } rows[] = {
        { "{{ ('-' * 40 ~ 'b' ~ '-' * 40 ~ 'c').rfind('-' * 40) }}", "41" },
        { "{{ ('-' * 41).rfind('-' * 40) }}", "1" },
        { "{{ ('-' * 40).rfind('-' * 40) }}", "0" },
        { "{{ ('-' * 39).rfind('-' * 40) }}", "-1" },
        { "{{ ('b' * 999 ~ '-' * 40 ~ 'c' * 999).rfind('-' * 40) }}", "999" },
        { "{{ ('b' * 2000).rfind('-' * 40) }}", "-1" },
        { "{{ ('a' ~ '-' * 40 ~ 'b' ~ '-' * 80 ~ 'c').rsplit('-' * 40) | join('|') }}", "a|b||c" },
        { "{{ ('a' ~ '-' * 40 ~ 'b' ~ '-' * 40).rsplit('-' * 40, 1) | join('|') | length }}",
          "43" },
        { "{{ ('\xc3\xa9' ~ '-' * 40 ~ 'b').rpartition('-' * 40) | join('|') | length }}", "44" },
        { "{{ ('-' * 100000).rsplit('-' * 40) | length }}", "2501" },
    };
    const struct template_limits limits = { .output_bytes = OUTPUT,
                                            .steps = STEPS,
                                            .depth = DEPTH };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char message[256];
        struct buf text;

        buf_init(&text, SIZE_MAX);
        if (render(rows[i].source, limits, &text, message, sizeof(message)) ||
            !slice_eq(buf_join(&text), slice_str(rows[i].text)))
            fail_msg("%s: \"%.*s\", wanted \"%s\" %s", rows[i].source, SLICE_ARGS(buf_join(&text)),
                     rows[i].text, message);
        buf_release(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_sources_are_refused_with_their_line),
        cmocka_unit_test(deep_sources_are_refused),
        cmocka_unit_test(large_sources_cost_what_they_are_large),
        cmocka_unit_test(memory_may_end_anywhere),
        cmocka_unit_test(endless_work_meets_a_limit),
        cmocka_unit_test(output_may_reach_its_limit_and_no_more),
        cmocka_unit_test(faults_say_why),
        cmocka_unit_test(the_last_of_a_long_needle_is_found),
        cmocka_unit_test(names_behind_two_stars_take_no_memory),
        cmocka_unit_test(loops_over_content_are_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
