/*
 * The compiler's helpers and the assertion of this program.
 *
 * GNU attributes enter the code here, vectors in bytes16.h. CHECK is for the program being wrong,
 * never for what the outside sends (STYLE.md, section 5).
 */
#ifndef SLUICE_BASE_CHECK_H
#define SLUICE_BASE_CHECK_H

#include <stddef.h>
#include <stdint.h>

#define MUST_USE          __attribute__((warn_unused_result))
#define NO_RETURN         __attribute__((noreturn))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define UNUSED            __attribute__((unused))
#define LIKELY(x)         __builtin_expect(!!(x), 1)
#define UNLIKELY(x)       __builtin_expect(!!(x), 0)
#define ARRAY_LEN(a)      (sizeof(a) / sizeof((a)[0]))

/* Whether the address sanitizer watches: what would hide an overrun or a late use from it is then
 * left out. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED_ADDRESS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED_ADDRESS 1
#endif
#endif
#ifndef SANITIZED_ADDRESS
#define SANITIZED_ADDRESS 0
#endif

/* The object that holds `ptr` as its field `field`. */
#define CONTAINER_OF(ptr, type, field) ((type *)(void *)((char *)(ptr)-offsetof(type, field)))

/* Prints what failed and aborts. Never returns. */
void check_failed(const char *file, int line, const char *what) NO_RETURN;

/*
 * For whom this thread works from now on: named when a check fails. NULL: nobody. Kept until the
 * next call.
 */
struct log_subject;
void check_subject(const struct log_subject *subject);

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (UNLIKELY(!(cond)))                                                                     \
            check_failed(__FILE__, __LINE__, #cond);                                               \
    } while (0)

/*
 * An object that crosses a `void *` starts its life with MAGIC_SET and is taken back with CAST,
 * which aborts when the pointer leads to anything else. Both take the type's number.
 */
#define MAGIC_SET(obj, number) ((obj)->magic = (number))
#define CAST(type, ptr, number)                                                                    \
    ((type *)check_magic(&((type *)(ptr))->magic, (number), (ptr), __FILE__, __LINE__))

static inline void *check_magic(const uint32_t *magic, uint32_t number, void *ptr, const char *file,
                                int line)
{
    if (UNLIKELY(*magic != number))
        check_failed(file, line, "object has the wrong magic number");
    return ptr;
}

/* malloc and friends that abort on exhaustion: for sizes nobody outside chooses. */
void *xmalloc(size_t size) __attribute__((malloc));
void *xcalloc(size_t count, size_t size) __attribute__((malloc));
void *xrealloc(void *ptr, size_t size);
char *xstrdup(const char *text) __attribute__((malloc));

#endif
