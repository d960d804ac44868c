/* io_uring.c: the backend on the polls of Linux's io_uring: readiness, asked for through a ring.
 * For comparison: whoever wants it names it.
 *
 * A poll of io_uring tells once, or each time that something happens; none tells for as long as a
 * descriptor is ready (IORING_POLL_ADD_LEVEL is refused when a poll is added). So a level that was
 * told is asked for anew by the next wait, along with it; or, of many, their requests go on as
 * those of edges do, and poll(2) looks at them together.
 *
 * Invariant: that of io_uring_polls.h; what a wait tells of levels is known from a request that it
 * has made, from poll, or from what came while it slept. Threading: loop thread only; the kernel
 * binds a ring to the thread that enters it first, so another one that takes the loop over makes a
 * new ring. Read backend.h and ring.h first.
 */
#include "io_uring_polls.h"

/* --- What comes --- */

/* Whose it is; NULL: nobody listens to it. */
static struct uring_watch *uring_find(const struct uring_state *it,
                                      const struct io_uring_cqe *cqe) {
    uint32_t fd = (uint32_t)cqe->user_data;
    if (fd >= it->watches_capacity) return NULL;
    struct uring_watch *watch = &it->watches[fd];
    bool is_heard = watch->serial == cqe->user_data >> 32 && (watch->flags & URING_ARMED);
    return is_heard ? watch : NULL;
}

/* An edge may be told twice in one wait: in one record. */
static void uring_record(struct uring_state *it, struct uring_watch *watch, uint32_t events,
                         int error) {
    if (watch->place > 0 && watch->place <= it->count &&
        it->records[watch->place - 1].token == watch->token) {
        it->records[watch->place - 1].events |= events;
        return;
    }
    it->records[it->count++] =
        (struct eddy_record){.token = watch->token, .events = events, .error = error};
    watch->place = it->count;
    it->has_news = true;
}

/* Whether it says how things are. A request that an earlier wait has made may have been answered
 * before this one, and somebody may have read since; and what tells of an end may be another's, as
 * a pipe wakes both sides with each other's. An edge says that something has happened, which stays
 * true. */
static bool uring_is_sure(const struct uring_state *it, const struct uring_watch *watch,
                          int result) {
    if (it->is_crowded || (result & (POLLERR | POLLHUP))) return false;
    return !it->is_stale || watch->armed_at == it->wait || uring_is_edge(watch);
}

/* The other side sends no more: the kernel tells that whether it was asked to or not, and a poll
 * for room to write ends at once, again and again. One that goes on tells it once.
 * Test: a_full_writer_waits_though_its_reader_sends_no_more. */
static bool uring_is_void(const struct uring_watch *watch, int result) {
    return (result & (uring_mask(watch->events) | POLLERR | POLLHUP)) == 0;
}

/* What goes on for it goes on for nobody. */
static void uring_fire(struct uring_watch *watch) {
    if (watch->flags & URING_ARMED) watch->flags ^= URING_ARMED | URING_OUTDATED;
    watch->flags |= URING_FIRED;
}

/* A level has to be looked at by the next wait. */
static void uring_tell(struct uring_state *it, int fd, int result) {
    struct uring_watch *watch = &it->watches[fd];
    if (!(watch->events & EDDY_HANGUP)) result &= ~POLLRDHUP;
    uring_record(it, watch, uring_events(result), 0);
    if (uring_is_edge(watch) && (watch->flags & URING_ARMED)) return;
    if (watch->events & EDDY_ONESHOT) uring_fire(watch);
    uring_queue(it, &it->told, fd);
}

static void uring_take(struct uring_state *it, const struct io_uring_cqe *cqe) {
    struct uring_watch *watch = uring_find(it, cqe);
    if (watch == NULL) return;
    int fd = (int)(uint32_t)cqe->user_data, result = cqe->res;
    if (!(cqe->flags & IORING_CQE_F_MORE)) watch->flags &= (uint8_t)~URING_ARMED;
    if (result == -ECANCELED) {
        /* Cancelled: what it waited on has ended before the descriptor, as a signalfd's may. */
        uring_ask_anew(it, fd);
    } else if (result < 0 && it->count < it->capacity) {
        watch->flags |= URING_FIRED; /* told once, it is silent until it is changed */
        uring_record(it, watch, EDDY_ERROR | EDDY_READ | EDDY_WRITE, result);
    } else if (result > 0 && uring_is_void(watch, result)) {
        watch->flags |= URING_STREAM;
        if (!(watch->flags & URING_ARMED)) uring_ask_anew(it, fd);
    } else if (it->count < it->capacity && uring_is_sure(it, watch, result)) {
        uring_tell(it, fd, result);
    } else {
        uring_queue(it, &it->doubted, fd);
    }
}

/* What poll says of it now. What is not ready need not be asked for before the wait that waits for
 * it. Being asked for tells of a loss, and an edge of how things are. */
static void uring_judge(struct uring_state *it, int fd, int result) {
    struct uring_watch *watch = &it->watches[fd];
    bool is_armed = (watch->flags & URING_ARMED) != 0;
    if ((result & POLLNVAL) || (uring_is_edge(watch) && !is_armed))
        uring_ask_anew(it, fd);
    else if (result != 0)
        uring_tell(it, fd, result);
    else if (!is_armed)
        uring_queue(it, &it->told, fd);
}

static nfds_t uring_fill(struct uring_state *it, struct pollfd *polls, int room) {
    nfds_t count = 0;
    while (room > 0 && count < URING_LOOKED_AT && it->doubted.first >= 0) {
        int fd = uring_unqueue(it, &it->doubted);
        const struct uring_watch *watch = &it->watches[fd];
        if (watch->events == 0 || (watch->flags & URING_FIRED)) continue;
        polls[count++] = (struct pollfd){.fd = fd, .events = (short)uring_mask(watch->events)};
        room--;
    }
    return count;
}

/* What is not sure is looked at: that costs less than to ask for it, and is of now. */
static int uring_look(struct uring_state *it) {
    struct pollfd polls[URING_LOOKED_AT];
    int err = 0;
    nfds_t count;
    while ((count = uring_fill(it, polls, it->capacity - it->count)) > 0) {
        bool is_known = poll(polls, count, 0) >= 0;
        if (!is_known) err = -errno;
        for (nfds_t i = 0; i < count; i++)
            uring_judge(it, polls[i].fd, is_known ? polls[i].revents : POLLNVAL);
    }
    return err;
}

/* Whether it says anything that was not known already: one that goes on may say the same again and
 * again. */
static bool uring_take_all(struct uring_state *it) {
    it->has_news = false;
    for (unsigned left = ring_completions(&it->ring); left > 0; left--) {
        uring_take(it, ring_completion(&it->ring, 0));
        ring_advance(&it->ring, 1);
    }
    return it->has_news;
}

/* Nobody need see again what nobody listens to. */
static void uring_skip(struct uring_state *it) {
    while (ring_completions(&it->ring) > 0 && uring_find(it, ring_completion(&it->ring, 0)) == NULL)
        ring_advance(&it->ring, 1);
}

/* Enters until the kernel has taken everything and has nothing more to say of it, some twenty
 * completions at a time. That there is more is set by who makes it so after it is so, and remains
 * set if it was seen to in between: when nothing comes of it, it is not true. */
static int uring_settle(struct uring_state *it) {
    int err = 0;
    bool goes_on = true;
    while (err == 0 && (ring_waiting(&it->ring) > 0 || (goes_on && ring_needs_enter(&it->ring)))) {
        unsigned before = ring_completions(&it->ring);
        err = uring_enter(it, false, 0);
        if (err == -EINTR) err = 0;
        goes_on = err == 0 && ring_completions(&it->ring) != before;
        if (goes_on) uring_skip(it);
    }
    if (err == 0) uring_skip(it);
    return err;
}

/* --- To be watched by others --- */

static int uring_ask_all(struct uring_state *it) {
    int err = it->ring.fd < 0 ? uring_make_again(it) : 0;
    while (err == 0 && it->due.first >= 0) {
        uring_ask(it);
        err = uring_settle(it);
    }
    return err;
}

/* Whoever watches the event's descriptor is told of each completion, and of what waits for this
 * thread to become one. What was taken, and what nobody listens to, is not to be seen any more. */
static int uring_show(struct uring_state *it) {
    if (!it->is_shown) return 0;
    uring_requeue(it, &it->doubted);
    uring_requeue(it, &it->told);
    int err = uring_ask_all(it);
    if (uring_is_lost(err)) err = uring_ask_all(it);
    if (err == 0) err = uring_settle(it);
    if (err < 0 || ring_completions(&it->ring) > 0) return err;
    uint64_t count;
    (void)eddy_os_read(it->event_fd, &count, sizeof count);
    return uring_settle(it); /* what came before that is told of once more, as a completion */
}

static int uring_descriptor(void *state) {
    struct uring_state *it = state;
    if (it->is_shown) return it->event_fd;
    int fd = eddy_os_eventfd();
    if (fd < 0) return fd;
    int err = it->ring.fd < 0 ? 0 : uring_register(it, IORING_REGISTER_EVENTFD, &fd, 1);
    if (err < 0) {
        eddy_os_close(fd);
        return err;
    }
    it->event_fd = fd;
    it->is_shown = true;
    (void)uring_show(it); /* what fails now, the next wait fails with */
    return fd;
}

/* Levels that were told are asked for only now, when they have been read, or not. */
static bool uring_has_unshown(void *state) {
    return uring_show(state) < 0;
}

/* --- The backend --- */

static void uring_hide(struct uring_state *it) {
    if (it->event_fd >= 0) eddy_os_close(it->event_fd);
    it->event_fd = -1;
}

static int uring_open(void *state, const eddy_allocator *memory, int capacity) {
    (void)capacity;
    struct uring_state *it = state;
    *it = (struct uring_state){
        .memory = *memory, .event_fd = -1, .due = {-1, -1}, .told = {-1, -1}, .doubted = {-1, -1}};
    return uring_make_ring(it);
}

/* The kernel lets go of a closed ring's files a moment later: so they are taken out before. By
 * name, as to look for any takes the kernel a time that is quadratic. */
static void uring_cancel_all(struct uring_state *it) {
    ring_withdraw(&it->ring);
    for (unsigned fd = 0; fd < it->watches_capacity; fd++) {
        struct uring_watch *watch = &it->watches[fd];
        bool is_asked_for = (watch->flags & (URING_ARMED | URING_OUTDATED)) != 0;
        watch->flags = 0;
        if (!is_asked_for) continue;
        if (ring_waiting(&it->ring) == it->ring.entries && uring_settle(it) < 0) return;
        uring_cancel(it, uring_name((int)fd, watch->serial));
    }
    (void)uring_settle(it);
}

static void uring_close(void *state) {
    struct uring_state *it = state;
    if (it->ring.fd >= 0 && it->is_enabled) uring_cancel_all(it);
    eddy_os_ring_unmake(&it->ring);
    uring_hide(it);
    backend_free(&it->memory, it->watches, it->watches_capacity, sizeof *it->watches);
    it->watches = NULL;
    it->watches_capacity = 0;
}

/* The parent's ring is in the child's memory as well; nothing is asked of it. */
static int uring_reopen(void *state) {
    struct uring_state *it = state;
    eddy_os_ring_unmake(&it->ring);
    uring_hide(it);
    it->due = it->told = it->doubted = (struct uring_queue){-1, -1};
    if (it->watches != NULL) memset(it->watches, 0, it->watches_capacity * sizeof *it->watches);
    if (it->is_shown) it->event_fd = eddy_os_eventfd();
    return it->is_shown && it->event_fd < 0 ? it->event_fd : uring_make_ring(it);
}

static int uring_reserve(void *state, unsigned descriptors) {
    struct uring_state *it = state;
    struct uring_watch *watches = backend_reserve(&it->memory, it->watches, &it->watches_capacity,
                                                  descriptors, sizeof *watches);
    if (watches == NULL) return -ENOMEM;
    it->watches = watches;
    return 0;
}

/* Once it is in the kernel's hands, the file stays open until its request has ended. */
static int uring_remove(void *state, int fd, unsigned events) {
    (void)events;
    struct uring_state *it = state;
    struct uring_watch *watch = &it->watches[fd];
    bool is_asked_for = (watch->flags & (URING_ARMED | URING_OUTDATED)) != 0;
    watch->events = 0;
    watch->flags &= URING_QUEUED;
    if (!is_asked_for || it->ring.fd < 0) return 0;
    int err = ring_waiting(&it->ring) == it->ring.entries ? uring_settle(it) : 0;
    if (err == 0) {
        uring_cancel(it, uring_name(fd, watch->serial));
        err = uring_settle(it);
    }
    if (err < 0) uring_lose(it, err); /* with its ring it is closed, if not at once */
    (void)uring_show(it);
    return 0;
}

/* Somebody may watch: what is changed acts at once, also of what the last wait has told. */
static int uring_change(struct uring_state *it, int fd, unsigned events, eddy_token token) {
    struct uring_watch *watch = &it->watches[fd];
    watch->token = token;
    watch->events = (uint8_t)events;
    watch->flags &= (uint8_t) ~(URING_FIRED | URING_STREAM);
    uring_ask_anew(it, fd);
    return uring_show(it);
}

/* A poll of what cannot be polled says that it is ready; the kernel's answer to what is closed
 * comes with the wait. So both are found out before. */
static int uring_add(void *state, int fd, unsigned events, eddy_token token) {
    struct uring_state *it = state;
    int err = backend_check_watchable(fd);
    if (err != 0) return err;
    struct uring_watch *watches = backend_grow(&it->memory, it->watches, &it->watches_capacity,
                                               (size_t)fd + 1, sizeof *watches);
    if (watches == NULL) return -ENOMEM;
    it->watches = watches;
    err = uring_change(it, fd, events, token);
    if (err < 0) uring_remove(it, fd, events);
    return err;
}

static int uring_modify(void *state, int fd, unsigned old_events, unsigned events,
                        eddy_token token) {
    (void)old_events;
    return uring_change(state, fd, events, token);
}

/* Asks, takes what has come, and looks at what is not sure, until there is nothing more of that:
 * then it may wait, once, if there is nothing to tell. A wait that ends with what turns out to be
 * nothing is over, as by a signal: the loop waits again. So is one that is told of the same things
 * without end, by others who make them ready and take them. */
static int uring_turn(struct uring_state *it, int64_t timeout_ns) {
    int err = it->ring.fd < 0 ? uring_make_again(it) : 0;
    bool goes_on = true, has_news = true; /* the first as in uring_settle */
    unsigned looks = 0;
    while (err == 0) {
        bool is_held = goes_on && ring_needs_enter(&it->ring);
        bool is_over = it->count > 0 && !has_news && it->due.first < 0;
        if (is_over || (looks == URING_LOOKS_MAX && is_held)) return 0;
        it->is_stale = is_held || ring_completions(&it->ring) > 0;
        if (it->count == 0) uring_requeue(it, &it->told);
        bool is_noisy = uring_ask(it), is_known = it->doubted.first < 0 && it->due.first < 0;
        bool waits = is_known && !it->is_stale && !is_noisy && it->count == 0 && timeout_ns != 0;
        bool enters = waits || is_held || ring_waiting(&it->ring) > 0;
        if (is_known && !it->is_stale && !enters) return 0;
        if (enters) err = uring_enter(it, waits, timeout_ns);
        goes_on = it->ring.fd >= 0 && ring_completions(&it->ring) > 0;
        has_news = goes_on && uring_take_all(it);
        if (err == 0 && it->doubted.first >= 0 && !(has_news && ring_needs_enter(&it->ring))) {
            err = uring_look(it);
            has_news = false;
            looks++;
        }
        if (err == -EINTR || it->count == it->capacity || (waits && it->count > 0)) return 0;
        if (err == 0 && waits && ring_waiting(&it->ring) == 0) timeout_ns = 0;
    }
    return err;
}

static int uring_wait(void *state, struct eddy_record *records, int capacity, int64_t timeout_ns) {
    struct uring_state *it = state;
    it->records = records;
    it->is_busy = it->count >= URING_MANY && !it->is_shown;
    it->count = 0;
    it->capacity = capacity;
    it->wait++;
    it->is_crowded = it->doubted.first >= 0;
    int err = uring_turn(it, timeout_ns);
    if (uring_is_lost(err)) err = uring_turn(it, timeout_ns);
    if (err == 0) err = uring_show(it);
    return it->count > 0 ? it->count : err; /* it fails the next wait as well */
}

const struct eddy_backend eddy_backend_io_uring = {
    .name = "io_uring",
    .capabilities = EDDY_CAN_EDGE | EDDY_CAN_ONESHOT | EDDY_CAN_NEST | EDDY_CAN_BATCH |
                    EDDY_CAN_HANGUP | BACKEND_TELLS_EACH_WRITE,
    .fd_max = INT_MAX - 1,
    .state_bytes = sizeof(struct uring_state),
    .open = uring_open,
    .close = uring_close,
    .reserve = uring_reserve,
    .descriptor_bytes = sizeof(struct uring_watch),
    .reopen = uring_reopen,
    .add = uring_add,
    .modify = uring_modify,
    .remove = uring_remove,
    .wait = uring_wait,
    .descriptor = uring_descriptor,
    .has_unshown = uring_has_unshown,
};
