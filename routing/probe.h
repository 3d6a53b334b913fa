/*
 * Active health checks: every endpoint of a pool that wants them is asked for its health path in
 * turn.
 *
 * Control thread. What is found is written into the endpoints' states.
 */
#ifndef SLUICE_ROUTING_PROBE_H
#define SLUICE_ROUTING_PROBE_H

#include "routing/fleet.h"

struct probes;

struct probes *probes_new(struct worker *control);
void probes_free(struct probes *probes);

/* Checks exactly this fleet's endpoints from now on; keeps a reference on it. */
void probes_follow(struct probes *probes, struct fleet *fleet);

#endif
