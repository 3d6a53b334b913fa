/*
 * X-Forwarded-For, -Proto and -Host: who asked, towards the endpoint. A trusted peer's are added
 * to, a stranger's were dropped at the edge. traceparent is passed on if it is one (W3C Trace
 * Context), else dropped.
 */
#include "filters/filter.h"

#include "gateway/io/resolve.h"

static bool is_hex(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!((s.at[i] >= '0' && s.at[i] <= '9') || (s.at[i] >= 'a' && s.at[i] <= 'f')))
            return false;
    return true;
}

/* version "-" trace id "-" parent id "-" flags, lower-case hex; version ff is none. */
static bool is_traceparent(struct slice s)
{
    static const size_t lengths[] = { 2, 32, 16, 2 };

    if (slice_starts(s, SLICE("ff")))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        struct slice part = slice_cut(&s, '-');

        if (part.len != lengths[i] || !is_hex(part))
            return false;
    }
    return s.len == 0;
}

static void forward_trace(struct message *request)
{
    struct slice parent = message_value(request, FIELD_traceparent);

    if (parent.len > 0 && is_traceparent(parent))
        return;
    message_remove(request, FIELD_traceparent);
    message_remove(request, FIELD_tracestate);
}

static bool tells_who(const struct field *field)
{
    return field->id == FIELD_x_forwarded_for && field->value.len > 0;
}

/* Who stood there before, in however many fields, then the peer. */
static struct slice forwarded_for(const struct message *request, struct slice peer)
{
    size_t len = peer.len;
    char *text, *at;

    for (uint32_t i = 0; i < request->count; i++)
        if (tells_who(&request->fields[i]))
            len += request->fields[i].value.len + 2;
    text = at = arena_alloc(request->arena, len);
    for (uint32_t i = 0; i < request->count; i++)
        if (tells_who(&request->fields[i])) {
            at = mempcpy(at, request->fields[i].value.at, request->fields[i].value.len);
            at = mempcpy(at, ", ", 2);
        }
    if (peer.len > 0)
        memcpy(at, peer.at, peer.len);
    return slice_of(text, len);
}

static const struct reason *on_request(struct filter_call *call)
{
    struct message *request = call->request;
    struct slice peer = resolve_text_host(call->address);
    struct slice before = message_value(request, FIELD_x_forwarded_for);
    struct slice first = before;

    call->client = before.len > 0 ? slice_trim(slice_cut(&first, ',')) : call->address;
    peer = forwarded_for(request, peer);
    message_remove(request, FIELD_x_forwarded_for);
    if (peer.len > 0) /* a peer on a unix socket has no address */
        message_put(request, FIELD_x_forwarded_for, peer);
    if (!message_find(request, FIELD_x_forwarded_proto))
        message_put(request, FIELD_x_forwarded_proto,
                    call->peer->tls ? SLICE("https") : SLICE("http"));
    if (!message_find(request, FIELD_x_forwarded_host) && request->authority.len > 0)
        message_put(request, FIELD_x_forwarded_host, request->authority);
    forward_trace(request);
    return NULL;
}

const struct filter_type filter_forwarded = {
    .name = "forwarded",
    .help = "Tells the endpoint who asked, and passes on traceparent.",
    .on_request = on_request,
};
