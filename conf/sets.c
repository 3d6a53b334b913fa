/*
 * A walk over all rows that lead to other sets.
 */
#include "conf/sets.h"

#include <stdio.h>

static const struct conf_named_set *set_find(const struct conf_sets *all,
                                             const struct directive_set *set)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->at[i].set == set)
            return &all->at[i];
    return NULL;
}

static void set_add(struct conf_sets *all, const struct directive_set *set, const char *parent,
                    const char *key)
{
    struct conf_named_set *named;

    if (set_find(all, set))
        return;
    CHECK(all->count < CONF_SETS_MAX);
    named = &all->at[all->count++];
    named->set = set;
    snprintf(named->name, sizeof(named->name), "%s%s%s", parent, parent[0] ? "." : "", key);
    for (size_t i = 0; i < set->count; i++)
        if (set->rows[i].set)
            set_add(all, set->rows[i].set, named->name, set->rows[i].key);
}

void conf_sets_collect(struct conf_sets *all, const struct directive_set *const *sets)
{
    all->count = 0;
    for (; *sets; sets++)
        set_add(all, *sets, "", (*sets)->shape == DIRECTIVE_ROOT ? "" : (*sets)->key);
}

const char *conf_sets_name(const struct conf_sets *all, const struct directive_set *set)
{
    const struct conf_named_set *named = set_find(all, set);

    CHECK(named);
    return named->name;
}
