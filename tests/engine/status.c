/*
 * Handlers that tell how the engine is.
 */
#include "tests/engine/call.h"
#include "tests/engine/handlers.h"

/* 200 without a body, asleep or not: it does not mean that there is capacity. */
void serve_health(struct call *call)
{
    call_answer(call, 200, slice_of(NULL, 0), slice_of(NULL, 0));
}

void serve_version(struct call *call)
{
    call_answer_json(call, 200, json_pack("{s:s}", "version", "0.26.0"));
}

/* Always 0: what vLLM says without --enable-server-load-tracking. */
void serve_load(struct call *call)
{
    call_answer_json(call, 200, json_pack("{s:i}", "server_load", 0));
}
