/*
 * The terms, in the order of scorers.def.
 */
#include "routing/price.h"

#include "gateway/base/random.h"

/* Prices this near are equal: a wider band costs hits (1 % is already enough to agree on cold
 * prompts). */
#define TIE_FACTOR 1.01
#define TIE_S      0.0005

/* How much of the first prefill can be done before its first token is out. */
#define HEAD_DONE_MAX 0.9

/* What is recomputed evicts others' blocks, in an idle fleet as well: this part of the charge. */
#define EVICTS 0.5

/* What others asked for so often lately is half a copy for them. */
#define HOT 4

/* To load a token's keys and values: 8 us are measured between engines (a 70B model; routing.md,
 * 5); from disk 262 KB at 5 GB/s. */
#define HOST_TOKEN_S 8e-6
#define DISK_TOKEN_S 52e-6

/* To load an adapter: some ten milliseconds from host memory, above a second from disk; and engines
 * let the requests of one adapter too many wait for those of another. */
#define ADAPTER_S 0.3

struct term {
    const struct price_conf *conf;
    const struct price_request *request;
    const struct price_candidate *at;
    double uncached, prefill_s, step_s;
};

static double wait(const struct term *t)
{
    const struct load *load = &t->at->load;
    double head = load->prefills > 0 ? load->queued_s / load->prefills : 0;
    double done = HEAD_DONE_MAX * load->head_s;

    return load->queued_s - (done < head ? done : head);
}

static double prefill(const struct term *t)
{
    return t->prefill_s;
}

static double reload(const struct term *t)
{
    return HOST_TOKEN_S * t->at->on_host + DISK_TOKEN_S * t->at->on_disk;
}

static double adapter(const struct term *t)
{
    return t->at->loads_adapter ? ADAPTER_S : 0;
}

/* From 0, nobody else asks for what it begins with, to 1. Squared, because those few that come
 * back to a conversation shall count as nobody. */
static double others(const struct term *t)
{
    double heat = t->request->heat / HOT;

    return 1 - 1 / (1 + heat * heat);
}

static double recompute(const struct term *t)
{
    return t->prefill_s * (EVICTS + (1 - EVICTS) * t->request->busy) * (1 - others(t));
}

static double spread(const struct term *t)
{
    return -t->prefill_s * others(t);
}

static double steps(const struct term *t)
{
    double before = (t->at->load.queued_tokens + t->uncached) / t->conf->step_tokens;

    return t->step_s * (1 + (double)(int64_t)before);
}

static double harm(const struct term *t)
{
    return t->prefill_s * t->at->load.decodes;
}

static double decode(const struct term *t)
{
    const struct load *load = &t->at->load;
    const struct pace *pace = t->at->pace;
    double slowed_by = pace->sequence_s * load->decodes + pace->context_s * load->live_tokens;
    double slows = pace->sequence_s + pace->context_s * t->request->tokens;

    return t->request->output * (slowed_by + slows * load->decodes);
}

/* Tokens that its cache would have to hold beyond what it can; not above 0 when it can. */
static double overflow(const struct price_request *request, const struct load *load)
{
    double needed = load->shared * request->tokens + request->output;

    return load->capacity > 0 && load->used > 0 ? load->used + needed - load->capacity : 0;
}

static double pressure(const struct term *t)
{
    double over = overflow(t->request, &t->at->load);

    return over > 0 ? over / t->at->load.capacity : 0;
}

const char *const scorer_names[SCORER_COUNT] = {
#define SCORER(id, weight, help) [SCORER_##id] = #id,
#include "routing/scorers.def"
#undef SCORER
};

void price_of(const struct price_conf *conf, const struct price_request *request,
              const struct price_candidate *at, struct price *ret_price)
{
    const struct pace *pace = at->pace;
    uint32_t uncached = request->tokens > at->cached ? request->tokens - at->cached : 1;
    struct term t = { conf, request, at, uncached, 0, 0 };

    t.prefill_s = pace_prefill_s(pace, request->tokens, uncached);
    t.step_s = pace_step_s(pace, at->load.decodes, at->load.live_tokens);
    ret_price->prefill_s = t.prefill_s;
    ret_price->total_s = 0;
#define SCORER(id, weight, help)                                                                   \
    ret_price->terms[SCORER_##id] = conf->weights[SCORER_##id] * id(&t);                           \
    ret_price->total_s += ret_price->terms[SCORER_##id];
#include "routing/scorers.def"
#undef SCORER
    if (ret_price->total_s < 0)
        ret_price->total_s = 0;
}

bool price_has_room(const struct price_conf *conf, const struct price_request *request,
                    const struct price_candidate *at)
{
    const struct load *load = &at->load;
    double uncached = (double)request->tokens - at->cached;

    if (load->queued_s > conf->room_s || overflow(request, load) > 0)
        return false;
    return load->prefills <= conf->room_waiting ||
           load->queued_tokens + uncached <= conf->step_tokens;
}

uint64_t price_rendezvous(uint64_t key, uint64_t name)
{
    return random_mix(key ^ name);
}

size_t price_best(const struct price_request *request, const struct price_candidate *candidates,
                  const struct price *prices, size_t count)
{
    size_t best = 0;
    double limit;
    uint64_t most = 0;

    for (size_t i = 1; i < count; i++)
        if (prices[i].total_s < prices[best].total_s)
            best = i;
    limit = prices[best].total_s * TIE_FACTOR + TIE_S;
    for (size_t i = 0; i < count; i++) {
        uint64_t rank;

        if (prices[i].total_s > limit)
            continue;
        rank = price_rendezvous(request->key, candidates[i].name);
        if (rank >= most) {
            best = i;
            most = rank;
        }
    }
    return best;
}
