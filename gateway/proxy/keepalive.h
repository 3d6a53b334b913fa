/*
 * A stream that its client is kept in while no endpoint has begun to answer.
 *
 * For exchanges that wait for room and whose client asked for server-sent events. Nothing is said
 * for the first `hold.keepalive`, since a status of one's own costs the client the engine's; then
 * the gateway's head is sent, and a comment, and a comment each time again until the answer's first
 * bytes. From the head on all that fails is said inside the stream (exchange_end_stream).
 *
 * On the exchange's worker.
 */
#ifndef SLUICE_PROXY_KEEPALIVE_H
#define SLUICE_PROXY_KEEPALIVE_H

#include <stdbool.h>

struct exchange;
struct reason;
struct timer;

/* The timer's, x->comment. */
void keepalive_on_due(struct timer *timer);
/* It waits from now on, unless it does already. */
void keepalive_arm(struct exchange *x);

/* The client waits for a stream, and what the endpoint answers is none: an error to be told in it.
 */
bool keepalive_is_let_down(const struct exchange *x);
/* The reason to end it for then; what the endpoint said itself is x->message afterwards. The answer
 * is complete, or as much as is kept of it. */
const struct reason *keepalive_read_refusal(struct exchange *x);

#endif
