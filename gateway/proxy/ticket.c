/*
 * Tickets: their count and their way.
 */
#include "gateway/proxy/ticket.h"

#include "gateway/io/worker.h"

#include <stdatomic.h>
#include <stdlib.h>

void ticket_send(struct letter *letter, const struct worker *from, struct worker *to)
{
    if (from == to)
        letter->open(letter, to);
    else
        mailbox_send(to->mailbox, letter);
}

struct ticket *ticket_ref(struct ticket *ticket)
{
    atomic_fetch_add_explicit(&ticket->refs, 1, memory_order_relaxed);
    return ticket;
}

void ticket_unref(struct ticket *ticket)
{
    if (atomic_fetch_sub_explicit(&ticket->refs, 1, memory_order_acq_rel) > 1)
        return;
    CHECK(!ticket->held);
    blocks_release(&ticket->keys);
    free(ticket->explanation);
    fleet_unref(ticket->fleet);
    free(ticket);
}
