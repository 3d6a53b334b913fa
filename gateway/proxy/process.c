/*
 * The directives of the whole process.
 */
#include "gateway/proxy/process.h"

#include "gateway/proxy/server.h"
#include "routing/fleet.h"

static const char *const log_levels[] = { "error", "warn", "info", "debug", NULL };

static const char *const access_logs[] = { "stdout", "off", NULL };

static const struct directive process_rows[] = {
    DIRECTIVE_NUMBER(
        struct process_conf, workers, "0", 0, 1024,
        "Worker threads; 0: one for each processor the process may use. Needs a restart."),
    DIRECTIVE_DURATION(struct process_conf, drain_timeout, "5s", 0, 3600e3,
                       "How long exchanges under way may go on after SIGTERM."),
    DIRECTIVE_SIZE(
        struct process_conf, memory, "2GB", 1 << 20, 1e13,
        "Bytes of heads and bodies held at a time in the whole process; past it requests "
        "are refused with 503. Caches of prompts (`tokens`) are not part of it."),
    DIRECTIVE_NUMBER(
        struct process_conf, prefix_seed, "0", 0, 1.8e19,
        "Seed of block keys: the same on gateways before the same engines, which then send "
        "cold prompts alike; 0: random."),
    { .key = "tenant_header",
      .type = DIRECTIVE_TYPE_TEXT,
      .offset = offsetof(struct process_conf, tenant_header),
      .format = "header",
      .help = "Header in which a trusted peer names the tenant." },
    { .key = "access_log",
      .type = DIRECTIVE_TYPE_PATH,
      .offset = offsetof(struct process_conf, access_log),
      .default_text = "stdout",
      .words = access_logs,
      .help = "Where the JSON line of each exchange goes: a path, stdout or off." },
    DIRECTIVE_WORD(struct process_conf, log_level, "info", log_levels,
                   "What is logged to standard error."),
};

/* A file that was cut off must not take everything away. */
static void process_check(struct conf_checker *checker, const void *section)
{
    static const struct directive_set *const needed[] = { &listeners_set, &models_set, &pools_set };

    for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
        const struct conf_list *list = conf_section(conf_checker_conf(checker), needed[i]);

        if (list->count == 0)
            conf_complain(checker, section, "`%s` is missing or empty", needed[i]->key);
    }
}

const struct directive_set process_set = {
    .shape = DIRECTIVE_ROOT,
    .help = "The process.",
    .rows = process_rows,
    .count = ARRAY_LEN(process_rows),
    .size = sizeof(struct process_conf),
    .check = process_check,
};
