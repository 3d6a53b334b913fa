/*
 * Memory for what comes and goes with every request: streams, chunks, blocks of arenas, the small
 * things of nghttp2.
 *
 * malloc's own cache holds seven blocks of a size a thread (glibc 2.36); with more requests than
 * that under way each block goes the long way, an eighth of a request's instructions. Here a thread
 * keeps what it gave back in a list for each size, exact in steps of sixteen bytes, and takes it
 * from there again. What it keeps is bounded.
 *
 * Whoever gives a block back knows its size. Any thread may give back what another one took.
 * Larger blocks than SPARE_MOST go to malloc and back. Sanitized builds keep nothing, so that use
 * after release is seen.
 */
#ifndef SLUICE_BASE_SPARE_H
#define SLUICE_BASE_SPARE_H

#include <stddef.h>

#define SPARE_MOST 8191

/* Never NULL: small allocations do not fail. Not cleared; aligned as malloc does. */
void *spare_alloc(size_t size);
void *spare_zalloc(size_t size);
/* `size` as it was asked for. `block` may be NULL. */
void spare_free(void *block, size_t size);

#endif
