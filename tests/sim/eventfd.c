/* eventfd.c: Linux's eventfd, whose numbers add up. Each write is an edge for whoever watches. */
#include "world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct counter {
    uint64_t sum;
    struct sim_description *end;
};

static ssize_t counter_read(void *object, void *data, size_t size) {
    struct counter *counter = object;
    if (size < sizeof counter->sum) return -EINVAL;
    if (counter->sum == 0) return -EAGAIN;
    memcpy(data, &counter->sum, sizeof counter->sum);
    counter->sum = 0;
    sim_progress();
    return sizeof counter->sum;
}

/* It is never so full here that a write would have to wait. */
static ssize_t counter_write(void *object, const void *data, size_t size) {
    struct counter *counter = object;
    uint64_t number;
    if (size < sizeof number) return -EINVAL;
    memcpy(&number, data, sizeof number);
    counter->sum += number;
    sim_progress();
    sim_description_changed(counter->end, EDDY_READ);
    return sizeof number;
}

static unsigned counter_ready(void *object) {
    const struct counter *counter = object;
    return counter->sum > 0 ? EDDY_READ | EDDY_WRITE : EDDY_WRITE;
}

static const struct sim_kind counter_kind = {
    .name = "eventfd",
    .read = counter_read,
    .write = counter_write,
    .ready = counter_ready,
    .close = free,
    .can_be_watched = true,
    .reads_whole = true,
};

int eddy_os_eventfd(void) {
    int err = sim_enter(OS_CALL_eventfd);
    if (err < 0) return err;
    struct counter *counter = calloc(1, sizeof *counter);
    if (counter == NULL) sim_fail("no memory for the simulation itself");
    int fd = sim_descriptor_add(&counter_kind, counter);
    if (fd < 0)
        free(counter);
    else
        counter->end = sim_descriptor_get(fd);
    sim_note("eventfd: %d", fd);
    return fd;
}
