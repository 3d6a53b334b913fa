/*
 * What the command line says. One row a flag (options.c): parsing, defaults and --help come from
 * the rows.
 */
#ifndef SLUICE_ENGINE_OPTIONS_H
#define SLUICE_ENGINE_OPTIONS_H

#include "gateway/base/check.h"

#include <stdbool.h>

#define OPTIONS_LIST_MAX 16

struct options_list {
    const char *at[OPTIONS_LIST_MAX];
    size_t count;
};

struct options {
    struct options_list listen; /* addresses */
    struct options_list models; /* the first is the model, the others are aliases */
    const char *name;           /* the value of x-engine in answers; NULL: the first address */
    const char *api_key;        /* NULL: none is asked for */
    const char *tls_cert, *tls_key;
    const char *tokenizer; /* folder; NULL: the toy tokenizer and template */
    const char *kv_events,
        *kv_events_replay; /* addresses to publish on; NULL: nothing is published */
    const char *kv_events_topic;
    int kv_events_form;        /* enum kv_batch_form */
    uint64_t kv_events_buffer; /* batches kept for replays */
    uint64_t block_size, blocks;
    uint64_t step_tokens, sequences_max;
    uint64_t max_model_len;
    uint64_t tokens; /* of an answer, when nothing asks for fewer */
    uint64_t seed;
    uint64_t keep_alive_ms;
    double time_scale;
    bool prompt_tokens_details;
    bool cache_outputs;
    bool request_id_headers;
    bool allow_faults;
};

enum options_result { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_WRONG };

/* Values point into argv or are static. WRONG: a sentence was printed to standard error. */
enum options_result options_parse(struct options *options, int argc, char **argv);
void options_print_help(void);

#endif
