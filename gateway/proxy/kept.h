/*
 * What endpoints have of the prompts that wait for a pool, kept for a little while.
 *
 * A walk over all blocks of a prompt is half of a decision, and one that is older changes nothing
 * (events that are a tenth of a second late cost no hit in the simulated fleet). The home's thread.
 */
#ifndef SLUICE_PROXY_KEPT_H
#define SLUICE_PROXY_KEPT_H

#include "gateway/proxy/ticket.h"

/* Of so many tickets; those of others are looked up each time. */
#define KEPT_COUNT 128

struct kept_matches {
    struct ticket *ticket; /* whose they are; NULL: nobody's */
    uint64_t found_us;
    struct prefix_match *at; /* by endpoint->index of the ticket's pool; ours */
};

/* Zeroed: empty. */
struct kept {
    struct kept_matches at[KEPT_COUNT];
    size_t next; /* whose turn it is to be somebody else's */
};

/* NULL: they are to be looked up. Borrowed until the next kept_put. */
const struct prefix_match *kept_recent(const struct ticket *ticket);
/* What the decision for it has found. */
void kept_put(struct kept *kept, struct ticket *ticket, const struct decision *decision);
/* It waits no more. */
void kept_forget(struct ticket *ticket);
/* Nobody waits any more: megabytes where the pool is large. */
void kept_release(struct kept *kept);

#endif
