/*
 * A borrowed run of bytes. A slice never owns; whoever made it says how long it is valid.
 *
 * Bytes are not terminated. An empty slice may have `at` NULL.
 */
#ifndef SLUICE_BASE_SLICE_H
#define SLUICE_BASE_SLICE_H

#include "gateway/base/check.h"

#include <stdbool.h>
#include <string.h>

struct slice {
    const char *at;
    size_t len;
};

/* For string literals only. */
#define SLICE(literal) ((struct slice){ "" literal, sizeof(literal) - 1 })
/* As an initializer of static data. */
#define SLICE_INIT(literal)                                                                        \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }
/* The two arguments of a "%.*s". */
#define SLICE_ARGS(s) (int)(s).len, (s).at ? (s).at : ""

static inline struct slice slice_of(const char *at, size_t len)
{
    return (struct slice){ at, len };
}

static inline struct slice slice_str(const char *text)
{
    return (struct slice){ text, text ? strlen(text) : 0 };
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static inline bool slice_starts(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.at, prefix.at, prefix.len) == 0);
}

static inline bool slice_ends(struct slice s, struct slice suffix)
{
    return s.len >= suffix.len &&
           (suffix.len == 0 || memcmp(s.at + s.len - suffix.len, suffix.at, suffix.len) == 0);
}

/* What is left after the first `n` bytes (all of them, when `n` is larger). */
static inline struct slice slice_skip(struct slice s, size_t n)
{
    n = n < s.len ? n : s.len;
    return (struct slice){ s.at ? s.at + n : NULL, s.len - n };
}

static inline struct slice slice_head(struct slice s, size_t n)
{
    return (struct slice){ s.at, n < s.len ? n : s.len };
}

/* ASCII lower case; other bytes as they are. */
static inline char slice_lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

/* Equal but for ASCII case. */
bool slice_ieq(struct slice a, struct slice b);

/* Without spaces and tabs at both ends (OWS of RFC 9110). */
struct slice slice_trim(struct slice s);

/* Position of `c`, or s.len. */
size_t slice_find(struct slice s, char c);
/* Position of the first `a` or `b`, or s.len. */
size_t slice_find_either(struct slice s, char a, char b);

/*
 * Cuts the part before the first `c` off `*rest` and returns it; `*rest` goes on behind `c`.
 * Without a `c`, returns all and leaves `*rest` empty with `at` NULL.
 */
struct slice slice_cut(struct slice *rest, char c);

/* Decimal digits only, no sign, no space. False when empty, not digits, or over 2^64-1. */
bool slice_u64(struct slice s, uint64_t *ret_value) MUST_USE;

/* A terminated heap copy; gives. */
char *slice_dup(struct slice s);

#endif
