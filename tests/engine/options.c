/*
 * The engine's flags: a table, and what walks over it. "--name value" and "--name=value" are the
 * same; a switch is turned on by "--name" and off by "--no-name".
 */
#include "tests/engine/options.h"

#include "gateway/base/slice.h"
#include "tests/engine/kv_batch.h"

#include <stdio.h>
#include <stdlib.h>

enum option_type {
    OPTION_TEXT,
    OPTION_FORM,
    OPTION_LIST,
    OPTION_NUMBER,
    OPTION_REAL,
    OPTION_SWITCH
};

struct option {
    const char *name;
    const char *value; /* what the value is called in --help; NULL for switches */
    enum option_type type;
    size_t offset;            /* of the field in struct options */
    const char *default_text; /* as on the command line; NULL: none, off */
    uint64_t min, max;        /* of numbers */
    const char *help;
};

#define AT(field) offsetof(struct options, field)

static const struct option rows[] = {
    { "listen", "HOST:PORT", OPTION_LIST, AT(listen), "127.0.0.1:8000", 0, 0,
      "where to listen; may be given several times" },
    { "model", "NAME", OPTION_LIST, AT(models), "sim", 0, 0,
      "served model; given again: an alias of it" },
    { "name", "TEXT", OPTION_TEXT, AT(name), NULL, 0, 0,
      "value of the x-engine header of every answer (default: the first address)" },
    { "api-key", "KEY", OPTION_TEXT, AT(api_key), NULL, 0, 0,
      "demand this bearer token on /v1 paths" },
    { "tls-cert", "FILE", OPTION_TEXT, AT(tls_cert), NULL, 0, 0, "certificate chain, PEM" },
    { "tls-key", "FILE", OPTION_TEXT, AT(tls_key), NULL, 0, 0, "its private key, PEM" },
    { "tokenizer", "DIR", OPTION_TEXT, AT(tokenizer), NULL, 0, 0,
      "read prompts with this folder's tokenizer and chat template (default: toys)" },
    { "kv-events", "ADDRESS", OPTION_TEXT, AT(kv_events), NULL, 0, 0,
      "publish KV events: tcp://HOST:PORT (default: nowhere)" },
    { "kv-events-replay", "ADDRESS", OPTION_TEXT, AT(kv_events_replay), NULL, 0, 0,
      "send them again to those who ask here" },
    { "kv-events-topic", "TEXT", OPTION_TEXT, AT(kv_events_topic), "kv@sim@sim", 0, 0,
      "their topic" },
    { "kv-events-form", "FORM", OPTION_FORM, AT(kv_events_form), "maps", 0, 0,
      "how they are written: arrays (vLLM up to 0.23), maps, sglang, bytes (maps, 32-byte "
      "hashes)" },
    { "kv-events-buffer", "N", OPTION_NUMBER, AT(kv_events_buffer), "10000", 1, 1 << 20,
      "batches kept for those who ask again" },
    { "block-size", "TOKENS", OPTION_NUMBER, AT(block_size), "16", 1, 65536,
      "tokens of a KV cache block" },
    { "blocks", "N", OPTION_NUMBER, AT(blocks), "19200", 1, 1 << 24,
      "blocks of the KV cache (19200 of 16 are the 307k tokens of a 32B model on two H100)" },
    { "max-num-batched-tokens", "N", OPTION_NUMBER, AT(step_tokens), "8192", 1, 1 << 24,
      "token budget of a step" },
    { "max-num-seqs", "N", OPTION_NUMBER, AT(sequences_max), "256", 1, 1 << 20,
      "sequences that run at once; others wait" },
    { "cache-outputs", NULL, OPTION_SWITCH, AT(cache_outputs), "on", 0, 0,
      "blocks with tokens of an answer can be found again (default; --no-... turns it off)" },
    { "max-model-len", "TOKENS", OPTION_NUMBER, AT(max_model_len), "131072", 2, 1 << 24,
      "prompt and answer together" },
    { "tokens", "N", OPTION_NUMBER, AT(tokens), "64", 1, 1 << 24,
      "tokens of an answer that nothing cuts short" },
    { "seed", "N", OPTION_NUMBER, AT(seed), "0", 0, UINT64_MAX,
      "answers and faults by probability depend on it" },
    { "keep-alive-ms", "N", OPTION_NUMBER, AT(keep_alive_ms), "5000", 1, 86400000,
      "an idle connection is closed after this (uvicorn: 5000)" },
    { "time-scale", "FACTOR", OPTION_REAL, AT(time_scale), "1", 0, 1000,
      "1: as slow as a GPU; 0.01: a hundred times faster; 0: steps take no time" },
    { "enable-prompt-tokens-details", NULL, OPTION_SWITCH, AT(prompt_tokens_details), "on", 0, 0,
      "usage tells the cached tokens (default; --no-... turns it off)" },
    { "enable-request-id-headers", NULL, OPTION_SWITCH, AT(request_id_headers), NULL, 0, 0,
      "answers echo X-Request-Id" },
    { "allow-faults", NULL, OPTION_SWITCH, AT(allow_faults), NULL, 0, 0,
      "obey x-fault and x-echo headers and POST /debug/fault" },
};

static void *field_of(const struct option *row, struct options *options)
{
    return (char *)options + row->offset;
}

static bool parse_number(const struct option *row, const char *text, uint64_t *ret_value)
{
    uint64_t value;

    if (!slice_u64(slice_str(text), &value) || value < row->min || value > row->max)
        return false;
    *ret_value = value;
    return true;
}

static bool parse_form(const char *text, int *ret_form)
{
    for (int i = 0; kv_batch_forms[i]; i++)
        if (strcmp(text, kv_batch_forms[i]) == 0) {
            *ret_form = i;
            return true;
        }
    return false;
}

static bool parse_real(const struct option *row, const char *text, double *ret_value)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || !(value >= (double)row->min && value <= (double)row->max))
        return false;
    *ret_value = value;
    return true;
}

static bool add_to_list(struct options_list *list, const char *text)
{
    if (list->count == OPTIONS_LIST_MAX)
        return false;
    list->at[list->count++] = text;
    return true;
}

static bool set_value(const struct option *row, struct options *options, const char *text)
{
    void *field = field_of(row, options);

    switch (row->type) {
    case OPTION_TEXT:
        *(const char **)field = text;
        return true;
    case OPTION_FORM:
        return parse_form(text, field);
    case OPTION_LIST:
        return add_to_list(field, text);
    case OPTION_NUMBER:
        return parse_number(row, text, field);
    case OPTION_REAL:
        return parse_real(row, text, field);
    case OPTION_SWITCH:
        *(bool *)field = strcmp(text, "on") == 0;
        return true;
    }
    return false;
}

static const struct option *find_row(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (slice_eq(name, slice_str(rows[i].name)))
            return &rows[i];
    return NULL;
}

static bool is_left_out(const struct option *row, struct options *options)
{
    return row->type == OPTION_LIST && ((struct options_list *)field_of(row, options))->count == 0;
}

/* Everything but lists gets its default before parsing, lists after it when they stayed empty. */
static void set_defaults(struct options *options, bool lists)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].default_text &&
            (lists ? is_left_out(&rows[i], options) : rows[i].type != OPTION_LIST))
            CHECK(set_value(&rows[i], options, rows[i].default_text));
}

static enum options_result complain(const char *word, const char *what)
{
    fprintf(stderr, "sluice-engine: %s: %s (try --help)\n", word, what);
    return OPTIONS_WRONG;
}

/* One flag at argv[0]; sets how many words it took. */
static enum options_result parse_flag(struct options *options, int argc, char **argv, int *ret_used)
{
    struct slice value = slice_of(argv[0], strlen(argv[0]));
    struct slice name = slice_skip(slice_cut(&value, '='), 2);
    const struct option *row = find_row(name);
    const char *text = value.at;
    const char *on_off = "on";

    *ret_used = 1;
    if (!slice_starts(slice_str(argv[0]), SLICE("--")))
        return complain(argv[0], "not a flag");
    if (!row && slice_starts(name, SLICE("no-"))) {
        row = find_row(slice_skip(name, 3));
        row = row && row->type == OPTION_SWITCH ? row : NULL;
        on_off = "off";
    }
    if (!row)
        return complain(argv[0], "unknown flag");
    if (row->type == OPTION_SWITCH) {
        if (text)
            return complain(argv[0], "takes no value");
        text = on_off;
    } else if (!text) {
        if (argc < 2)
            return complain(argv[0], "needs a value");
        text = argv[1];
        *ret_used = 2;
    }
    return set_value(row, options, text) ? OPTIONS_RUN : complain(argv[0], "wrong value");
}

enum options_result options_parse(struct options *options, int argc, char **argv)
{
    *options = (struct options){ 0 };
    set_defaults(options, /* lists= */ false);
    for (int at = 1, used; at < argc; at += used) {
        enum options_result result;

        if (strcmp(argv[at], "--help") == 0)
            return OPTIONS_HELP;
        result = parse_flag(options, argc - at, argv + at, &used);
        if (result != OPTIONS_RUN)
            return result;
    }
    set_defaults(options, /* lists= */ true);
    if (options->kv_events_replay && !options->kv_events)
        return complain("--kv-events-replay", "needs --kv-events");
    if (!options->tls_cert != !options->tls_key)
        return complain("--tls-cert", "certificate and key go together");
    return OPTIONS_RUN;
}

void options_print_help(void)
{
    puts("sluice-engine [FLAG...]: a simulated inference engine with vLLM's HTTP surface.\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        printf("  --%s%s%s\n        %s", rows[i].name, rows[i].value ? " " : "",
               rows[i].value ? rows[i].value : "", rows[i].help);
        if (rows[i].default_text && rows[i].type != OPTION_SWITCH)
            printf(" (default: %s)", rows[i].default_text);
        puts("");
    }
    puts("  --help");
}
