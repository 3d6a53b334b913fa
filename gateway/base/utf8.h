/*
 * UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing past U+10FFFF.
 */
#ifndef SLUICE_BASE_UTF8_H
#define SLUICE_BASE_UTF8_H

#include "gateway/base/slice.h"

/* What stands for bytes that are no UTF-8: U+FFFD. */
#define UTF8_REPLACEMENT "\xef\xbf\xbd"

/* How many bytes the well-formed sequence at the front of `s` has, 1 to 4; 0 when there is none. */
size_t utf8_sequence(struct slice s);
/* Whether all of it is well-formed. */
bool utf8_holds(struct slice s);

#endif
