/*
 * Heads of HTTP/1.x, read into messages.
 *
 * The guard's cursor takes the head apart. The rules of framing are ours: one length of 1 to 19
 * digits, or the one coding `chunked`, never both, no coding in HTTP/1.0 (RFC 9112, 6; security:
 * H1-01 to H1-06). A head with a coding is read by llhttp as well, and the two must agree
 * (h1_second.h).
 */
#ifndef SLUICE_CODEC_H1_HEAD_H
#define SLUICE_CODEC_H1_HEAD_H

#include "gateway/codec/h1_guard.h"
#include "gateway/http/message.h"

enum h1_framing {
    H1_NO_BODY,
    H1_LENGTH,
    H1_CHUNKED,
    H1_UNTIL_CLOSE, /* answers only */
};

/* What a head says about the connection and not about the message. */
struct h1_facts {
    uint8_t framing;     /* enum h1_framing, of the body that follows */
    uint8_t said;        /* the same as the fields say, whatever status and method make of it */
    bool persistent;     /* by version and Connection */
    bool takes_trailers; /* request: TE: trailers */
};

/*
 * `head` is whole, as h1_guard_head said; it is copied into message->arena. Fills the message but
 * for its scheme.
 */
const struct reason *h1_head_read_request(struct slice head, const struct message_limits *limits,
                                          struct message *message,
                                          struct h1_facts *ret_facts) MUST_USE;

/*
 * The same for an answer; `line` is its status line and not an interim one. to_head: it answers a
 * HEAD request. A reason, whichever: the answer is malformed.
 */
const struct reason *h1_head_read_answer(struct slice head, const struct h1_line *line,
                                         bool to_head, const struct message_limits *limits,
                                         struct message *message,
                                         struct h1_facts *ret_facts) MUST_USE;

/* Field lines and the empty line behind them. What may not stand in trailers is dropped. */
const struct reason *h1_head_read_trailers(struct slice lines, const struct message_limits *limits,
                                           struct message *message) MUST_USE;

#endif
