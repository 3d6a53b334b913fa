/*
 * Forms, read front to back: delimiter, head, body, delimiter, ...
 */
#include "gateway/prompt/multipart.h"

struct slice media_type(struct slice content_type)
{
    return slice_trim(slice_cut(&content_type, ';'));
}

/* The closing quote, or s.len. A backslash keeps the next character from being one (curl escapes
 * so). */
static size_t find_quote(struct slice s)
{
    size_t at = 0;

    while (at < s.len && s.at[at] != '"')
        at += s.at[at] == '\\' ? 2 : 1;
    return at < s.len ? at : s.len;
}

/* Cuts a parameter's value, quoted or not, off the front of *rest; escapes stay as they are. */
static bool cut_value(struct slice *rest, struct slice *ret_value)
{
    size_t end;

    if (rest->len == 0 || rest->at[0] != '"') {
        *ret_value = slice_trim(slice_head(*rest, slice_find(*rest, ';')));
        *rest = slice_skip(*rest, slice_find(*rest, ';'));
        return ret_value->len > 0 && slice_find(*ret_value, '"') == ret_value->len;
    }
    *rest = slice_skip(*rest, 1);
    end = find_quote(*rest);
    if (end == rest->len)
        return false;
    *ret_value = slice_head(*rest, end);
    *rest = slice_trim(slice_skip(*rest, end + 1));
    return rest->len == 0 || rest->at[0] == ';';
}

/* Cuts "; name=value" off the front of *rest. False at the end and when it is malformed (rest is
 * left then). */
static bool cut_param(struct slice *rest, struct slice *ret_name, struct slice *ret_value)
{
    struct slice at = slice_trim(slice_skip(*rest, 1));
    size_t equals = slice_find(at, '=');

    if (equals == at.len)
        return false;
    *ret_name = slice_trim(slice_head(at, equals));
    at = slice_trim(slice_skip(at, equals + 1));
    if (!cut_value(&at, ret_value))
        return false;
    *rest = at;
    return true;
}

bool media_param(struct slice content_type, struct slice name, struct slice *ret_value)
{
    struct slice rest = slice_skip(content_type, slice_find(content_type, ';'));
    struct slice found = { NULL, 0 };
    struct slice param, value;

    while (slice_trim(rest).len > 1) { /* a lone ';' at the end is seen in the wild */
        if (!cut_param(&rest, &param, &value))
            return false;
        if (!slice_ieq(param, name))
            continue;
        if (found.at)
            return false;
        found = value;
    }
    *ret_value = found;
    return true;
}

/* Letters, digits and the few others of RFC 2046 that real clients use, so that nothing needs care
 * in what follows. */
static bool is_boundary(struct slice s)
{
    static const char others[] = "'()+_,-./:=? ";

    for (size_t i = 0; i < s.len; i++) {
        char c = slice_lower(s.at[i]);

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
            !memchr(others, c, sizeof(others) - 1))
            return false;
    }
    return s.len > 0 && s.len <= MULTIPART_BOUNDARY_MAX && s.at[s.len - 1] != ' ';
}

static bool fail(struct multipart *form)
{
    form->reason = &reason_bad_multipart;
    return false;
}

/* Behind a delimiter: the line's end, or "--" and the end of the form. */
static bool read_delimiter_end(struct multipart *form)
{
    if (slice_starts(form->rest, SLICE("--"))) {
        form->ended = true;
        return true;
    }
    if (!slice_starts(form->rest, SLICE("\r\n")))
        return fail(form);
    form->rest = slice_skip(form->rest, 2);
    return true;
}

const struct reason *multipart_open(struct multipart *form, struct slice body,
                                    struct slice content_type)
{
    struct slice boundary;

    *form = (struct multipart){ .rest = body };
    if (!slice_ieq(media_type(content_type), SLICE("multipart/form-data")) ||
        !media_param(content_type, SLICE("boundary"), &boundary) || !is_boundary(boundary))
        return form->reason = &reason_bad_media;
    memcpy(form->delimiter, "\r\n--", 4);
    memcpy(form->delimiter + 4, boundary.at, boundary.len);
    form->delimiter_len = 4 + boundary.len;
    if (slice_starts(form->rest, SLICE("\r\n"))) /* an empty preamble */
        form->rest = slice_skip(form->rest, 2);
    if (!slice_starts(form->rest, slice_of(form->delimiter + 2, form->delimiter_len - 2)))
        return form->reason = &reason_bad_multipart;
    form->rest = slice_skip(form->rest, form->delimiter_len - 2);
    read_delimiter_end(form);
    return form->reason;
}

/* Cuts what stands before `mark` off the front of *rest, and the mark. */
static bool cut_at(struct slice *rest, struct slice mark, size_t limit, struct slice *ret_before)
{
    size_t look = rest->len < limit ? rest->len : limit;
    const char *at = rest->len ? memmem(rest->at, look, mark.at, mark.len) : NULL;

    if (!at)
        return false;
    *ret_before = slice_of(rest->at, (size_t)(at - rest->at));
    *rest = slice_skip(*rest, ret_before->len + mark.len);
    return true;
}

/* "form-data; name="model"; filename="a.wav"" */
static bool read_disposition(struct slice value, struct multipart_part *part)
{
    struct slice filename;

    if (!slice_ieq(media_type(value), SLICE("form-data")) ||
        !media_param(value, SLICE("name"), &part->name) || !part->name.at ||
        slice_find(part->name, '\\') < part->name.len) /* could be read as another name */
        return false;
    part->file = !media_param(value, SLICE("filename"), &filename) || filename.at ||
                 !media_param(value, SLICE("filename*"), &filename) || filename.at;
    return true;
}

static bool read_head(struct slice head, struct multipart_part *part)
{
    bool found = false;

    while (head.len > 0) {
        struct slice line, name;

        if (!cut_at(&head, SLICE("\r\n"), SIZE_MAX, &line)) {
            line = head;
            head = slice_of(NULL, 0);
        }
        if (slice_find(line, ':') == line.len || slice_find(line, '\n') != line.len)
            return false;
        name = slice_cut(&line, ':');
        if (!slice_ieq(name, SLICE("content-disposition")))
            continue;
        if (found || !read_disposition(slice_trim(line), part))
            return false;
        found = true;
    }
    return found;
}

bool multipart_next(struct multipart *form, struct multipart_part *ret_part)
{
    struct multipart_part part = { .file = false };
    struct slice head;

    if (form->reason || form->ended)
        return false;
    if (form->parts++ == MULTIPART_PARTS_MAX ||
        !cut_at(&form->rest, SLICE("\r\n\r\n"), MULTIPART_HEAD_MAX, &head) ||
        !read_head(head, &part))
        return fail(form);
    if (!slice_starts(form->rest, slice_of(form->delimiter + 2, form->delimiter_len - 2))) {
        if (!cut_at(&form->rest, slice_of(form->delimiter, form->delimiter_len), SIZE_MAX,
                    &part.value))
            return fail(form);
    } else { /* an empty body: the head's blank line is the delimiter's line end, too */
        part.value = slice_of(form->rest.at, 0);
        form->rest = slice_skip(form->rest, form->delimiter_len - 2);
    }
    if (!read_delimiter_end(form))
        return false;
    *ret_part = part;
    return true;
}

const struct reason *multipart_close(const struct multipart *form)
{
    return form->reason ? form->reason : form->ended ? NULL : &reason_bad_multipart;
}
