/*
 * Finite and other doubles as text: the fewest digits that read back as the same number, in the two
 * forms they are written in. Any thread.
 */
#ifndef SLUICE_BASE_REAL_H
#define SLUICE_BASE_REAL_H

#include <stddef.h>

/* For the longest, "-1.2345678901234567e-308", its end, and more. */
#define REAL_TEXT_BYTES 40

/* As people write it: 3600, 0.3, 1e-05, nan, -inf. Terminated; returns its length. */
size_t real_print(double number, char ret_text[REAL_TEXT_BYTES]);
/* As Python's repr does: the same, but a whole number shows that it is a float, 3600.0. */
size_t real_repr(double number, char ret_text[REAL_TEXT_BYTES]);

#endif
