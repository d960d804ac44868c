/* fault.c: see fault.h. */
#include "fault.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "os_calls.h"

enum {
    DESCRIPTORS = 256,
    /* What a scenario may take, when the fault has passed and when it stays. */
    TURNS_MAX = 20000,
    TURNS_LASTING_MAX = 200,
    WAITS_MAX = 250, /* for nothing, each for 20 ms and longer */
    WAITS_LASTING_MAX = 4,
    RUN_S = 20, /* of real time: it hangs */
};

static const char *const mode_names[FAULT_MODES] = {"once", "again and again", "with all others",
                                                    "cut short", "cut short again and again"};

/* --- Saying which run it was --- */

static struct fault under_way;
static char description[256];

static void describe(const char *name, const struct fault *fault) {
    under_way = *fault;
    snprintf(description, sizeof description, "%s on %s, call %lu, error %u, %s", name,
             test_backend, fault->at, fault->error, mode_names[fault->mode]);
}

static const char *describe_hit(void) {
    static char text[400];
    int hit = seam_hit();
    const char *call = hit < 0 ? "no such call" : os_call_infos[hit].name;
    snprintf(text, sizeof text, "%s: %s", description, call);
    return text;
}

void fault_fail(const char *what, const char *file, int line) {
    const char *base = strrchr(file, '/');
    ck_abort_msg("%s:%d: %s; %s", base != NULL ? base + 1 : file, line, what, describe_hit());
    abort(); /* not reached: check has left */
}

/* An assertion of the library, or a run that does not end. */
static void on_end(int number) {
    const char *why = number == SIGALRM ? "it hangs: " : "it was aborted: ";
    const char *text = describe_hit();
    (void)!write(STDERR_FILENO, why, strlen(why));
    (void)!write(STDERR_FILENO, text, strlen(text));
    (void)!write(STDERR_FILENO, "\n", 1);
    signal(number, SIG_DFL);
    raise(number == SIGALRM ? SIGKILL : number);
}

/* --- What a scenario does --- */

/* What is got over without anybody being told: it is only a delay, or of no consequence. A
 * connection that could not be accepted for once is still there. */
static bool is_got_over(int call, int error, bool once) {
    switch (call) {
    case OS_CALL_read:
    case OS_CALL_write:
    case OS_CALL_close:
    case OS_CALL_set_reset_on_close:
        return true;
    case OS_CALL_receive:
    case OS_CALL_send:
        return once && error == EAGAIN;
    case OS_CALL_accept:
        return once && (error == EAGAIN || error == EPERM || error == ENOBUFS || error == ENOMEM);
    case OS_CALL_backend_wait:
        return once; /* the program goes on turning */
    default:
        return false;
    }
}

bool fault_is_unhurt(void) {
    int call = seam_hit();
    if (call < 0 || under_way.mode == FAULT_CUT || under_way.mode == FAULT_CUT_AGAIN) return true;
    if (under_way.mode == FAULT_ALL) return false;
    int error = os_call_infos[call].errors[under_way.error];
    return is_got_over(call, error, under_way.mode == FAULT_ONCE);
}

int fault_loop_open(eddy_loop **loop, eddy_loop_config config) {
    config.backend = test_backend;
    return eddy_loop_open(loop, &config);
}

static void verify(const eddy_loop *loop) {
    const char *broken = NULL;
    if (eddy_loop_verify(loop, &broken) < 0) fault_fail(broken, "eddy_loop_verify", 0);
}

static int turn(eddy_loop *loop) {
    int result = eddy_loop_run(loop, EDDY_RUN_ONCE);
    verify(loop);
    return result;
}

/* Whether `turns` turns, since so many waits for nothing, are in vain: a fault stays, and nothing
 * comes of them. It is a failure if there is no such reason. */
static bool is_in_vain(unsigned turns, unsigned waits, bool may_be) {
    waits = seam_waits() - waits;
    if (may_be) return turns >= TURNS_LASTING_MAX || waits >= WAITS_LASTING_MAX;
    fault_assert(turns < TURNS_MAX);
    fault_assert(waits < WAITS_MAX);
    return false;
}

int fault_turn_until(eddy_loop *loop, const bool *done) {
    unsigned waits = seam_waits();
    for (unsigned turns = 0; !*done; turns++) {
        if (is_in_vain(turns, waits, seam_is_lasting())) return -ETIME;
        if (turn(loop) < 0) fault_assert(seam_hit() >= 0);
    }
    return 0;
}

/* Without waits the loop hears of nothing, so what other threads do for it never comes home. */
static bool is_deaf(void) {
    return seam_is_lasting() && (seam_is_total() || seam_hit() == OS_CALL_backend_wait);
}

static bool settle(eddy_loop *loop) {
    unsigned waits = seam_waits();
    for (unsigned turns = 0; eddy_loop_is_alive(loop); turns++) {
        if (is_in_vain(turns, waits, is_deaf())) return false;
        if (turn(loop) < 0) (void)eddy_loop_dispatch(loop);
        verify(loop);
    }
    return true;
}

void fault_settle(eddy_loop *loop) {
    if (settle(loop)) return;
    seam_heal();
    (void)settle(loop);
}

void fault_loop_close(eddy_loop *loop) {
    fault_settle(loop);
    fault_assert(eddy_loop_close(loop) == 0);
}

/* --- One run --- */

struct stock {
    bool is_open[DESCRIPTORS];
    struct fault_stock counted;
};

static void take_stock(struct stock *stock) {
    for (int fd = 0; fd < DESCRIPTORS; fd++) stock->is_open[fd] = fcntl(fd, F_GETFD) >= 0;
    stock->counted = seam_stock();
}

static void compare(const struct stock *before, const struct stock *after) {
    for (int fd = 0; fd < DESCRIPTORS; fd++) {
        if (before->is_open[fd] == after->is_open[fd]) continue;
        snprintf(description + strlen(description), sizeof description - strlen(description),
                 ", descriptor %d", fd);
        fault_assert(!after->is_open[fd] && "left open");
        fault_assert(after->is_open[fd] && "closed, though it was another's");
    }
    const struct fault_stock *a = &before->counted, *b = &after->counted;
    fault_assert(a->blocks == b->blocks);
    fault_assert(a->threads == b->threads);
    fault_assert(a->mutexes == b->mutexes);
    fault_assert(a->conditions == b->conditions);
    fault_assert(a->handlers == b->handlers);
}

static void run(const char *name, void (*scenario)(void), const struct fault *fault) {
    struct stock before, after;
    describe(name, fault);
    alarm(RUN_S);
    take_stock(&before);
    seam_arm(fault);
    scenario();
    seam_suspend(true);
    take_stock(&after);
    compare(&before, &after);
}

/* --- The loop --- */

/* Which errors of which calls have been given. */
static unsigned long given[OS_CALL_COUNT][OS_CALL_ERRORS_MAX];

static bool is_wanted(const char *variable) {
    const char *value = getenv(variable);
    return value != NULL && value[0] != '\0' && value[0] != '0';
}

/* All errors of the Nth call. Returns how many runs that took; 0 if no call is the Nth any more. */
static unsigned long run_errors(const char *name, void (*scenario)(void), struct fault fault) {
    unsigned long runs = 0;
    for (fault.error = 0; fault.error < OS_CALL_ERRORS_MAX; fault.error++) {
        run(name, scenario, &fault);
        if (seam_hit() < 0 || !seam_had_error()) break;
        given[seam_hit()][fault.error]++;
        runs++;
        if (fault.mode >= FAULT_ALL) break;
    }
    return runs;
}

static unsigned long run_mode(const char *name, void (*scenario)(void), enum fault_mode mode) {
    unsigned long runs = 0, chosen = 0;
    const char *only = getenv("EDDY_FAULT_CALL");
    if (only != NULL) chosen = strtoul(only, NULL, 10);
    /* Threads make the number of calls differ a little: twice beyond it is the end. */
    for (unsigned long at = 1, beyond = 0; beyond < 2; at++) {
        if (chosen != 0 && at != chosen) {
            if (at > chosen) break;
            continue;
        }
        struct fault fault = {.at = at, .mode = mode};
        unsigned long more = run_errors(name, scenario, fault);
        beyond = more > 0 ? 0 : beyond + 1;
        runs += more;
    }
    return runs;
}

void fault_loop(const char *name, void (*scenario)(void)) {
    unsigned long runs[FAULT_MODES], all = 0;
    signal(SIGALRM, on_end);
    signal(SIGABRT, on_end);
    for (unsigned mode = 0; mode < FAULT_MODES; mode++) {
        runs[mode] = run_mode(name, scenario, (enum fault_mode)mode);
        all += runs[mode];
    }
    alarm(0);
    signal(SIGABRT, SIG_DFL);
    if (!is_wanted("EDDY_TEST_VERBOSE")) return;
    fprintf(stderr, "%s on %s: %lu runs (", name, test_backend, all);
    for (unsigned mode = 0; mode < FAULT_MODES; mode++)
        fprintf(stderr, "%s%lu %s", mode > 0 ? ", " : "", runs[mode], mode_names[mode]);
    fprintf(stderr, ")\n");
    for (unsigned call = 0; call < OS_CALL_COUNT; call++) {
        if (given[call][0] == 0) continue;
        fprintf(stderr, "  %-20s", os_call_infos[call].name);
        for (unsigned i = 0; os_call_infos[call].errors[i] != 0; i++)
            fprintf(stderr, " %d: %lu", os_call_infos[call].errors[i], given[call][i]);
        fprintf(stderr, "\n");
    }
}
