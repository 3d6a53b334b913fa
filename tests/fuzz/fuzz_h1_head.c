/*
 * Heads as requests and as answers: what h1_head accepts llhttp accepts, too, and reads alike. The
 * reverse does not hold: an edge refuses more.
 */
#include "gateway/codec/h1_second.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const struct message_limits limits = { .fields = 40, .bytes = 8192 };

static void try_request(struct slice head, struct message *message)
{
    struct h1_facts facts;
    struct h1_line line;

    if (h1_head_read_request(head, &limits, message, &facts))
        return;
    CHECK(!h1_guard_request_line(h1_guard_cut_line(&(struct slice){ head.at, head.len }), &line));
    CHECK(h1_second_agrees(head, &line, message, (enum h1_framing)facts.said));
}

static void try_answer(struct slice head, struct message *message)
{
    struct h1_facts facts;
    struct slice rest = head;
    struct h1_line line;

    if (h1_guard_status_line(h1_guard_cut_line(&rest), &line) || line.status < 200 ||
        h1_head_read_answer(head, &line, /* to_head= */ false, &limits, message, &facts))
        return;
    CHECK(h1_second_agrees(head, &line, message, (enum h1_framing)facts.said));
}

static void try_as(void (*read)(struct slice, struct message *), struct slice head)
{
    struct message message;
    struct arena arena;

    arena_init(&arena, 1 << 20);
    message_init(&message, &arena);
    read(head, &message);
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const struct h1_guard_limits guard = { .line_bytes = 4096, .fields_bytes = 8192 };
    uint32_t scanned = 0;
    size_t len;

    if (h1_guard_head(slice_of((const char *)bytes, size), &guard, &scanned, &len) || len == 0)
        return 0;
    try_as(try_request, slice_of((const char *)bytes, len));
    try_as(try_answer, slice_of((const char *)bytes, len));
    return 0;
}
