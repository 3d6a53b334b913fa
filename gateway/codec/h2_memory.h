/*
 * The memory of libnghttp2's sessions. Small blocks, of which a request takes a dozen, come from
 * base/spare; a session's frame buffer, 16 KB for as long as the conn lives, from base/slab.
 */
#ifndef SLUICE_CODEC_H2_MEMORY_H
#define SLUICE_CODEC_H2_MEMORY_H

#include <nghttp2/nghttp2.h>

/* For nghttp2_session_*_new3. Any thread; never changed. */
extern nghttp2_mem h2_memory;

#endif
