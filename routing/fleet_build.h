/*
 * A fleet's pools and models, built from its configuration. Control thread.
 */
#ifndef SLUICE_ROUTING_FLEET_BUILD_H
#define SLUICE_ROUTING_FLEET_BUILD_H

#include "routing/fleet.h"

/* Fills a fleet that has its configuration and nothing else; see fleet_new. False, and complaints
 * in `errors`: it is good for fleet_unref only. */
bool fleet_build(struct fleet *fleet, const struct fleet *before, const struct names *names,
                 unsigned workers, struct buf *errors) MUST_USE;

#endif
