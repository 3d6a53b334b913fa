/*
 * The table of known patterns, made of splits.def's rows, and the kernel they run with.
 */
#include "gateway/token/split.h"

#include "gateway/base/kernel.h"
#include "gateway/token/split_core.h"
#include "gateway/token/split_kernel.h"
#include "gateway/token/split_window.h"

/* Where windows find nothing, so many bytes are left to the scanner before the next one is tried.
 */
#define WINDOW_PAUSE 64

#define split_classify_scalar NULL /* the scanner alone */
static const struct split_kernel every[] = {
#define KERNEL(name, runs) { #name, split_classify_##name },
#include "gateway/base/kernel.def"
#undef KERNEL
};

static struct split_kernel kernels[KERNEL_COUNT + 1]; /* the last one stays empty */
static const struct split_kernel *used = kernels;
uint8_t split_wide_of[256];

static enum split_wide wide_of(uint64_t mask)
{
    if (mask & (UNICODE_MASK(LU) | UNICODE_MASK(LT)))
        return SPLIT_WIDE_UPPER;
    if (mask & UNICODE_MASK(LL))
        return SPLIT_WIDE_LOWER;
    if (mask & SPLIT_LETTER)
        return SPLIT_WIDE_BOTH;
    if (mask & SPLIT_NUMBER)
        return SPLIT_WIDE_NUMBER;
    if (mask & SPLIT_SPACE)
        return SPLIT_WIDE_SPACE;
    return mask & UNICODE_MASK(M) ? SPLIT_WIDE_MARK : SPLIT_WIDE_SYMBOL;
}

/* Before main, so that no thread sees it half done. */
__attribute__((constructor)) static void find_kernels(void)
{
    struct split_kernel *at = kernels;

    for (size_t kind = 0; kind < unicode_kinds; kind++)
        split_wide_of[kind] = (uint8_t)wide_of(unicode_kind_mask[kind]);
    for (size_t i = 0; i < ARRAY_LEN(every); i++)
        if (kernel_runs((enum kernel)i))
            *at++ = every[i];
}

const struct split_kernel *split_kernels(void)
{
    return kernels;
}

void split_use(const struct split_kernel *kernel)
{
    used = kernel;
}

/* ---- pieces of a text ---- */

/* A text being split, and where its pieces end so far. */
struct scan {
    struct split_text text;
    uint32_t at;
    uint32_t *ends;
    size_t count, room;
};

static inline __attribute__((always_inline)) void
scan_shape(struct scan *scan, const struct split_shape *shape, uint32_t until)
{
    while (scan->at < until && scan->count < scan->room) {
        scan->at = split_shape_next(shape, &scan->text, scan->at);
        scan->ends[scan->count++] = scan->at;
    }
}

/* Adds the pieces of a window that begins where the scan is. */
static inline void scan_window(struct scan *scan, uint64_t begins)
{
    uint32_t from = scan->at;

    for (; begins && scan->count < scan->room; begins &= begins - 1) {
        scan->at = from + (uint32_t)__builtin_ctzll(begins);
        scan->ends[scan->count++] = scan->at;
    }
}

static inline __attribute__((always_inline)) size_t
shape_ends(const struct split_shape *shape, split_classify_fn *classify, struct scan *scan)
{
    while (classify && scan->text.len - scan->at >= SPLIT_LANES && scan->count < scan->room) {
        const char *at = scan->text.at + scan->at;
        struct split_lanes lanes;
        uint64_t begins;

        classify(at, &lanes);
        begins = split_window_begins(shape, at, &lanes);
        if (LIKELY(begins))
            scan_window(scan, begins);
        else
            scan_shape(scan, shape, scan->at + WINDOW_PAUSE);
    }
    scan_shape(scan, shape, scan->text.len);
    return scan->count;
}

/* ---- the rows ---- */

/* A row's function: by a kernel, or the scanner alone. Those of shapes are compiled for each. */
typedef size_t by_fn(split_classify_fn *classify, struct scan *scan);

static struct scan scan_of(struct slice text, size_t from, uint32_t *ret_ends, size_t room)
{
    return (struct scan){ .text = { text.at, (uint32_t)text.len, SPLIT_FENCE_NONE },
                          .at = (uint32_t)from,
                          .ends = ret_ends,
                          .room = room };
}

#define BY_SCANNER(name, next)                                                                     \
    static size_t by_##name(UNUSED split_classify_fn *classify, struct scan *scan)                 \
    {                                                                                              \
        while (scan->at < scan->text.len && scan->count < scan->room) {                            \
            scan->at = next;                                                                       \
            scan->ends[scan->count++] = scan->at;                                                  \
        }                                                                                          \
        return scan->count;                                                                        \
    }
#define SPLIT_SHAPE(name, letters, digits, contraction, lines, slash, pattern)                     \
    static const struct split_shape shape_##name = { letters, digits, contraction, lines, slash }; \
    static size_t by_##name(split_classify_fn *classify, struct scan *scan)                        \
    {                                                                                              \
        return shape_ends(&shape_##name, classify, scan);                                          \
    }
#define SPLIT_MATCH(name, match, pattern)                                                          \
    BY_SCANNER(name, split_match_next(match, &scan->text, scan->at))
#define SPLIT_CHAIN(name, next, ...) BY_SCANNER(name, next(&scan->text, scan->at))
#include "gateway/token/splits.def"
#undef SPLIT_SHAPE
#undef SPLIT_MATCH
#undef SPLIT_CHAIN

#define TYPE(name, pattern, covers, ...)                                                           \
    static size_t ends_##name(struct slice text, size_t from, uint32_t *ret_ends, size_t room)     \
    {                                                                                              \
        struct scan scan = scan_of(text, from, ret_ends, room);                                    \
                                                                                                   \
        return by_##name(used->classify, &scan);                                                   \
    }                                                                                              \
    static const struct split_type type_##name = {                                                 \
        #name, pattern, ends_##name, covers, { __VA_ARGS__ }                                       \
    };
#define SPLIT_SHAPE(name, letters, digits, contraction, lines, slash, pattern)                     \
    TYPE(name, pattern, true, NULL)
#define SPLIT_MATCH(name, match, pattern) TYPE(name, pattern, false, NULL)
#define SPLIT_CHAIN(name, next, ...)      TYPE(name, NULL, false, __VA_ARGS__)
#include "gateway/token/splits.def"
#undef SPLIT_SHAPE
#undef SPLIT_MATCH
#undef SPLIT_CHAIN

const struct split_type *const split_all[] = {
#define SPLIT_SHAPE(name, letters, digits, contraction, lines, slash, pattern) &type_##name,
#define SPLIT_MATCH(name, match, pattern)                                      &type_##name,
#define SPLIT_CHAIN(name, ...)                                                 &type_##name,
#include "gateway/token/splits.def"
#undef SPLIT_SHAPE
#undef SPLIT_MATCH
#undef SPLIT_CHAIN
};
const size_t split_count = ARRAY_LEN(split_all);

/* In the order of split_all. */
static by_fn *const by_kernel[] = {
#define SPLIT_SHAPE(name, letters, digits, contraction, lines, slash, pattern) by_##name,
#define SPLIT_MATCH(name, match, pattern)                                      by_##name,
#define SPLIT_CHAIN(name, ...)                                                 by_##name,
#include "gateway/token/splits.def"
#undef SPLIT_SHAPE
#undef SPLIT_MATCH
#undef SPLIT_CHAIN
};

size_t split_ends_by(const struct split_kernel *kernel, const struct split_type *split,
                     struct slice text, size_t from, uint32_t *ret_ends, size_t room)
{
    struct scan scan = scan_of(text, from, ret_ends, room);
    size_t i = 0;

    while (split_all[i] != split)
        i++;
    return by_kernel[i](kernel->classify, &scan);
}

const struct split_type *split_find(struct slice pattern)
{
    for (size_t i = 0; i < split_count; i++)
        if (split_all[i]->pattern && slice_eq(slice_str(split_all[i]->pattern), pattern))
            return split_all[i];
    return NULL;
}

static bool has_links(const struct split_type *chain, const struct split_type *const *links,
                      size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (chain->links[i] != links[i])
            return false;
    return !chain->links[count];
}

const struct split_type *split_find_chain(const struct split_type *const *links, size_t count)
{
    for (size_t i = 0; i < split_count && count > 0 && count <= SPLIT_LINKS; i++)
        if (has_links(split_all[i], links, count))
            return split_all[i];
    return NULL;
}
