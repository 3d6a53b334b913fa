/*
 * Columns. See kv_column.h.
 */
#include "routing/kv_column.h"

void kv_column_init(struct kv_column *column, struct prefix_index *index)
{
    *column = (struct kv_column){ .index = index, .number = prefix_index_column_new(index) };
    kv_pages_init(&column->shared, &column->taken);
}

void kv_column_release(struct kv_column *column)
{
    prefix_index_column_retire(column->index, column->number);
    kv_pages_release(&column->shared);
}

bool kv_column_renew(struct kv_column *column)
{
    uint32_t fresh = prefix_index_column_new(column->index);

    if (fresh == PREFIX_COLUMN_NONE)
        return false;
    prefix_index_column_retire(column->index, column->number);
    kv_pages_release(&column->shared);
    kv_pages_init(&column->shared, &column->taken);
    column->number = fresh;
    return true;
}

static uint64_t claim_name(uint64_t key, unsigned tier)
{
    return key + tier * 0x9e3779b97f4a7c15;
}

void kv_column_claim(struct kv_column *column, uint64_t key, unsigned tier)
{
    struct kv_page *more;

    if (!prefix_index_store(column->index, key, column->number, tier))
        return;
    more = kv_pages_find(&column->shared, claim_name(key, tier));
    if (!more)
        more = kv_pages_add(&column->shared, claim_name(key, tier));
    if (more)
        more->key++;
}

void kv_column_disclaim(struct kv_column *column, uint64_t key, unsigned tier)
{
    struct kv_page *more = NULL;

    if (column->shared.count > 0)
        more = kv_pages_find(&column->shared, claim_name(key, tier));
    if (!more)
        prefix_index_remove(column->index, key, column->number, tier);
    else if (--more->key == 0)
        kv_pages_remove(&column->shared, more);
}

void kv_column_remind(struct kv_column *column, uint64_t key, unsigned tier)
{
    prefix_index_store(column->index, key, column->number, tier);
}
