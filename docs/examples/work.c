/* work.c: computes on another thread while the loop goes on, and takes back what is not wanted any
 * more. A job that has begun cannot be stopped from outside: this one looks at a flag. */
#include <eddy.h>

#include <stdatomic.h>
#include <stdio.h>

struct search {
    eddy_work work;
    unsigned limit;
    unsigned primes; /* the job's while it runs, the loop's in the callback */
    atomic_bool enough;
};

static void count_primes(eddy_work *work) {
    struct search *it = eddy_container_of(work, struct search, work);
    for (unsigned n = 2; n < it->limit && !atomic_load(&it->enough); n++) {
        unsigned d = 2;
        while (d * d <= n && n % d != 0) d++;
        it->primes += d * d > n;
    }
}

static void on_done(eddy_work *work, int status) {
    struct search *it = eddy_container_of(work, struct search, work);
    if (status == 0)
        printf("below %u: %u primes%s\n", it->limit, it->primes, it->enough ? " so far" : "");
    else
        printf("below %u: never begun\n", it->limit);
}

static struct search searches[] = {{.limit = 10000}, {.limit = 4000000000u}, {.limit = 1000}};

/* By now the second one runs: cancel says -EBUSY, and it has to be asked. */
static void on_time(eddy_timer *timer) {
    (void)timer;
    printf("the loop is still turning\n");
    if (eddy_work_cancel(&searches[1].work) < 0) atomic_store(&searches[1].enough, true);
}

int main(void) {
    eddy_loop *loop;
    if (eddy_loop_open(&loop, NULL) < 0) return 1;
    for (int i = 0; i < 3; i++)
        if (eddy_work_submit(loop, &searches[i].work, EDDY_LANE_CPU, count_primes, on_done) < 0)
            return 1;
    /* Nothing is handed over before the loop turns: the last one is taken back for certain. */
    printf("cancel: %d\n", eddy_work_cancel(&searches[2].work));

    eddy_timer timer;
    eddy_timer_init(&timer, loop);
    if (eddy_timer_start(&timer, on_time, 50 * EDDY_NS_PER_MS, 0) < 0) return 1;
    eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    return eddy_loop_close(loop) < 0;
}
