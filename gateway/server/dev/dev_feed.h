/* dev_feed.h - the demo messages of --dev */
/* SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVER_DEV_DEV_FEED_H
#define GATEWAY_SERVER_DEV_DEV_FEED_H

struct dev_feed;
struct source;

/*
 * Publishes through the source, on a thread of its own: demo.clock each second
 * ({"time":"…","n":1}) and, a few times a second, demo.ticker.{acme,globex,
 * initech,umbrella} ({"symbol":"ACME","price":101.25,"change":-0.12}). What
 * can't be published is skipped. NULL when there is no thread to be had.
 */
struct dev_feed *dev_feed_start(struct source *source);
/* Before the source stops. NULL is fine. */
void dev_feed_stop(struct dev_feed *feed);

#endif
