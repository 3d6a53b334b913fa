/*
 * The first look at HTTP/1.x bytes: what llhttp would let pass and an edge must not (bare LF and
 * CR, folds, names with spaces, odd request lines and versions, empty lines without end) is refused
 * here, and limits are met before memory is taken.
 *
 * Stateless but for `scanned`; borrows; knows no connection. Reasons are a request's: reading
 * answers, any of them means that the endpoint's answer is malformed.
 */
#ifndef SLUICE_CODEC_H1_GUARD_H
#define SLUICE_CODEC_H1_GUARD_H

#include "gateway/base/reason.h"
#include "gateway/base/slice.h"

struct h1_guard_limits {
    uint32_t line_bytes;   /* of the first line: target_too_long beyond */
    uint32_t fields_bytes; /* of all lines behind it: head_too_large beyond */
};

/*
 * Looks for the end of a head: a first line, field lines, an empty line, all ended by CRLF; one
 * empty line before is forgiven. *scanned, at first 0, keeps how far earlier calls with fewer bytes
 * came. On success *ret_len is the length of the head, 0 when its end is not there yet.
 */
const struct reason *h1_guard_head(struct slice bytes, const struct h1_guard_limits *limits,
                                   uint32_t *scanned, size_t *ret_len) MUST_USE;
/* The same for trailers: field lines and an empty line. */
const struct reason *h1_guard_trailers(struct slice bytes, const struct h1_guard_limits *limits,
                                       uint32_t *scanned, size_t *ret_len) MUST_USE;

/* Cuts the first line, without its CRLF, off a head that h1_guard_head has seen whole. */
struct slice h1_guard_cut_line(struct slice *head);

struct h1_line {
    struct slice method, target; /* of a request */
    uint16_t status;             /* of an answer */
    uint8_t version;             /* 10 or 11 */
};

/* "METHOD SP target SP HTTP/1.x", nothing else. The target's form is not looked at. */
const struct reason *h1_guard_request_line(struct slice line, struct h1_line *ret_line) MUST_USE;
/* "HTTP/1.x SP 3DIGIT [SP reason-phrase]". */
const struct reason *h1_guard_status_line(struct slice line, struct h1_line *ret_line) MUST_USE;

/* Whether bytes that were refused were meant as HTTP/1.x at all: their first line names it. */
bool h1_guard_means_http(struct slice bytes);

/*
 * Cuts the next field line off `*fields`, the lines behind the first one, which lie in memory that
 * may be changed: the name is made lower case there. *ret_name is a token; *ret_value is all that
 * stands behind the colon, unchecked, spaces included.
 */
const struct reason *h1_guard_field(struct slice *fields, struct slice *ret_name,
                                    struct slice *ret_value) MUST_USE;

#endif
