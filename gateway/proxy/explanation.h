/*
 * `x-sluice-explain: 1` on a trusted listener: the answer says why its endpoint was chosen, in a
 * field of that name (routing/explain.h has its form).
 *
 * A field, because bodies are passed on verbatim and streams begin with a head: whatever the API,
 * whatever the client, curl -i shows it. It is the last decision's: after another try the others
 * stand in it as dropped by `tried`. A refusal for want of an endpoint has it, too. A
 * stream that was opened with comments while the request waited has none: its head was out.
 */
#ifndef SLUICE_PROXY_EXPLANATION_H
#define SLUICE_PROXY_EXPLANATION_H

struct exchange;
struct message;

/* Takes the text, of a decision made for the exchange; NULL: there is none. */
void explanation_take(struct exchange *x, char *text);
/* Where one was asked for and something was decided. */
void explanation_put(const struct exchange *x, struct message *answer);

#endif
