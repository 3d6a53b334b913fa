/*
 * Names to addresses, by c-ares (libevent 2.1's resolver has neither TCP nor EDNS). One resolver a
 * worker. Answers carry the smallest TTL, bounded to 1 s .. 300 s. /etc/hosts is honoured. A
 * literal address answers at once, but still from the next phase, never from within.
 */
#ifndef SLUICE_IO_RESOLVE_H
#define SLUICE_IO_RESOLVE_H

#include "gateway/base/reason.h"
#include "gateway/base/slice.h"
#include "gateway/io/worker.h"

#include <netinet/in.h>

union resolve_address {
    struct sockaddr sa;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

#define RESOLVE_MAX 1024 /* addresses of one name; more are dropped and logged */

struct resolve_answer {
    const union resolve_address *addresses; /* borrowed; port filled in */
    size_t count;
    unsigned ttl_s;
};

/* reason NULL: answer is set. */
typedef void resolve_fn(void *user, const struct reason *reason,
                        const struct resolve_answer *answer);

struct resolver *resolver_new(struct worker *worker);
/* Pending questions are dropped without a callback. */
void resolver_free(struct resolver *resolver);
/* For tests: "127.0.0.1:5353" and the like instead of /etc/resolv.conf. NULL: the system's. */
void resolver_set_servers(struct resolver *resolver, const char *servers);

struct resolve_question;
/* Ends within `timeout_ms`. The question is valid until the callback. */
struct resolve_question *resolve(struct resolver *resolver, struct slice host, uint16_t port,
                                 unsigned timeout_ms, resolve_fn *done, void *user);
void resolve_cancel(struct resolve_question *question);

socklen_t resolve_address_len(const union resolve_address *address);
#define RESOLVE_TEXT_SIZE 64
struct slice resolve_address_text(const union resolve_address *address,
                                  char ret_text[RESOLVE_TEXT_SIZE]);
/* Of such a text the address: without the port, and brackets. Borrows. Empty: it has none. */
struct slice resolve_text_host(struct slice text);

#endif
