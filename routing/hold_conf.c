/*
 * The rows of `hold` and `classes`.
 */
#include "routing/hold_conf.h"

#include <math.h>

static const struct directive hold_rows[] = {
    DIRECTIVE_NUMBER(struct hold_limits_conf, queue, "10000", 0, 1e6,
                     "Requests that wait for one pool at a time; more are refused with 429."),
    DIRECTIVE_REAL(struct hold_limits_conf, tenant_share, "25%", 0.0001, 1,
                   "Part of them that one tenant may have; more of its own are refused with 429. "
                   "One of its own of a lower class makes way before that. "
                   "Requests without a tenant may have the whole queue; on listeners that are not "
                   "trusted they are one tenant of each client address (of IPv6 its /64). Such an "
                   "address may have twice "
                   "as much, and of its tenants 16 are told apart, whatever credentials it shows: "
                   "two keys may share one tenant's part."),
    DIRECTIVE_DURATION(
        struct hold_limits_conf, deadline, "50s", 0, 3600e3,
        "How long a request waits for the endpoint that is best for it; then any with room will "
        "do. Sheddable requests that would wait longer are refused with 429."),
    DIRECTIVE_DURATION(struct hold_limits_conf, cold_start, "120s", 0, 3600e3,
                       "How long a request waits for an endpoint that can be reached, where a "
                       "pool has none at all, or health checks are active and will find one; 0: "
                       "it is refused at once."),
    DIRECTIVE_DURATION(struct hold_limits_conf, keepalive, "15s", 0, 3600e3,
                       "After so long without an answer a client that asked for a stream gets the "
                       "stream's head and a comment, and then one each time; 0: never."),
    DIRECTIVE_REAL(struct hold_limits_conf, age, "20", 0.1, 1e6,
                   "Seconds of waiting that put a request before one that is a second shorter to "
                   "compute."),
    DIRECTIVE_DURATION(struct hold_limits_conf, fairness, "10s", 0, 3600e3,
                       "Seconds of computing, prompts and answers, that a tenant may have had more "
                       "than the least served of those that wait, before these go first."),
};

const struct directive_set hold_set = {
    .key = "hold",
    .shape = DIRECTIVE_OBJECT,
    .help = "Requests that wait in the gateway for room at an endpoint.",
    .rows = hold_rows,
    .count = ARRAY_LEN(hold_rows),
    .size = sizeof(struct hold_limits_conf),
};

static const struct directive class_rows[] = {
    { .key = "name",
      .type = DIRECTIVE_TYPE_TEXT,
      .offset = offsetof(struct class_conf, name),
      .required = true,
      .format = "name",
      .help = "What x-sluice-class says on a trusted listener. `default` is for requests that name "
              "no class, or one that is not here." },
    DIRECTIVE_REAL(struct class_conf, rank, "0", -1000, 1000,
                   "A whole number: of those that wait the highest go first."),
    DIRECTIVE_BOOL(struct class_conf, sheddable, "off",
                   "Its requests are refused with 429, rather than held, when they would wait for "
                   "longer than hold.deadline."),
};

static void class_check(struct conf_checker *checker, const void *section)
{
    const struct class_conf *class = section;

    if (class->rank != rint(class->rank))
        conf_complain(checker, &class->rank, "a rank is a whole number");
}

const struct directive_set classes_set = {
    .key = "classes",
    .shape = DIRECTIVE_LIST,
    .help = "Ranks among requests that wait.",
    .rows = class_rows,
    .count = ARRAY_LEN(class_rows),
    .size = sizeof(struct class_conf),
    .check = class_check,
};

static const struct class_conf *class_find(const struct conf_list *classes, struct slice name)
{
    const struct class_conf *at = classes->items;

    for (size_t i = 0; i < classes->count; i++)
        if (slice_eq(slice_str(at[i].name), name))
            return &at[i];
    return NULL;
}

const struct class_conf *class_named(const struct conf *conf, struct slice name)
{
    static const struct class_conf usual = { .name = NULL };
    const struct conf_list *classes = conf_section(conf, &classes_set);
    const struct class_conf *class = name.len > 0 ? class_find(classes, name) : NULL;

    class = class ? class : class_find(classes, SLICE("default"));
    return class ? class : &usual;
}
