/* inbox.c: what comes to the loop from other threads and from signal handlers.
 *
 * One list for all of it: completions of the pool, posted calls, wake-ups, signals. Senders push
 * with one compare-and-swap; only the push that finds the list empty writes a byte into the pipe,
 * since the loop always takes the whole list. The loop reads the pipe first and takes the list
 * then: a push that it does not see finds the list empty and writes its byte after the read.
 *
 * The orders: a push releases the post, and the take acquires it. It is one exchange for all of
 * them, as each push reads the one before it and is part of what that has released. Nothing goes
 * the other way through the list: a post comes back to its sender by its own call. The rest is the
 * pipe's, whose lock in the kernel orders a byte's write before its read: a push that was seen to
 * wake the loop is in the list, and who has written his byte has done with the loop. tests/model
 * runs all of this through its interleavings, and breaks what is weaker.
 *
 * Invariant: each time the loop takes a list that is not empty there is exactly one byte that has
 * been or will be written. Counting both is how inbox_close knows that no sender still uses the
 * loop. Threading: eddy__inbox_push from any thread and from signal handlers; the rest from the
 * loop's. */
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
    /* The post is the loop's now. If the list was not empty, so may be the whole loop. */
    if (head != NULL) return;
    /* A full pipe is as good as a byte more: the list is the truth. But Linux may have no page for
     * the pipe just now, and without the byte the loop would sleep on. Test: tests/fault/core.c. */
    while (eddy_os_write(loop->pipe[1], "", 1) == -ENOMEM) eddy_os_yield();
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
    /* Acquire: reads the last push, and with it sees what it and those before it released. */
    eddy_post *newest = atomic_exchange_explicit(&loop->inbox_head, NULL, memory_order_acquire);
    if (newest == NULL) return;
    loop->inbox_takes++;
    eddy_post *oldest = NULL;
    while (newest != NULL) {
        eddy_post *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        eddy_post *next = oldest->next;
        append(oldest->fn == eddy__signal_run ? &loop->inbox_signals : &loop->inbox, oldest);
        oldest = next;
    }
}

static void pull(eddy_loop *loop) {
    char bytes[64];
    ssize_t count = eddy_os_read(loop->pipe[0], bytes, sizeof bytes);
    loop->metrics.wake_reads++;
    if (count > 0) loop->inbox_bytes += (uint64_t)count;
    take(loop);
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
    if (loop->inbox_ready) {
        loop->inbox_ready = false;
        pull(loop);
    }
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
        pull(loop);
    }
}

/* Phase 5 sees the pipe first; its turn is phase 6. After a fork, or when a ghost was laid, the
 * backend may have no memory for the pipe. Nobody else would ever wish for it again, so the loop
 * asks in each turn until it has, and looks into its inbox meanwhile. */
static void on_readable(eddy_io *io, unsigned events) {
    int error = events & EDDY_ERROR ? eddy_io_error(io) : 0;
    if (error != 0 && error != -EBADF) (void)eddy_io_change(io, EDDY_READ);
    io->handle.loop->inbox_ready = true;
    io->handle.loop->metrics.callbacks--; /* nobody's but the loop's */
}

static int open_pipe(eddy_loop *loop) {
    int err = eddy_os_pipe(loop->pipe);
    if (err < 0) return err;
    eddy_io_init(&loop->inbox_io, loop);
    eddy_unref(&loop->inbox_io.handle);
    err = eddy_io_start(&loop->inbox_io, on_readable, loop->pipe[0], EDDY_READ);
    if (err == 0) return 0;
    eddy_os_close(loop->pipe[0]);
    eddy_os_close(loop->pipe[1]);
    return err;
}

int eddy__inbox_open(eddy_loop *loop) {
    queue_init(&loop->inbox);
    queue_init(&loop->inbox_signals);
    atomic_init(&loop->inbox_head, NULL);
    return open_pipe(loop);
}

void eddy__inbox_close(eddy_loop *loop) {
    /* A sender pushes and then writes. Its call has been run or withdrawn, or the loop would not be
     * closing, but the byte may still be under way, and the pipe must be there for it: a withdrawal
     * takes the list without waiting for it. */
    while (loop->inbox_bytes < loop->inbox_takes) {
        eddy_os_yield();
        pull(loop);
    }
    eddy_io_stop(&loop->inbox_io);
    eddy_os_close(loop->pipe[0]);
    eddy_os_close(loop->pipe[1]);
}

/* The new pipe takes the numbers of the old one, so that whoever watches it need not know. */
static int replace_pipe(eddy_loop *loop) {
    int ends[2];
    int err = eddy_os_pipe(ends);
    if (err < 0) return err;
    for (int i = 0; i < 2; i++) {
        int result = eddy_os_replace(loop->pipe[i], ends[i]);
        if (err == 0) err = result;
    }
    return err;
}

int eddy__inbox_reopen(eddy_loop *loop) {
    int err = replace_pipe(loop);
    take(loop);
    /* The bytes of what had arrived went into the parent's pipe: close must not wait for them. */
    loop->inbox_bytes = loop->inbox_takes;
    return err;
}
