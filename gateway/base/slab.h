/*
 * Memory for blocks of 8 to 20 KB that come and go among many small ones: the record buffers of TLS
 * and the frame buffer of an HTTP/2 session.
 *
 * From malloc they would leave holes that small blocks nibble at, so that ten thousand handshakes
 * left 15 KB a connection behind (glibc 2.36). Here they have slots of their own, whole pages, used
 * again last in, first out; slots that lie idle give their pages back.
 *
 * Smaller and larger blocks go to malloc. Any thread; a block may be freed by another thread than
 * the one that made it. The functions have the contracts of malloc, realloc and free.
 */
#ifndef SLUICE_BASE_SLAB_H
#define SLUICE_BASE_SLAB_H

#include <stddef.h>

void *slab_alloc(size_t size);
void *slab_zalloc(size_t count, size_t size);
void *slab_realloc(void *block, size_t size);
void slab_free(void *block);

#endif
