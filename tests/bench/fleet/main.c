/*
 * fleet: how policies fare before a simulated fleet.
 *
 *     fleet calibrate              the models of others against published figures; 1 when one is
 * off fleet run WORKLOAD [...]     a line a policy, mean and deviation over seeds fleet judge what
 * sluice must show, on the half that nothing was tuned on
 */
#include "tests/bench/fleet/figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: fleet calibrate | judge | run WORKLOAD [--speed X] [--blocks N] [--replicas N]\n"
    "  [--gateways N] [--sync MS|never] [--scrape MS] [--slow X] [--told 0|1] [--learns 0|1] "
    "[--seeds N]\n"
    "  [--requests N] [--part whole|train|test] [--policy NAME,...] [--set NAME=X,...]\n";

static void fail(const char *what, const char *which)
{
    fprintf(stderr, "fleet: no %s `%s`\n%s", what, which, usage);
    exit(2);
}

/* A model is that of its policy when it comes this near. */
#define NEAR 0.10

/* What is published of a single run may be off by as much as single runs are: Student's t of 95 %,
 * for so many of ours. */
#define SINGLE_SEEDS 20
#define SINGLE_T     2.09

static bool calibrate_one(const char *name, double hit, double ttft, bool single)
{
    struct scenario scenario = { .workload = "conversation", .speed = 1.6, .seeds = 5 };
    struct figures mean, deviation;
    double off = NEAR * ttft;
    bool near;

    if (single)
        scenario.seeds = SINGLE_SEEDS;
    sim_conf_default(&scenario.sim);
    scenario.sim.policy = policy_find(name);
    figures_of(&scenario, &mean, &deviation);
    if (single)
        off = fmax(off, SINGLE_T * deviation.ttft * sqrt(1 + 1.0 / SINGLE_SEEDS));
    near = fabs(mean.ttft - ttft) <= off && fabs(mean.hit - hit) <= NEAR * hit;
    printf("%-17s hit %5.1f %% of %5.1f (%+5.1f %%)   TTFT %6.3f ±%6.3f of %6.3f (%+5.1f %%)  %s\n",
           name, mean.hit, hit, 100 * (mean.hit / hit - 1), mean.ttft, deviation.ttft, ttft,
           100 * (mean.ttft / ttft - 1), near ? "ok" : "OFF");
    fflush(stdout);
    return near;
}

static int calibrate(void)
{
    bool near = true;

#define CALIBRATION(policy, hit, ttft, runs)                                                       \
    near = calibrate_one(#policy, hit, ttft, (runs) == 1) && near;
#include "tests/bench/fleet/calibration.def"
#undef CALIBRATION
    return near ? 0 : 1;
}

struct bound {
    const char *name, *workload;
    double speed;
    uint32_t replicas, blocks;
    double to_epp, to_best; /* TTFT mean, in parts of theirs; 0: no bound */
};

static const struct bound bounds[] = {
#define BOUND(name, workload, speed, replicas, blocks, to_epp, to_best)                            \
    { name, workload, speed, replicas, blocks, to_epp, to_best },
#include "tests/bench/fleet/bounds.def"
#undef BOUND
};

/* Points of hit rate that may be lost to the best. */
#define HIT_LESS 2

/* Slow enough that requests hardly ever meet. */
#define IDLE_SPEED 0.02

/* What is left when nobody waits: prefill of what is not cached. */
static void print_floor(struct scenario scenario)
{
    struct figures mean, deviation;

    scenario.sim.policy = &policies[0];
    scenario.speed = fmin(scenario.speed, IDLE_SPEED);
    figures_of(&scenario, &mean, &deviation);
    figures_print("idle-fleet floor", &mean, &deviation);
}

static bool judge_one(const struct bound *bound)
{
    struct scenario scenario = {
        .workload = bound->workload, .speed = bound->speed, .part = PART_TEST, .seeds = 5
    };
    struct figures ours = { 0 }, epp = { 0 }, deviation;
    double best = INFINITY, best_hit = 0;
    bool good;

    printf("%s\n", bound->name);
    figures_print_head();
    sim_conf_default(&scenario.sim);
    scenario.sim.replicas = bound->replicas;
    scenario.sim.blocks = bound->blocks;
    for (size_t i = 0; i < policy_count; i++) {
        struct figures mean;

        scenario.sim.policy = &policies[i];
        figures_of(&scenario, &mean, &deviation);
        figures_print(policies[i].name, &mean, &deviation);
        if (i == 0)
            ours = mean;
        if (strcmp(policies[i].name, "epp") == 0)
            epp = mean;
        if (policies[i].peer) {
            best = fmin(best, mean.ttft);
            best_hit = fmax(best_hit, mean.hit);
        }
    }
    print_floor(scenario);
    good = ours.ttft <= bound->to_epp * epp.ttft && ours.hit >= best_hit - HIT_LESS &&
           (bound->to_best == 0 || ours.ttft <= bound->to_best * best);
    printf("TTFT in parts of EPP default's: %.3f (at most %.2f); of the best peer's: %.3f (%.2f); "
           "hit rate against the best peer's: %+.1f  %s\n\n",
           ours.ttft / epp.ttft, bound->to_epp, ours.ttft / best, bound->to_best,
           ours.hit - best_hit, good ? "ok" : "MISSED");
    return good;
}

static int judge(void)
{
    bool good = true;

    for (size_t i = 0; i < ARRAY_LEN(bounds); i++)
        good = judge_one(&bounds[i]) && good;
    return good ? 0 : 1;
}

static void set_number(struct sim_conf *conf, const char *name, double value)
{
    for (size_t i = 0; i < SCORER_COUNT; i++)
        if (strcmp(name, scorer_names[i]) == 0) {
            conf->price.weights[i] = value;
            return;
        }
    if (strcmp(name, "room_s") == 0)
        conf->price.room_s = value;
    else if (strcmp(name, "room_waiting") == 0)
        conf->price.room_waiting = value;
    else if (strcmp(name, "age") == 0)
        conf->hold.age = value;
    else if (strcmp(name, "look") == 0)
        conf->hold.look = (uint32_t)value;
    else if (strcmp(name, "output") == 0)
        conf->output = value;
    else if (strcmp(name, "deadline") == 0)
        conf->deadline_us = (uint64_t)(value * 1e6);
    else
        fail("number", name);
}

static void set_numbers(struct sim_conf *conf, char *text)
{
    for (char *at = strtok(text, ","); at; at = strtok(NULL, ",")) {
        char *equals = strchr(at, '=');

        if (!equals)
            fail("number", at);
        *equals = 0;
        set_number(conf, at, atof(equals + 1));
    }
}

static enum workload_part part_of(const char *name)
{
    if (strcmp(name, "train") == 0)
        return PART_TRAIN;
    if (strcmp(name, "test") == 0)
        return PART_TEST;
    return PART_WHOLE;
}

static void set_option(struct scenario *scenario, const char *name, char *value,
                       char **ret_policies)
{
    struct sim_conf *sim = &scenario->sim;

    if (strcmp(name, "--speed") == 0)
        scenario->speed = atof(value);
    else if (strcmp(name, "--seeds") == 0)
        scenario->seeds = (uint32_t)atoi(value);
    else if (strcmp(name, "--requests") == 0)
        scenario->requests = (size_t)atol(value);
    else if (strcmp(name, "--part") == 0)
        scenario->part = part_of(value);
    else if (strcmp(name, "--blocks") == 0)
        sim->blocks = (uint32_t)atoi(value);
    else if (strcmp(name, "--replicas") == 0)
        sim->replicas = (uint32_t)atoi(value);
    else if (strcmp(name, "--gateways") == 0)
        sim->gateways = (uint32_t)atoi(value);
    else if (strcmp(name, "--sync") == 0) {
        sim->sync_never = strcmp(value, "never") == 0;
        sim->sync_us = (uint64_t)(atof(value) * 1e3);
    } else if (strcmp(name, "--scrape") == 0)
        sim->scrape_us = (uint64_t)(atof(value) * 1e3);
    else if (strcmp(name, "--slow") == 0)
        sim->slow_factor = atof(value);
    else if (strcmp(name, "--told") == 0)
        sim->slow_told = atoi(value) > 0;
    else if (strcmp(name, "--learns") == 0)
        sim->learns = atoi(value) > 0;
    else if (strcmp(name, "--policy") == 0)
        *ret_policies = value;
    else if (strcmp(name, "--set") == 0)
        set_numbers(sim, value);
    else
        fail("option", name);
}

static bool is_listed(const char *list, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, name, len) == 0 && (at[len] == ',' || at[len] == 0))
            return true;
    return !list;
}

static int run(int argc, char **argv)
{
    struct scenario scenario = { .workload = argv[0], .speed = 1, .seeds = 5 };
    char *wanted = NULL;

    sim_conf_default(&scenario.sim);
    for (int i = 1; i + 1 < argc; i += 2)
        set_option(&scenario, argv[i], argv[i + 1], &wanted);
    figures_print_head();
    for (size_t i = 0; i < policy_count; i++) {
        struct figures mean, deviation;

        if (!is_listed(wanted, policies[i].name))
            continue;
        scenario.sim.policy = &policies[i];
        figures_of(&scenario, &mean, &deviation);
        figures_print(policies[i].name, &mean, &deviation);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "calibrate") == 0)
        return calibrate();
    if (argc == 2 && strcmp(argv[1], "judge") == 0)
        return judge();
    if (argc >= 3 && strcmp(argv[1], "run") == 0)
        return run(argc - 2, argv + 2);
    fputs(usage, stderr);
    return 2;
}
