/*
 * Publishers of all pools: whether two engines come to one address, so that one's cache would be
 * taken for the other's. A check of a directive set (conf/directive.h); control thread.
 */
#ifndef SLUICE_ROUTING_KV_CHECK_H
#define SLUICE_ROUTING_KV_CHECK_H

#include "conf/conf.h"

/* Of `pools`, a list of struct pool_conf; a complaint a pool at most. What "dns:" names stand for
 * is not known here, and what is no URL or no address is passed over. */
void kv_check_publishers(struct conf_checker *checker, const struct conf_list *pools);

#endif
