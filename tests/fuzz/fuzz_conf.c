/*
 * Configuration files from anybody: whatever the bytes are, there is a configuration or a
 * complaint, never both, and what a good one prints reads as the same again.
 */
#include "conf/conf.h"

#include "tests/unit/conf_sets.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
const char *__lsan_default_suppressions(void);

/*
 * libfyaml 0.7.12 leaks the pieces of a quoted text in flow style whose document ends unfinished
 * (fy-atom.c, fy_atom_iter_grow_chunk): some bytes a refused file, nothing for a good one. Our own
 * leaks are still seen.
 */
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml.so";
}

static void complaints_are_lines(struct buf *errors)
{
    struct slice text = buf_join(errors);

    CHECK(slice_starts(text, SLICE("t.yaml:")));
    CHECK(text.at[text.len - 1] == '\n');
}

/* Masked credentials read differently, so only prints are compared. */
static void printed_reads_again(const struct conf *conf)
{
    struct buf first, second, errors;
    struct conf *again;

    buf_init(&first, SIZE_MAX);
    buf_init(&second, SIZE_MAX);
    buf_init(&errors, SIZE_MAX);
    conf_print_json(conf, &first);
    again = conf_parse("t.yaml", buf_join(&first), test_sets, &errors);
    if (again) {
        conf_print_diff(conf, again, &errors);
        conf_print_json(again, &second);
        CHECK(slice_eq(buf_join(&first), buf_join(&second)));
    }
    conf_unref(again);
    buf_release(&first);
    buf_release(&second);
    buf_release(&errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct buf errors;
    struct conf *conf;

    buf_init(&errors, SIZE_MAX);
    conf = conf_parse("t.yaml", slice_of((const char *)bytes, size), test_sets, &errors);
    CHECK((conf != NULL) == buf_is_empty(&errors));
    if (conf)
        printed_reads_again(conf);
    else
        complaints_are_lines(&errors);
    conf_unref(conf);
    buf_release(&errors);
    return 0;
}
