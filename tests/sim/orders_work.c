/* orders_work.c: every order, to depth 6, in which a request can be submitted, started by a thread,
 * finished and cancelled, the loop turned, and pool and loop closed. Each order is a run in the
 * simulation, compared with a model of a line or two for each operation. */
#include "sanitized.h"
#include "sim.h"
#include "suite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum op { SUBMIT, START, FINISH, CANCEL, TURN, CLOSE_POOL, CLOSE_LOOP, OPS };

enum { DEPTH = 6 };

enum state { IDLE, SUBMITTED, QUEUED, RUNNING, DONE, CANCELLED };

static struct {
    eddy_pool *pool; /* NULL: the loop's own, or closed */
    eddy_loop *loop; /* NULL: closed */
    eddy_work work;
    enum state state; /* the model's */
    bool has_pool;    /* of its own, so that closing it can be tried */
    bool may_finish;  /* the gate of the job */
    unsigned submitted, told, ran, expected_runs;
    char order[DEPTH + 2];
} it;

static void job(eddy_work *work) {
    sim_check(work == &it.work, "%s: a job of nobody", it.order);
    it.ran++;
    while (!it.may_finish) sim_block(&it.may_finish, -1);
}

static void on_done(eddy_work *work, int status) {
    sim_progress();
    sim_check(work == &it.work, "%s: nobody's job is done", it.order);
    sim_check(it.state == DONE || it.state == CANCELLED, "%s: told too early", it.order);
    sim_check(status == (it.state == DONE ? 0 : -ECANCELED), "%s: told %d", it.order, status);
    it.told++;
    it.state = IDLE;
}

/* --- The operations, beside the model --- */

static void submit(void) {
    if (it.loop == NULL || it.state != IDLE) return; /* the request is not ours */
    it.may_finish = false;
    int err = eddy_work_submit(it.loop, &it.work, EDDY_LANE_CPU, job, on_done);
    sim_check(err == 0, "%s: submit says %d", it.order, err);
    it.submitted++;
    it.state = SUBMITTED;
}

static void cancel(void) {
    if (it.loop == NULL || it.state == IDLE) return;
    static const int answers[] = {
        [SUBMITTED] = 0,         [QUEUED] = 0, [RUNNING] = -EBUSY, [DONE] = -EALREADY,
        [CANCELLED] = -EALREADY,
    };
    int err = eddy_work_cancel(&it.work);
    sim_check(err == answers[it.state], "%s: cancel says %d", it.order, err);
    if (err == 0) it.state = CANCELLED;
}

static void start(void) {
    sim_settle();
    if (it.state != QUEUED) return;
    it.state = RUNNING;
    it.expected_runs++;
}

static void finish(void) {
    if (it.state != RUNNING) return;
    it.may_finish = true;
    sim_wake(&it.may_finish);
    sim_settle();
    it.state = DONE;
}

static void turn(void) {
    if (it.loop == NULL) return;
    bool will_tell = it.state == DONE || it.state == CANCELLED;
    int result = eddy_loop_run(it.loop, EDDY_RUN_NOWAIT);
    sim_check(result >= 0, "%s: a turn gives %d", it.order, result);
    sim_check(!will_tell || it.state == IDLE, "%s: a turn does not tell", it.order);
    if (it.state == SUBMITTED) it.state = QUEUED;
}

static void close_pool(void) {
    if (it.pool == NULL) return;
    int err = eddy_pool_close(it.pool);
    sim_check(err == (it.loop == NULL ? 0 : -EBUSY), "%s: closing the pool says %d", it.order, err);
    if (err == 0) it.pool = NULL;
}

static void close_loop(void) {
    if (it.loop == NULL) return;
    int err = eddy_loop_close(it.loop);
    sim_check(err == (it.state == IDLE ? 0 : -EBUSY), "%s: closing the loop says %d", it.order,
              err);
    if (err == 0) it.loop = NULL;
}

static void (*const ops[OPS])(void) = {
    [SUBMIT] = submit, [START] = start,           [FINISH] = finish,         [CANCEL] = cancel,
    [TURN] = turn,     [CLOSE_POOL] = close_pool, [CLOSE_LOOP] = close_loop,
};

/* --- A run --- */

static void begin(void) {
    eddy_loop_config config = {0};
    eddy_pool_config pool_config = {.threads = 1};
    sim_begin(1, &sim_calm);
    if (it.has_pool) {
        sim_check(eddy_pool_open(&it.pool, &pool_config) == 0, "no pool");
        config.pool = it.pool;
    }
    sim_check(eddy_loop_open(&it.loop, &config) == 0, "no loop");
    sim_watch_loop(it.loop);
}

/* What is under way comes to its end; then all can be closed. */
static void end(void) {
    if (it.state == SUBMITTED) turn();
    start();
    finish();
    turn();
    sim_check(it.state == IDLE, "%s: never told", it.order);
    sim_check(it.told == it.submitted, "%s: told %u times", it.order, it.told);
    sim_check(it.ran == it.expected_runs, "%s: ran %u times", it.order, it.ran);
    if (it.loop != NULL) sim_check(!eddy_loop_is_alive(it.loop), "%s: the loop lives on", it.order);
    close_loop();
    close_pool();
    sim_end();
}

static unsigned run_all(unsigned depth, bool has_pool) {
    static const char letters[OPS + 1] = "sbfctpl";
    unsigned orders = 1;
    for (unsigned i = 0; i < depth; i++) orders *= OPS;
    for (unsigned order = 0; order < orders; order++) {
        memset(&it, 0, sizeof it);
        it.has_pool = has_pool;
        unsigned rest = order;
        for (unsigned i = 0; i < depth; i++, rest /= OPS) it.order[i] = letters[rest % OPS];
        begin();
        for (unsigned i = 0; i < depth; i++) ops[strchr(letters, it.order[i]) - letters]();
        end();
    }
    return orders;
}

/* Cancel has its three honest answers at every moment, a request is told once, and neither pool nor
 * loop can be closed under it. A failure tells its order: s submit, b a thread begins it, f it
 * finishes, c cancel, t a turn, p close the pool, l close the loop. */
START_TEST(every_order_of_a_request_has_one_outcome) {
    unsigned depth = getenv("EDDY_TEST_SLOW") != NULL ? 3 : IS_SANITIZED ? DEPTH - 1 : DEPTH;
    unsigned runs = run_all(depth, _i == 1);
    printf("%u orders\n", runs);
    ck_assert_uint_ge(runs, 343);
}

Suite *make_suite(void) {
    Suite *suite = suite_create("orders of a request");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 120);
    tcase_add_loop_test(all, every_order_of_a_request_has_one_outcome, 0, 2);
    suite_add_tcase(suite, all);
    return suite;
}
