/* progress.c: how far a job on the pool has come. It tells the loop with eddy_loop_post, but not of
 * each step: what has not been looked at yet is only put right, so that a job that is faster than
 * the loop does not fill its inbox. Read beside it: docs/06-pool.md. */
#include <eddy.h>
#include <stdatomic.h>
#include <stdio.h>

enum { STEPS = 1000000 };

struct job {
    eddy_work work;
    eddy_post post;
    atomic_int steps_done;
    atomic_bool is_posted; /* the post is under way: it is the loop's until it is called */
    unsigned value;
    /* The loop's. */
    int told, percent;
};

/* False before the count is read: a step that comes in between posts again, and none is missed. */
static void on_progress(eddy_post *post) {
    struct job *it = eddy_container_of(post, struct job, post);
    atomic_store(&it->is_posted, false);
    int percent = 100 * atomic_load(&it->steps_done) / STEPS;
    it->told++;
    if (percent / 10 > it->percent / 10) printf("%3d %%\n", percent);
    it->percent = percent;
}

/* On a thread of the pool. eddy_wake does the same with a flag of its own; but a post is a part of
 * the job, and needs no stop. */
static void run_job(eddy_work *work) {
    struct job *it = eddy_container_of(work, struct job, work);
    for (int step = 1; step <= STEPS; step++) {
        for (unsigned i = 0; i < 100; i++) it->value = it->value * 1664525u + 1013904223u;
        atomic_store(&it->steps_done, step);
        if (!atomic_exchange(&it->is_posted, true))
            eddy_loop_post(eddy_work_loop(work), &it->post, on_progress);
    }
}

/* Comes after all that the job has posted, by the same way: its memory may be freed here. */
static void on_done(eddy_work *work, int status) {
    struct job *it = eddy_container_of(work, struct job, work);
    printf("done (%d): %u\n", status, it->value);
}

int main(void) {
    static struct job job;
    eddy_loop *loop;
    if (eddy_loop_open(&loop, NULL) < 0) return 1;
    if (eddy_work_submit(loop, &job.work, EDDY_LANE_CPU, run_job, on_done) < 0) return 1;
    int left = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    printf("%d steps, %d times told\n", STEPS, job.told);
    return left != 0 || job.percent != 100 || eddy_loop_close(loop) < 0;
}
