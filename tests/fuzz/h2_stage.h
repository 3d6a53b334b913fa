/*
 * What the two HTTP/2 targets share: a worker that outlives the inputs, a socket pair, and a way to
 * write frames that lets the fuzzer get past lengths and stream ids.
 *
 * An input is a list of records: type, flags, stream id, length, then so many bytes of payload.
 * Type 0xff: the payload is sent as it is, without a frame's head.
 */
#ifndef SLUICE_TESTS_FUZZ_H2_STAGE_H
#define SLUICE_TESTS_FUZZ_H2_STAGE_H

#include "gateway/base/metric.h"
#include "gateway/codec/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECORD_HEAD 4
#define RECORD_RAW  0xff

/* More turns than any input needs: a conn that is not over by then hangs. */
#define STAGE_TURNS 10000

struct stage {
    struct worker *worker;
    struct defer stop;
    int fd;
    struct conn *conn; /* NULL after on_close */
};

static inline void stage_stop(struct defer *defer)
{
    worker_stop(CONTAINER_OF(defer, struct stage, stop)->worker);
}

static inline void stage_init(struct stage *stage)
{
    if (stage->worker)
        return;
    stage->worker = worker_new(0, metric_shard_new());
    defer_init(&stage->stop, stage_stop);
}

static inline void stage_drain(struct stage *stage)
{
    char bytes[65536];

    while (recv(stage->fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        continue;
}

static inline void stage_turn(struct stage *stage)
{
    worker_defer_next(stage->worker, &stage->stop);
    worker_run(stage->worker);
    stage_drain(stage);
}

/* `cut` bytes a turn. */
static inline void stage_write(struct stage *stage, struct slice bytes, size_t cut)
{
    while (bytes.len > 0 && stage->conn) {
        struct slice piece = slice_head(bytes, cut);
        ssize_t n = send(stage->fd, piece.at, piece.len, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN)
            return;
        if (n > 0)
            bytes = slice_skip(bytes, (size_t)n);
        stage_turn(stage);
    }
}

/* Hangs up and sees the conn to its end. */
static inline void stage_close(struct stage *stage)
{
    shutdown(stage->fd, SHUT_WR);
    for (int turns = 0; stage->conn; turns++) {
        CHECK(turns < STAGE_TURNS);
        stage_turn(stage);
    }
    close(stage->fd);
}

static inline void put_record(struct buf *out, const uint8_t *record, size_t len)
{
    uint8_t head[9] = { 0, 0, (uint8_t)len, record[0], record[1], 0, 0, 0, record[2] };

    if (record[0] != RECORD_RAW)
        buf_add(out, slice_of((const char *)head, sizeof(head)));
    buf_add(out, slice_of((const char *)record + RECORD_HEAD, len));
}

static inline void put_records(struct buf *out, const uint8_t *bytes, size_t size)
{
    while (size > RECORD_HEAD) {
        size_t len = bytes[3] < size - RECORD_HEAD ? bytes[3] : size - RECORD_HEAD;

        put_record(out, bytes, len);
        bytes += RECORD_HEAD + len;
        size -= RECORD_HEAD + len;
    }
}

#endif
