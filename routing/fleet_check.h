/*
 * What the rows of pools and models cannot say: names that are taken, pools that are not there,
 * addresses that cannot be. Checks of directive sets (conf/directive.h); control thread.
 */
#ifndef SLUICE_ROUTING_FLEET_CHECK_H
#define SLUICE_ROUTING_FLEET_CHECK_H

#include "conf/conf.h"

void fleet_check_pool(struct conf_checker *checker, const void *section);
void fleet_check_model(struct conf_checker *checker, const void *section);

#endif
