/*
 * The chunked coding, read strictly: sizes of 1 to 16 hex digits, CRLF and nothing else as line
 * end, extensions bounded over the whole body and dropped.
 *
 *   SIZE --CR--> SIZE_LF --LF--> DATA --all of it--> DATA_CR --CR--> DATA_LF --LF--> SIZE
 *     \--';'--> EXTENSION --CR--> SIZE_LF --LF, the size was 0--> ENDED: the trailers follow
 *
 * (RFC 9112, 7.1; security: H1-07 to H1-09)
 */
#ifndef SLUICE_CODEC_H1_CHUNKS_H
#define SLUICE_CODEC_H1_CHUNKS_H

#include "gateway/base/reason.h"
#include "gateway/base/slice.h"

/* Bytes of extensions a body may carry in all; none has a use. */
#define H1_CHUNKS_EXTENSION_BYTES 4096

enum h1_chunks_state {
    H1_CHUNKS_SIZE,
    H1_CHUNKS_EXTENSION,
    H1_CHUNKS_SIZE_LF,
    H1_CHUNKS_DATA,
    H1_CHUNKS_DATA_CR,
    H1_CHUNKS_DATA_LF,
    H1_CHUNKS_ENDED,
};

struct h1_chunks {
    uint8_t state;  /* enum h1_chunks_state */
    uint8_t digits; /* of the size at hand */
    uint16_t extension_bytes;
    uint64_t left; /* the size at hand; in DATA, what is missing of it */
};

/* All zero is the start. */
static inline void h1_chunks_init(struct h1_chunks *chunks)
{
    *chunks = (struct h1_chunks){ 0 };
}

/*
 * Reads on, up to the end of the first run of data, which is *ret_data (borrowed, at most `max`
 * bytes, empty when there is none here), or to the end of the last chunk's line.
 */
const struct reason *h1_chunks_read(struct h1_chunks *chunks, struct slice bytes, size_t max,
                                    size_t *ret_used, struct slice *ret_data) MUST_USE;

#endif
