/*
 * Letters from other threads to one thread. Sending never blocks for longer than a pointer copy;
 * the receiver is woken through an eventfd that io/worker watches.
 *
 * Bounded by those who send: letters are embedded in objects that exist anyway, one at a time.
 */
#ifndef SLUICE_BASE_MAILBOX_H
#define SLUICE_BASE_MAILBOX_H

#include "gateway/base/list.h"

struct letter {
    struct list link;
    /* On the receiver's thread. The letter may be freed or sent again inside. */
    void (*open)(struct letter *letter, void *receiver);
};

struct mailbox;

struct mailbox *mailbox_new(void *receiver);
/* When nobody can send any more. Unopened letters are dropped. NULL is fine. */
void mailbox_free(struct mailbox *mailbox);
int mailbox_fd(const struct mailbox *mailbox);
/* Any thread. The letter must not be under way already. */
void mailbox_send(struct mailbox *mailbox, struct letter *letter);
/* Receiver's thread: opens all that are there, oldest first. False: there were none. Costs no
 * system call when there is nothing to read. */
bool mailbox_open_all(struct mailbox *mailbox);

#endif
