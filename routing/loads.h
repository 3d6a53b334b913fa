/*
 * What an engine says of its load in JSON, where it keeps no metrics page unless it is told to:
 * SGLang's /v1/loads, an object a data-parallel rank; llama.cpp's /slots, an object a slot. Rows of
 * gauges.def say which members are read; the rules are those of gauges.h.
 *
 * Any thread. Bounded by the length of the text, which is the caller's to bound.
 */
#ifndef SLUICE_ROUTING_LOADS_H
#define SLUICE_ROUTING_LOADS_H

#include "routing/gauges.h"

/* Whether a page is such a text, and no series of a metrics page. */
bool loads_begin(struct slice page);
void loads_read(enum engine_id engine, struct slice page, struct gauges *ret_gauges);

#endif
