/*
 * A JSON file's values as they are written, for numbers of which the last bit counts: a tree has
 * the doubles that are nearest to them, and not their digits.
 *
 * Slices are borrowed from the document's text and have been parsed before. One thread.
 */
#ifndef SLUICE_TOKEN_WRITTEN_H
#define SLUICE_TOKEN_WRITTEN_H

#include "gateway/token/node.h"

/* From the first byte of the node's value, which is there, to the end of the document. Takes a
 * pass over what stands before. */
struct slice written_from(const struct node *node);

/* The inside of the list or object that begins there. */
static inline struct slice written_open(struct slice value)
{
    return slice_skip(value, 1);
}

/* What is inside, value by value; keys count as values, too. False: there is no more. */
bool written_next(struct slice *inside, struct slice *ret_value) MUST_USE;

/* A number as the reference reads it, which is not always the nearest double. Infinite where the
 * reference says that it is out of range. */
double written_number(struct slice number);

#endif
