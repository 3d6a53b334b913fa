/*
 * Recipes of versions: what is loaded once, and what is complained about.
 */
#include "routing/fleet_recipes.h"

#include "tests/unit/fleet_rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FOLDER            "tests/engine/tokenizer"
#define POOL              "pools: [ { name: a, endpoints: [ \"http://e1:1\" ] } ]\n"
#define MODEL(name, more) "  - { name: " name ", pool: a, tokenizer: \"" FOLDER "\"" more " }\n"
/* Two that are told the same, one with arguments of its own, one without a tokenizer. */
#define MODELS                                                                                     \
    "models:\n" MODEL("m", "") MODEL("n", "")                                                      \
        MODEL("o", ", default_chat_template_kwargs: \"{}\"") "  - { name: p, pool: a }\n"

static const struct recipe *recipe_of(const struct fleet *fleet, size_t model)
{
    return fleet->models[model].versions[0].recipe;
}

static void versions_share_what_is_the_same(void **state)
{
    struct fleet *fleet = rig_fleet(POOL MODELS, NULL, NULL);
    struct fleet *later = rig_fleet(POOL MODELS, NULL, fleet);

    (void)state;
    assert_non_null(recipe_of(fleet, 0));
    assert_ptr_equal(recipe_of(fleet, 0), recipe_of(fleet, 1));
    assert_ptr_not_equal(recipe_of(fleet, 0), recipe_of(fleet, 2));
    assert_ptr_equal(recipe_of(fleet, 0)->tokenizer, recipe_of(fleet, 2)->tokenizer);
    assert_null(recipe_of(fleet, 3));
    for (size_t i = 0; i < 4; i++) /* nothing has changed */
        assert_ptr_equal(recipe_of(later, i), recipe_of(fleet, i));
    fleet_unref(fleet);
    fleet_unref(later);
}

static void each_bad_folder_is_a_line_with_its_place(void **state)
{
    static const struct {
        const char *text;
        size_t lines;
    } rows[] = {
        { POOL MODELS, 0 },
        { POOL "models:\n" MODEL("m", "") "  - { name: n, pool: a, tokenizer: /nowhere }\n", 1 },
        { POOL "models:\n  - { name: m, pool: a, tokenizer: /nowhere }\n"
               "  - { name: n, pool: a, tokenizer: /nowhere }\n",
          2 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct conf *conf = rig_conf(rows[i].text, NULL);
        struct buf errors;
        struct slice said;
        size_t lines = 0;

        assert_non_null(conf);
        buf_init(&errors, SIZE_MAX);
        assert_int_equal(recipes_check(conf, &errors), rows[i].lines == 0);
        for (said = buf_join(&errors); said.len > 0; lines++)
            assert_true(slice_starts(slice_cut(&said, '\n'), SLICE("test.yaml:")));
        assert_int_equal(lines, rows[i].lines);
        buf_release(&errors);
        conf_unref(conf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_share_what_is_the_same),
        cmocka_unit_test(each_bad_folder_is_a_line_with_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
