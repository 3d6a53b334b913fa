/*
 * What a configuration may say and most likely does not mean: for `sluice check`, which prints it
 * and finds the file good all the same.
 */
#ifndef SLUICE_ROUTING_FLEET_ADVICE_H
#define SLUICE_ROUTING_FLEET_ADVICE_H

#include "conf/conf.h"

/* Appends a line for each such place to `out`: "sluice.yaml:12:5: warning: ...". Control thread. */
void fleet_advise(const struct conf *conf, struct buf *out);

#endif
