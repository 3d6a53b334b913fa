/*
 * Why something ended or was refused: one constant carries the status, the label of metrics and
 * logs, the retry rule and the words for people. There is no second mapping anywhere.
 *
 * Reasons are static and compared by address. A fallible function returns one, NULL for success.
 * The rows are in reason.def.
 */
#ifndef SLUICE_BASE_REASON_H
#define SLUICE_BASE_REASON_H

#include <stddef.h>
#include <stdint.h>

/* May the exchange be tried again after an attempt ended so? */
enum reason_retry {
    REASON_RETRY_NEVER,
    REASON_RETRY_ELSEWHERE, /* another endpoint, within the budget, before the first content */
    REASON_RETRY_FRESH, /* once more on a fresh connection if this one was reused, then elsewhere */
};

struct reason {
    const char *name; /* label in metrics and logs: lower case, underscores */
    uint16_t status;  /* HTTP status a client gets; 0: no answer can or should be sent */
    uint8_t retry;    /* enum reason_retry */
    uint8_t h2_error; /* HTTP/2 error code for a stream or session that ends so (RFC 9113, 7) */
    const char *type; /* OpenAI error type; NULL where status is 0 */
    const char *code; /* OpenAI error code; NULL prints null */
    const char *text; /* one sentence for people, without a full stop */
};

#define REASON(id, status, retry, h2, type, code, text) extern const struct reason reason_##id;
#include "gateway/base/reason.def"
#undef REASON

/* Every reason, in the order of reason.def. */
extern const struct reason *const reason_all[];
extern const size_t reason_count;

#endif
