/*
 * JSON as requests and answers need it: read once, front to back, no tree, no allocation.
 *
 * A reader walks one complete text. Every byte is looked at once, by vector instructions where the
 * processor has them; the caller enters the objects and arrays it cares for and takes everything
 * else whole. What is taken is checked all the same: RFC 8259 without exception, UTF-8 included.
 * Stricter than the grammar in one thing: an integer of more than 4,300 digits is refused, because
 * Python (and so the engines) refuses it.
 *
 *     json_open(&r, body, NULL);
 *     if (json_enter_object(&r))
 *         while (json_next(&r, &key))
 *             if (json_text_is(key, SLICE("model")))
 *                 json_take(&r, &model);
 *             else
 *                 json_take(&r, NULL);
 *     reason = json_close(&r);
 *
 * The first error sticks: every call after it answers "no more", json_close tells it. After
 * json_next the value must be taken or entered before the next json_next.
 *
 * One thread a reader. Values are slices of the text given to json_open and live as long as it
 * does.
 */
#ifndef SLUICE_PROMPT_JSON_H
#define SLUICE_PROMPT_JSON_H

#include "gateway/base/arena.h"
#include "gateway/base/buf.h"
#include "gateway/base/reason.h"

/* Deeper than any request or schema seen, shallow enough for a bit a level. */
#define JSON_DEPTH_MAX 128

enum json_kind {
    JSON_KIND_NONE, /* no value: nothing was read, or an error */
    JSON_KIND_NULL,
    JSON_KIND_FALSE,
    JSON_KIND_TRUE,
    JSON_KIND_NUMBER,
    JSON_KIND_STRING,
    JSON_KIND_ARRAY,
    JSON_KIND_OBJECT,
};

struct json_value {
    struct slice raw; /* as it stands in the text; a string with its quotes */
    uint8_t kind;     /* enum json_kind */
    bool escaped;     /* a string in which a backslash occurs */
    bool integer;     /* a number without fraction and exponent */
};

struct json_limits {
    size_t bytes;     /* of the text; more is reason_body_too_large */
    uint64_t members; /* of all objects and arrays together; more is reason_bad_json */
    uint32_t depth;   /* at most JSON_DEPTH_MAX; more is reason_bad_json */
};

/* Shorter strings are walked through as fast as their ends are looked up. */
#define JSON_END_LEAST 256
/* Most that are noted of a text, so that a client does not choose what is kept. */
#define JSON_ENDS_MAX 256

/* A long string of a text that was read. */
struct json_end {
    const char *open; /* its first quote */
    uint32_t len;     /* with both quotes */
    bool escaped;
};

/* Where a text's first long strings end, in order, for whom reads it again. Lies in an arena. */
struct json_ends {
    struct json_end *list;
    uint32_t count, room;
};

struct json_reader {
    const char *at, *end;
    const struct reason *reason; /* the first error; NULL: none so far */
    uint64_t members_left;
    uint32_t depth, depth_limit;
    bool fresh;                            /* the object or array at hand has given no member yet */
    bool checked;                          /* the text was read before */
    struct json_ends *noting;              /* long strings are noted here; NULL: nowhere */
    struct arena *arena;                   /* for what is noted */
    const struct json_ends *known;         /* noted before; NULL: nothing was */
    uint32_t known_at;                     /* of them: those before it are behind the reader */
    uint64_t objects[JSON_DEPTH_MAX / 64]; /* a bit a level: 1 object, 0 array */
};

/* limits NULL: depth JSON_DEPTH_MAX, nothing else bounded. Borrows text and keeps slices of it. */
void json_open(struct json_reader *reader, struct slice text, const struct json_limits *limits);
/* A value that a reader has taken: strings are not checked once more. */
void json_open_checked(struct json_reader *reader, struct json_value value);
/* The same of a text of which `ends` were noted: its long strings are not looked through again.
 * Borrows them for as long as the reader is used. */
void json_open_known(struct json_reader *reader, struct json_value value,
                     const struct json_ends *ends);
/* From here on ends of long strings are noted: in `ends`, empty before, and in `arena`. */
void json_note_ends(struct json_reader *reader, struct json_ends *ends, struct arena *arena);
/* What comes next, without taking it. JSON_KIND_NONE after an error or when no value stands here.
 */
enum json_kind json_peek(struct json_reader *reader);
/* Steps into the object (array) that comes next. False, and nothing taken, when it is anything
 * else. */
bool json_enter_object(struct json_reader *reader);
bool json_enter_array(struct json_reader *reader);
/*
 * Goes to the next member of what was entered last. In an object ret_key (may be NULL) gets the
 * key, a string. False at the end, which steps out again, or after an error.
 */
bool json_next(struct json_reader *reader, struct json_value *ret_key);
/* Takes the next value whole. ret_value may be NULL; kind is JSON_KIND_NONE after an error. */
void json_take(struct json_reader *reader, struct json_value *ret_value);
/* Which member of an object goes where. */
struct json_member {
    struct slice key;
    size_t offset; /* of a struct json_value */
};

/* Takes all that is left of the object entered last. Of the members named, the last of its name is
 * put where its row says; those that are not there stay as they were. */
void json_pick(struct json_reader *reader, const struct json_member *members, size_t count,
               void *ret);
/* NULL when exactly one value was read and nothing but white space follows. */
const struct reason *json_close(struct json_reader *reader) MUST_USE;

/* A whole text: NULL when it is one valid JSON value. */
const struct reason *json_check(struct slice text, const struct json_limits *limits) MUST_USE;

/* The bytes between the quotes, escapes as they stand. */
static inline struct slice json_inner(struct json_value string)
{
    return slice_of(string.raw.at + 1, string.raw.len - 2);
}

/* A string that reads `text` once its escapes are resolved. */
bool json_text_is(struct json_value string, struct slice text);
/* Longer than any key of ours. */
#define JSON_FOLD_MAX 64

/*
 * A string as it reads for whom case does not matter: ASCII in lower case, and the two letters
 * beyond it that Go folds into ASCII (U+017F to s, U+212A to k), because engines written in Go
 * would take such a key for ours. False, and the string equals no key of ours, when it is longer
 * than JSON_FOLD_MAX, has a lone surrogate or is no string.
 */
bool json_text_fold(struct json_value string, char ret_folded[JSON_FOLD_MAX],
                    size_t *ret_len) MUST_USE;
/*
 * What a string says, escapes resolved. A string without escapes is not copied. reason_bad_value
 * for anything but a string and for a lone surrogate; reason_memory_limit when the arena is full.
 */
const struct reason *json_text(struct json_value string, struct arena *arena,
                               struct slice *ret_text) MUST_USE;
/* The same into at most `size` bytes. False when it does not fit, is no string, or has a lone
 * surrogate. */
bool json_text_into(struct json_value string, char *ret_text, size_t size,
                    size_t *ret_len) MUST_USE;
/* A number that is whole, however written (16, 16.0, 1.6e1), and within min..max. */
bool json_int64(struct json_value number, int64_t min, int64_t max, int64_t *ret_value) MUST_USE;
/* A count: a whole number of at least 0 that fits. */
bool json_u64(struct json_value number, uint64_t *ret_value) MUST_USE;

/*
 * The bytes to cut out of an object's text so that one of its members is gone and the rest stays
 * valid: from the comma before its key, or for the first member up to the next key.
 */
struct slice json_member_span(struct slice object, struct slice key_raw, struct slice value_raw);

/* Writes `text` as a JSON string, quotes included; what is not UTF-8 becomes U+FFFD. */
void json_write_text(struct buf *out, struct slice text);

#endif
