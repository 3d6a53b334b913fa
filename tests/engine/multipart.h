/*
 * multipart/form-data, as much of it as is needed to find a field (RFC 7578).
 */
#ifndef SLUICE_ENGINE_MULTIPART_H
#define SLUICE_ENGINE_MULTIPART_H

#include "gateway/base/slice.h"

/* The content of the first part with that name; borrows from `body`. False when it is no such form
 * or has no such part. */
bool multipart_field(struct slice content_type, struct slice body, struct slice name,
                     struct slice *ret_content) MUST_USE;

#endif
