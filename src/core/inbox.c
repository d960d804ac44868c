/* inbox.c: what comes to the loop from other threads and from signal handlers.
 *
 * One list for all of it: completions of the pool, posted calls, wake-ups, signals. Senders push
 * with one compare-and-swap. A loop that turns looks into the list by itself. Before it sleeps it
 * puts a bell at the list's end, if the list is empty, and the push that finds nothing but the bell
 * rings it: a write into the loop's pipe. Each push either comes before the bell, and then the loop
 * does not sleep, or finds it. So a busy loop costs its senders no system call.
 *
 * Where the backend can tell of each ring by itself (epoll, of an eventfd), nobody has to read: the
 * next ring is an edge again, and a wake-up costs two system calls, write and wait, not three.
 *
 * The orders: a push releases the post, and the take acquires it. It is one exchange for all of
 * them, as each push reads the one before it and is part of what that has released. Nothing goes
 * the other way through the list: a post comes back to its sender by its own call. The rest is the
 * kernel's, whose locks order a ring before its being told and read: a push that was seen to wake
 * the loop is in the list, and who has rung has done with the loop. tests/model runs all of this
 * through its interleavings, and breaks what is weaker.
 *
 * Invariant: for each list that was begun at a bell there is exactly one ring that has been or will
 * be, read from the pipe or refused by it. Counting all of them is how inbox_close knows that no
 * sender still uses the loop. Threading: eddy__inbox_push from any thread and from signal handlers;
 * the rest from the loop's. */
#include "loop.h"

#include <errno.h>
#include <stdatomic.h>

void eddy__inbox_push(eddy_loop *loop, eddy_post *post) {
    /* Relaxed: a guess, which the swap checks. Nothing is read through it. */
    eddy_post *head = atomic_load_explicit(&loop->inbox_head, memory_order_relaxed);
    do {
        post->next = head;
        /* Release: `next`, and all that the sender wrote, before the post can be found. */
    } while (!atomic_compare_exchange_weak_explicit(&loop->inbox_head, &head, post,
                                                    memory_order_release, memory_order_relaxed));
    /* The post is the loop's now. If nobody waits for this ring, so may be the whole loop. */
    if (head != &loop->inbox_bell) return;
    /* A full pipe is as good as a ring more: the list is the truth. But Linux may have no page for
     * a pipe just now, and without the ring the loop would sleep on. Test: tests/fault/core.c. */
    static const uint64_t one = 1;
    size_t size = loop->inbox_is_edge ? sizeof one : 1; /* a number to add, or a byte */
    ssize_t written;
    while ((written = eddy_os_write(loop->pipe[1], &one, size)) == -ENOMEM) eddy_os_yield();
    /* Release: the sender has done with the loop then, which close acquires. */
    if (written < 0) atomic_fetch_add_explicit(&loop->inbox_refused, 1, memory_order_release);
}

static void append(struct inbox_queue *queue, eddy_post *post) {
    post->next = NULL;
    *queue->last = post;
    queue->last = &post->next;
}

void eddy__inbox_push_local(eddy_loop *loop, eddy_post *post) {
    append(&loop->inbox, post);
}

/* Takes the list, which is last in, first out, and queues it in the order of arrival. */
static void take(eddy_loop *loop) {
    /* Relaxed: a look, so that a bell with nothing before it stays. */
    eddy_post *newest = atomic_load_explicit(&loop->inbox_head, memory_order_relaxed);
    if (newest == NULL || newest == &loop->inbox_bell) return;
    /* Acquire: reads the last push, and with it sees what it and those before it released. */
    newest = atomic_exchange_explicit(&loop->inbox_head, NULL, memory_order_acquire);
    eddy_post *oldest = NULL;
    while (newest != NULL && newest != &loop->inbox_bell) {
        eddy_post *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    if (newest != NULL) loop->inbox_begun++; /* by a sender who has rung, or will */
    while (oldest != NULL) {
        eddy_post *next = oldest->next;
        append(oldest->fn == eddy__signal_run ? &loop->inbox_signals : &loop->inbox, oldest);
        oldest = next;
    }
}

static void read_rings(eddy_loop *loop) {
    uint64_t data[8];
    ssize_t bytes = eddy_os_read(loop->pipe[0], data, sizeof data);
    loop->metrics.wake_reads++;
    if (bytes > 0) loop->inbox_rings += loop->inbox_is_edge ? data[0] : (uint64_t)bytes;
}

bool eddy__inbox_hang_bell(eddy_loop *loop) {
    /* Relaxed: nothing is handed over by it. Mostly it hangs there still, and whoever has found it
     * since rings. */
    eddy_post *head = atomic_load_explicit(&loop->inbox_head, memory_order_relaxed);
    if (head == &loop->inbox_bell) return true;
    head = NULL;
    return atomic_compare_exchange_strong_explicit(&loop->inbox_head, &head, &loop->inbox_bell,
                                                   memory_order_relaxed, memory_order_relaxed);
}

static void queue_init(struct inbox_queue *queue) {
    queue->first = NULL;
    queue->last = queue->end = &queue->first;
}

static void run_queue(eddy_loop *loop, struct inbox_queue *queue, unsigned limit) {
    queue->end = queue->last; /* what is queued from here on waits for the next turn */
    while (limit-- > 0 && queue->end != &queue->first) {
        eddy_post *post = queue->first;
        queue->first = post->next;
        if (queue->first == NULL) queue->last = &queue->first;
        if (queue->end == &post->next) queue->end = &queue->first;
        loop->metrics.completions++;
        post->fn(post); /* the post may be gone now */
    }
    queue->end = &queue->first;
}

void eddy__inbox_run(eddy_loop *loop) {
    if (loop->inbox_rung && !loop->inbox_is_edge) read_rings(loop);
    loop->inbox_rung = false;
    take(loop);
    if (!inbox_is_waiting(loop)) return;
    run_queue(loop, &loop->inbox, loop->config.completions_per_turn);
    run_queue(loop, &loop->inbox_signals, loop->config.completions_per_turn);
}

static bool remove_from(struct inbox_queue *queue, eddy_post *post) {
    for (eddy_post **at = &queue->first; *at != NULL; at = &(*at)->next) {
        if (*at != post) continue;
        *at = post->next;
        if (queue->last == &post->next) queue->last = at;
        if (queue->end == &post->next) queue->end = at;
        return true;
    }
    return false;
}

void eddy__inbox_withdraw(eddy_loop *loop, eddy_post *post) {
    while (!remove_from(&loop->inbox, post) && !remove_from(&loop->inbox_signals, post)) {
        /* Its sender is between marking it as sent and pushing it: a few instructions. */
        eddy_os_yield();
        take(loop);
    }
}

static unsigned wish(const eddy_loop *loop) {
    return loop->inbox_is_edge ? EDDY_READ | EDDY_EDGE : EDDY_READ;
}

/* Phase 5 sees the pipe first; its turn is phase 6. After a fork, or when a ghost was laid, the
 * backend may have no memory for the pipe. Nobody else would ever wish for it again, so the loop
 * asks in each turn until it has, and looks into its inbox meanwhile. */
static void on_readable(eddy_io *io, unsigned events) {
    int error = events & EDDY_ERROR ? eddy_io_error(io) : 0;
    if (error != 0 && error != -EBADF) (void)eddy_io_change(io, wish(io->handle.loop));
    io->handle.loop->inbox_rung = true;
    io->handle.loop->metrics.callbacks--; /* nobody's but the loop's */
}

static int open_ends(const eddy_loop *loop, int ends[2]) {
    if (!loop->inbox_is_edge) return eddy_os_pipe(ends);
    ends[0] = ends[1] = eddy_os_eventfd();
    return ends[0] < 0 ? ends[0] : 0;
}

static void close_ends(const int ends[2]) {
    eddy_os_close(ends[0]);
    if (ends[1] != ends[0]) eddy_os_close(ends[1]);
}

int eddy__inbox_open(eddy_loop *loop) {
    queue_init(&loop->inbox);
    queue_init(&loop->inbox_signals);
    atomic_init(&loop->inbox_head, &loop->inbox_bell);
    atomic_init(&loop->inbox_refused, 0);
    loop->inbox_is_edge = (loop->backend->capabilities & BACKEND_CAN_RING) != 0;
    int err = open_ends(loop, loop->pipe);
    if (err < 0 && loop->inbox_is_edge) { /* a sandbox may not know eventfds */
        loop->inbox_is_edge = false;
        err = open_ends(loop, loop->pipe);
    }
    if (err < 0) return err;
    eddy_io_init(&loop->inbox_io, loop);
    eddy_unref(&loop->inbox_io.handle);
    err = eddy_io_start(&loop->inbox_io, on_readable, loop->pipe[0], wish(loop));
    if (err < 0) close_ends(loop->pipe);
    return err;
}

static bool rings_are_due(eddy_loop *loop) {
    unsigned refused = atomic_load_explicit(&loop->inbox_refused, memory_order_acquire);
    return loop->inbox_rings + refused < loop->inbox_begun;
}

void eddy__inbox_close(eddy_loop *loop) {
    /* A sender pushes and then rings. Its call has been run or withdrawn, or the loop would not be
     * closing, but the ring may still be under way, and the pipe must be there for it: a withdrawal
     * takes the list without waiting for it. */
    while (rings_are_due(loop)) {
        read_rings(loop);
        if (rings_are_due(loop)) eddy_os_yield();
    }
    eddy_io_stop(&loop->inbox_io);
    close_ends(loop->pipe);
}

/* The new pipe takes the numbers of the old one, so that whoever watches it need not know. */
static int replace_pipe(eddy_loop *loop) {
    int ends[2];
    int err = open_ends(loop, ends);
    if (err < 0) return err;
    err = eddy_os_replace(loop->pipe[0], ends[0]);
    if (ends[1] == ends[0]) return err;
    int result = eddy_os_replace(loop->pipe[1], ends[1]);
    return err < 0 ? err : result;
}

int eddy__inbox_reopen(eddy_loop *loop) {
    int err = replace_pipe(loop);
    take(loop);
    /* What had arrived rang in the parent's pipe: close must not wait for that. And if that is the
     * only one there is, close must not read it at all, or the parent's own would wait for ever. It
     * need not, as a forked child has no other thread. Test: tests/fault/fork.c. */
    atomic_store_explicit(&loop->inbox_refused, 0, memory_order_relaxed);
    loop->inbox_rings = err < 0 ? UINT64_MAX / 2 : loop->inbox_begun;
    return err;
}
