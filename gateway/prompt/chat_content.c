/*
 * A message's content: a string or a list of parts, whichever the template takes.
 */
#include "gateway/prompt/chat_build.h"

enum part_kind { PART_SKIPPED, PART_TEXT, PART_MEDIA, PART_TOOL_REFERENCE };

/* What vLLM makes of a part by its type; `key` holds its text. */
static const struct part_row {
    struct slice type, key;
    uint8_t kind;       /* enum part_kind */
    struct slice shown; /* media: the type that templates are told */
} part_rows[] = {
    { SLICE_INIT("text"), SLICE_INIT("text"), PART_TEXT, { NULL, 0 } },
    { SLICE_INIT("input_text"), SLICE_INIT("text"), PART_TEXT, { NULL, 0 } },
    { SLICE_INIT("output_text"), SLICE_INIT("text"), PART_TEXT, { NULL, 0 } },
    { SLICE_INIT("refusal"), SLICE_INIT("refusal"), PART_TEXT, { NULL, 0 } },
    { SLICE_INIT("thinking"), SLICE_INIT("thinking"), PART_TEXT, { NULL, 0 } },
    { SLICE_INIT("tool_reference"), SLICE_INIT("name"), PART_TOOL_REFERENCE, { NULL, 0 } },
    { SLICE_INIT("image_url"), { NULL, 0 }, PART_MEDIA, SLICE_INIT("image") },
    { SLICE_INIT("input_image"), { NULL, 0 }, PART_MEDIA, SLICE_INIT("image") },
    { SLICE_INIT("image_pil"), { NULL, 0 }, PART_MEDIA, SLICE_INIT("image") },
    { SLICE_INIT("image_embeds"), { NULL, 0 }, PART_MEDIA, SLICE_INIT("image") },
    { SLICE_INIT("audio_url"), { NULL, 0 }, PART_MEDIA, SLICE_INIT("audio") },
    { SLICE_INIT("input_audio"), { NULL, 0 }, PART_MEDIA, SLICE_INIT("audio") },
    { SLICE_INIT("audio_embeds"), { NULL, 0 }, PART_MEDIA, SLICE_INIT("audio") },
    { SLICE_INIT("video_url"), { NULL, 0 }, PART_MEDIA, SLICE_INIT("video") },
    { SLICE_INIT("prompt_embeds"), { NULL, 0 }, PART_MEDIA, SLICE_INIT("text") },
};

struct part {
    uint8_t kind; /* enum part_kind */
    struct slice text, shown;
};

static const struct part_row *find_part_row(struct json_value type)
{
    for (size_t i = 0; i < ARRAY_LEN(part_rows); i++)
        if (json_text_is(type, part_rows[i].type))
            return &part_rows[i];
    return NULL;
}

/* Clients that leave out the type, or name an image by a uuid, are media all the same. */
static const struct part_row *row_by_key(struct json_value key)
{
    const struct part_row *row = find_part_row(key);

    return row && row->kind == PART_MEDIA ? row : NULL;
}

static struct part read_part(struct build *build, struct json_reader *r)
{
    static const struct slice keys[] = { SLICE_INIT("text"), SLICE_INIT("refusal"),
                                         SLICE_INIT("thinking"), SLICE_INIT("name") };
    struct json_value key, value, type = { .kind = JSON_KIND_NONE }, texts[ARRAY_LEN(keys)] = { 0 };
    const struct part_row *row = NULL, *by_key = NULL;
    struct part part = { .kind = PART_SKIPPED };

    while (json_next(r, &key)) {
        json_take(r, &value);
        if (json_text_is(key, SLICE("type")))
            type = value;
        else if (row_by_key(key))
            by_key = row_by_key(key);
        for (size_t i = 0; i < ARRAY_LEN(keys); i++)
            if (json_text_is(key, keys[i]))
                texts[i] = value;
    }
    row = type.kind > JSON_KIND_NULL ? find_part_row(type) : by_key;
    if (!row) {
        build_fail(build, &reason_bad_value);
        return part;
    }
    part.kind = row->kind;
    part.shown = row->shown;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (slice_eq(keys[i], row->key)) {
            if (texts[i].kind > JSON_KIND_NULL)
                part.text = build_text_of(build, texts[i]);
            else
                part.kind = PART_SKIPPED; /* vLLM logs and goes on */
        }
    return part;
}

static struct part next_part(struct build *build, struct json_reader *r)
{
    struct part part = { .kind = PART_TEXT };
    struct json_value value;

    if (json_enter_object(r))
        return read_part(build, r);
    json_take(r, &value);
    part.text = build_text_of(build, value);
    return part;
}

/* The first part of the conversation that is no text gives way to the mark, once. */
static bool is_marked_here(struct build *build)
{
    bool first = !build->media_seen;

    build->media_seen = true;
    return first && build->marked;
}

static struct value *text_part(struct build *build, struct slice text)
{
    struct value *dict = build_dict(build);

    build_put(build, dict, SLICE("type"), build_text(build, SLICE("text")));
    build_put(build, dict, SLICE("text"), build_text(build, text));
    return dict;
}

static struct value *part_value(struct build *build, const struct part *part)
{
    bool reference = part->kind == PART_TOOL_REFERENCE;
    struct value *dict;

    if (part->kind == PART_TEXT)
        return text_part(build, part->text);
    if (!reference && is_marked_here(build))
        return text_part(build, SLICE(MEDIA_MARK));
    dict = build_dict(build);
    build_put(build, dict, SLICE("type"),
              build_text(build, reference ? SLICE("tool_reference") : part->shown));
    if (reference)
        build_put(build, dict, SLICE("name"), build_text(build, part->text));
    return dict;
}

/* A message's content, in whichever form the template takes. */
struct content {
    struct slice *texts; /* of the parts that have one, in the arena */
    size_t count, room;
    struct value *parts; /* a list */
    bool all_text;
    bool marked; /* a mark belongs in front of the texts */
};

static void add_text(struct build *build, struct content *content, struct slice text)
{
    if (content->count == content->room) {
        size_t room = content->room ? 2 * content->room : 4;
        struct slice *texts = arena_try_alloc(build->arena, room * sizeof(*texts));

        if (!texts) {
            build_fail(build, &reason_memory_limit);
            return;
        }
        if (content->count > 0)
            memcpy(texts, content->texts, content->count * sizeof(*texts));
        content->texts = texts;
        content->room = room;
    }
    content->texts[content->count++] = text;
}

static void add_part(struct build *build, struct content *content, const struct part *part)
{
    if (part->kind == PART_SKIPPED)
        return;
    content->all_text &= part->kind == PART_TEXT;
    if (build->takes_parts)
        build_append(build, content->parts, part_value(build, part));
    else if (part->kind == PART_MEDIA) /* vLLM puts a placeholder in front of the message's text */
        content->marked |= is_marked_here(build);
    if (part->kind != PART_MEDIA)
        add_text(build, content, part->text);
}

static void read_parts(struct build *build, struct json_value json, struct content *content)
{
    struct json_reader r;

    json_open_checked(&r, json);
    if (!json_enter_array(&r)) {
        build_fail(build, &reason_bad_value);
        return;
    }
    while (!build->reason && json_next(&r, NULL)) {
        struct part part = next_part(build, &r);

        add_part(build, content, &part);
    }
}

static struct slice content_text(struct build *build, struct content *content)
{
    struct slice with_mark[2] = { SLICE(MEDIA_MARK) };

    with_mark[1] = content->count > 0
                       ? build_join(build, content->texts, content->count, SLICE("\n"))
                       : slice_of(NULL, 0);
    return content->marked ? build_join(build, with_mark, 2, SLICE("\n")) : with_mark[1];
}

/* The tag goes behind the last text. */
static void add_tag(struct build *build, struct content *content)
{
    const struct slice tagged[] = {
        content->count > 0 ? content->texts[content->count - 1] : slice_of(NULL, 0),
        SLICE(CONTINUE_TAG " "),
    };

    if (content->count == 0)
        add_text(build, content, slice_of(NULL, 0));
    if (!build->reason)
        content->texts[content->count - 1] = build_join(build, tagged, 2, slice_of(NULL, 0));
}

/* A list of parts that are all text, for the message that is continued: its last text has the
 * tag. */
static struct value *tagged_parts(struct build *build, const struct content *content)
{
    struct value *list = build_list(build);

    for (size_t i = 0; i < content->count; i++)
        build_append(build, list, text_part(build, content->texts[i]));
    return list;
}

struct value *chat_content(struct build *build, struct json_value json, bool tool, bool continued)
{
    struct content content = { .all_text = true };

    if (build->takes_parts)
        content.parts = build_list(build);
    if (json.kind == JSON_KIND_STRING) {
        const struct part part = { .kind = PART_TEXT, .text = build_text_of(build, json) };

        add_part(build, &content, &part);
    } else if (json.kind > JSON_KIND_NULL) {
        read_parts(build, json, &content);
    }
    if (continued && !build->reason)
        add_tag(build, &content);
    if (build->reason)
        return NULL;
    if (!build->takes_parts || (tool && content.all_text))
        return build_text(build, content_text(build, &content));
    return continued && content.all_text ? tagged_parts(build, &content) : content.parts;
}
