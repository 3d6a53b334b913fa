/*
 * Endpoints' states.
 */
#include "routing/endpoint.h"

#include <stdlib.h>

static void endpoint_state_free(struct snapshot *snapshot)
{
    struct endpoint_state *state = CONTAINER_OF(snapshot, struct endpoint_state, snapshot);

    free(state->key);
    free(state);
}

struct endpoint_state *endpoint_state_new(const char *key)
{
    struct endpoint_state *state = xcalloc(1, sizeof(*state));

    snapshot_init(&state->snapshot, endpoint_state_free);
    state->key = xstrdup(key);
    return state;
}

struct endpoint_state *endpoint_state_ref(struct endpoint_state *state)
{
    snapshot_ref(&state->snapshot);
    return state;
}

void endpoint_state_unref(struct endpoint_state *state)
{
    if (state)
        snapshot_unref(&state->snapshot);
}
