/*
 * Fields that belong to one connection are not passed on, in either direction (RFC 9110, 7.6.1).
 */
#include "filters/filter.h"

static const struct reason *on_request(struct filter_call *call)
{
    message_remove_flagged(call->request, FIELD_FLAG_HOP);
    return NULL;
}

static void on_answer(struct filter_call *call)
{
    message_remove_flagged(call->answer, FIELD_FLAG_HOP);
}

const struct filter_type filter_hop = {
    .name = "hop",
    .help = "Drops fields that belong to one connection.",
    .on_request = on_request,
    .on_answer = on_answer,
};
