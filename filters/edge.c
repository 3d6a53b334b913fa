/*
 * The edge: what clients may not say, and what engines may not say to clients.
 *
 * Fields that steer the gateway or an engine's neighbours are taken from a trusted peer only. A
 * name with '_' can be mistaken for one with '-' by whoever turns fields into variables, so it is
 * dropped. Fields that must be single and are not, and two credentials, are refused: whoever reads
 * the other one would see another client.
 */
#include "filters/filter.h"

static bool is_single(const struct message *request, const struct field *field, uint32_t from)
{
    for (uint32_t i = from; i < request->count; i++)
        if (request->fields[i].id == field->id)
            return false;
    return true;
}

static const struct reason *check_once(struct filter_call *call)
{
    const struct message *request = call->request;

    for (uint32_t i = 0; i < request->count; i++) {
        const struct field *field = &request->fields[i];

        if ((field->flags & FIELD_FLAG_ONCE || field->id == FIELD_authorization) &&
            !is_single(request, field, i + 1)) {
            call->param = field->name;
            return &reason_identity_ambiguous;
        }
    }
    return NULL;
}

static bool is_underscored(const struct field *field, const void *what)
{
    (void)what;
    return slice_find(field->name, '_') < field->name.len;
}

static const struct reason *on_request(struct filter_call *call)
{
    struct message *request = call->request;

    message_remove_where(request, is_underscored, NULL);
    if (!call->peer->trusted)
        message_remove_flagged(request, FIELD_FLAG_EDGE);
    call->class_name = message_value(request, FIELD_x_sluice_class);
    call->pin = message_value(request, FIELD_x_sluice_endpoint);
    call->explain = slice_eq(message_value(request, FIELD_x_sluice_explain), SLICE("1"));
    return check_once(call);
}

static void on_answer(struct filter_call *call)
{
    message_remove_flagged(call->answer, FIELD_FLAG_EDGE);
    message_remove(call->answer, FIELD_set_cookie);
}

const struct filter_type filter_edge = {
    .name = "edge",
    .help = "Drops what clients may not steer and engines may not set.",
    .on_request = on_request,
    .on_answer = on_answer,
};
