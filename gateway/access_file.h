/*
 * The file of the access log: all workers' lines, written by the control thread.
 */
#ifndef SLUICE_ACCESS_FILE_H
#define SLUICE_ACCESS_FILE_H

#include "conf/conf.h"

struct access_file;
struct threads;
struct worker;

/* Nothing is open yet. Keeps both. */
struct access_file *access_file_new(struct worker *control, const struct threads *threads);
/* Writes what is there yet and closes; the threads have ended. */
void access_file_free(struct access_file *file);

/* The configuration's instead of the one before, anew at each reload: it may have been rotated.
 * False, and a complaint in `errors`: the one before stays. */
bool access_file_open(struct access_file *file, const struct conf *conf,
                      struct buf *errors) MUST_USE;
/* From now on lines are written every little while. */
void access_file_start(struct access_file *file);
/* Now. */
void access_file_drain(struct access_file *file);

#endif
