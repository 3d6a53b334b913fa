/*
 * x-request-id: kept from a trusted peer, made otherwise (as Envoy does at an edge: a stranger's id
 * could impersonate another request in the logs), sent to the endpoint and echoed to the client.
 */
#include "filters/filter.h"

#define ID_BYTES_MAX 128

static bool is_usable(struct slice id)
{
    return id.len > 0 && id.len <= ID_BYTES_MAX && http_is_token(id);
}

/* A version 4 UUID (RFC 9562), from two words of the exchange's randomness. */
static struct slice make_id(struct arena *arena, uint64_t random)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t more = random * 0x9e3779b97f4a7c15ull ^ random >> 29;
    uint64_t words[2] = { (random & ~0xf000ull) | 0x4000, (more & ~(3ull << 62)) | 1ull << 63 };
    char *id = arena_alloc(arena, 36);
    size_t at = 0;

    for (size_t i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            id[at++] = '-';
        id[at++] = digits[words[i / 16] >> (60 - 4 * (i % 16)) & 15];
    }
    return slice_of(id, at);
}

static const struct reason *on_request(struct filter_call *call)
{
    struct slice given = message_value(call->request, FIELD_x_request_id);

    if (call->peer->trusted && is_usable(given)) {
        call->request_id = given;
        return NULL;
    }
    message_remove(call->request, FIELD_x_request_id);
    call->request_id = make_id(call->request->arena, call->random);
    message_put(call->request, FIELD_x_request_id, call->request_id);
    return NULL;
}

static void on_answer(struct filter_call *call)
{
    message_remove(call->answer, FIELD_x_request_id);
    message_put(call->answer, FIELD_x_request_id, call->request_id);
}

const struct filter_type filter_request_id = {
    .name = "request_id",
    .help = "Makes or keeps x-request-id and echoes it.",
    .on_request = on_request,
    .on_answer = on_answer,
};
