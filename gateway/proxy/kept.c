/*
 * A ring of matches, each somebody's.
 */
#include "gateway/proxy/kept.h"

#include "gateway/base/clock.h"

#include <stdlib.h>

/* Half of the age that cost nothing: see kept.h. */
#define KEPT_US (50 * CLOCK_US_PER_MS)

const struct prefix_match *kept_recent(const struct ticket *ticket)
{
    const struct kept_matches *matches = ticket->kept;

    return matches && ticket->call.now_us < matches->found_us + KEPT_US ? matches->at : NULL;
}

static struct kept_matches *take_next(struct kept *kept, struct ticket *ticket)
{
    struct kept_matches *matches = &kept->at[kept->next++ % KEPT_COUNT];

    if (matches->ticket)
        kept_forget(matches->ticket);
    matches->ticket = ticket;
    ticket->kept = matches;
    return matches;
}

void kept_put(struct kept *kept, struct ticket *ticket, const struct decision *decision)
{
    struct kept_matches *matches = ticket->kept ? ticket->kept : take_next(kept, ticket);

    matches->found_us = ticket->call.now_us;
    matches->at = xrealloc(matches->at, decision->count * sizeof(*matches->at));
    memcpy(matches->at, decision->matches, decision->count * sizeof(*matches->at));
}

void kept_forget(struct ticket *ticket)
{
    if (ticket->kept)
        ticket->kept->ticket = NULL;
    ticket->kept = NULL;
}

void kept_release(struct kept *kept)
{
    for (size_t i = 0; i < KEPT_COUNT; i++) {
        free(kept->at[i].at);
        kept->at[i].at = NULL;
    }
}
