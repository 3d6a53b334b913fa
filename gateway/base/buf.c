/*
 * Queues of counted bytes.
 *
 * A piece is a view of a chunk. A chunk carries the piece that was made with it, so that the usual
 * case (bytes appended, moved, sent, dropped) costs one allocation; further views are pieces of
 * their own. Every piece holds one reference on its chunk.
 */
#include "gateway/base/buf.h"

#include "gateway/base/held.h"
#include "gateway/base/spare.h"

#include <stdarg.h>
#include <stdio.h>

/* A chunk starts small, because most streams hold one token's event at a time... */
#define BUF_CHUNK_MIN 512
/* ...and grows with its buf no further than this, so that a dropped front gives memory back. */
#define BUF_CHUNK_MAX 65536
/*
 * Up to this size a move copies: cheaper than one more entry of a writev. But a whole piece that
 * finds no room moves as it is, because a copy would take a chunk more and be an entry all the
 * same.
 */
#define BUF_COPY_BYTES 512

struct buf_piece {
    struct buf_piece *next;
    struct buf_chunk *chunk;
    const char *at;
    size_t len;
};

struct buf_chunk {
    struct buf_piece own; /* the view made with the chunk */
    uint32_t refs;        /* pieces that view it */
    size_t size;          /* of bytes */
    size_t used;          /* bytes written so far; only the last piece of a buf may extend */
    char bytes[];
};

static struct buf_chunk *chunk_new(size_t size)
{
    struct buf_chunk *chunk = spare_alloc(sizeof(*chunk) + size);

    chunk->own = (struct buf_piece){ .chunk = chunk, .at = chunk->bytes };
    chunk->refs = 1;
    chunk->size = size;
    chunk->used = 0;
    held_add(size);
    return chunk;
}

static void piece_free(struct buf_piece *piece)
{
    struct buf_chunk *chunk = piece->chunk;

    if (piece != &chunk->own)
        spare_free(piece, sizeof(*piece));
    if (--chunk->refs > 0)
        return;
    held_drop(chunk->size);
    spare_free(chunk, sizeof(*chunk) + chunk->size);
}

static struct buf_piece *piece_view(struct buf_chunk *chunk, const char *at, size_t len)
{
    struct buf_piece *piece = spare_alloc(sizeof(*piece));

    chunk->refs++;
    *piece = (struct buf_piece){ .chunk = chunk, .at = at, .len = len };
    return piece;
}

void buf_init(struct buf *buf, size_t limit)
{
    *buf = (struct buf){ .limit = limit };
}

void buf_release(struct buf *buf)
{
    struct buf_piece *piece = buf->first;

    while (piece) {
        struct buf_piece *next = piece->next;

        piece_free(piece);
        piece = next;
    }
    buf->first = buf->last = NULL;
    buf->len = 0;
}

static void buf_link(struct buf *buf, struct buf_piece *piece)
{
    piece->next = NULL;
    if (buf->last)
        buf->last->next = piece;
    else
        buf->first = piece;
    buf->last = piece;
    buf->len += piece->len;
}

/* Bytes the last piece can still grow by: it must end where its chunk's used part ends. */
static size_t buf_tail_room(const struct buf *buf)
{
    const struct buf_piece *last = buf->last;

    if (!last || last->at + last->len != last->chunk->bytes + last->chunk->used)
        return 0;
    return last->chunk->size - last->chunk->used;
}

char *buf_reserve(struct buf *buf, size_t size)
{
    size_t want;

    if (!buf->last || buf_tail_room(buf) < size) {
        want = buf->len < BUF_CHUNK_MIN ? BUF_CHUNK_MIN : buf->len;
        want = want > BUF_CHUNK_MAX ? BUF_CHUNK_MAX : want;
        buf_link(buf, &chunk_new(want > size ? want : size)->own);
    }
    return buf->last->chunk->bytes + buf->last->chunk->used;
}

void buf_commit(struct buf *buf, size_t written)
{
    CHECK(written <= buf_tail_room(buf));
    buf->last->len += written;
    buf->last->chunk->used += written;
    buf->len += written;
}

void buf_add(struct buf *buf, struct slice bytes)
{
    size_t room = buf_tail_room(buf);

    if (bytes.len == 0)
        return;
    if (room > 0 && room < bytes.len) { /* fill what is there before taking more memory */
        memcpy(buf_reserve(buf, room), bytes.at, room);
        buf_commit(buf, room);
        bytes = slice_skip(bytes, room);
    }
    memcpy(buf_reserve(buf, bytes.len), bytes.at, bytes.len);
    buf_commit(buf, bytes.len);
}

bool buf_append(struct buf *buf, struct slice bytes)
{
    if (bytes.len > buf_room(buf))
        return false;
    buf_add(buf, bytes);
    return true;
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    CHECK(len >= 0);
    va_start(args, format);
    vsnprintf(buf_reserve(buf, (size_t)len + 1), (size_t)len + 1, format, args);
    va_end(args);
    buf_commit(buf, (size_t)len);
}

/* Takes the first piece off the queue. */
static struct buf_piece *buf_unlink(struct buf *buf)
{
    struct buf_piece *piece = buf->first;

    buf->first = piece->next;
    if (!buf->first)
        buf->last = NULL;
    buf->len -= piece->len;
    return piece;
}

size_t buf_move(struct buf *to, struct buf *from, size_t max)
{
    size_t left = max < from->len ? max : from->len;
    size_t moved = left;

    while (left > 0) {
        struct buf_piece *piece = from->first;
        size_t n = piece->len < left ? piece->len : left;

        if (n == 0) { /* reserved, never committed to */
            piece_free(buf_unlink(from));
        } else if (n <= BUF_COPY_BYTES && (n < piece->len || n <= buf_tail_room(to))) {
            buf_add(to, slice_of(piece->at, n));
            buf_drop(from, n);
        } else if (n == piece->len) {
            buf_link(to, buf_unlink(from));
        } else {
            buf_link(to, piece_view(piece->chunk, piece->at, n));
            buf_drop(from, n);
        }
        left -= n;
    }
    return moved;
}

void buf_share_range(struct buf *to, const struct buf *from, size_t offset, size_t len)
{
    for (const struct buf_piece *piece = from->first; piece && len > 0; piece = piece->next) {
        size_t n = piece->len > offset ? piece->len - offset : 0;

        if (n > len)
            n = len;
        if (n > 0)
            buf_link(to, piece_view(piece->chunk, piece->at + offset, n));
        offset -= offset < piece->len ? offset : piece->len;
        len -= n;
    }
}

void buf_share(struct buf *to, const struct buf *from)
{
    buf_share_range(to, from, 0, from->len);
}

void buf_drop(struct buf *buf, size_t n)
{
    CHECK(n <= buf->len);
    while (n > 0) {
        struct buf_piece *piece = buf->first;

        if (n < piece->len) {
            piece->at += n;
            piece->len -= n;
            buf->len -= n;
            return;
        }
        n -= piece->len;
        piece_free(buf_unlink(buf));
    }
}

struct slice buf_front(const struct buf *buf)
{
    const struct buf_piece *piece = buf->first;

    while (piece && piece->len == 0)
        piece = piece->next;
    return piece ? slice_of(piece->at, piece->len) : slice_of(NULL, 0);
}

size_t buf_iov(const struct buf *buf, struct iovec *ret_iov, size_t max)
{
    size_t n = 0;

    for (const struct buf_piece *piece = buf->first; piece && n < max; piece = piece->next)
        if (piece->len > 0)
            ret_iov[n++] = (struct iovec){ .iov_base = (void *)piece->at, .iov_len = piece->len };
    return n;
}

size_t buf_peek(const struct buf *buf, size_t offset, char *ret_bytes, size_t max)
{
    size_t got = 0;

    for (const struct buf_piece *piece = buf->first; piece && got < max; piece = piece->next) {
        size_t n = piece->len > offset ? piece->len - offset : 0;

        if (n > max - got)
            n = max - got;
        if (n > 0)
            memcpy(ret_bytes + got, piece->at + offset, n);
        offset -= offset < piece->len ? offset : piece->len;
        got += n;
    }
    return got;
}

struct slice buf_join(struct buf *buf)
{
    if (buf_front(buf).len < buf->len) {
        struct buf_chunk *chunk = chunk_new(buf->len);

        chunk->used = buf_peek(buf, 0, chunk->bytes, buf->len);
        chunk->own.len = chunk->used;
        buf_release(buf);
        buf_link(buf, &chunk->own);
    }
    return buf_front(buf);
}
