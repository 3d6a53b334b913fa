/*
 * A wire to a publisher: a socket of libzmq with its connection, and the only place where libzmq is
 * met. A subscription's brings batches as they are published; a replay's, those that are asked for
 * once more.
 *
 * libzmq says by an edge of a descriptor that something may have happened to a socket, so whoever
 * is rung for reads until nothing is left. What it tells of connections comes by a second socket,
 * its monitor. PUB is silent when idle, so a dead peer is found by TCP keepalive; ZMTP's heartbeats
 * are not used, since publishers that are not libzmq need not know them.
 *
 * Limits: KV_BATCH_BYTES_MAX a part of a message, KV_WIRE_WAITING messages that wait. libzmq has
 * none for the parts of one message, and keeps those of one that never ends: kv_wire_is_choked
 * tells, and is to be asked every KV_WIRE_LOOK_US.
 *
 * One thread, the index's.
 */
#ifndef SLUICE_ROUTING_KV_WIRE_H
#define SLUICE_ROUTING_KV_WIRE_H

#include "gateway/base/clock.h"
#include "gateway/base/slice.h"

#include <sys/types.h>

#define KV_WIRE_WAITING 32 /* messages: 128 MB if each is as large as may be */
#define KV_WIRE_LOOK_US (250 * CLOCK_US_PER_MS)
/* A wire that lost its connection for so long is to be made anew: libzmq connects again by itself,
 * but not after a message that was too large. */
#define KV_WIRE_REOPEN_US (10 * CLOCK_US_PER_S)

struct kv_wires; /* what all of them share */
struct kv_frames;

struct kv_wire {
    struct kv_wires *wires;
    void *socket, *monitor;
    struct kv_frames *frames; /* of the last message */
    /* The connection, once it stands; -1: there is none. The descriptor is libzmq's, and its inode
     * tells whether it still is the same. */
    int fd;
    ino_t inode;
    uint64_t bytes;  /* received when it was seen last that whole messages came */
    bool whole_came; /* since then */
    bool unread;     /* kv_wire_leave, and nobody has looked for a message since */
};

/* What came: the number and the payload of a batch. */
struct kv_message {
    enum { KV_MESSAGE_BATCH, KV_MESSAGE_END, KV_MESSAGE_STRANGE } kind;
    uint64_t number;
    struct slice payload; /* until the next one is received */
};

enum kv_wire_word { KV_WIRE_NONE, KV_WIRE_CONNECTED, KV_WIRE_LOST, KV_WIRE_OTHER };

/* Room for so many wires. `epoll` gets their descriptors, with what is rung for as data. */
struct kv_wires *kv_wires_new(int epoll, size_t most);
/* After the last wire is closed. */
void kv_wires_free(struct kv_wires *wires);

/* NULL when it was made; else why not, in libzmq's words. Connecting goes on by itself. */
const char *kv_wire_subscribe(struct kv_wire *wire, struct kv_wires *wires, void *ring,
                              const char *url, const char *topic) MUST_USE;
/* Asks for all batches from that number on. */
const char *kv_wire_ask(struct kv_wire *wire, struct kv_wires *wires, void *ring, const char *url,
                        uint64_t from) MUST_USE;
void kv_wire_close(struct kv_wire *wire);
bool kv_wire_is_open(const struct kv_wire *wire);

/* The next message. False: there is none. */
bool kv_wire_receive(struct kv_wire *wire, struct kv_message *ret_message);
/* The next word of the connection. */
enum kv_wire_word kv_wire_hear(struct kv_wire *wire);

/* Messages are left in the socket from now on, as many as may wait there, until kv_wire_receive. */
void kv_wire_leave(struct kv_wire *wire);
/* So many bytes have come without a whole message that it is no message. */
bool kv_wire_is_choked(struct kv_wire *wire);

#endif
