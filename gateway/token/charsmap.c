/*
 * Reading and using a compiled character map (google/sentencepiece's precompiled_charsmap, whose
 * trie is darts-clone's double array): a unit holds a label, where its children begin, and whether
 * a value lies there.
 */
#include "gateway/token/charsmap.h"

#include "gateway/base/utf8.h"

#include <stdlib.h>

/* Of the text in base64; the maps of known models have 300 KB. */
#define BASE64_BYTES_MAX ((size_t)16 << 20)
/* From here on a cluster is replaced code point by code point only. */
#define CLUSTER_BYTES 6

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* NULL: malformed. */
static uint8_t *decode_base64(struct slice text, size_t *ret_len)
{
    uint8_t *bytes = xmalloc(text.len / 4 * 3 + 3);
    uint32_t bits = 0;
    size_t len = 0, have = 0, digits = text.len;

    while (digits > 0 && text.len - digits < 2 && text.at[digits - 1] == '=')
        digits--;
    for (size_t i = 0; i < digits; i++) {
        int value = sextet(text.at[i]);

        if (value < 0 || text.len % 4 != 0) {
            free(bytes);
            return NULL;
        }
        bits = bits << 6 | (uint32_t)value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            bytes[len++] = (uint8_t)(bits >> have);
        }
    }
    *ret_len = len;
    return bytes;
}

static uint32_t read_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static bool split_blob(struct charsmap *charsmap, const struct node *node, const uint8_t *blob,
                       size_t len)
{
    size_t trie = len >= 4 ? read_u32(blob) : 0;

    if (len < 4 || trie % 4 != 0 || trie == 0 || trie > len - 4)
        return node_fail(node, "is no compiled character map");
    charsmap->unit_count = trie / 4;
    charsmap->units = xcalloc(charsmap->unit_count, sizeof(*charsmap->units));
    for (size_t i = 0; i < charsmap->unit_count; i++)
        charsmap->units[i] = read_u32(blob + 4 + i * 4);
    charsmap->replacements_len = len - 4 - trie;
    charsmap->replacements = xmalloc(charsmap->replacements_len + 1);
    memcpy(charsmap->replacements, blob + 4 + trie, charsmap->replacements_len);
    if (!utf8_holds(slice_of(charsmap->replacements, charsmap->replacements_len)))
        return node_fail(node, "replaces by what is not UTF-8");
    return true;
}

bool charsmap_load(struct charsmap *charsmap, const struct node *node)
{
    struct slice text;
    uint8_t *blob;
    size_t len;
    bool good;

    *charsmap = (struct charsmap){ 0 };
    if (!node->value) /* "" and null: SentencePiece's identity */
        return true;
    if (!node_text(node, &text))
        return false;
    if (text.len > BASE64_BYTES_MAX)
        return node_fail(node, "is too large");
    if (text.len == 0)
        return true;
    blob = decode_base64(text, &len);
    if (!blob)
        return node_fail(node, "is not base64");
    good = split_blob(charsmap, node, blob, len);
    free(blob);
    return good;
}

void charsmap_release(struct charsmap *charsmap)
{
    free(charsmap->units);
    free(charsmap->replacements);
    *charsmap = (struct charsmap){ 0 };
}

/* The unit `from` leads to by `byte`, or SIZE_MAX. darts-clone: bits 10 to 30 are the offset to
 * children, in units of 256 where bit 9 is set. */
static size_t child(const struct charsmap *charsmap, size_t from, uint8_t byte)
{
    uint32_t unit = charsmap->units[from];
    size_t at = from ^ (size_t)(unit >> 10) << ((unit & 1u << 9) >> 6) ^ byte;

    return at < charsmap->unit_count ? at : SIZE_MAX;
}

bool charsmap_find(const struct charsmap *charsmap, struct slice chunk,
                   struct slice *ret_replacement)
{
    size_t at = 0, value, len;

    if (charsmap->unit_count == 0)
        return false;
    for (size_t i = 0; i < chunk.len && chunk.at[i] != 0; i++) {
        uint8_t byte = (uint8_t)chunk.at[i];

        at = child(charsmap, at, byte);
        if (at == SIZE_MAX || (charsmap->units[at] & (1u << 31 | 0xff)) != byte)
            return false;
        if (charsmap->units[at] & 1u << 8) {
            at = child(charsmap, at, 0);
            value = at == SIZE_MAX ? SIZE_MAX : charsmap->units[at] & ~(1u << 31);
            if (value >= charsmap->replacements_len ||
                (charsmap->replacements[value] & 0xc0) == 0x80)
                return false;
            len = strnlen(charsmap->replacements + value, charsmap->replacements_len - value);
            *ret_replacement = slice_of(charsmap->replacements + value, len);
            return true;
        }
    }
    return false;
}

/* Bytes of the cluster that begins at `at`; `limit` or more when it has as many. */
static size_t cluster_bytes(struct slice text, size_t at, size_t limit)
{
    uint32_t bytes;
    uint64_t before = unicode_mask(unicode_read(text.at + at, &bytes));
    size_t end = at + bytes;

    if (text.at[at] == '\r' && end < text.len && text.at[end] == '\n')
        return 2;
    while (end < text.len && end - at < limit && !(before & UNICODE_MASK(PARTS))) {
        uint64_t mask = unicode_mask(unicode_read(text.at + end, &bytes));

        if (!(mask & UNICODE_MASK(JOINS)) &&
            (!(before & UNICODE_MASK(PREPENDS)) || mask & UNICODE_MASK(PARTS)))
            break;
        before = mask;
        end += bytes;
    }
    return end - at;
}

bool charsmap_apply(const struct charsmap *charsmap, struct slice text, size_t most,
                    struct text *out)
{
    struct slice replacement;
    bool same = true;
    uint32_t bytes;

    for (size_t at = 0; at < text.len && out->len <= most;) {
        size_t cluster = cluster_bytes(text, at, CLUSTER_BYTES), end;

        if (cluster < CLUSTER_BYTES &&
            charsmap_find(charsmap, slice_of(text.at + at, cluster), &replacement)) {
            text_add(out, replacement);
            at += cluster;
            same = false;
            continue;
        }
        /* All of a cluster that is long, however long, is looked at code point by code point. */
        end = at + (cluster < CLUSTER_BYTES ? cluster : cluster_bytes(text, at, SIZE_MAX));
        for (; at < end && out->len <= most; at += bytes) {
            unicode_read(text.at + at, &bytes);
            if (charsmap_find(charsmap, slice_of(text.at + at, bytes), &replacement)) {
                text_add(out, replacement);
                same = false;
            } else {
                text_add(out, slice_of(text.at + at, bytes));
            }
        }
    }
    return same;
}
