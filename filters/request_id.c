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

/* The `count` lowest hex digits of `word`. */
static char *put_hex(char *at, uint64_t word, unsigned count)
{
    static const char digits[] = "0123456789abcdef";

    while (count-- > 0)
        *at++ = digits[word >> 4 * count & 15];
    return at;
}

/* A version 4 UUID (RFC 9562), from two words of the exchange's randomness. */
static struct slice make_id(struct arena *arena, uint64_t random)
{
    uint64_t more = random * 0x9e3779b97f4a7c15ull ^ random >> 29;
    uint64_t high = (random & ~0xf000ull) | 0x4000, low = (more & ~(3ull << 62)) | 1ull << 63;
    char *id = arena_alloc(arena, 36), *at = id;

    at = put_hex(at, high >> 32, 8);
    *at++ = '-';
    at = put_hex(at, high >> 16, 4);
    *at++ = '-';
    at = put_hex(at, high, 4);
    *at++ = '-';
    at = put_hex(at, low >> 48, 4);
    *at++ = '-';
    at = put_hex(at, low, 12);
    return slice_of(id, (size_t)(at - id));
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
