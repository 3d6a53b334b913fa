/*
 * The reasons, from their rows.
 */
#include "gateway/base/reason.h"

#include "gateway/base/check.h"

#define NEVER     REASON_RETRY_NEVER
#define ELSEWHERE REASON_RETRY_ELSEWHERE
#define FRESH     REASON_RETRY_FRESH

#define REASON(id, status, retry, h2, type, code, text)                                            \
    const struct reason reason_##id = { #id, status, retry, h2, type, code, text };
#include "gateway/base/reason.def"
#undef REASON

const struct reason *const reason_all[] = {
#define REASON(id, status, retry, h2, type, code, text) &reason_##id,
#include "gateway/base/reason.def"
#undef REASON
};

const size_t reason_count = ARRAY_LEN(reason_all);
