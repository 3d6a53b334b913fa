/*
 * Complaints about a configuration file: each has a place and a sentence, all are printed in the
 * order of the file, at most COMPLAINTS_MAX of them.
 *
 * Control thread. What stands before the `@` of a URL is masked and control bytes are replaced in
 * every text, so that a complaint can quote what it found.
 */
#ifndef SLUICE_CONF_COMPLAINT_H
#define SLUICE_CONF_COMPLAINT_H

#include "gateway/base/buf.h"

#define COMPLAINTS_MAX 50 /* more help nobody, and a hostile file could have a million */

/* Counted from 1; line 0: the file as a whole. */
struct conf_place {
    int line, column;
};

struct complaint {
    struct conf_place place;
    char *text; /* owned */
};

struct complaints {
    const char *path; /* borrowed */
    struct complaint at[COMPLAINTS_MAX];
    size_t count;
    bool overfull; /* one more was made than are kept: looking for others is idle */
};

void complaints_init(struct complaints *complaints, const char *path);
void complaints_release(struct complaints *complaints);

void complain(struct complaints *complaints, struct conf_place place, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* A line each, sorted by place. */
void complaints_print(struct complaints *complaints, struct buf *out);

/* What a message quotes of a value: masked, control bytes replaced, cut with "..." when long. */
#define CONF_EXCERPT_SIZE 96
void conf_excerpt(struct slice value, char ret_text[CONF_EXCERPT_SIZE]);

/* Appends `text`, with what stands between "://" and "@" replaced by ***. */
void conf_mask(struct slice text, struct buf *out);

#endif
