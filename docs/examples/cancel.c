/* cancel.c: Ctrl-C for a program that has work queued: `cancel [MS]`. The first one takes back what
 * has not begun, lets finish what runs, and ends in good order; the second ends at once.
 * Read beside it: docs/06-pool.md, "Cancel, honestly". */
#include <eddy.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "number.h"

enum { JOBS = 8 };

struct job {
    eddy_work work;
    int number;
};

static struct job jobs[JOBS];
static eddy_signal interrupt;
static long job_ms = 500;
static int left = JOBS, cancelled;

/* On a thread of the pool: something that cannot be stopped in the middle. */
static void run_job(eddy_work *work) {
    const struct job *it = eddy_container_of(work, struct job, work);
    printf("job %d begins\n", it->number);
    struct timespec wait = {.tv_sec = job_ms / 1000, .tv_nsec = job_ms % 1000 * 1000000};
    nanosleep(&wait, NULL);
}

/* Each is told once, whatever became of it. */
static void on_done(eddy_work *work, int status) {
    const struct job *it = eddy_container_of(work, struct job, work);
    printf("job %d %s\n", it->number, status == 0 ? "is done" : "is taken back");
    cancelled += status < 0;
    if (--left == 0) eddy_signal_stop(&interrupt); /* it would keep the loop alive */
}

/* With the last watcher gone the signal is what it was before: the next Ctrl-C ends the program,
 * also if the loop were stuck. */
static void on_interrupt(eddy_signal *watcher, int number) {
    (void)number;
    eddy_signal_stop(watcher);
    int running = 0;
    for (int i = 0; i < JOBS; i++) running += eddy_work_cancel(&jobs[i].work) == -EBUSY;
    printf("finishing the %d that run; Ctrl-C again ends at once\n", running);
}

int main(int argc, char **argv) {
    if (argc > 2 || (argc == 2 && !number_parse(argv[1], 1, 24 * 3600 * 1000, &job_ms)))
        return fprintf(stderr, "usage: cancel [MS]\n"), 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    /* Computation gets all threads but one. */
    const eddy_loop_config config = {.pool_threads = 3};
    eddy_loop *loop;
    int err = eddy_loop_open(&loop, &config);
    if (err < 0) return 1;
    eddy_signal_init(&interrupt, loop);
    err = eddy_signal_start(&interrupt, on_interrupt, SIGINT);
    for (int i = 0; err == 0 && i < JOBS; i++) {
        jobs[i].number = i + 1;
        err = eddy_work_submit(loop, &jobs[i].work, EDDY_LANE_CPU, run_job, on_done);
    }
    if (err == 0) err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    if (err == 0) err = eddy_loop_close(loop);
    if (err < 0) return 1;
    /* Whoever has started this program sees that it was interrupted, as a shell's loop has to. */
    if (cancelled > 0) raise(SIGINT);
    return cancelled > 0; /* the signal was ignored, as in the background of a script */
}
