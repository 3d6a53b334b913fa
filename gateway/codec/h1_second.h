/*
 * The second opinion on a head of HTTP/1.x: llhttp, in strict mode, reads the same bytes.
 *
 * Asked while running where readers are known to differ, a head with a transfer coding; what has
 * one length of digits or none at all can be read in one way only. Asked by the fuzz target of
 * every head that h1_head accepts, so that the one pass which decides never says yes alone.
 */
#ifndef SLUICE_CODEC_H1_SECOND_H
#define SLUICE_CODEC_H1_SECOND_H

#include "gateway/codec/h1_head.h"

/*
 * Whether llhttp accepts the head, which is whole, and agrees on method or status, version, coding
 * and length. `framing` is what the fields say, whatever method and status make of it.
 */
bool h1_second_agrees(struct slice head, const struct h1_line *line, const struct message *message,
                      enum h1_framing framing);

/* Whether the method is one that llhttp reads in HTTP. */
bool h1_second_knows_method(struct slice method);

#endif
