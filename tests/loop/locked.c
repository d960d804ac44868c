/* locked.c: one loop and several threads around a lock of the program's: it is released while the
 * loop waits, and whoever holds it may use the loop (loop.h, "A turn taken apart"). The driver lets
 * go of the lock nowhere else, so all that the others do falls between its prepare and its wait. */
#include "suite.h"
#include "system.h"

#include <pthread.h>

enum { USERS = 4, ROUNDS = 400, GIVE_UP_S = 10 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t told = PTHREAD_COND_INITIALIZER; /* something has been called */

/* Everything here is the lock's, the loop included. */
static eddy_loop *loop;
static eddy_wake waker;
static int users_left, faults, turns;

static void on_waker(eddy_wake *wake) {
    (void)wake;
}

static void fault_if(bool wrong) {
    faults += wrong;
}

/* After a change: the driver may be asleep. */
static void wake_driver(void) {
    eddy_wake_send(&waker);
}

/* Lets the others have the lock until something is told; false if that never happens. */
static bool let_go(const struct timespec *end) {
    bool is_told = faults == 0 && pthread_cond_timedwait(&told, &lock, end) == 0;
    fault_if(!is_told);
    return is_told;
}

static struct timespec give_up_at(void) {
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += GIVE_UP_S;
    return end;
}

static void await(const bool *flag) {
    struct timespec end = give_up_at();
    while (!*flag && let_go(&end)) continue;
}

/* Until the driver has prepared another turn, and waits with what was so at its prepare. */
static void await_turn(void) {
    struct timespec end = give_up_at();
    int before = turns;
    while (turns == before && let_go(&end)) continue;
}

static void tell(bool *flag) {
    *flag = true;
    pthread_cond_broadcast(&told);
}

/* --- A user: what a thread does with the loop --- */

struct user {
    eddy_io io;
    eddy_timer timer, far;
    eddy_work work;
    eddy_post post;
    int ends[2];
    int64_t due_ns;
    int bytes, jobs, status;
    bool is_told, may_be_told;
};

static void user_told(struct user *user) {
    fault_if(!user->may_be_told);
    tell(&user->is_told);
}

static void on_readable(eddy_io *io, unsigned events) {
    struct user *user = eddy_container_of(io, struct user, io);
    fault_if((events & EDDY_READ) == 0);
    user->bytes += drain(user->ends[0], NULL);
    user_told(user);
}

static void on_writable(eddy_io *io, unsigned events) {
    fault_if((events & EDDY_WRITE) == 0);
    eddy_io_stop(io);
    user_told(eddy_container_of(io, struct user, io));
}

static void on_timer(eddy_timer *timer) {
    struct user *user = eddy_container_of(timer, struct user, timer);
    fault_if(test_now_ns() < user->due_ns);
    user_told(user);
}

static void on_far(eddy_timer *timer) {
    (void)timer;
    faults++;
}

static void on_job(eddy_work *work) {
    eddy_container_of(work, struct user, work)->jobs++; /* the loop hands it there and back */
}

static void on_job_done(eddy_work *work, int status) {
    struct user *user = eddy_container_of(work, struct user, work);
    user->status = status;
    user_told(user);
}

static void on_post(eddy_post *post) {
    user_told(eddy_container_of(post, struct user, post));
}

static void expect(struct user *user) {
    user->is_told = false;
    user->may_be_told = true;
}

/* The lock is held in all of these, but for the time that `await` lets go of it. */

static void read_once(struct user *user) {
    expect(user);
    fault_if(eddy_io_start(&user->io, on_readable, user->ends[0], EDDY_READ) != 0);
    wake_driver();
    put(user->ends[1], "x");
    await(&user->is_told);
    eddy_io_stop(&user->io);
    wake_driver();
    user->may_be_told = false;
}

/* Muted, with a byte at hand; then a change, which no system call has told to the kernel yet. */
static void change_interest(struct user *user) {
    fault_if(eddy_io_start(&user->io, on_readable, user->ends[0], 0) != 0);
    wake_driver();
    put(user->ends[1], "x");
    await_turn();
    expect(user);
    fault_if(eddy_io_change(&user->io, EDDY_READ) != 0);
    wake_driver();
    await(&user->is_told);
    eddy_io_stop(&user->io);
    wake_driver();
    user->may_be_told = false;
}

static void write_once(struct user *user) {
    expect(user);
    fault_if(eddy_io_start(&user->io, on_writable, user->ends[1], EDDY_WRITE) != 0);
    wake_driver();
    await(&user->is_told);
    user->may_be_told = false;
}

/* Nearer than all that the driver was told to wait for. */
static void start_timer(struct user *user, int64_t delay_ns) {
    expect(user);
    fault_if(eddy_timer_start(&user->timer, on_timer, delay_ns, 0) != 0);
    user->due_ns = eddy_timer_due_ns(&user->timer);
    wake_driver();
    await(&user->is_told);
    user->may_be_told = false;
}

static void stop_timer(struct user *user) {
    fault_if(eddy_timer_start(&user->timer, on_timer, EDDY_NS_PER_MS / 4, EDDY_NS_PER_MS) != 0);
    fault_if(eddy_timer_start(&user->far, on_far, 3600 * EDDY_NS_PER_S, 0) != 0);
    wake_driver();
    user->may_be_told = true;
    await_turn();
    eddy_timer_stop(&user->timer);
    eddy_timer_stop(&user->far);
    wake_driver();
    user->may_be_told = false;
}

static void run_job(struct user *user, bool cancels) {
    expect(user);
    int jobs = user->jobs;
    fault_if(eddy_work_submit(loop, &user->work, EDDY_LANE_CPU, on_job, on_job_done) != 0);
    wake_driver();
    if (cancels) {
        pthread_mutex_unlock(&lock);
        pthread_mutex_lock(&lock);
    }
    bool is_taken_back = cancels && !user->is_told && eddy_work_cancel(&user->work) == 0;
    if (is_taken_back) wake_driver();
    await(&user->is_told);
    fault_if(user->status != (is_taken_back ? -ECANCELED : 0));
    fault_if(user->jobs - jobs != !is_taken_back);
    user->may_be_told = false;
}

static void post_call(struct user *user) {
    expect(user);
    eddy_loop_post(loop, &user->post, on_post);
    await(&user->is_told);
    user->may_be_told = false;
}

static void round_of(struct user *user, int round) {
    switch (round % 8) {
    case 0:
        read_once(user);
        break;
    case 1:
        start_timer(user, EDDY_NS_PER_MS / 2);
        break;
    case 2:
        change_interest(user);
        break;
    case 3:
        run_job(user, false);
        break;
    case 4:
        stop_timer(user);
        break;
    case 5:
        write_once(user);
        break;
    case 6:
        run_job(user, true);
        break;
    default:
        start_timer(user, 0);
        break;
    }
}

static void user_leaves(void) {
    users_left--;
    eddy_wake_send(&waker);
    pthread_mutex_unlock(&lock);
}

static void *use_the_loop(void *argument) {
    struct user *user = argument;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_mutex_lock(&lock);
        if (faults == 0) round_of(user, round);
        pthread_mutex_unlock(&lock);
    }
    pthread_mutex_lock(&lock);
    fault_if(user->bytes != 2 * (ROUNDS / 8) + (ROUNDS % 8 > 0) + (ROUNDS % 8 > 2));
    user_leaves();
    return NULL;
}

/* Only what is for any thread. */
static void *hand_in(void *argument) {
    struct user *user = argument;
    for (int round = 0; round < ROUNDS; round++) {
        eddy_wake_send(&waker);
        pthread_mutex_lock(&lock);
        if (faults == 0) post_call(user);
        pthread_mutex_unlock(&lock);
    }
    pthread_mutex_lock(&lock);
    user_leaves();
    return NULL;
}

/* --- The driver --- */

/* To the millisecond above, so that no turn is made in vain. */
static int timeout_ms(int64_t timeout_ns) {
    return timeout_ns < 0 ? -1 : (int)((timeout_ns + EDDY_NS_PER_MS - 1) / EDDY_NS_PER_MS);
}

/* Waits in the loop, or outside of it, without the lock. */
static void turn(bool outside) {
    int64_t timeout_ns;
    fault_if(eddy_loop_prepare(loop, &timeout_ns) != 0);
    struct pollfd poller = {.events = POLLIN};
    if (outside) poller.fd = eddy_loop_backend_fd(loop);
    pthread_mutex_unlock(&lock);
    int count = 0;
    if (outside)
        (void)poll(&poller, 1, timeout_ms(timeout_ns));
    else
        count = eddy_loop_wait(loop, timeout_ns);
    pthread_mutex_lock(&lock);
    if (outside) count = eddy_loop_wait(loop, 0);
    fault_if(count < 0);
    fault_if(eddy_loop_dispatch(loop) != 1); /* the waker is there */
    turns++;
    pthread_cond_broadcast(&told);
}

static void drive(void *(*function)(void *user), bool outside) {
    static struct user users[USERS];
    pthread_t threads[USERS];
    memset(users, 0, sizeof users);
    pthread_mutex_lock(&lock);
    loop = test_loop_open();
    faults = turns = 0;
    users_left = USERS;
    eddy_wake_init(&waker, loop);
    ck_assert_int_eq(eddy_wake_start(&waker, on_waker), 0);
    for (int i = 0; i < USERS; i++) {
        struct user *user = &users[i];
        test_socket_pair(user->ends);
        eddy_io_init(&user->io, loop);
        eddy_timer_init(&user->timer, loop);
        eddy_timer_init(&user->far, loop);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, function, user), 0);
    }
    while (users_left > 0) turn(outside);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < USERS; i++) ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_int_eq(faults, 0);
    for (int i = 0; i < USERS; i++) close_both(users[i].ends);
    eddy_wake_stop(&waker);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    test_loop_close(loop);
}

START_TEST(others_hand_in_while_the_loop_waits_without_the_lock) {
    drive(hand_in, false);
    ck_assert_int_le(turns, 4 * USERS * ROUNDS + 100);
}
END_TEST

START_TEST(others_hand_in_while_the_driver_waits_outside) {
    if (!test_backend_can(EDDY_CAN_NEST)) return;
    drive(hand_in, true);
    ck_assert_int_le(turns, 4 * USERS * ROUNDS + 100);
}
END_TEST

/* Nothing is lost, late for want of a wake-up, or told after a stop; and no turn but for a cause: a
 * round makes at most six wakes, events and deadlines. */
START_TEST(others_start_change_and_stop_while_the_driver_waits_outside) {
    if (!test_backend_can(EDDY_CAN_NEST)) return;
    drive(use_the_loop, true);
    ck_assert_int_le(turns, 8 * USERS * ROUNDS + 100);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("locked");
    ck_add(suite, "lock", others_hand_in_while_the_loop_waits_without_the_lock,
           others_hand_in_while_the_driver_waits_outside,
           others_start_change_and_stop_while_the_driver_waits_outside);
    return suite;
}
