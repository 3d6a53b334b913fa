/*
 * The head of a request or an answer, in no version of HTTP.
 *
 * Codecs translate to and from it; everything above them sees nothing else. All slices and the
 * field array live in the arena given at construction (or are static). Names are lower case.
 * Values were checked by whoever added them: no CR, LF, NUL or other control but HTAB, not even
 * from us: message_add refuses them, and it is the one place that does (security: H1-24).
 */
#ifndef SLUICE_HTTP_MESSAGE_H
#define SLUICE_HTTP_MESSAGE_H

#include "gateway/base/arena.h"
#include "gateway/base/reason.h"

enum field_id {
    FIELD_OTHER,
#define FIELD(id, name, flags) FIELD_##id,
#include "gateway/http/field.def"
#undef FIELD
    FIELD_COUNT
};

enum field_flag {
    FIELD_FLAG_HOP = 1,
    FIELD_FLAG_FRAME = 2,
    FIELD_FLAG_EDGE = 4,
    FIELD_FLAG_ONCE = 8,
    FIELD_FLAG_NOTRL = 16,
};

struct field {
    struct slice name; /* lower case */
    struct slice value;
    uint16_t id;    /* enum field_id */
    uint16_t flags; /* enum field_flag, of the id; a FIELD_OTHER named by Connection gets HOP */
};

/* Known field by lower-case name; FIELD_OTHER when it is none. */
enum field_id field_find(struct slice name);
struct slice field_name(enum field_id id);
unsigned field_flags(enum field_id id);

#define MESSAGE_LENGTH_UNKNOWN UINT64_MAX

struct message {
    struct arena *arena; /* borrows */

    /* requests */
    struct slice method;    /* a token, as sent */
    struct slice scheme;    /* "http" or "https" */
    struct slice authority; /* host[:port], validated; empty only in HTTP/1.0 */
    struct slice path;      /* origin-form with query; or "*" */

    /* answers */
    uint16_t status;

    uint8_t version;  /* 10, 11 or 20: what it arrived as; for logs */
    bool has_body;    /* request: a body (maybe empty) is framed; answer: one may follow */
    uint64_t length;  /* declared body length, or MESSAGE_LENGTH_UNKNOWN */
    bool expects_100; /* client waits for 100 Continue; the server codec sends it when the body is
                         first asked for */

    struct field *fields;
    uint32_t count, capacity;
    /* Of names and values and 32 a field, as SETTINGS_MAX_HEADER_LIST_SIZE counts. */
    uint32_t bytes;
};

struct message_limits {
    uint32_t fields; /* cookie crumbs counted one by one */
    uint32_t bytes;
};

void message_init(struct message *message, struct arena *arena);

/*
 * Adds a field. Name and value are borrowed for as long as the message lives: copy them into the
 * arena before, or use message_add_copy. Fails with reason_bad_field (characters, an upper-case
 * letter in the name, a second one of a ONCE field) or reason_head_too_large (limits, also the
 * arena's; NULL limits: none). Framing fields (FRAME) are refused by a CHECK: codecs read them into
 * length, authority and the like and write them from there.
 */
const struct reason *message_add(struct message *message, struct slice name, struct slice value,
                                 const struct message_limits *limits) MUST_USE;
const struct reason *message_add_copy(struct message *message, struct slice name,
                                      struct slice value,
                                      const struct message_limits *limits) MUST_USE;
/* Our own fields, whose name is known and whose value is made by us or was checked before: CHECKs.
 * The value is borrowed. */
void message_put(struct message *message, enum field_id id, struct slice value);
/* Another name of ours, static. */
void message_put_other(struct message *message, struct slice static_name, struct slice value);

/* The first field of that kind, or NULL. */
const struct field *message_find(const struct message *message, enum field_id id);
const struct field *message_find_name(const struct message *message, struct slice lower_name);
/* Its value, or an empty slice. */
struct slice message_value(const struct message *message, enum field_id id);
void message_remove(struct message *message, enum field_id id);
/* Removes every field any of whose flags is in `flags`. */
void message_remove_flagged(struct message *message, unsigned flags);
/* Removes every field for which `goes` says so; `what` is the caller's. The others keep their
 * order.
 */
typedef bool message_goes_fn(const struct field *field, const void *what);
void message_remove_where(struct message *message, message_goes_fn *goes, const void *what);

/*
 * Marks what the Connection field nominates as HOP. Fields that are FRAME, EDGE or `authorization`
 * cannot be nominated, nor what is no token, nor more than 32: reason_bad_field. Called by HTTP/1
 * codecs.
 */
const struct reason *message_apply_connection(struct message *message) MUST_USE;

/* `value` holds `token` as a member of its comma list, case-insensitive. */
bool field_has_token(struct slice value, struct slice token);

/* RFC 9110 token; and what may stand in a field's value (visible, SP, HTAB, obs-text). */
bool http_is_token(struct slice s);
bool http_is_value(struct slice s);
/*
 * host[:port], no userinfo, no path, port at most 65535, not empty (H1-15, D-05). The host is a
 * name of letters, digits and "-._~", or an IPv6 address in brackets without a zone.
 */
bool http_is_authority(struct slice s);
/*
 * Brings an origin-form target (or "*") into the one form that is matched and forwarded, or refuses
 * it: must start with one '/', no fragment, no byte outside visible ASCII, no backslash, no "%00",
 * no "//", no segment "." or ".." in any spelling. Percent-encoded unreserved characters are
 * decoded, other percent escapes get upper-case digits; a bad escape is refused. The query is kept
 * as it is. reason_bad_target. `*path` is rewritten in `arena` when it changes.
 */
const struct reason *http_normalise_path(struct arena *arena, struct slice *path) MUST_USE;
/* The byte that the percent escape at the front of `s` stands for; -1 when there is none. */
int http_escape_value(struct slice s);

/* "OK", "Not Found", ...; an empty slice when unknown. */
struct slice http_status_text(unsigned status);

#endif
