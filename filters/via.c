/*
 * Via: each request that goes on says that it was here, and one that was here before goes no
 * further: an endpoint leads back to this gateway, by whatever way, and it would go round until
 * descriptors run out. Gateways in a row have different names.
 */
#include "filters/via.h"

#include "filters/filter.h"

#include <stdio.h>

void via_init(struct via *via, uint64_t random)
{
    static const char *const protocols[VIA_COUNT] = { "1.0", "1.1", "2" };

    for (int i = 0; i < VIA_COUNT; i++) {
        snprintf(via->text[i], sizeof(via->text[i]), "%s sluice-%016llx", protocols[i],
                 (unsigned long long)random);
        via->member[i] = slice_str(via->text[i]);
    }
    via->name = slice_skip(via->member[VIA_HTTP_1_1], strlen("1.1 "));
}

/* Members need not be told apart: the name is nobody else's. */
static bool was_here(const struct message *request, struct slice name)
{
    for (uint32_t i = 0; i < request->count; i++) {
        const struct field *field = &request->fields[i];

        if (field->id == FIELD_via && memmem(field->value.at, field->value.len, name.at, name.len))
            return true;
    }
    return false;
}

static enum via_protocol received_in(const struct message *request)
{
    if (request->version == 20)
        return VIA_HTTP_2;
    return request->version == 10 ? VIA_HTTP_1_0 : VIA_HTTP_1_1;
}

static const struct reason *on_request(struct filter_call *call)
{
    const struct via *via = call->peer->via;

    if (was_here(call->request, via->name))
        return &reason_loop_detected;
    message_put(call->request, FIELD_via, via->member[received_in(call->request)]);
    return NULL;
}

const struct filter_type filter_via = {
    .name = "via",
    .help = "Marks what goes on, and refuses what has been here.",
    .on_request = on_request,
};
