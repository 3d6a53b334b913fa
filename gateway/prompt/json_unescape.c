/*
 * Chooses the kernel, and the one that needs no more than sixteen bytes at a time.
 */
#include "gateway/prompt/json_unescape.h"

#include "gateway/base/bytes16.h"

const char json_escaped_char[128] = {
    ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
    ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
};

/* The escape that comes next; false: it is a longer one. */
static bool take_escape(struct slice in, char *out, struct json_unescaped *done)
{
    char c = in.len - done->read < 2 ? 0 : json_escaped_char[in.at[done->read + 1] & 0x7f];

    if (!c)
        return false;
    out[done->written++] = c;
    done->read += 2;
    return true;
}

struct json_unescaped json_unescape_bytes16(struct slice in, char *out, size_t room)
{
    struct json_unescaped done = { 0, 0 };

    while (in.len - done.read >= sizeof(bytes16) && room - done.written >= sizeof(bytes16)) {
        bytes16 bytes = bytes16_load(in.at + done.read);
        size_t plain = bytes16_first((bytes16)(bytes == '\\'));

        memcpy(out + done.written, &bytes, sizeof(bytes));
        done.read += plain;
        done.written += plain;
        if (plain < sizeof(bytes) && !take_escape(in, out, &done))
            break;
    }
    return done;
}

static const struct json_unescape_kernel kernels[] = {
#if defined(__x86_64__)
    { "vbmi2", json_unescape_vbmi2 },
#endif
    { "bytes16", json_unescape_bytes16 },
    { NULL, NULL },
};

static const struct json_unescape_kernel *best = kernels;

/* Before main, so that no thread sees it half done. */
__attribute__((constructor)) static void find_best(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx512vbmi2") || !__builtin_cpu_supports("avx512vbmi") ||
        !__builtin_cpu_supports("avx512bw"))
        best++;
#endif
}

const struct json_unescape_kernel *json_unescape_kernels(void)
{
    return best;
}

struct json_unescaped json_unescape(struct slice in, char *out, size_t room)
{
    return best->unescape(in, out, room);
}
