/* js_rewind.c - where the next consumer has to begin, so that nothing lost in republish mode stays lost */
/* SPDX-License-Identifier: MIT */
#include "gateway/source/jetstream/js_rewind.h"

#include "gateway/base/clock.h"
#include "gateway/source/jetstream/js_state.h"

#define LOOK_BACK_MS 15000 /* and up to twice as long: a loss is to be noticed by then */

void js_rewind_look_back(struct js_source *source)
{
    CHECK_HELD(&source->live.lock);
    struct js_republish *republish = &source->republish;
    uint64_t horizon = source->live.horizon;
    if (republish->mode != JS_BY_REPUBLISH)
        return;
    republish->look_from = (republish->reliable < horizon ? republish->reliable : horizon) + 1;
    republish->look_to = horizon;
    if (republish->switch_at < horizon)
        republish->switch_at = horizon;
}

void js_rewind_keep_progress(struct js_source *source)
{
    CHECK_HELD(&source->live.lock);
    struct js_republish *republish = &source->republish;
    uint64_t next = republish->consumer_at + 1;
    if (republish->rewind != 0 && republish->rewind < next)
        republish->rewind = next;
    if (republish->look_from != 0 && republish->look_from < next)
        republish->look_from = next;
}

uint64_t js_rewind_start(struct js_source *source)
{
    const struct js_republish *republish = &source->republish;
    CHECK_HELD(&source->live.lock);
    uint64_t after = republish->rewind != 0 ? republish->rewind - 1 : source->live.horizon;
    if (republish->look_from != 0 && after >= republish->look_from)
        after = republish->look_from - 1;
    return after;
}

void js_rewind_mark(struct js_source *source, uint64_t last)
{
    struct js_republish *republish = &source->republish;
    int64_t now_ns = clock_mono_ns();
    CHECK_HELD(&source->live.lock);
    if (now_ns - republish->mark_ns < LOOK_BACK_MS * NS_PER_MS)
        return;
    /* what was marked that long ago has had its time to be found missing */
    republish->reliable = republish->mark;
    republish->mark = last;
    republish->mark_ns = now_ns;
}

void js_rewind_begin_mark(struct js_source *source)
{
    struct js_republish *republish = &source->republish;
    CHECK_HELD(&source->live.lock);
    republish->rewind = 0;
    republish->reliable = republish->mark = republish->consumer_at;
    republish->mark_ns = clock_mono_ns();
}

void js_rewind_forget(struct js_source *source)
{
    CHECK_HELD(&source->live.lock);
    source->republish.rewind = source->republish.look_from = 0;
}
