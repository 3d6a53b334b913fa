/*
 * The mark by which a gateway knows a request that it has passed on itself: its own member of Via
 * (RFC 9110, 7.6.3). Other gateways pass Via on, engines ignore it.
 */
#ifndef SLUICE_FILTERS_VIA_H
#define SLUICE_FILTERS_VIA_H

#include "gateway/base/slice.h"

#include <stdint.h>

enum via_protocol { /* that a request was received in */
                    VIA_HTTP_1_0,
                    VIA_HTTP_1_1,
                    VIA_HTTP_2,
                    VIA_COUNT,
};

#define VIA_NAME_SIZE 32

/* A process has one, which does not move; immutable. */
struct via {
    struct slice name;              /* "sluice-0123456789abcdef": no other gateway's */
    struct slice member[VIA_COUNT]; /* "1.1 " and the name */
    char text[VIA_COUNT][4 + VIA_NAME_SIZE];
};

/* `random`: drawn for it, and told to every endpoint. */
void via_init(struct via *via, uint64_t random);

#endif
