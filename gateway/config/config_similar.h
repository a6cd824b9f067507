/* config_similar.h - the key that was probably meant */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CONFIG_CONFIG_SIMILAR_H
#define GATEWAY_CONFIG_CONFIG_SIMILAR_H

/* Of the keys of a mapping: at most two slips away, or what the given one abbreviates; NULL when none is near. */
const char *config_similar_key(unsigned mapping, const char *key);

#endif
