/*
 * Heads of HTTP/1.1, written from messages. Of framing and Connection there is only what these
 * functions add; fields that belong to one connection are left out whoever put them there.
 */
#ifndef SLUICE_CODEC_H1_WRITE_H
#define SLUICE_CODEC_H1_WRITE_H

#include "gateway/base/buf.h"
#include "gateway/codec/h1_head.h"

/* What an answer says about its connection. */
enum h1_connection {
    H1_SAY_NOTHING,
    H1_SAY_CLOSE,
    H1_SAY_KEEP_ALIVE /* to an HTTP/1.0 client that asked for it */
};

/* message->length is written for H1_LENGTH. */
void h1_write_request(struct buf *out, const struct message *message, enum h1_framing framing);

/*
 * message->length is written for H1_LENGTH, and with H1_NO_BODY where it is known and not 0 (what
 * another method would get). wall_us: for Date, where the message has none.
 */
void h1_write_answer(struct buf *out, const struct message *message, enum h1_framing framing,
                     enum h1_connection connection, uint64_t wall_us);

/* An interim answer (1xx). */
void h1_write_interim(struct buf *out, const struct message *message);

/* The size line of a chunk of `size` bytes, which is not 0. */
void h1_write_chunk_size(struct buf *out, size_t size);

/* The last chunk, trailers (NULL: none) and the empty line. */
void h1_write_last_chunk(struct buf *out, const struct message *trailers);

#endif
