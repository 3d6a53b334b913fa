/*
 * LoRA adapters as models: a client names an adapter, and the versions of the model it adapts
 * answer, those whose engines have it.
 *
 * Which those are is configured (`adapters` of a model or a version) or announced: an engine lists
 * it with a parent that is what a version's engine calls its model. An adapter is a model of its
 * own in the fleet, with the base model's settings and recipe; a configured name or alias always
 * wins over it, and of two models' adapters the first. Behind "*" there is no name to adapt: such
 * requests pass under their name as all others. Clients may say "base:adapter" as well, and engines
 * that want it so (engine.h, names_base) get it so.
 *
 * Part of building a fleet, and of freeing one.
 */
#ifndef SLUICE_ROUTING_FLEET_ADAPTERS_H
#define SLUICE_ROUTING_FLEET_ADAPTERS_H

#include "routing/fleet.h"

/* Of one fleet. Names come from engines: what is over is left out. */
#define FLEET_ADAPTERS_MAX 1024

/* After its models and their recipes are there. */
void fleet_add_adapters(struct fleet *fleet);
void fleet_free_adapters(struct fleet *fleet);

/* Of a model and its versions what is not the configuration's. */
void fleet_model_release(struct model *model);

#endif
