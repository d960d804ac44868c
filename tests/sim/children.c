/* children.c: processes that the program starts. Each runs for a time that the seed gives and ends
 * as it says; one that has a 0 and a 1 copies from one to the other until the input ends.
 *
 * Of an exit the system tells by a descriptor or, in some worlds, only by SIGCHLD; and now and then
 * before the child can be waited for. A child belongs to the process that has started it: what a
 * forked one may not touch is looked for. Invariant: the child holds duplicates of what it was
 * given, until it ends. */
#include "world.h"

#include <signal.h>
#include <stdlib.h>

enum { PIECE_BYTES = 300, LIFE_MAX_NS = 20000000, STEP_MAX_NS = 2000000, EARLY_MAX_NS = 3000000 };

struct child {
    struct child *next;
    pid_t pid;
    int parent; /* its process id */
    bool has_ended, is_reaped;
    eddy_exit exit;
    int ends[2]; /* its 0 and 1, or -1 */
    char kept[PIECE_BYTES];
    size_t kept_bytes;
    int64_t ends_ns, waitable_ns;
};

/* A descriptor that tells of exits. */
struct exits {
    struct exits *next;
    struct sim_description *description;
    int owner; /* a process id */
    struct entry {
        struct entry *next;
        struct child *child;
        void *token;
    } * entries;
};

static struct {
    struct child *children;
    struct exits *exits;
    pid_t last_pid;
    bool is_chosen, has_exits, has_pidfds;
} processes;

/* What the system has, when that is first asked: seeds without children are what they were. */
static void choose(void) {
    if (processes.is_chosen) return;
    unsigned kind = sim_below(4);
    processes.has_exits = kind != 0;
    processes.has_pidfds = kind != 1;
    processes.is_chosen = true;
}

static struct child *find(pid_t pid) {
    struct child *child = processes.children;
    while (child != NULL && child->pid != pid) child = child->next;
    return child;
}

/* One that may be waited for. */
static struct child *find_ours(pid_t pid) {
    struct child *child = find(pid);
    bool is_ours = child != NULL && child->parent == eddy_os_process_id() && !child->is_reaped;
    return is_ours ? child : NULL;
}

/* --- Its life --- */

static void let_go(struct child *child) {
    for (int i = 0; i < 2; i++) {
        if (child->ends[i] >= 0) sim_close(child->ends[i]);
        child->ends[i] = -1;
    }
}

static void end(struct child *child) {
    child->has_ended = true;
    child->waitable_ns = sim_now_ns() + (sim_below(4) == 0 ? 1 + sim_below(EARLY_MAX_NS) : 0);
    sim_note("child %d ends", (int)child->pid);
    let_go(child);
    for (struct exits *exits = processes.exits; exits != NULL; exits = exits->next)
        sim_description_changed(exits->description, EDDY_READ);
    sim_readiness_changed(); /* pidfds */
    sim_raise(SIGCHLD);
}

/* False: there is no more to copy. */
static bool copy(struct child *child) {
    if (child->ends[0] < 0 || child->ends[1] < 0) return true;
    if (child->kept_bytes == 0) {
        ssize_t size = sim_read(child->ends[0], child->kept, sizeof child->kept);
        if (size == 0 || (size < 0 && size != -EAGAIN)) return false;
        child->kept_bytes = size > 0 ? (size_t)size : 0;
    }
    if (child->kept_bytes == 0) return true;
    ssize_t written = sim_write(child->ends[1], child->kept, child->kept_bytes);
    if (written < 0) return written == -EAGAIN;
    child->kept_bytes -= (size_t)written;
    for (size_t i = 0; i < child->kept_bytes; i++)
        child->kept[i] = child->kept[i + (size_t)written];
    return true;
}

static void on_step(void *context) {
    struct child *child = context;
    if (child->has_ended || child->parent != eddy_os_process_id()) return;
    if (!copy(child) || sim_now_ns() >= child->ends_ns)
        end(child);
    else
        sim_after(1 + sim_below(STEP_MAX_NS), on_step, child);
}

int eddy_os_spawn(const eddy_child_options *options, const struct eddy_os_child_fd *map,
                  unsigned count, pid_t *pid, int *pidfd) {
    int err = sim_enter(OS_CALL_spawn);
    (void)options;
    if (err < 0) return err;
    struct child *child = calloc(1, sizeof *child);
    if (child == NULL) sim_fail("no memory for the simulation itself");
    *child = (struct child){.next = processes.children,
                            .pid = ++processes.last_pid,
                            .parent = eddy_os_process_id(),
                            .ends = {-1, -1},
                            .ends_ns = sim_now_ns() + sim_below(LIFE_MAX_NS)};
    if (sim_below(4) == 0)
        child->exit.signal = SIGSEGV;
    else
        child->exit.status = (int)sim_below(256);
    for (unsigned i = 0; i < count; i++)
        if (map[i].number < 2) child->ends[map[i].number] = sim_duplicate(map[i].fd);
    processes.children = child;
    *pid = child->pid;
    *pidfd = eddy_os_pidfd(child->pid);
    if (*pidfd < 0) *pidfd = -1;
    sim_note("child %d begins", (int)child->pid);
    sim_after(sim_below(STEP_MAX_NS), on_step, child);
    return 0;
}

/* --- Waiting, signals --- */

int eddy_os_child_find(pid_t pid) {
    sim_step();
    const struct child *child = find(pid);
    if (child == NULL || child->is_reaped) return -ESRCH;
    return find_ours(pid) != NULL;
}

int eddy_os_child_wait(pid_t pid, int pidfd, bool leave, eddy_exit *exit) {
    sim_step();
    (void)pidfd;
    struct child *child = find_ours(pid);
    if (child == NULL) return -ECHILD;
    if (!child->has_ended || sim_now_ns() < child->waitable_ns) return 0;
    *exit = child->exit;
    child->is_reaped = !leave;
    return 1;
}

int eddy_os_child_kill(pid_t pid, int pidfd, int signal) {
    sim_step();
    (void)pidfd;
    struct child *child = find(pid);
    if (child == NULL || child->is_reaped) return -ESRCH;
    if (child->has_ended || signal == 0 || child->parent != eddy_os_process_id()) return 0;
    child->exit = (eddy_exit){.signal = signal};
    child->ends_ns = 0;
    return 0;
}

int eddy_os_child_kill_group(pid_t leader, int signal) {
    return find_ours(leader) == NULL ? -ESRCH : eddy_os_child_kill(leader, -1, signal);
}

const eddy_exit *sim_child_exit(pid_t pid) {
    const struct child *child = find(pid);
    return child != NULL && child->has_ended ? &child->exit : NULL;
}

bool sim_child_is_reaped(pid_t pid) {
    const struct child *child = find(pid);
    return child != NULL && child->is_reaped;
}

/* --- Descriptors of processes --- */

static unsigned process_ready(void *object) {
    const struct child *child = object;
    return child->has_ended ? EDDY_READ : 0;
}

static const struct sim_kind process_kind = {
    .name = "process",
    .ready = process_ready,
    .can_be_watched = true,
};

int eddy_os_pidfd(pid_t pid) {
    int err = sim_enter(OS_CALL_pidfd);
    if (err < 0) return err;
    choose();
    if (!processes.has_pidfds) return -ENOSYS;
    struct child *child = find(pid);
    return child == NULL || child->is_reaped ? -ESRCH : sim_descriptor_add(&process_kind, child);
}

/* --- A descriptor that tells of exits --- */

static unsigned exits_ready(void *object) {
    const struct exits *exits = object;
    for (const struct entry *entry = exits->entries; entry != NULL; entry = entry->next)
        if (entry->child->has_ended) return EDDY_READ;
    return 0;
}

static void entry_remove(struct entry **at) {
    struct entry *entry = *at;
    *at = entry->next;
    free(entry);
}

static void exits_close(void *object) {
    struct exits *exits = object, **at = &processes.exits;
    while (exits->entries != NULL) entry_remove(&exits->entries);
    while (*at != exits) at = &(*at)->next;
    *at = exits->next;
    free(exits);
}

static const struct sim_kind exits_kind = {
    .name = "exits",
    .ready = exits_ready,
    .close = exits_close,
    .can_be_watched = true,
};

static struct exits *exits_of(int fd) {
    struct exits *exits = sim_object_get(fd, &exits_kind);
    sim_check(exits != NULL, "%d tells of no exits", fd);
    sim_check(exits->owner == eddy_os_process_id(), "a forked process uses its parent's exits");
    return exits;
}

int eddy_os_exits_open(void) {
    int err = sim_enter(OS_CALL_exits_open);
    if (err < 0) return err;
    choose();
    if (!processes.has_exits) return -ENOSYS;
    struct exits *exits = calloc(1, sizeof *exits);
    if (exits == NULL) sim_fail("no memory for the simulation itself");
    int fd = sim_descriptor_add(&exits_kind, exits);
    if (fd < 0) {
        free(exits);
        return fd;
    }
    *exits = (struct exits){processes.exits, sim_descriptor_get(fd), eddy_os_process_id(), NULL};
    processes.exits = exits;
    return fd;
}

void eddy_os_exits_close(int fd, bool is_parents) {
    sim_step();
    const struct exits *exits = sim_object_get(fd, &exits_kind);
    sim_check(exits != NULL && (exits->owner != eddy_os_process_id()) == is_parents,
              "whose exits are closed?");
    sim_descriptor_close(fd);
}

int eddy_os_exits_add(int fd, pid_t pid, int pidfd, void *token) {
    int err = sim_enter(OS_CALL_exits_add);
    struct exits *exits = exits_of(fd);
    struct child *child = find(pid);
    if (err < 0) return err;
    if (pidfd < 0) return -ENOSYS;
    sim_check(child != NULL, "no such child");
    struct entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) sim_fail("no memory for the simulation itself");
    *entry = (struct entry){exits->entries, child, token};
    exits->entries = entry;
    if (child->has_ended) sim_description_changed(exits->description, EDDY_READ);
    return 0;
}

void eddy_os_exits_remove(int fd, pid_t pid, int pidfd) {
    sim_step();
    (void)pidfd;
    struct entry **at = &exits_of(fd)->entries;
    while (*at != NULL && (*at)->child->pid != pid) at = &(*at)->next;
    sim_check(*at != NULL, "a child is taken out of exits that is not there");
    entry_remove(at);
}

int eddy_os_exits_next(int fd, void **tokens, int room) {
    sim_step();
    int count = 0;
    for (struct entry **at = &exits_of(fd)->entries; *at != NULL && count < room;) {
        if (!(*at)->child->has_ended) {
            at = &(*at)->next;
            continue;
        }
        tokens[count++] = (*at)->token;
        entry_remove(at);
    }
    if (count > 0) sim_progress();
    return count;
}

/* --- What it is given --- */

static ssize_t null_read(void *object, void *data, size_t size) {
    (void)object, (void)data, (void)size;
    return 0;
}

static ssize_t null_write(void *object, const void *data, size_t size) {
    (void)object, (void)data;
    return (ssize_t)size;
}

static const struct sim_kind null_kind = {.name = "null", .read = null_read, .write = null_write};

int eddy_os_child_null(void) {
    int err = sim_enter(OS_CALL_child_null);
    return err < 0 ? err : sim_descriptor_add(&null_kind, &processes);
}

/* --- Beginning and ending --- */

void sim_children_begin(void) {
    processes.children = NULL;
    processes.exits = NULL;
    processes.last_pid = 1000;
    processes.is_chosen = false;
}

void sim_children_end(void) {
    while (processes.children != NULL) {
        struct child *child = processes.children;
        processes.children = child->next;
        let_go(child);
        free(child);
    }
}
