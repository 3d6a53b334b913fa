/*
 * Scraping: the metrics page of every endpoint of a pool that wants it is read in turn, and what it
 * says of the engine's load goes into the endpoint's state (routing/reported, routing/adapters,
 * signals_cache).
 *
 * Control thread. Whatever comes, routing goes on: of an endpoint whose page cannot be had or
 * understood nothing is known after a while, its own traffic aside. It is asked less and less often
 * then, a counter says why, and one log line tells that it began and one that it ended.
 */
#ifndef SLUICE_ROUTING_SCRAPE_H
#define SLUICE_ROUTING_SCRAPE_H

#include "routing/fleet.h"

struct scraper;

struct scraper *scraper_new(struct worker *control);
void scraper_free(struct scraper *scraper); /* NULL is fine */

/* Reads exactly this fleet's endpoints from now on; keeps a reference on it. */
void scraper_follow(struct scraper *scraper, struct fleet *fleet);

#endif
