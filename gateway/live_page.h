/*
 * The page that people see on the admin listener (page/fleet.html), as CMake put it into the
 * program.
 */
#ifndef SLUICE_LIVE_PAGE_H
#define SLUICE_LIVE_PAGE_H

#include "gateway/base/slice.h"

extern const struct slice live_page;
/* Its Content-Security-Policy: its own style and script by their hashes, and /fleet. */
extern const char live_page_policy[];

#endif
