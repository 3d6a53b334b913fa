/*
 * What a string between its quotes says, as far as that is a matter of copying: plain bytes, and
 * escapes of two characters. Of checked strings only (json_string.h).
 *
 * Chats are full of escapes, one each line of a text at least, and a branch for each costs more
 * than its bytes. Where the processor can close gaps in a vector (AVX-512 VBMI2), 64 bytes are
 * taken without one. Pure functions: any thread.
 */
#ifndef SLUICE_PROMPT_JSON_UNESCAPE_H
#define SLUICE_PROMPT_JSON_UNESCAPE_H

#include "gateway/base/slice.h"

/* Bytes of the input that were read, and what came of them. */
struct json_unescaped {
    size_t read, written;
};

/*
 * Writes to `out` what `in` begins with. Stops before an escape of more than two characters, or
 * where fewer than a kernel's step of `in` or of the `room` for `out` are left; the rest is the
 * caller's. Bytes behind what was written, up to `room`, may be overwritten.
 */
typedef struct json_unescaped json_unescape_fn(struct slice in, char *out, size_t room);

struct json_unescape_kernel {
    const char *name; /* "vbmi2", "bytes16" */
    json_unescape_fn *unescape;
};

/* Those this processor can run, best first, ended by a NULL name. For tests. */
const struct json_unescape_kernel *json_unescape_kernels(void);

/* By the best one. */
struct json_unescaped json_unescape(struct slice in, char *out, size_t room);

/* What stands for itself behind a backslash, and what the letters do; 0: none, or `u`. */
extern const char json_escaped_char[128];

json_unescape_fn json_unescape_bytes16;
json_unescape_fn json_unescape_vbmi2; /* x86 only */

#endif
