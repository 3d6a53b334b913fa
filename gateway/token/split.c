/*
 * The table of known patterns, made of splits.def's rows.
 */
#include "gateway/token/split.h"

#include "gateway/token/split_core.h"

/* One loop a row, so that the scanner is compiled for its shape. */
#define SPLIT_ENDS(name, next)                                                                     \
    static size_t ends_##name(struct slice text, size_t from, uint32_t *ret_ends, size_t room)     \
    {                                                                                              \
        uint32_t at = (uint32_t)from, len = (uint32_t)text.len;                                    \
        size_t count = 0;                                                                          \
                                                                                                   \
        while (at < len && count < room) {                                                         \
            at = next;                                                                             \
            ret_ends[count++] = at;                                                                \
        }                                                                                          \
        return count;                                                                              \
    }
#define SPLIT_SHAPE(name, letters, digits, contraction, lines, slash, pattern)                     \
    static const struct split_shape shape_##name = { letters, digits, contraction, lines, slash }; \
    SPLIT_ENDS(name, split_shape_next(&shape_##name, text.at, at, len))
#define SPLIT_MATCH(name, match, pattern)                                                          \
    SPLIT_ENDS(name, split_match_next(match, text.at, at, len))
#include "gateway/token/splits.def"
#undef SPLIT_SHAPE
#undef SPLIT_MATCH

#define SPLIT_SHAPE(name, letters, digits, contraction, lines, slash, pattern)                     \
    static const struct split_type type_##name = { #name, pattern, ends_##name };
#define SPLIT_MATCH(name, match, pattern)                                                          \
    static const struct split_type type_##name = { #name, pattern, ends_##name };
#include "gateway/token/splits.def"
#undef SPLIT_SHAPE
#undef SPLIT_MATCH

const struct split_type *const split_all[] = {
#define SPLIT_SHAPE(name, letters, digits, contraction, lines, slash, pattern) &type_##name,
#define SPLIT_MATCH(name, match, pattern)                                      &type_##name,
#include "gateway/token/splits.def"
#undef SPLIT_SHAPE
#undef SPLIT_MATCH
};
const size_t split_count = ARRAY_LEN(split_all);

const struct split_type *split_find(struct slice pattern)
{
    for (size_t i = 0; i < split_count; i++)
        if (slice_eq(slice_str(split_all[i]->pattern), pattern))
            return split_all[i];
    return NULL;
}
