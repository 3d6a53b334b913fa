/*
 * A worker's exchanges, as those see them who only make, print and free them.
 */
#ifndef SLUICE_PROXY_EXCHANGES_H
#define SLUICE_PROXY_EXCHANGES_H

#include "gateway/base/buf.h"
#include "gateway/io/worker.h"

struct exchanges;
struct reason;

/* prefix_seed: of block keys where the directive is left out; the same for all workers. */
struct exchanges *exchanges_new(struct worker *worker, uint64_t prefix_seed);
/* All workers with exchanges, by index, this one among them; borrowed. Before threads start. */
void exchanges_meet(struct exchanges *exchanges, struct worker *const *workers, unsigned count);
/* All of them must be over, and all letters opened. NULL is fine. */
void exchanges_free(struct exchanges *exchanges);

/* From now on none that waits for room is let go. The worker's thread. */
void exchanges_close(struct exchanges *exchanges);
/* All of them end for that reason, and their clients are told where they can be. The worker's
 * thread. */
void exchanges_end(struct exchanges *exchanges, const struct reason *reason);

/* A line for each that is under way, `max` at most, then how many more there are. The worker's
 * thread. */
void exchanges_print(const struct worker *worker, size_t max, struct buf *out);

#endif
