/*
 * Counted bytes and bounded queues of them.
 *
 * A chunk is a run of bytes with a count of holders; a buf is a queue of pieces of chunks with a
 * limit given at construction. Bytes are copied into a buf once; from there they move to other
 * bufs (buf_move) or are shared with them (buf_share) without copying. Shared bytes are never
 * written again.
 *
 * One thread: chunks of a buf must not be shared with another thread's buf. The bytes that all
 * chunks of the process hold are counted (base/held.h).
 */
#ifndef SLUICE_BASE_BUF_H
#define SLUICE_BASE_BUF_H

#include "gateway/base/slice.h"

#include <sys/uio.h>

struct buf_piece;

struct buf {
    struct buf_piece *first, *last;
    size_t len;   /* bytes queued */
    size_t limit; /* bytes; what meets it is refused */
};

/* Takes no memory before the first byte. */
void buf_init(struct buf *buf, size_t limit);
/* Drops all bytes; the buf can be used again. */
void buf_release(struct buf *buf);

static inline bool buf_is_empty(const struct buf *buf)
{
    return buf->len == 0;
}

/* How many bytes may still be added. */
static inline size_t buf_room(const struct buf *buf)
{
    return buf->limit > buf->len ? buf->limit - buf->len : 0;
}

/* Copies. False, and nothing added, when the limit would be passed. */
bool buf_append(struct buf *buf, struct slice bytes) MUST_USE;
/* Copies whatever the limit says: for bytes whose amount is ours to know (heads, framing). */
void buf_add(struct buf *buf, struct slice bytes);
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);

/*
 * Room for at least `size` bytes in one run at the end, to be written at the returned place and
 * then counted by buf_commit. Not bounded by the limit. Valid until the next call on the buf.
 */
char *buf_reserve(struct buf *buf, size_t size);
void buf_commit(struct buf *buf, size_t written);

/* Moves up to `max` bytes from the front of `from` to the end of `to`, small ones by copying. Not
 * bounded by `to`'s limit. Returns how many. */
size_t buf_move(struct buf *to, struct buf *from, size_t max);
/* Adds all bytes of `from` to `to` without copying; both hold them afterwards. */
void buf_share(struct buf *to, const struct buf *from);
/* Adds bytes [offset, offset+len) of `from` to `to` without copying. */
void buf_share_range(struct buf *to, const struct buf *from, size_t offset, size_t len);
/* Drops `n` bytes from the front. */
void buf_drop(struct buf *buf, size_t n);

/* The first run of bytes; borrowed until the buf is changed. Empty when the buf is. */
struct slice buf_front(const struct buf *buf);
/* Fills up to `max` entries from the front, returns how many. */
size_t buf_iov(const struct buf *buf, struct iovec *ret_iov, size_t max);
/* Copies up to `max` bytes from `offset` on to `ret_bytes` without dropping them; returns how many.
 */
size_t buf_peek(const struct buf *buf, size_t offset, char *ret_bytes, size_t max);
/*
 * All bytes as one run, joined by copying if they lie in several. Borrowed until the buf is
 * changed; pieces shared with other bufs before stay as they are there.
 */
struct slice buf_join(struct buf *buf);

#endif
