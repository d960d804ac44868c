/* select.c: the backend on POSIX's select.
 * Invariant: a descriptor is registered if it is in one of `read`, `write` and `lost`; all of them
 * are below `end`. Those in `lost` were found closed: they are told once and then silent.
 * Threading: loop thread only. Read backend.h first.
 *
 * What select cannot do: descriptors from FD_SETSIZE on, and the hints ERROR and HANGUP. Both make
 * a descriptor readable or writable, and the read or write call tells which; `exceptfds` is about
 * urgent data and would not help. */
#include "backend.h"
#include "backend_common.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/select.h>

struct select_state {
    fd_set read, write; /* wanted */
    fd_set lost;
    fd_set untold; /* of those lost */
    int untold_count;
    int end;  /* one more than the largest descriptor */
    int next; /* where the scan goes on */
    eddy_token tokens[FD_SETSIZE];
};

/* The macros compute with the descriptor as they find it, and in musl next to unsigned longs. */
static inline void select_set(int fd, fd_set *set) {
    FD_SET((unsigned)fd, set);
}

static inline void select_clear(int fd, fd_set *set) {
    FD_CLR((unsigned)fd, set);
}

static inline bool select_has(int fd, const fd_set *set) {
    return FD_ISSET((unsigned)fd, set) != 0;
}

static int select_open(void *state, const eddy_allocator *memory, int capacity) {
    (void)capacity;
    struct select_state *it = state;
    (void)memory;
    FD_ZERO(&it->read);
    FD_ZERO(&it->write);
    FD_ZERO(&it->lost);
    FD_ZERO(&it->untold);
    it->untold_count = it->end = it->next = 0;
    return 0;
}

static void select_close(void *state) {
    (void)state;
}

static int select_reopen(void *state) {
    return select_open(state, NULL,
                       0); /* there is no kernel object: a fork has copied everything */
}

static void select_forget(struct select_state *it, int fd) {
    select_clear(fd, &it->read);
    select_clear(fd, &it->write);
    select_clear(fd, &it->lost);
    if (select_has(fd, &it->untold)) it->untold_count--;
    select_clear(fd, &it->untold);
}

static int select_modify(void *state, int fd, unsigned old_events, unsigned events,
                         eddy_token token) {
    struct select_state *it = state;
    (void)old_events;
    select_forget(it, fd);
    if (events & EDDY_READ) select_set(fd, &it->read);
    if (events & EDDY_WRITE) select_set(fd, &it->write);
    it->tokens[fd] = token;
    return 0;
}

static int select_add(void *state, int fd, unsigned events, eddy_token token) {
    struct select_state *it = state;
    int err = backend_check_watchable(fd);
    if (err != 0) return err;
    if (fd >= it->end) it->end = fd + 1;
    return select_modify(state, fd, 0, events, token);
}

static bool select_is_registered(const struct select_state *it, int fd) {
    return select_has(fd, &it->read) || select_has(fd, &it->write) || select_has(fd, &it->lost);
}

static int select_remove(void *state, int fd, unsigned events) {
    struct select_state *it = state;
    (void)events;
    select_forget(it, fd);
    while (it->end > 0 && !select_is_registered(it, it->end - 1)) it->end--;
    return 0;
}

/* select fails as a whole when one of its descriptors is not open, and does not say which. */
static void select_find_lost(struct select_state *it) {
    for (int fd = 0; fd < it->end; fd++) {
        if (!select_has(fd, &it->read) && !select_has(fd, &it->write)) continue;
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
        select_clear(fd, &it->read);
        select_clear(fd, &it->write);
        select_set(fd, &it->lost);
        select_set(fd, &it->untold);
        it->untold_count++;
    }
}

static int select_tell_lost(struct select_state *it, struct eddy_record *records, int capacity) {
    int count = 0;
    for (int fd = 0; it->untold_count > 0 && count < capacity; fd++) {
        if (!select_has(fd, &it->untold)) continue;
        select_clear(fd, &it->untold);
        it->untold_count--;
        records[count++] = (struct eddy_record){.token = it->tokens[fd],
                                                .events = EDDY_READ | EDDY_WRITE | EDDY_ERROR,
                                                .error = -EBADF};
    }
    return count;
}

/* `bits` counts a descriptor that can be read and written twice. As in poll.c, a full array ends
 * the scan in its middle and the next one goes on there. */
static int select_collect(struct select_state *it, const fd_set *read, const fd_set *write,
                          int bits, struct eddy_record *records, int capacity) {
    int fd = it->next;
    int count = 0;
    for (int left = it->end; bits > 0 && count < capacity && left > 0; left--, fd++) {
        if (fd >= it->end) fd = 0;
        unsigned events = 0;
        if (select_has(fd, read)) events |= EDDY_READ;
        if (select_has(fd, write)) events |= EDDY_WRITE;
        if (events == 0) continue;
        bits -= events == (EDDY_READ | EDDY_WRITE) ? 2 : 1;
        records[count++] = (struct eddy_record){.token = it->tokens[fd], .events = events};
    }
    it->next = fd;
    return count;
}

static int select_wait(void *state, struct eddy_record *records, int capacity, int64_t timeout_ns) {
    struct select_state *it = state;
    if (it->untold_count > 0) return select_tell_lost(it, records, capacity);
    /* Whole sets are copied, not just up to `end`: 128 bytes each, and their layout is private. */
    fd_set read = it->read, write = it->write;
    struct timespec time = backend_timespec(timeout_ns < 0 ? 0 : timeout_ns);
    int bits = pselect(it->end, &read, &write, NULL, timeout_ns < 0 ? NULL : &time, NULL);
    if (bits >= 0) return select_collect(it, &read, &write, bits, records, capacity);
    if (errno == EINTR) return 0;
    if (errno != EBADF) return -errno;
    select_find_lost(it);
    return select_tell_lost(it, records, capacity);
}

const struct eddy_backend eddy_backend_select = {
    .name = "select",
    .capabilities = 0,
    .fd_max = FD_SETSIZE - 1,
    .state_bytes = sizeof(struct select_state),
    .open = select_open,
    .close = select_close,
    .reserve = NULL,
    .reopen = select_reopen,
    .add = select_add,
    .modify = select_modify,
    .remove = select_remove,
    .wait = select_wait,
    .descriptor = NULL,
};
