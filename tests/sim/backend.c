/* backend.c: registering with the two simulated backends; wait.c waits. See interest.h.
 * Invariant: places[fd] is the one registration of a number that can still be changed; leaked ones
 * of "sim" are in no place. */
#include "interest.h"
#include "wait.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct sim_set *sets; /* open ones */

static struct sim_set *set_of(void *state) {
    struct sim_set *set = ((struct sim_backend_state *)state)->set;
    sim_check(set == NULL || !set->is_inherited, "a child uses its parent's backend");
    return set;
}

void sim_backends_fork(void) {
    for (struct sim_set *set = sets; set != NULL; set = set->next) set->is_inherited = true;
}

/* --- Sets --- */

static struct sim_set *open_set(bool is_split) {
    struct sim_set *set = calloc(1, sizeof *set);
    if (set == NULL) sim_fail("no memory for the simulation itself");
    set->is_split = is_split;
    set->next = sets;
    sets = set;
    return set;
}

static void close_set(void *object) {
    struct sim_set *set = object;
    struct sim_set **at = &sets;
    while (*at != set) at = &(*at)->next;
    *at = set->next;
    for (unsigned i = 0; i < set->count; i++)
        if (set->interests[i].description != NULL) set->interests[i].description->watched--;
    free(set->interests);
    free(set->candidates);
    free(set);
}

static struct sim_interest *interest_at(struct sim_set *set, int fd) {
    return set->places[fd] > 0 ? &set->interests[set->places[fd] - 1] : NULL;
}

static struct sim_interest *add_interest(struct sim_set *set, int fd) {
    if (set->count == set->capacity) {
        set->capacity = set->capacity == 0 ? 16 : 2 * set->capacity;
        set->interests = realloc(set->interests, set->capacity * sizeof *set->interests);
        set->candidates = realloc(set->candidates, 2 * set->capacity * sizeof *set->candidates);
        if (set->interests == NULL || set->candidates == NULL)
            sim_fail("no memory for the simulation itself");
    }
    struct sim_interest *it = &set->interests[set->count++];
    *it = (struct sim_interest){.fd = fd, .order = ++set->order};
    set->places[fd] = (int)set->count;
    set->forgotten[fd] = false;
    return it;
}

static void remember_removed(struct sim_set *set, eddy_token token) {
    if (set->removed_count == SET_REMOVED)
        set->removed[sim_below(SET_REMOVED)] = token;
    else
        set->removed[set->removed_count++] = token;
}

static void drop_interest(struct sim_set *set, struct sim_interest *it) {
    if (it->description != NULL) it->description->watched--;
    remember_removed(set, it->token);
    if (!it->is_leaked) set->places[it->fd] = 0;
    struct sim_interest *last = &set->interests[--set->count];
    if (it == last) return;
    *it = *last;
    if (!it->is_leaked) set->places[it->fd] = (int)(it - set->interests) + 1;
}

static void leak_interest(struct sim_set *set, struct sim_interest *it) {
    it->is_leaked = true;
    set->places[it->fd] = 0;
}

void sim_backends_forget(struct sim_description *description) {
    for (struct sim_set *set = sets; set != NULL; set = set->next) {
        for (unsigned i = set->count; i-- > 0;) {
            struct sim_interest *it = &set->interests[i];
            if (it->description != description) continue;
            if (!it->is_leaked) set->forgotten[it->fd] = true;
            drop_interest(set, it);
        }
    }
}

/* --- Opening --- */

static const struct sim_kind set_kind = {.name = "backend", .close = close_set};

static int open_state(struct sim_backend_state *it, bool is_split) {
    it->fd = -1;
    it->set = open_set(is_split);
    if (is_split) return 0;
    it->fd = sim_descriptor_add(&set_kind, it->set);
    if (it->fd >= 0) return 0;
    close_set(it->set);
    it->set = NULL;
    return it->fd;
}

static void close_state(struct sim_backend_state *it) {
    if (it->fd >= 0)
        eddy_os_close(it->fd);
    else if (it->set != NULL)
        close_set(it->set);
    it->fd = -1;
    it->set = NULL;
}

static int backend_open(void *state, bool is_split) {
    struct sim_backend_state *it = state;
    *it = (struct sim_backend_state){.fd = -1};
    int err = sim_enter(OS_CALL_backend_open);
    return err < 0 ? err : open_state(it, is_split);
}

static int sim_backend_open(void *state, const eddy_allocator *memory, int capacity) {
    (void)capacity;
    (void)memory;
    return backend_open(state, false);
}

static int split_backend_open(void *state, const eddy_allocator *memory, int capacity) {
    (void)capacity;
    (void)memory;
    return backend_open(state, true);
}

static void backend_close(void *state) {
    struct sim_backend_state *it = state;
    if (it->watch != NULL) sim_watch_close(it->watch);
    it->watch = NULL;
    close_state(it);
}

static int backend_reopen(struct sim_backend_state *it, bool is_split) {
    close_state(it);
    int err = sim_enter(OS_CALL_backend_reopen);
    if (err == 0) err = open_state(it, is_split);
    sim_note("reopen: %s", sim_result(err));
    return err;
}

static int sim_backend_reopen(void *state) {
    return backend_reopen(state, false);
}

static int split_backend_reopen(void *state) {
    return backend_reopen(state, true);
}

/* --- Registering --- */

static int check_watchable(int fd, struct sim_description **description) {
    *description = sim_descriptor_get(fd);
    if (*description == NULL) return -EBADF;
    return (*description)->kind->can_be_watched ? 0 : -EPERM;
}

/* A number that was closed with its registration left behind, and that now means the same
 * description again, has its old registration back. */
static struct sim_interest *find_leaked(struct sim_set *set, int fd,
                                        const struct sim_description *description) {
    for (unsigned i = 0; i < set->count; i++) {
        struct sim_interest *it = &set->interests[i];
        if (it->is_leaked && it->fd == fd && it->description == description) return it;
    }
    return NULL;
}

static void set_interest(struct sim_interest *it, unsigned events, eddy_token token) {
    it->events = events;
    it->token = token;
    it->again = INTEREST_BOTH;
    it->is_silent = false;
    it->lost = 0;
}

/* Of "sim": the registration of what `fd` is now. Another one in its place is leaked from now on.
 */
static struct sim_interest *in_reach(struct sim_set *set, int fd,
                                     struct sim_description *description) {
    struct sim_interest *it = interest_at(set, fd);
    if (it != NULL && it->description == description) return it;
    if (it != NULL) leak_interest(set, it);
    it = find_leaked(set, fd, description);
    if (it == NULL) return NULL;
    it->is_leaked = false;
    set->places[fd] = (int)(it - set->interests) + 1;
    return it;
}

static int put_interest(struct sim_set *set, int fd, unsigned events, eddy_token token) {
    struct sim_description *description;
    int err = check_watchable(fd, &description);
    if (err < 0) return err;
    struct sim_interest *it = set->is_split ? interest_at(set, fd) : in_reach(set, fd, description);
    if (it == NULL) {
        it = add_interest(set, fd);
        it->serial = description->serial;
        if (!set->is_split) {
            it->description = description;
            description->watched++;
        }
    }
    set_interest(it, events, token);
    sim_progress();
    sim_readiness_changed();
    return 0;
}

static int backend_add(void *state, int fd, unsigned events, eddy_token token) {
    struct sim_set *set = set_of(state);
    int err = sim_enter(OS_CALL_backend_add);
    if (set == NULL) return -EBADF;
    if (err == -EPERM) err = 0; /* a lie about what can be watched */
    const struct sim_interest *it = interest_at(set, fd);
    if (it != NULL)
        sim_check(it->description != NULL && it->description != sim_descriptor_get(fd),
                  "add: %d is registered already", fd);
    if (err == 0) err = put_interest(set, fd, events, token);
    sim_note("add %d for %x: %s", fd, events, sim_result(err));
    return err;
}

static int sim_backend_modify(void *state, int fd, unsigned old_events, unsigned events,
                              eddy_token token) {
    struct sim_set *set = set_of(state);
    (void)old_events;
    int err = sim_enter(OS_CALL_backend_modify);
    if (set == NULL) return -EBADF;
    if (err == 0) err = put_interest(set, fd, events, token);
    sim_note("modify %d to %x: %s", fd, events, sim_result(err));
    return err;
}

/* No system call: the next wait makes it, and tells what fails. */
static int split_backend_modify(void *state, int fd, unsigned old_events, unsigned events,
                                eddy_token token) {
    struct sim_set *set = set_of(state);
    (void)old_events;
    if (set == NULL) return -EBADF;
    struct sim_interest *it = interest_at(set, fd);
    sim_check(it != NULL, "modify: %d is not registered", fd);
    set_interest(it, events, token);
    it->is_changed = true;
    sim_progress();
    sim_note("modify %d to %x", fd, events);
    return 0;
}

static int sim_backend_remove(void *state, int fd, unsigned events) {
    struct sim_set *set = set_of(state);
    (void)events;
    sim_step();
    if (set == NULL) return -EBADF;
    struct sim_description *description = sim_descriptor_get(fd);
    struct sim_interest *it = interest_at(set, fd);
    int err = 0;
    if (it != NULL && it->description == description) {
        drop_interest(set, it);
    } else {
        if (it != NULL) leak_interest(set, it);
        err = description == NULL ? -EBADF : -ENOENT;
    }
    set->forgotten[fd] = false;
    sim_progress();
    sim_note("remove %d: %s", fd, sim_result(err));
    return err;
}

static int split_backend_remove(void *state, int fd, unsigned events) {
    struct sim_set *set = set_of(state);
    (void)events;
    sim_step();
    if (set == NULL) return -EBADF;
    struct sim_interest *it = interest_at(set, fd);
    sim_check(it != NULL, "remove: %d is not registered", fd);
    drop_interest(set, it);
    sim_progress();
    sim_note("remove %d", fd);
    return 0;
}

/* --- The table --- */

static const struct eddy_backend backend_sim = {
    .name = "sim",
    .capabilities = EDDY_CAN_EDGE | EDDY_CAN_ONESHOT | EDDY_CAN_HANGUP | BACKEND_TELLS_EACH_WRITE,
    .fd_max = SET_NUMBERS - 1,
    .state_bytes = sizeof(struct sim_backend_state),
    .open = sim_backend_open,
    .close = backend_close,
    .reopen = sim_backend_reopen,
    .add = backend_add,
    .modify = sim_backend_modify,
    .remove = sim_backend_remove,
    .wait = sim_backend_wait,
};

static const struct eddy_backend backend_split = {
    .name = "sim-split",
    .capabilities =
        EDDY_CAN_EDGE | EDDY_CAN_ONESHOT | EDDY_CAN_BATCH | EDDY_CAN_HANGUP | BACKEND_CAN_SPLIT,
    .fd_max = SET_NUMBERS - 1,
    .state_bytes = sizeof(struct sim_backend_state),
    .open = split_backend_open,
    .close = backend_close,
    .reopen = split_backend_reopen,
    .add = backend_add,
    .modify = split_backend_modify,
    .remove = split_backend_remove,
    .wait = sim_backend_wait,
};

const struct eddy_backend *const eddy_backend_table[] = {&backend_sim, &backend_split, NULL};

void sim_backends_begin(void) {
    sets = NULL;
    sim_waits_begin();
}

void sim_backends_end(void) {
    sim_check(sets == NULL, "a backend was not closed");
}
