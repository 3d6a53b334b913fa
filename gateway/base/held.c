/*
 * The count of held bytes: one for the process.
 */
#include "gateway/base/held.h"

_Atomic size_t held_count;
