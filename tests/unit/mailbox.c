/*
 * Mailboxes: order, wakes, letters that are sent again or freed, and many senders at once.
 */
#include "gateway/base/mailbox.h"

#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <cmocka.h>

/* Longer than any healthy run takes. */
#define DEADLINE_MS 20000

struct note {
    struct letter letter;
    int number;
};

struct desk {
    struct mailbox *mailbox;
    int opened[16];
    int count;
    int again; /* how often a letter is still sent again when it is opened */
};

static void note_open(struct letter *letter, void *receiver)
{
    struct desk *desk = receiver;

    desk->opened[desk->count++] = CONTAINER_OF(letter, struct note, letter)->number;
}

static bool is_ringing(const struct mailbox *mailbox, int timeout_ms)
{
    struct pollfd poll_fd = { .fd = mailbox_fd(mailbox), .events = POLLIN };

    return poll(&poll_fd, 1, timeout_ms) == 1;
}

static void letters_are_opened_in_the_order_they_were_sent(void **state)
{
    struct desk desk = { .count = 0 };
    struct note notes[3];

    (void)state;
    desk.mailbox = mailbox_new(&desk);
    mailbox_open_all(desk.mailbox);
    assert_false(is_ringing(desk.mailbox, 0));
    for (int i = 0; i < 3; i++) {
        notes[i] = (struct note){ .letter.open = note_open, .number = i };
        mailbox_send(desk.mailbox, &notes[i].letter);
    }
    assert_true(is_ringing(desk.mailbox, 0));
    mailbox_open_all(desk.mailbox);
    assert_false(is_ringing(desk.mailbox, 0));
    assert_int_equal(desk.count, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(desk.opened[i], i);
    mailbox_open_all(desk.mailbox);
    assert_int_equal(desk.count, 3);
    mailbox_free(desk.mailbox);
}

static void note_send_again(struct letter *letter, void *receiver)
{
    struct desk *desk = receiver;

    desk->count++;
    if (desk->again-- > 0)
        mailbox_send(desk->mailbox, letter);
}

/* Else a letter that is always sent again would hold the loop. */
static void a_letter_sent_again_waits_for_the_next_opening(void **state)
{
    struct desk desk = { .again = 2 };
    struct note note = { .letter.open = note_send_again };

    (void)state;
    desk.mailbox = mailbox_new(&desk);
    mailbox_send(desk.mailbox, &note.letter);
    for (int round = 1; round <= 3; round++) {
        assert_true(is_ringing(desk.mailbox, 0));
        mailbox_open_all(desk.mailbox);
        assert_int_equal(desk.count, round);
    }
    assert_false(is_ringing(desk.mailbox, 0));
    mailbox_free(desk.mailbox);
}

static void note_free(struct letter *letter, void *receiver)
{
    struct desk *desk = receiver;

    desk->count++;
    free(CONTAINER_OF(letter, struct note, letter));
}

static void a_letter_may_be_freed_when_it_is_opened(void **state)
{
    struct desk desk = { .count = 0 };

    (void)state;
    desk.mailbox = mailbox_new(&desk);
    for (int i = 0; i < 5; i++) {
        struct note *note = calloc(1, sizeof(*note));

        note->letter.open = note_free;
        mailbox_send(desk.mailbox, &note->letter);
    }
    mailbox_open_all(desk.mailbox);
    assert_int_equal(desk.count, 5);
    mailbox_free(desk.mailbox);
}

static void unopened_letters_are_dropped_with_the_mailbox(void **state)
{
    struct desk desk = { .count = 0 };
    struct note note = { .letter.open = note_open };

    (void)state;
    desk.mailbox = mailbox_new(&desk);
    mailbox_send(desk.mailbox, &note.letter);
    mailbox_free(desk.mailbox);
    assert_int_equal(desk.count, 0);
    mailbox_free(NULL);
}

/* Several threads send one letter each, again as soon as it was opened. */

#define SENDERS 4
#define ROUNDS  20000

struct sender {
    struct letter letter;
    struct mailbox *mailbox;
    _Atomic bool under_way;
    uint64_t sent;   /* sender's; carried by the letter */
    uint64_t opened; /* receiver's */
};

static void sender_open(struct letter *letter, void *receiver)
{
    struct sender *sender = CONTAINER_OF(letter, struct sender, letter);

    sender->opened++;
    assert_int_equal(sender->sent, sender->opened); /* what was written before is seen */
    ++*(uint64_t *)receiver;
    atomic_store(&sender->under_way, false);
}

static void *sender_run(void *arg)
{
    struct sender *sender = arg;

    for (int i = 0; i < ROUNDS; i++) {
        sender->sent++;
        atomic_store(&sender->under_way, true);
        mailbox_send(sender->mailbox, &sender->letter);
        while (atomic_load(&sender->under_way))
            sched_yield();
    }
    return NULL;
}

static void no_letter_of_many_senders_is_lost(void **state)
{
    uint64_t opened = 0;
    struct mailbox *mailbox = mailbox_new(&opened);
    struct sender senders[SENDERS] = { 0 };
    pthread_t threads[SENDERS];

    (void)state;
    for (int i = 0; i < SENDERS; i++) {
        senders[i].letter.open = sender_open;
        senders[i].mailbox = mailbox;
        assert_int_equal(pthread_create(&threads[i], NULL, sender_run, &senders[i]), 0);
    }
    while (opened < SENDERS * ROUNDS) {
        assert_true(is_ringing(mailbox, DEADLINE_MS)); /* nobody waits unheard */
        mailbox_open_all(mailbox);
    }
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    mailbox_open_all(mailbox); /* a wake may still be unread... */
    assert_false(is_ringing(mailbox, 0));
    mailbox_free(mailbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_are_opened_in_the_order_they_were_sent),
        cmocka_unit_test(a_letter_sent_again_waits_for_the_next_opening),
        cmocka_unit_test(a_letter_may_be_freed_when_it_is_opened),
        cmocka_unit_test(unopened_letters_are_dropped_with_the_mailbox),
        cmocka_unit_test(no_letter_of_many_senders_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
