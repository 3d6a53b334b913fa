/*
 * A mailbox: a stack that senders push onto with one compare-and-swap; the receiver takes all of it
 * at once and turns it round, so that letters are opened in the order in which they were sent.
 *
 * Only the sender that finds the stack empty writes the eventfd. It announces that in `wakes`
 * first: as long as the receiver has read as many as were announced there is nothing to read, and
 * looking into an empty mailbox costs no system call.
 */
#include "gateway/base/mailbox.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct mailbox {
    struct list *_Atomic newest; /* linked by `next`, to the oldest */
    _Atomic uint64_t wakes;      /* writes of the eventfd that were done or are about to be */
    uint64_t wakes_read;         /* receiver's */
    void *receiver;
    int fd;
};

struct mailbox *mailbox_new(void *receiver)
{
    struct mailbox *mailbox = xcalloc(1, sizeof(*mailbox));

    mailbox->receiver = receiver;
    mailbox->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    CHECK(mailbox->fd >= 0);
    return mailbox;
}

void mailbox_free(struct mailbox *mailbox)
{
    if (!mailbox)
        return;
    close(mailbox->fd);
    free(mailbox);
}

int mailbox_fd(const struct mailbox *mailbox)
{
    return mailbox->fd;
}

static void mailbox_wake(struct mailbox *mailbox)
{
    static const uint64_t one = 1;
    ssize_t n;

    do
        n = write(mailbox->fd, &one, sizeof(one));
    while (n < 0 && errno == EINTR);
    CHECK(n == sizeof(one)); /* the count would have to reach 2^64 - 1 */
}

void mailbox_send(struct mailbox *mailbox, struct letter *letter)
{
    struct list *newest = atomic_load_explicit(&mailbox->newest, memory_order_relaxed);

    do
        letter->link.next = newest;
    while (!atomic_compare_exchange_weak_explicit(&mailbox->newest, &newest, &letter->link,
                                                  memory_order_release, memory_order_relaxed));
    if (newest)
        return; /* whoever sent that one wakes, or has woken, the receiver */
    atomic_fetch_add_explicit(&mailbox->wakes, 1, memory_order_relaxed);
    mailbox_wake(mailbox);
}

/* Makes the eventfd quiet. Before the letters are taken: one that comes in between wakes again. */
static void mailbox_read_wakes(struct mailbox *mailbox)
{
    uint64_t n;

    if (atomic_load_explicit(&mailbox->wakes, memory_order_relaxed) == mailbox->wakes_read)
        return;
    if (read(mailbox->fd, &n, sizeof(n)) == sizeof(n))
        mailbox->wakes_read += n;
}

static struct list *reversed(struct list *newest)
{
    struct list *first = NULL;

    while (newest) {
        struct list *next = newest->next;

        newest->next = first;
        first = newest;
        newest = next;
    }
    return first;
}

bool mailbox_open_all(struct mailbox *mailbox)
{
    struct list *at;

    mailbox_read_wakes(mailbox);
    if (!atomic_load_explicit(&mailbox->newest, memory_order_relaxed))
        return false;
    at = reversed(atomic_exchange_explicit(&mailbox->newest, NULL, memory_order_acquire));
    while (at) {
        struct letter *letter = CONTAINER_OF(at, struct letter, link);

        at = at->next; /* first: the letter may be gone once it is opened */
        letter->open(letter, mailbox->receiver);
    }
    return true;
}
