/* locked.c: a loop behind a lock. While its thread waits the lock is free, and other threads that
 * hold it start and stop what they like: here timers, each from a thread of its own.
 * Read beside it: docs/02-turn.md and, in include/eddy/loop.h, "A turn taken apart". */
#include <eddy.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>

enum { USERS = 3, TICKS = 3 };

struct user {
    eddy_timer timer;
    pthread_t thread;
    int number, ticks;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static eddy_loop *loop; /* and all that belongs to it: the lock's */
static eddy_wake changed;
static struct user users[USERS];
static int users_done;

/* Callbacks run in the loop's thread, which holds the lock then. */
static void on_tick(eddy_timer *timer) {
    struct user *user = eddy_container_of(timer, struct user, timer);
    printf("tick %d of user %d\n", ++user->ticks, user->number);
    if (user->ticks < TICKS) return;
    eddy_timer_stop(timer);
    if (++users_done == USERS) eddy_loop_stop(loop);
}

static void on_changed(eddy_wake *wake) {
    (void)wake; /* the turn that it brought about is all that was wanted */
}

static void *use_loop(void *argument) {
    struct user *user = argument;
    int64_t every_ns = user->number * EDDY_NS_PER_MS;
    pthread_mutex_lock(&lock);
    int err = eddy_timer_start(&user->timer, on_tick, every_ns, every_ns);
    if (err < 0) eddy_loop_stop(loop);
    eddy_wake_send(&changed); /* the loop's thread may be asleep, for longer than that */
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* Until a callback stops the loop. The wait is outside of the loop; what is within is brief. */
static int drive(void) {
    int result = 0;
    pthread_mutex_lock(&lock);
    while (result >= 0 && !eddy_loop_was_stopped(loop)) {
        int64_t timeout_ns;
        result = eddy_loop_prepare(loop, &timeout_ns);
        if (result < 0) break;
        if (timeout_ns > 3600 * EDDY_NS_PER_S) timeout_ns = 3600 * EDDY_NS_PER_S;
        int timeout_ms = timeout_ns < 0 ? -1 : (int)((timeout_ns + 999999) / EDDY_NS_PER_MS);
        struct pollfd poller = {.fd = eddy_loop_backend_fd(loop), .events = POLLIN};

        pthread_mutex_unlock(&lock);
        poll(&poller, 1, timeout_ms);
        pthread_mutex_lock(&lock);

        result = eddy_loop_wait(loop, 0); /* what has changed meanwhile takes part */
        if (result >= 0) result = eddy_loop_dispatch(loop);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int main(void) {
    if (eddy_loop_open(&loop, NULL) < 0) return 1;
    if (eddy_loop_backend_fd(loop) < 0) {
        printf("%s has no descriptor to wait for\n", eddy_loop_backend(loop)->name);
        return eddy_loop_close(loop) == 0 ? 0 : 1;
    }
    eddy_wake_init(&changed, loop);
    if (eddy_wake_start(&changed, on_changed) < 0) return 1; /* and keeps the loop alive */
    for (int i = 0; i < USERS; i++) {
        users[i].number = i + 1;
        eddy_timer_init(&users[i].timer, loop);
        if (pthread_create(&users[i].thread, NULL, use_loop, &users[i]) != 0) return 1;
    }
    int result = drive();
    for (int i = 0; i < USERS; i++) pthread_join(users[i].thread, NULL);
    eddy_wake_stop(&changed);
    for (int i = 0; i < USERS; i++) eddy_timer_stop(&users[i].timer);
    return result >= 0 && users_done == USERS && eddy_loop_close(loop) == 0 ? 0 : 1;
}
