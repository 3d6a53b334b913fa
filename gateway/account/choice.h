/*
 * What routing decided for an exchange, and from what: the access line prints it.
 *
 * Filled by routing when an attempt's endpoint is chosen; kept in the exchange. Names are static or
 * live as long as the exchange.
 */
#ifndef SLUICE_ACCOUNT_CHOICE_H
#define SLUICE_ACCOUNT_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

/* More than there are screens; a screen past it is not reported. */
#define CHOICE_SCREENS_MAX 8

struct choice_screen {
    const char *name; /* the screen's: "health" */
    uint32_t dropped; /* endpoints it took out */
};

struct choice {
    const char *policy;  /* the pick's row: "least_requests"; NULL: nothing was chosen */
    uint32_t considered; /* endpoints in the pool when it was chosen */
    uint32_t screen_count;
    /* Those that dropped something, in their order. */
    struct choice_screen screens[CHOICE_SCREENS_MAX];
    /* Endpoints were priced; these are of the chosen one. */
    bool priced;
    uint32_t cached_tokens;   /* of the prompt, expected there when it is computed */
    uint64_t reported_tokens; /* that usage should say were cached: no guesses, no distrust */
    uint32_t known_blocks;    /* of the prompt's first blocks, those that are no guess */
    double prefill_s;         /* of the rest, expected */
    double price_s;
};

#endif
