/*
 * Requests that wait in the gateway, because the endpoint that is best for them has no room.
 *
 * A request in an engine's queue has lost: it cannot go elsewhere, and nothing can be put before
 * it. Here it can. Whenever room may have come, those are let go whose best endpoint has room:
 * the highest rank first; in it tenants that had no more than others (VTC: Sheng et al., Fairness
 * in Serving Large Language Models, 2024); of theirs the one with the least seconds to compute,
 * less a share of the time it has waited. Between tenants a request has waited since one of its
 * tenant's was let go last: who sends many does not age them all at once, before everybody else's.
 * Past its deadline any endpoint with room will do.
 *
 * Pure: no socket, no clock. One thread, the pool's home worker. Work a turn is bounded by `look`
 * items for each of `releases`, memory by `length`; a tenant gets no more than `tenant_length`, and
 * all tenants of one source, where nobody vouches for who they are, no more than `source_length`.
 */
#ifndef SLUICE_ROUTING_HOLD_H
#define SLUICE_ROUTING_HOLD_H

#include "gateway/base/list.h"
#include "gateway/base/map.h"

#include <stdint.h>

struct hold_conf {
    uint32_t length;        /* items in all */
    uint32_t tenant_length; /* items of one tenant */
    uint32_t source_length; /* items of one source */
    uint32_t look;          /* items looked at for one to let go */
    uint32_t releases;      /* items let go in a turn */
    double age;             /* seconds of waiting that weigh like one second to compute */
    double fair_s;          /* seconds of service that a tenant may be ahead of the least served */
};

/* The longest that hold_predict_s says: where nothing moves. */
#define HOLD_LONGEST_S 600

extern const struct hold_conf hold_conf_default;

/* A tenant's part of a class. */
struct hold_queue;
struct hold_source;

/* Embedded in its owner, who fills in the first part. */
struct hold_item {
    uint64_t tenant; /* a hash of its name; 0 is a tenant, too */
    uint64_t source; /* whence it comes; 0: somebody vouches for its tenant */
    bool nobodys;    /* no tenant is known: the hold's length alone is its limit */
    int rank;        /* higher goes first */
    uint64_t since_us, deadline_us;
    double cost_s; /* seconds to compute; kept true by the hold once it is added */

    /* the hold's */
    struct list link; /* of its queue's items, oldest first */
    struct hold_queue *queue;
    struct hold_source *from; /* NULL: its source is 0 */
};

/*
 * Whether the item's best endpoint (with `any`: some endpoint) has room now, and how many seconds
 * it would compute there (untouched where that is not known). May not add or remove items.
 */
typedef bool hold_place_fn(void *user, struct hold_item *item, bool any, double *ret_cost_s);
/*
 * It goes, where place said last for it; the hold forgets it afterwards. False: somebody else took
 * the room meanwhile; it stays, and the turn is over. May not add or remove items.
 */
typedef bool hold_release_fn(void *user, struct hold_item *item);

struct hold {
    const struct hold_conf *conf;
    hold_place_fn *place;
    hold_release_fn *release;
    void *user;
    uint32_t count;

    struct list classes;    /* struct hold_class, highest rank first; those with items only */
    struct list tenants;    /* struct hold_tenant, longest unused first */
    struct map tenants_map; /* the same by id */
    struct map sources;     /* struct hold_source by id; those with items only */

    /* How fast those that wait get away: sums that fade, over the time in which somebody waited. */
    double released_s, busy_s;
    uint64_t seen_us; /* up to when busy_s counts; 0: nobody waits */
};

void hold_init(struct hold *hold, const struct hold_conf *conf, hold_place_fn *place,
               hold_release_fn *release, void *user);
void hold_release(struct hold *hold); /* nobody may be left */

/* HOLD_TENANT_FULL: or its source is. */
enum hold_answer { HOLD_ADDED, HOLD_FULL, HOLD_TENANT_FULL };

/* Anything but HOLD_ADDED: nothing was done. */
enum hold_answer hold_add(struct hold *hold, struct hold_item *item, uint64_t now_us) MUST_USE;
/* Who makes way for the item where the hold is full: the youngest of a tenant, of the lowest rank;
 * where its tenant's part is, of its own. NULL: nobody's is lower, or it could not be added even
 * so. */
struct hold_item *hold_last(const struct hold *hold, const struct hold_item *item);
/* It does not wait any more: it was given up. */
void hold_remove(struct hold *hold, struct hold_item *item);

/* Lets go whoever can: call it when room may have come. True: another turn may let more go. */
bool hold_turn(struct hold *hold, uint64_t now_us) MUST_USE;

/*
 * How long an item of this rank that came now would wait: the seconds to compute of all that go
 * before it, over how fast such seconds went away of late. 0: nobody is before it, or too little
 * was seen.
 */
double hold_predict_s(struct hold *hold, int rank, uint64_t now_us);

/*
 * A tenant got so much service. The caller decides what counts: the gateway charges, when it lets
 * go, the prefill and the answer as expected. Those that went straight, while nobody waited, took
 * nothing from anybody; once somebody does, all ask here. What an answer cost in the end would be a
 * letter a request, for counters that only order those that wait.
 */
void hold_charge(struct hold *hold, uint64_t tenant, double service_s);

#endif
