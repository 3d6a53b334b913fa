/*
 * What the files of the prefix index share: routing/prefix_index.c changes it,
 * routing/prefix_match.c reads it. Nobody else includes this.
 */
#ifndef SLUICE_ROUTING_PREFIX_PARTS_H
#define SLUICE_ROUTING_PREFIX_PARTS_H

#include "gateway/base/timer.h"
#include "routing/prefix_table.h"

#define PREFIX_COLUMN_WORDS (PREFIX_COLUMNS_MAX / 64)

/* A prompt that was sent somewhere, until its speculation ends. */
struct prefix_note {
    struct timer timer;
    struct prefix_index *index;
    struct list link;
    uint32_t column, generation, payer;
    size_t count;
    uint64_t keys[];
};

struct prefix_index {
    struct prefix_table table;
    struct prefix_sets sets;
    uint64_t limit_bytes;

    /* Columns, a bit each: given out or not yet free again; retired; retired before the sweep that
     * is under way began. */
    uint64_t taken[PREFIX_COLUMN_WORDS];
    uint64_t retired[PREFIX_COLUMN_WORDS];
    uint64_t sweeping[PREFIX_COLUMN_WORDS];
    /* Those whose blocks imply all before them; readers look. */
    _Atomic uint64_t gapless[PREFIX_COLUMN_WORDS];
    bool gapless_any;
    bool sweep_runs;
    uint64_t sweep_at; /* the next bucket */

    struct timers timers;
    struct list notes;
    uint64_t note_bytes, payer_bytes[PREFIX_PAYERS];

    /* What prefix_index_stats gives; the writer's alone to change. */
    _Atomic uint64_t blocks, holders, bytes, shed, columns;
};

#endif
