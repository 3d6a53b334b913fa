/*
 * The tenant: who is accounted for. The value of tenant_header on a trusted listener, else a hash
 * of the credential, else none. From a stranger the header is dropped.
 */
#include "filters/filter.h"

#include "gateway/base/map.h"

#define TENANT_BYTES_MAX 128

static const struct field *find_tenant(const struct message *request, struct slice name,
                                       uint32_t from)
{
    for (uint32_t i = from; i < request->count; i++)
        if (slice_eq(request->fields[i].name, name))
            return &request->fields[i];
    return NULL;
}

static bool has_name(const struct field *field, const void *name)
{
    return slice_eq(field->name, *(const struct slice *)name);
}

static const struct reason *on_request(struct filter_call *call)
{
    struct message *request = call->request;
    struct slice name = call->peer->tenant_header;
    const struct field *field = name.len > 0 ? find_tenant(request, name, 0) : NULL;
    struct slice credential = message_value(request, FIELD_authorization);

    if (field && !call->peer->trusted) {
        message_remove_where(request, has_name, &name);
        field = NULL;
    }
    if (field) {
        call->param = name;
        if (find_tenant(request, name, (uint32_t)(field - request->fields) + 1))
            return &reason_identity_ambiguous;
        if (field->value.len > TENANT_BYTES_MAX)
            return &reason_bad_field;
        call->param = slice_of(NULL, 0);
        call->tenant = field->value;
    } else if (credential.len > 0) {
        call->tenant =
            arena_printf(request->arena, "key-%016llx", (unsigned long long)map_hash(credential));
    }
    return NULL;
}

const struct filter_type filter_tenant = {
    .name = "tenant",
    .help = "Finds out who is accounted for.",
    .on_request = on_request,
};
