/* sleep.c: what a sleep does to everybody else. A timer ticks every 10 ms; something else wants to
 * wait for 200 ms, in three ways. How late was a tick, at worst?
 * Read beside it: docs/16-questions.md. */
#include <eddy.h>
#include <stdio.h>
#include <time.h>

#define TICK_NS (10 * EDDY_NS_PER_MS)
#define WAIT_NS (200 * EDDY_NS_PER_MS)

static eddy_loop *loop;
static eddy_timer tick, begin, wait, end;
static eddy_work work;
static int64_t due_ns, late_ns; /* of the next tick; the worst */
static int ticks;

static void on_tick(eddy_timer *timer) {
    eddy_loop_update_now(loop); /* other callbacks of this turn may have taken long */
    int64_t ns = eddy_loop_now_ns(loop) - due_ns;
    if (ns > late_ns) late_ns = ns;
    due_ns = eddy_timer_due_ns(timer);
    ticks++;
}

/* --- Three ways to wait --- */

static void sleep_here(void) {
    nanosleep(&(struct timespec){.tv_nsec = WAIT_NS}, NULL);
}

/* Nothing else runs before this returns. */
static void on_begin_sleep(eddy_timer *timer) {
    (void)timer;
    sleep_here();
}

static void on_waited(eddy_timer *timer) {
    (void)timer; /* here it goes on */
}

/* What a program that waits for a loop does in the place of a sleep: it says when to go on. */
static void on_begin_timer(eddy_timer *timer) {
    (void)timer;
    if (eddy_timer_start(&wait, on_waited, WAIT_NS, 0) < 0) eddy_loop_stop(loop);
}

static void run_job(eddy_work *it) {
    (void)it;
    sleep_here();
}

static void on_job_done(eddy_work *it, int status) {
    (void)it, (void)status; /* here it goes on */
}

/* For what can only block: a library's call, say, that sleeps inside. */
static void on_begin_job(eddy_timer *timer) {
    (void)timer;
    if (eddy_work_submit(loop, &work, EDDY_LANE_CPU, run_job, on_job_done) < 0)
        eddy_loop_stop(loop);
}

/* --- The measurement --- */

static void on_end(eddy_timer *timer) {
    (void)timer;
    eddy_timer_stop(&tick);
}

/* It begins half-way between two ticks, and the ticks end when all is over. */
static int measure(const char *name, eddy_timer_fn *on_begin) {
    late_ns = ticks = 0;
    int err = eddy_timer_start(&tick, on_tick, TICK_NS, TICK_NS);
    due_ns = eddy_timer_due_ns(&tick);
    if (err == 0) err = eddy_timer_start(&begin, on_begin, 5 * TICK_NS + TICK_NS / 2, 0);
    if (err == 0) err = eddy_timer_start(&end, on_end, 30 * TICK_NS + TICK_NS / 2, 0);
    if (err == 0) err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    printf("%-28s %2d of 30 ticks, the worst %5.1f ms late\n", name, ticks, (double)late_ns / 1e6);
    return err != 0 || eddy_loop_was_stopped(loop) ? -1 : 0;
}

int main(void) {
    if (eddy_loop_open(&loop, NULL) < 0) return 1;
    eddy_timer *timers[] = {&tick, &begin, &wait, &end};
    for (int i = 0; i < 4; i++) eddy_timer_init(timers[i], loop);
    int err = measure("a callback sleeps", on_begin_sleep);
    if (err == 0) err = measure("a timer waits", on_begin_timer);
    if (err == 0) err = measure("a thread of the pool sleeps", on_begin_job);
    return err < 0 || eddy_loop_close(loop) < 0;
}
