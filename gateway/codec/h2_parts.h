/*
 * What the files of h2 share: its session (h2.c), its streams (h2_stream.c) and the library's
 * callbacks (h2_callbacks.c). Nobody else includes it.
 */
#ifndef SLUICE_CODEC_H2_PARTS_H
#define SLUICE_CODEC_H2_PARTS_H

#include "gateway/codec/h2.h"

/* ---- of h2_callbacks.c ---- */

/* All of them; the caller's. */
nghttp2_session_callbacks *h2_callbacks_new(void);

/* ---- of h2_stream.c ---- */

/* NULL: the library knows none of ours by this number. */
struct h2_stream *h2_stream_find(struct h2 *h2, int32_t id);
/* The window of body bytes that nobody took goes back to the conn; the stream needs none. */
void h2_stream_forget_window(struct h2_stream *s);
/* The library is done with it: the owner is told, or it is an orphan. */
void h2_stream_close(struct h2_stream *s, const struct reason *reason);
/* nghttp2_send_data_callback. */
int h2_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t length,
                 nghttp2_data_source *source, void *user);

/* Outside the library's callbacks. */
void h2_streams_free_orphans(struct h2 *h2);
/* h2->sweep: ends streams whose peer takes nothing. */
void h2_streams_sweep(struct timer *timer);
/* The conn goes: those with an owner are told and live on without it, the others are freed. */
void h2_streams_lose(struct h2 *h2, const struct reason *reason);

#endif
