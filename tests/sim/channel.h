/* channel.h: bytes on their way in one direction: first under way, then arrived, then taken.
 * Invariant: `arrived` + `under_way` <= `window`; they follow each other in a ring from `head` on;
 * the sizes of the segments add up to `under_way`. */
#ifndef EDDY_TESTS_SIM_CHANNEL_H
#define EDDY_TESTS_SIM_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

enum { CHANNEL_SEGMENTS = 8 }; /* what is sent beyond them travels with the last one */

struct sim_channel {
    unsigned char *bytes; /* NULL until the first one comes */
    size_t window, head, arrived, under_way;
    size_t segments[CHANNEL_SEGMENTS]; /* a ring too */
    unsigned segments_first, segments_count;
};

static inline size_t channel_room(const struct sim_channel *channel) {
    return channel->window - channel->arrived - channel->under_way;
}

/* Adds bytes that are there at once, behind all that has arrived: nothing may be under way. At most
 * as many as there is room for. */
void channel_put(struct sim_channel *channel, const void *data, size_t size);
/* Adds bytes that have to travel. False: they do so with the last segment. */
bool channel_send(struct sim_channel *channel, const void *data, size_t size);
/* The first segment has arrived; its size. */
size_t channel_arrive(struct sim_channel *channel);
/* Takes bytes that have arrived; how many. */
size_t channel_take(struct sim_channel *channel, void *data, size_t size);
void channel_drop(struct sim_channel *channel); /* what is under way */
void channel_close(struct sim_channel *channel);

#endif
