/*
 * Heads: struct message to and from HTTP/2's lists of fields.
 *
 * nghttp2 has checked pseudo fields' order and presence, characters, and connection-specific fields
 * before anything arrives here; limits and meaning are ours.
 */
#ifndef SLUICE_CODEC_H2_HEAD_H
#define SLUICE_CODEC_H2_HEAD_H

#include "gateway/codec/h2.h"

/* Heads of this many fields need no memory of their own while they are handed over. */
#define H2_NVA_SMALL 64

struct h2_nva {
    nghttp2_nv *at;
    size_t count;
    nghttp2_nv small[H2_NVA_SMALL];
    char digits[24]; /* status, content-length */
    char status[4];
};

/* Borrows the message until h2_nva_release. Hop-by-hop fields are left out. */
void h2_nva_request(struct h2_nva *nva, const struct message *head);
void h2_nva_answer(struct h2_nva *nva, const struct message *head);
void h2_nva_trailers(struct h2_nva *nva, const struct message *trailers);
void h2_nva_release(struct h2_nva *nva);

/* Copies a pseudo field's value, which counts like a field's. */
const struct reason *h2_head_pseudo(struct h2_stream *s, struct slice name, struct slice value,
                                    struct slice *ret_value) MUST_USE;
/* Any other field: into the message, or what it says into `length` and `host`. */
const struct reason *h2_head_field(struct h2_stream *s, struct slice name,
                                   struct slice value) MUST_USE;
/* A field of the trailers: what frames or names somebody is dropped. */
const struct reason *h2_head_trailer(struct h2_stream *s, struct slice name,
                                     struct slice value) MUST_USE;
/* Cookie crumbs become one field (RFC 9113, 8.2.3). */
const struct reason *h2_head_join_cookies(struct message *message) MUST_USE;

#endif
