/*
 * Publishers. See kv_publisher.h.
 */
#include "routing/kv_publisher.h"

#include "gateway/base/clock.h"
#include "routing/kv_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a publisher, before the others have theirs: so many messages, or as many as take so long. */
#define MESSAGES_A_TURN 64
#define TURN_US         2000
/* What goes on being wrong with a publisher is said so seldom. */
#define SAY_US (60 * CLOCK_US_PER_S)

/* What is said of it when a count grows. */
static const struct {
    enum kv_feed_count count;
    const char *words;
} sayings[KV_SAYINGS] = {
    { KV_FEED_MALFORMED,
      "messages that are no KV events, passed over; what was held is forgotten" },
    { KV_FEED_GAPS, "batches of KV events were lost on the way" },
    { KV_FEED_HOLES, "lost batches did not come again; what was held is forgotten" },
    { KV_FEED_RESTARTS, "the engine began anew; what was held is forgotten" },
    { KV_FEED_REFUSED, "more pages or ranks than one engine has, the rest is passed over" },
};

static void publisher_print(const struct log_subject *subject, char *text, size_t size)
{
    const struct kv_publisher *publisher = CONTAINER_OF(subject, struct kv_publisher, subject);

    snprintf(text, size, "%s events %s", publisher->name, publisher->url);
}

/* ---- what others may know of it ---- */

void kv_publisher_count(const struct kv_publisher *publisher, uint64_t counts[KV_FEED_COUNTS])
{
    const struct kv_sequence *sequence = &publisher->sequence;
    const struct kv_mirror_stats *mirror = &sequence->mirror.stats;
    const uint64_t own[KV_FEED_COUNTS] = {
        [KV_FEED_BATCHES] = sequence->stats.batches,
        [KV_FEED_EVENTS] = sequence->tally.events,
        [KV_FEED_STORED] = mirror->stored,
        [KV_FEED_REMOVED] = mirror->removed,
        [KV_FEED_REPEATED] = sequence->stats.repeated,
        [KV_FEED_ORPHANS] = mirror->orphans,
        [KV_FEED_FOREIGN] = mirror->foreign,
        [KV_FEED_REFUSED] = mirror->refused,
        [KV_FEED_UNKNOWN] = sequence->tally.unknown,
        [KV_FEED_MALFORMED] = sequence->stats.malformed,
        [KV_FEED_GAPS] = sequence->stats.gaps,
        [KV_FEED_REPLAYS] = publisher->replays,
        [KV_FEED_HOLES] = sequence->stats.holes,
        [KV_FEED_RESTARTS] = sequence->stats.restarts,
        [KV_FEED_CLEARS] = mirror->clears,
        [KV_FEED_CONNECTS] = publisher->connects,
    };

    for (size_t i = 0; i < KV_FEED_COUNTS; i++)
        counts[i] += own[i];
}

static void say_growth(struct kv_publisher *publisher)
{
    uint64_t counts[KV_FEED_COUNTS] = { 0 };

    kv_publisher_count(publisher, counts);
    for (size_t i = 0; i < KV_SAYINGS; i++) {
        uint64_t count = counts[sayings[i].count];
        bool grew = count > publisher->said[i];

        publisher->said[i] = count;
        if (!grew || publisher->events->now_us < publisher->quiet_until_us[i])
            continue;
        publisher->quiet_until_us[i] = publisher->events->now_us + SAY_US;
        log_warn(&publisher->subject, "%s", sayings[i].words);
    }
}

/* Something may have changed. */
static void publisher_changed(struct kv_publisher *publisher)
{
    say_growth(publisher);
    publisher->heard |= publisher->sequence.stats.batches > 0;
    kv_feed_publish(publisher->feed);
}

void kv_publisher_is_ready(struct kv_publisher *publisher)
{
    if (!list_is_linked(&publisher->ready_link))
        list_push(&publisher->events->ready, &publisher->ready_link);
}

/* ---- replays ---- */

static bool may_replay(const struct kv_publisher *publisher)
{
    return publisher->replay_url &&
           kv_patience_allows(&publisher->patience, publisher->events->now_us);
}

/* Live batches wait from now on, until it has begun and ended; not for one that may not be had
 * soon, they would be lost. The next connection asks by itself. */
static void replay_want(struct kv_publisher *publisher, struct kv_replay replay)
{
    if (!replay.wanted || !publisher->connected)
        return;
    if (!may_replay(publisher)) {
        (void)kv_sequence_replay_ended(&publisher->sequence, /* complete= */ false);
        return;
    }
    kv_wire_leave(&publisher->live);
    publisher->replay_from = replay.from;
    timer_set(&publisher->events->timers, &publisher->replay_timer,
              kv_patience_next_us(&publisher->patience, publisher->events->now_us));
}

static void replay_stop(struct kv_publisher *publisher)
{
    timer_clear(&publisher->replay_timer);
    kv_wire_close(&publisher->replay);
}

static void replay_end(struct kv_publisher *publisher, bool complete)
{
    uint64_t holes = publisher->sequence.stats.holes;
    struct kv_replay another;
    enum kv_replay_end end = KV_REPLAY_FAILED;

    replay_stop(publisher);
    another = kv_sequence_replay_ended(&publisher->sequence, complete);
    if (complete) {
        bool useless = another.wanted || publisher->sequence.stats.holes > holes;

        end = useless ? KV_REPLAY_USELESS : KV_REPLAY_USEFUL;
        publisher->heard = true;
    } else {
        log_warn(&publisher->subject, "replay: it came to no end, what was held is forgotten");
    }
    kv_patience_ended(&publisher->patience, end, publisher->events->now_us);
    replay_want(publisher, another);
    kv_publisher_is_ready(publisher); /* batches waited meanwhile */
}

/* The connection is another, or lost: what the replay would bring may be the old engine's. */
static void replay_abandon(struct kv_publisher *publisher)
{
    if (kv_wire_is_open(&publisher->replay))
        kv_patience_ended(&publisher->patience, KV_REPLAY_USELESS, publisher->events->now_us);
    replay_stop(publisher);
}

static void replay_set_timer(struct kv_publisher *publisher)
{
    timer_set(&publisher->events->timers, &publisher->replay_timer,
              kv_patience_until_us(&publisher->patience));
}

static void replay_begin(struct kv_publisher *publisher)
{
    struct kv_events *events = publisher->events;
    const char *wrong = kv_wire_ask(&publisher->replay, events->wires, publisher,
                                    publisher->replay_url, publisher->replay_from);

    if (wrong) {
        log_error(&publisher->subject, "replay: %s, doing without", wrong);
        replay_end(publisher, /* complete= */ false);
        return;
    }
    log_info(&publisher->subject, "replay: asking for batches from %llu on",
             (unsigned long long)publisher->replay_from);
    publisher->replays++;
    kv_patience_begun(&publisher->patience, events->now_us);
    replay_set_timer(publisher);
    kv_publisher_is_ready(publisher);
}

static void on_replay_timer(struct timer *timer)
{
    struct kv_publisher *publisher = CONTAINER_OF(timer, struct kv_publisher, replay_timer);

    if (kv_wire_is_open(&publisher->replay))
        replay_end(publisher, /* complete= */ false);
    else
        replay_begin(publisher);
    publisher_changed(publisher);
}

/* One message of the replay. False: none is there. */
static bool replay_turn(struct kv_publisher *publisher)
{
    struct kv_message message;

    if (!kv_wire_receive(&publisher->replay, &message))
        return false;
    kv_patience_heard(&publisher->patience, publisher->events->now_us);
    replay_set_timer(publisher);
    if (message.kind == KV_MESSAGE_BATCH)
        kv_sequence_replayed(&publisher->sequence, message.number, message.payload);
    else if (message.kind == KV_MESSAGE_END)
        replay_end(publisher, /* complete= */ true);
    else
        publisher->sequence.stats.malformed++;
    return true;
}

/* ---- the live wire ---- */

static void look_again(struct kv_publisher *publisher)
{
    timer_set(&publisher->events->timers, &publisher->look,
              publisher->events->now_us + KV_WIRE_LOOK_US);
}

static bool live_turn(struct kv_publisher *publisher)
{
    struct kv_message message;

    if (kv_sequence_is_replaying(&publisher->sequence) ||
        !kv_wire_receive(&publisher->live, &message))
        return false;
    publisher->sequence.can_replay = may_replay(publisher);
    if (message.kind == KV_MESSAGE_BATCH)
        replay_want(publisher,
                    kv_sequence_live(&publisher->sequence, message.number, message.payload));
    else
        publisher->sequence.stats.malformed++;
    return true;
}

/* A connection that comes and goes is told of once in a while. */
static void say_connection(struct kv_publisher *publisher, const char *words)
{
    if (publisher->connects <= 1 || publisher->events->now_us >= publisher->no_word_until_us)
        log_info(&publisher->subject, "%s", words);
}

static void on_connected(struct kv_publisher *publisher)
{
    timer_clear(&publisher->reopen);
    publisher->connects++;
    publisher->connected = true;
    look_again(publisher);
    say_connection(publisher, "connected");
    replay_abandon(publisher);
    publisher->sequence.can_replay = may_replay(publisher);
    replay_want(publisher, kv_sequence_connected(&publisher->sequence));
}

static void on_disconnected(struct kv_publisher *publisher)
{
    struct kv_events *events = publisher->events;

    say_connection(publisher, "connection lost, connecting again");
    if (events->now_us >= publisher->no_word_until_us)
        publisher->no_word_until_us = events->now_us + SAY_US;
    publisher->connected = false;
    replay_abandon(publisher);
    timer_set(&events->timers, &publisher->reopen, events->now_us + KV_WIRE_REOPEN_US);
}

/* One word of the connection. False: there is none. */
static bool word_turn(struct kv_publisher *publisher)
{
    enum kv_wire_word word = kv_wire_hear(&publisher->live);

    if (word == KV_WIRE_NONE)
        return kv_wire_hear(&publisher->replay) != KV_WIRE_NONE;
    if (word == KV_WIRE_CONNECTED)
        on_connected(publisher);
    else if (word == KV_WIRE_LOST)
        on_disconnected(publisher);
    return true;
}

static void publisher_turn(struct kv_publisher *publisher)
{
    uint64_t until_us = clock_now_us() + TURN_US;
    bool more = true;

    list_remove(&publisher->ready_link);
    for (int i = 0; more && i < MESSAGES_A_TURN && clock_now_us() < until_us; i++)
        more = word_turn(publisher) || replay_turn(publisher) || live_turn(publisher);
    publisher_changed(publisher);
    if (more)
        kv_publisher_is_ready(publisher);
}

void kv_publishers_turn(struct kv_events *events)
{
    struct list turn;

    list_init(&turn);
    list_splice(&turn, &events->ready);
    while (!list_is_empty(&turn))
        publisher_turn(CONTAINER_OF(turn.next, struct kv_publisher, ready_link));
}

/* What keeps one from being listened to (open files, sockets) keeps others: one line for all. */
static void say_unheard(struct kv_publisher *publisher, const char *wrong)
{
    struct kv_events *events = publisher->events;

    if (events->now_us < events->unheard_quiet_until_us)
        return;
    events->unheard_quiet_until_us = events->now_us + SAY_US;
    log_error(&publisher->subject, "%s, its events are not heard, and perhaps those of others",
              wrong);
}

/* Where it cannot be, it is tried again. */
static void open_live(struct kv_publisher *publisher)
{
    struct kv_events *events = publisher->events;
    const char *wrong = kv_wire_subscribe(&publisher->live, events->wires, publisher,
                                          publisher->url, publisher->topic);

    if (wrong) {
        say_unheard(publisher, wrong);
        timer_set(&events->timers, &publisher->reopen, events->now_us + KV_WIRE_REOPEN_US);
    }
    kv_publisher_is_ready(publisher);
}

/* libzmq keeps all parts of a message until the last has come, however many. */
static void on_look(struct timer *timer)
{
    struct kv_publisher *publisher = CONTAINER_OF(timer, struct kv_publisher, look);
    bool replay_choked = kv_wire_is_choked(&publisher->replay);
    bool live_choked = kv_wire_is_choked(&publisher->live);

    publisher->sequence.stats.malformed += (uint64_t)replay_choked + live_choked;
    if (replay_choked)
        replay_end(publisher, /* complete= */ false);
    if (live_choked) {
        kv_wire_close(&publisher->live);
        on_disconnected(publisher);
    }
    if (publisher->connected)
        look_again(publisher);
    publisher_changed(publisher);
}

static void on_reopen(struct timer *timer)
{
    struct kv_publisher *publisher = CONTAINER_OF(timer, struct kv_publisher, reopen);

    kv_wire_close(&publisher->live);
    timer_set(&publisher->events->timers, timer, publisher->events->now_us + KV_WIRE_REOPEN_US);
    open_live(publisher);
}

/* ---- its life ---- */

void kv_publisher_open(struct kv_publisher *publisher, struct kv_feed *feed,
                       struct kv_events *events, struct kv_column *column,
                       const struct kv_publisher_conf *conf)
{
    *publisher = (struct kv_publisher){
        .subject.print = publisher_print,
        .events = events,
        .feed = feed,
        .name = conf->name,
        .topic = conf->topic,
        .url = xstrdup(conf->url),
        .replay_url = conf->replay_url ? xstrdup(conf->replay_url) : NULL,
    };
    list_init(&publisher->ready_link);
    timer_init(&publisher->replay_timer, on_replay_timer);
    timer_init(&publisher->reopen, on_reopen);
    timer_init(&publisher->look, on_look);
    kv_sequence_init(&publisher->sequence, column, conf->block, conf->prefix_seed, conf->cache,
                     publisher->replay_url != NULL);
    open_live(publisher);
}

void kv_publisher_close(struct kv_publisher *publisher)
{
    replay_stop(publisher);
    timer_clear(&publisher->reopen);
    timer_clear(&publisher->look);
    list_remove(&publisher->ready_link);
    kv_wire_close(&publisher->live);
    kv_sequence_release(&publisher->sequence);
    free(publisher->url);
    free(publisher->replay_url);
}
