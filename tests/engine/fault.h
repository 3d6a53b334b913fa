/*
 * Faults on demand: what an engine in trouble does to those who talk to it.
 *
 * A request asks for one itself (header "x-fault: KIND[=A[:B]]"), or a rule made by POST
 * /debug/fault deals it to the next requests. One row a kind (fault.c): its name, what its numbers
 * mean, when it strikes and what happens then. Only with --allow-faults.
 */
#ifndef SLUICE_ENGINE_FAULT_H
#define SLUICE_ENGINE_FAULT_H

#include "gateway/base/list.h"
#include "gateway/base/slice.h"

struct call;

enum fault_when {
    FAULT_AT_ONCE,  /* the request is served all the same */
    FAULT_AT_BODY,  /* when the request's head is there: changes how its body is read */
    FAULT_AT_HEAD,  /* instead of serving the request */
    FAULT_AT_EVENT, /* when `a` events of a stream have been sent; instead of the next one */
    FAULT_AT_WHOLE, /* instead of an answer that is no stream */
    FAULT_AT_END,   /* instead of "[DONE]" */
    FAULT_ON_EVENTS /* changes how every event is sent */
};

struct fault_kind {
    const char *name;
    enum fault_when when;
    uint64_t a, b; /* defaults */
    const char *help;
    void (*strike)(struct call *call); /* NULL for those whose place looks at `when` and `a` */
};

struct fault {
    const struct fault_kind *kind; /* NULL: none */
    uint64_t a, b;
};

/* "KIND[=A[:B]]". False when it is no such thing. */
bool fault_parse(struct slice text, struct fault *ret_fault) MUST_USE;
/* Kinds by index, NULL past the last: for the complaint about an unknown one. */
const struct fault_kind *fault_kind_at(size_t index);

/* Rules, oldest first. */
struct faults {
    struct list rules;
    size_t count;
    uint64_t random; /* state; depends on --seed only */
};

void faults_init(struct faults *faults, uint64_t seed);
void faults_release(struct faults *faults);
/*
 * The next `count` requests (UINT64_MAX: all) whose path begins with `path` are struck, each with
 * this probability. False when there are too many rules.
 */
bool faults_add(struct faults *faults, const struct fault *fault, uint64_t count,
                double probability, struct slice path) MUST_USE;
void faults_clear(struct faults *faults);
/* What strikes a request on this path; counts it. kind NULL: nothing. */
struct fault faults_deal(struct faults *faults, struct slice path);

#endif
