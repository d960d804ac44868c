/* channel.c: see channel.h. */
#include "channel.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>

/* Copies to or from the ring, whose end may be in the middle. */
static size_t first_part(const struct sim_channel *channel, size_t from, size_t size) {
    size_t to_end = channel->window - from;
    return size < to_end ? size : to_end;
}

static void copy_in(struct sim_channel *channel, const void *data, size_t size) {
    if (size == 0) return;
    if (channel->bytes == NULL) channel->bytes = malloc(channel->window);
    if (channel->bytes == NULL) sim_fail("no memory for the simulation itself");
    size_t from = (channel->head + channel->arrived + channel->under_way) % channel->window;
    size_t first = first_part(channel, from, size);
    memcpy(channel->bytes + from, data, first);
    memcpy(channel->bytes, (const unsigned char *)data + first, size - first);
}

void channel_put(struct sim_channel *channel, const void *data, size_t size) {
    copy_in(channel, data, size);
    channel->arrived += size;
}

bool channel_send(struct sim_channel *channel, const void *data, size_t size) {
    copy_in(channel, data, size);
    channel->under_way += size;
    bool joins = channel->segments_count == CHANNEL_SEGMENTS;
    if (!joins) channel->segments_count++;
    unsigned last = channel->segments_first + channel->segments_count - 1;
    size_t *segment = &channel->segments[last % CHANNEL_SEGMENTS];
    *segment = joins ? *segment + size : size;
    return !joins;
}

size_t channel_arrive(struct sim_channel *channel) {
    if (channel->segments_count == 0) return 0; /* a reset has overtaken it */
    size_t size = channel->segments[channel->segments_first];
    channel->segments_first = (channel->segments_first + 1) % CHANNEL_SEGMENTS;
    channel->segments_count--;
    channel->under_way -= size;
    channel->arrived += size;
    return size;
}

size_t channel_take(struct sim_channel *channel, void *data, size_t size) {
    if (size > channel->arrived) size = channel->arrived;
    if (size == 0) return 0;
    size_t first = first_part(channel, channel->head, size);
    memcpy(data, channel->bytes + channel->head, first);
    memcpy((unsigned char *)data + first, channel->bytes, size - first);
    channel->head = (channel->head + size) % channel->window;
    channel->arrived -= size;
    return size;
}

void channel_drop(struct sim_channel *channel) {
    channel->under_way = 0;
    channel->segments_count = 0;
}

void channel_close(struct sim_channel *channel) {
    free(channel->bytes);
    channel->bytes = NULL;
    channel->arrived = 0;
    channel_drop(channel);
}
