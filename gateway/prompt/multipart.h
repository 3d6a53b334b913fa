/*
 * Forms: multipart/form-data (RFC 7578, RFC 2046) that lies in one run of bytes.
 *
 *     reason = multipart_open(&form, body, content_type);
 *     while (multipart_next(&form, &part)) ...
 *     reason = multipart_close(&form);
 *
 * Strict where two readers could see different fields: every boundary stands at a line's start,
 * every part has exactly one Content-Disposition of form-data with one name, and the closing
 * boundary is there. Files are parts like others; nobody looks into them.
 */
#ifndef SLUICE_PROMPT_MULTIPART_H
#define SLUICE_PROMPT_MULTIPART_H

#include "gateway/base/reason.h"
#include "gateway/base/slice.h"

#define MULTIPART_PARTS_MAX    1000 /* as Starlette, which the engines use */
#define MULTIPART_BOUNDARY_MAX 70   /* RFC 2046, 5.1.1 */
#define MULTIPART_HEAD_MAX     8192 /* of one part: names and types, far over what clients send */

struct multipart {
    struct slice rest;                          /* behind the boundary read last */
    char delimiter[4 + MULTIPART_BOUNDARY_MAX]; /* CR LF "--" boundary */
    size_t delimiter_len;
    unsigned parts;
    bool ended;                  /* the closing boundary was read */
    const struct reason *reason; /* the first error */
};

struct multipart_part {
    struct slice name;  /* as it stands between the quotes */
    struct slice value; /* the part's body, a slice of the form's */
    bool file;          /* a filename was given */
};

/* reason_bad_media: not a form, or without a usable boundary. reason_bad_multipart: does not begin
 * as one. Keeps body. */
const struct reason *multipart_open(struct multipart *form, struct slice body,
                                    struct slice content_type) MUST_USE;
bool multipart_next(struct multipart *form, struct multipart_part *ret_part);
/* NULL when the form was read to its closing boundary without an error. */
const struct reason *multipart_close(const struct multipart *form) MUST_USE;

/* The media type of a content type, without parameters. */
struct slice media_type(struct slice content_type);
/* The value of a parameter, quotes taken off; empty when it is not there. False when it occurs
 * twice or is malformed. */
bool media_param(struct slice content_type, struct slice name, struct slice *ret_value) MUST_USE;

#endif
