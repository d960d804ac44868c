/* poll.c: the backend on POSIX's poll.
 * Invariant: `polled` is dense, and watches[fd].place is one more than the descriptor's index in it
 * (0: not registered). An entry whose descriptor was lost is silenced: its number is negative,
 * which poll passes over, until a modify brings it back. Threading: loop thread only. Read
 * backend.h first. */
#include "backend.h"
#include "backend_common.h"
#include "eddy_config.h"
#include "missing.h"

#include <poll.h>

/* POSIX has no word for it; Linux, FreeBSD and illumos have. */
#ifdef POLLRDHUP
enum { POLL_CAPABILITIES = EDDY_CAN_HANGUP };
#else
enum { POLL_CAPABILITIES = 0, POLLRDHUP = 0 };
#endif

struct poll_watch {
    eddy_token token;
    unsigned place;
};

struct poll_state {
    eddy_allocator memory;
    struct pollfd *polled;
    struct poll_watch *watches; /* by descriptor */
    unsigned polled_count, polled_capacity;
    unsigned watches_capacity;
    unsigned next; /* where the scan goes on */
    bool ppoll_missing;
};

static short poll_mask(unsigned events) {
    int mask = 0;
    if (events & EDDY_READ) mask |= POLLIN;
    if (events & EDDY_WRITE) mask |= POLLOUT;
    if (events & EDDY_HANGUP) mask |= POLLRDHUP;
    return (short)mask;
}

static uint32_t poll_events(int mask) {
    uint32_t events = 0;
    if (mask & POLLIN) events |= EDDY_READ;
    if (mask & POLLOUT) events |= EDDY_WRITE;
    if (mask & (POLLERR | POLLNVAL)) events |= EDDY_ERROR | EDDY_READ | EDDY_WRITE;
    if (mask & POLLRDHUP) events |= EDDY_HANGUP | EDDY_READ;
    if (mask & POLLHUP) events |= EDDY_HANGUP | EDDY_READ | EDDY_WRITE;
    return events;
}

static int poll_silenced(int fd) {
    return -1 - fd; /* its own inverse */
}

static int poll_open(void *state, const eddy_allocator *memory, int capacity) {
    (void)capacity;
    *(struct poll_state *)state = (struct poll_state){.memory = *memory};
    return 0;
}

static void poll_close(void *state) {
    struct poll_state *it = state;
    eddy_allocator memory = it->memory;
    backend_free(&memory, it->polled, it->polled_capacity, sizeof *it->polled);
    backend_free(&memory, it->watches, it->watches_capacity, sizeof *it->watches);
    *it = (struct poll_state){.memory = memory};
}

/* There is no kernel object: a fork has copied everything. */
static int poll_reopen(void *state) {
    struct poll_state *it = state;
    it->polled_count = it->next = 0;
    if (it->watches != NULL) memset(it->watches, 0, it->watches_capacity * sizeof *it->watches);
    return 0;
}

static int poll_reserve(void *state, unsigned descriptors) {
    struct poll_state *it = state;
    struct pollfd *polled =
        backend_reserve(&it->memory, it->polled, &it->polled_capacity, descriptors, sizeof *polled);
    if (polled == NULL) return -ENOMEM;
    it->polled = polled;
    struct poll_watch *watches = backend_reserve(&it->memory, it->watches, &it->watches_capacity,
                                                 descriptors, sizeof *watches);
    if (watches == NULL) return -ENOMEM;
    it->watches = watches;
    return 0;
}

static int poll_add(void *state, int fd, unsigned events, eddy_token token) {
    struct poll_state *it = state;
    int err = backend_check_watchable(fd);
    if (err != 0) return err;
    /* One array may grow although the other one cannot: that changes nothing to be seen. */
    struct pollfd *polled = backend_grow(&it->memory, it->polled, &it->polled_capacity,
                                         (size_t)it->polled_count + 1, sizeof *polled);
    if (polled == NULL) return -ENOMEM;
    it->polled = polled;
    struct poll_watch *watches = backend_grow(&it->memory, it->watches, &it->watches_capacity,
                                              (size_t)fd + 1, sizeof *watches);
    if (watches == NULL) return -ENOMEM;
    it->watches = watches;

    it->polled[it->polled_count++] = (struct pollfd){.fd = fd, .events = poll_mask(events)};
    it->watches[fd] = (struct poll_watch){.token = token, .place = it->polled_count};
    return 0;
}

static int poll_modify(void *state, int fd, unsigned old_events, unsigned events,
                       eddy_token token) {
    struct poll_state *it = state;
    (void)old_events;
    struct poll_watch *watch = &it->watches[fd];
    watch->token = token;
    it->polled[watch->place - 1] = (struct pollfd){.fd = fd, .events = poll_mask(events)};
    return 0;
}

static int poll_remove(void *state, int fd, unsigned events) {
    struct poll_state *it = state;
    (void)events;
    struct poll_watch *watch = &it->watches[fd];
    struct pollfd last = it->polled[--it->polled_count];
    it->polled[watch->place - 1] = last;
    it->watches[last.fd < 0 ? poll_silenced(last.fd) : last.fd].place = watch->place;
    watch->place = 0;
    return 0;
}

static int poll_ask(struct poll_state *it, int64_t timeout_ns) {
#ifdef HAVE_PPOLL
    if (!it->ppoll_missing) {
        struct timespec time = backend_timespec(timeout_ns < 0 ? 0 : timeout_ns);
        int count = ppoll(it->polled, it->polled_count, timeout_ns < 0 ? NULL : &time, NULL);
        if (count >= 0 || !call_is_missing(errno)) return count;
        it->ppoll_missing = true;
    }
#endif
    return poll(it->polled, it->polled_count, backend_timeout_ms(timeout_ns));
}

/* A full array ends the scan in its middle; the next one goes on there, so that descriptors at the
 * end of the array have their turn however busy those at its beginning are. */
static int poll_wait(void *state, struct eddy_record *records, int capacity, int64_t timeout_ns) {
    struct poll_state *it = state;
    int ready = poll_ask(it, timeout_ns);
    if (ready < 0) return errno == EINTR ? 0 : -errno;
    if (ready > capacity) ready = capacity;
    unsigned place = it->next;
    int count = 0;
    for (unsigned left = it->polled_count; count < ready && left > 0; left--, place++) {
        if (place >= it->polled_count) place = 0;
        struct pollfd *polled = &it->polled[place];
        if (polled->revents == 0) continue;
        records[count] = (struct eddy_record){.token = it->watches[polled->fd].token,
                                              .events = poll_events(polled->revents)};
        if (polled->revents & POLLNVAL) {
            records[count].error = -EBADF;
            polled->fd = poll_silenced(polled->fd);
        }
        count++;
    }
    it->next = place;
    return count;
}

const struct eddy_backend eddy_backend_poll = {
    .name = "poll",
    .capabilities = POLL_CAPABILITIES,
    .fd_max = INT_MAX - 1,
    .state_bytes = sizeof(struct poll_state),
    .open = poll_open,
    .close = poll_close,
    .reserve = poll_reserve,
    .descriptor_bytes = sizeof(struct pollfd) + sizeof(struct poll_watch),
    .reopen = poll_reopen,
    .add = poll_add,
    .modify = poll_modify,
    .remove = poll_remove,
    .wait = poll_wait,
    .descriptor = NULL,
};
