/*
 * A filter looks at or changes an exchange: its request before it is routed, its answer before it
 * is passed on. One file and one row in filters.def each; they run in the order of the rows.
 *
 * A filter never calls another, nothing of proxy/, and does not block. What it may see of an
 * exchange is struct filter_call. It runs on the exchange's worker.
 */
#ifndef SLUICE_FILTERS_FILTER_H
#define SLUICE_FILTERS_FILTER_H

#include "filters/via.h"
#include "gateway/http/message.h"

/* What a listener says of its peers. */
struct filter_peer {
    bool trusted; /* the listener says so: may set tenant, class, explain, pin, X-Forwarded-* */
    bool tls;
    struct slice tenant_header; /* lower case; empty: none is configured */
    const struct via *via;      /* the process's */
};

struct filter_call {
    struct message *request;
    struct message *answer; /* NULL while requests are filtered */
    const struct filter_peer *peer;
    struct slice address; /* of the peer: "10.0.0.1:34512" */
    uint64_t random;      /* fresh for this exchange */

    /* what filters find out */
    struct slice request_id;
    struct slice client; /* address for logs: the peer's, or what a trusted one forwarded */
    struct slice tenant; /* empty: none */
    struct slice class_name;
    struct slice pin; /* endpoint asked for */
    bool explain;
    struct slice param; /* of a refusal: the header that is wrong; for the error's `param` */
};

struct filter_type {
    const char *name;
    const char *help;
    /* Either may be NULL. A reason refuses the exchange. */
    const struct reason *(*on_request)(struct filter_call *call);
    void (*on_answer)(struct filter_call *call);
};

extern const struct filter_type *const filter_all[];
extern const size_t filter_count;

/* All filters in order; the first reason ends it. */
const struct reason *filters_on_request(struct filter_call *call) MUST_USE;
void filters_on_answer(struct filter_call *call);

#endif
