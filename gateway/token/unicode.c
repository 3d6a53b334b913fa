/*
 * The tables of unicode.h.
 */
#include "gateway/token/unicode.h"

#define UNICODE_TABLE const
#include "gateway/token/unicode_classes.inc"
