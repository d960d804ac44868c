/* poll.c: the backend on POSIX's poll.
 * Invariant: `polled` is dense, and watches[fd].place is one more than the descriptor's index in it
 * (0: not registered). An entry whose descriptor was lost is silenced: its number is negative,
 * which poll passes over, until a modify brings it back. Threading: loop thread only. Read
 * backend.h first. */
#include "backend.h"
#include "backend_common.h"
#include "eddy_config.h"
#include "os.h"

#include <limits.h>
#include <poll.h>
#include <string.h>

struct watch {
    eddy_token token;
    unsigned place;
};

struct state {
    struct eddy_memory memory;
    struct pollfd *polled;
    struct watch *watches; /* by descriptor */
    unsigned polled_count, polled_capacity;
    unsigned watches_capacity;
    unsigned next; /* where the scan goes on */
};

static short to_poll(unsigned events) {
    int mask = 0;
    if (events & BACKEND_READ) mask |= POLLIN;
    if (events & BACKEND_WRITE) mask |= POLLOUT;
    return (short)mask;
}

static uint32_t from_poll(int mask) {
    uint32_t events = 0;
    if (mask & POLLIN) events |= BACKEND_READ;
    if (mask & POLLOUT) events |= BACKEND_WRITE;
    if (mask & (POLLERR | POLLNVAL)) events |= BACKEND_ERROR | BACKEND_READ | BACKEND_WRITE;
    if (mask & POLLHUP) events |= BACKEND_HANGUP | BACKEND_READ | BACKEND_WRITE;
    return events;
}

static int silenced(int fd) {
    return -1 - fd; /* its own inverse */
}

/* Makes `*array`, of `*capacity` items, hold at least `needed` of them; the new ones are zero. */
static int grow(const struct eddy_memory *memory, void **array, unsigned *capacity, size_t needed,
                size_t item_bytes) {
    if (needed <= *capacity) return 0;
    size_t larger = *capacity < 32 ? 32 : (size_t)*capacity * 2;
    if (larger < needed) larger = needed;
    if (larger > UINT_MAX || larger > SIZE_MAX / item_bytes) return -ENOMEM;
    size_t old_bytes = *capacity * item_bytes;
    char *grown = memory->resize(memory->context, *array, old_bytes, larger * item_bytes);
    if (grown == NULL) return -ENOMEM;
    memset(grown + old_bytes, 0, larger * item_bytes - old_bytes);
    *array = grown;
    *capacity = (unsigned)larger;
    return 0;
}

static int poll_open(void *state, const struct eddy_memory *memory) {
    *(struct state *)state = (struct state){.memory = *memory};
    return 0;
}

static void poll_close(void *state) {
    struct state *it = state;
    struct eddy_memory memory = it->memory;
    if (it->polled != NULL)
        memory.resize(memory.context, it->polled, it->polled_capacity * sizeof *it->polled, 0);
    if (it->watches != NULL)
        memory.resize(memory.context, it->watches, it->watches_capacity * sizeof *it->watches, 0);
    *it = (struct state){.memory = memory};
}

static int poll_reopen(void *state) {
    poll_close(state); /* there is no kernel object: a fork has copied everything */
    return 0;
}

static int poll_add(void *state, int fd, unsigned events, eddy_token token) {
    struct state *it = state;
    int err = backend_check_watchable(fd);
    if (err != 0) return err;
    /* One array may grow although the other one cannot: that changes nothing to be seen. */
    void *polled = it->polled, *watches = it->watches;
    err = grow(&it->memory, &polled, &it->polled_capacity, (size_t)it->polled_count + 1,
               sizeof *it->polled);
    it->polled = polled;
    if (err != 0) return err;
    err = grow(&it->memory, &watches, &it->watches_capacity, (size_t)fd + 1, sizeof *it->watches);
    it->watches = watches;
    if (err != 0) return err;

    it->polled[it->polled_count++] = (struct pollfd){.fd = fd, .events = to_poll(events)};
    it->watches[fd] = (struct watch){.token = token, .place = it->polled_count};
    return 0;
}

static int poll_modify(void *state, int fd, unsigned old_events, unsigned events,
                       eddy_token token) {
    struct state *it = state;
    (void)old_events;
    struct watch *watch = &it->watches[fd];
    watch->token = token;
    it->polled[watch->place - 1] = (struct pollfd){.fd = fd, .events = to_poll(events)};
    return 0;
}

static int poll_remove(void *state, int fd, unsigned events) {
    struct state *it = state;
    (void)events;
    struct watch *watch = &it->watches[fd];
    struct pollfd last = it->polled[--it->polled_count];
    it->polled[watch->place - 1] = last;
    it->watches[last.fd < 0 ? silenced(last.fd) : last.fd].place = watch->place;
    watch->place = 0;
    return 0;
}

static int wait_for_events(struct state *it, int64_t timeout_ns) {
#ifdef HAVE_PPOLL
    struct timespec time = backend_timespec(timeout_ns < 0 ? 0 : timeout_ns);
    return ppoll(it->polled, it->polled_count, timeout_ns < 0 ? NULL : &time, NULL);
#else
    return poll(it->polled, it->polled_count, backend_timeout_ms(timeout_ns));
#endif
}

/* A full array ends the scan in its middle; the next one goes on there, so that descriptors at the
 * end of the array have their turn however busy those at its beginning are. */
static int poll_wait(void *state, struct eddy_record *records, int capacity, int64_t timeout_ns) {
    struct state *it = state;
    int ready = wait_for_events(it, timeout_ns);
    if (ready < 0) return errno == EINTR ? 0 : -errno;
    if (ready > capacity) ready = capacity;
    unsigned place = it->next;
    int count = 0;
    for (unsigned left = it->polled_count; count < ready && left > 0; left--, place++) {
        if (place >= it->polled_count) place = 0;
        struct pollfd *polled = &it->polled[place];
        if (polled->revents == 0) continue;
        records[count] = (struct eddy_record){.token = it->watches[polled->fd].token,
                                              .events = from_poll(polled->revents)};
        if (polled->revents & POLLNVAL) {
            records[count].error = -EBADF;
            polled->fd = silenced(polled->fd);
        }
        count++;
    }
    it->next = place;
    return count;
}

const struct eddy_backend eddy_backend_poll = {
    .name = "poll",
    .capabilities = 0,
    .fd_max = INT_MAX - 1,
    .state_bytes = sizeof(struct state),
    .open = poll_open,
    .close = poll_close,
    .reopen = poll_reopen,
    .add = poll_add,
    .modify = poll_modify,
    .remove = poll_remove,
    .wait = poll_wait,
    .descriptor = NULL,
};
