/*
 * Normalizers that look at each code point alone, or at its marks: the forms of Unicode, lower
 * case, Nmt, Strip, StripAccents.
 */
#include "gateway/token/normalizer.h"

#define FORM(name_, type_, form_)                                                                  \
    static bool run_##name_(const struct normalizer_step *step, struct scratch *scratch,           \
                            struct slice text, struct text *out)                                   \
    {                                                                                              \
        (void)step;                                                                                \
        return normal_apply(&scratch->normal, form_, text, out);                                   \
    }                                                                                              \
    const struct normalizer_type normalizer_##name_ = { .name = type_, .run = run_##name_ }

FORM(nfc, "NFC", NORMAL_NFC);
FORM(nfd, "NFD", NORMAL_NFD);
FORM(nfkc, "NFKC", NORMAL_NFKC);
FORM(nfkd, "NFKD", NORMAL_NFKD);

static bool run_lowercase(const struct normalizer_step *step, struct scratch *scratch,
                          struct slice text, struct text *out)
{
    (void)step;
    (void)scratch;
    return normal_lowercase(text, out);
}

const struct normalizer_type normalizer_lowercase = { .name = "Lowercase", .run = run_lowercase };

static bool run_strip_accents(const struct normalizer_step *step, struct scratch *scratch,
                              struct slice text, struct text *out)
{
    (void)step;
    return normal_drop(text, UNICODE_MASK(MARK), out, &scratch->front_lost);
}

const struct normalizer_type normalizer_strip_accents = {
    .name = "StripAccents",
    .run = run_strip_accents,
};

/* What Nmt makes of a code point: 0 drops it, unless it is U+0000. */
static uint32_t nmt_code(uint32_t code)
{
    if ((code >= 0x01 && code <= 0x08) || code == 0x0b || (code >= 0x0e && code <= 0x1f) ||
        code == 0x7f || code == 0x8f || code == 0x9f)
        return 0;
    if (code == '\t' || code == '\n' || code == '\f' || code == '\r' || code == 0x1680 ||
        (code >= 0x200b && code <= 0x200f) || code == 0x2028 || code == 0x2029 || code == 0x2581 ||
        code == 0xfeff || code == 0xfffd)
        return ' ';
    return code;
}

static bool run_nmt(const struct normalizer_step *step, struct scratch *scratch, struct slice text,
                    struct text *out)
{
    (void)step;
    for (size_t at = 0; at < text.len;) {
        uint32_t bytes, code = unicode_read(text.at + at, &bytes), becomes = nmt_code(code);

        if (becomes || code == 0)
            text_add_code(out, becomes);
        else if (at == 0)
            scratch->front_lost = true;
        at += bytes;
    }
    return false;
}

const struct normalizer_type normalizer_nmt = { .name = "Nmt", .run = run_nmt };

static bool load_strip(const struct node *node, struct normalizer_step *step)
{
    struct node left = node_get(node, "strip_left"), right = node_get(node, "strip_right");

    return node_need(&left) && node_need(&right) && node_bool(&left, false, &step->strip_left) &&
           node_bool(&right, false, &step->strip_right);
}

static bool is_space(struct slice text, size_t at, uint32_t *ret_bytes)
{
    return unicode_mask(unicode_read(text.at + at, ret_bytes)) & UNICODE_MASK(SPACE);
}

static bool run_strip(const struct normalizer_step *step, struct scratch *scratch,
                      struct slice text, struct text *out)
{
    size_t at = 0, end = text.len;
    uint32_t bytes;

    while (step->strip_left && at < end && is_space(text, at, &bytes))
        at += bytes;
    while (step->strip_right && end > at) {
        size_t last = end - 1;

        while (((uint8_t)text.at[last] & 0xc0) == 0x80)
            last--;
        if (!is_space(text, last, &bytes))
            break;
        end = last;
    }
    if (at == 0 && end == text.len)
        return true;
    scratch->front_lost = scratch->front_lost || at > 0;
    text_add(out, slice_of(text.at + at, end - at));
    return false;
}

const struct normalizer_type normalizer_strip = {
    .name = "Strip",
    .load = load_strip,
    .run = run_strip,
};
