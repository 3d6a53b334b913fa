/*
 * What matters of a whole JSON answer, kept while its bytes pass: a sieve lets the few small
 * members through that tell usage or an error and forgets the rest, however large. What is left is
 * itself a small JSON object, for the dialect to read.
 *
 * It follows the structure without checking it: a malformed answer gives a malformed rest, and that
 * tells nothing. One answer's; its worker's thread.
 */
#ifndef SLUICE_ACCOUNT_USAGE_SIEVE_H
#define SLUICE_ACCOUNT_USAGE_SIEVE_H

#include "gateway/base/slice.h"

/* Usage with all its details has 500 bytes; an error's text may be longer. */
#define USAGE_SIEVE_KEPT 4096
#define USAGE_SIEVE_KEY  32

struct usage_sieve {
    uint32_t depth;
    bool in_string;
    bool escaped;  /* the next byte belongs to a backslash */
    bool in_value; /* at the top: behind a member's colon */
    bool keeping;  /* ... of a member that is wanted */
    bool complete; /* the value at the top was closed */
    uint8_t key_len;
    char key[USAGE_SIEVE_KEY];      /* of the member at hand, as written; too long a one is cut and
                                       unwanted */
    uint32_t kept_len, kept_before; /* kept_before: without the member at hand */
    char kept[USAGE_SIEVE_KEPT];
};

void usage_sieve_init(struct usage_sieve *sieve);
void usage_sieve_feed(struct usage_sieve *sieve, struct slice bytes);
/* The rest, once complete; in the sieve. */
struct slice usage_sieve_result(const struct usage_sieve *sieve);

#endif
