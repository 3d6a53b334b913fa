/*
 * What nghttp2 does not watch: every frame's head is looked at before the library gets it.
 *
 * Frames that cost work and carry nothing are paid for with points out of a bucket; an empty bucket
 * ends the conn with client_flood (GOAWAY ENHANCE_YOUR_CALM). Frames on closed streams, which the
 * library ignores silently, are answered as RFC 9113 says; for that the guard remembers how the
 * latest streams were closed. Lives in struct h2; the worker's thread.
 */
#ifndef SLUICE_CODEC_H2_GUARD_H
#define SLUICE_CODEC_H2_GUARD_H

#include "gateway/base/reason.h"
#include "gateway/base/slice.h"

struct h2;

#define H2_FRAME_HEAD 9

/*
 * A glitch is what nghttp2 since 1.67 calls one: an event that costs as much as a reset. 1000 at
 * once and 33 a second are its limits (and those of its rapid reset counter); cheaper events cost
 * fewer points.
 */
#define H2_GLITCH_POINTS 16

enum h2_closed {
    H2_CLOSED_NEVER,   /* skipped: it was never open */
    H2_CLOSED_ENDED,   /* both sides ended it */
    H2_CLOSED_BY_PEER, /* the peer reset it */
    H2_CLOSED_BY_US,   /* we reset it: what was under way then is still welcome */
    H2_CLOSED_LONG_AGO /* nobody remembers how */
};

/* Remembered streams: as many as are usually open at once. A power of two. */
#define H2_GUARD_CLOSED 128

struct h2_guard {
    uint8_t preface_left;  /* server: bytes of the client's preface still to come */
    uint8_t type;          /* of the frame at hand */
    uint8_t continuations; /* of the header block at hand */
    bool block_open;       /* a header block was begun and its last frame's head was not seen */
    bool greeted;          /* the first frame, which must be SETTINGS, has begun */
    uint32_t frame_left;   /* bytes of the frame at hand still to come, its head included */
    uint32_t points;       /* left in the bucket */
    uint32_t acks_due;    /* WINDOW_UPDATE and PING frames that what we sent entitles the peer to */
    int32_t last_id;      /* highest stream id opened by the client side of the conn */
    uint64_t refilled_us; /* when `points` was brought up to date */
    int64_t ignored_left; /* DATA bytes that may still come for streams we reset */
    uint32_t closed[H2_GUARD_CLOSED]; /* stream number << 2 | enum h2_closed, by number; 0: none */
};

void h2_guard_init(struct h2_guard *guard, bool server, uint64_t now_us);

/* How many bytes of `bytes`, which begin inside a frame or at one's head, may be given to the
 * library next; 0: not enough to judge. A reason: fatal for the conn, as h2_fail left it. */
const struct reason *h2_guard_next(struct h2 *h2, struct slice bytes, size_t *ret_len) MUST_USE;
/* The same bytes were given to the library. */
void h2_guard_passed(struct h2_guard *guard, size_t len);

/* Whether the peer owes the rest of a header block, or of its preface, which ends with SETTINGS. */
bool h2_guard_in_head(const struct h2_guard *guard);

/* Takes points; an empty bucket fails the conn. */
void h2_guard_charge(struct h2 *h2, unsigned points);
/* A DATA frame was sent: its WINDOW_UPDATEs, and a PING to measure with, cost nothing. */
void h2_guard_credit(struct h2_guard *guard);

/* A stream is over; `how` counts unless it was noted before. */
void h2_guard_note_closed(struct h2 *h2, int32_t id, enum h2_closed how);
/* How a stream that is not open now was closed. */
enum h2_closed h2_guard_closed(const struct h2_guard *guard, int32_t id);
/* DATA for a stream we reset came by, whose window nobody gives back. */
void h2_guard_ignored(struct h2 *h2, size_t bytes);

#endif
