/*
 * UTF-8: one sequence at a time (Unicode 15, table 3-7).
 */
#include "gateway/base/utf8.h"

/* What may follow a lead byte: how many bytes, and the range of the first of them; the others
 * are 80..BF. */
struct utf8_lead {
    unsigned char from, to;
    unsigned char length;
    unsigned char second_from, second_to;
};

static const struct utf8_lead utf8_leads[] = {
    { 0x00, 0x7f, 1, 0, 0 },       { 0xc2, 0xdf, 2, 0x80, 0xbf }, { 0xe0, 0xe0, 3, 0xa0, 0xbf },
    { 0xe1, 0xec, 3, 0x80, 0xbf }, { 0xed, 0xed, 3, 0x80, 0x9f }, { 0xee, 0xef, 3, 0x80, 0xbf },
    { 0xf0, 0xf0, 4, 0x90, 0xbf }, { 0xf1, 0xf3, 4, 0x80, 0xbf }, { 0xf4, 0xf4, 4, 0x80, 0x8f },
};

static bool utf8_follows(const struct utf8_lead *lead, const unsigned char *at)
{
    if (lead->length > 1 && (at[1] < lead->second_from || at[1] > lead->second_to))
        return false;
    for (size_t i = 2; i < lead->length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return false;
    return true;
}

size_t utf8_sequence(struct slice s)
{
    const unsigned char *at = (const unsigned char *)s.at;

    if (s.len == 0)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(utf8_leads); i++) {
        const struct utf8_lead *lead = &utf8_leads[i];

        if (at[0] >= lead->from && at[0] <= lead->to)
            return lead->length <= s.len && utf8_follows(lead, at) ? lead->length : 0;
    }
    return 0;
}

bool utf8_holds(struct slice s)
{
    while (s.len > 0) {
        size_t n = utf8_sequence(s);

        if (n == 0)
            return false;
        s = slice_skip(s, n);
    }
    return true;
}
