/* fault.c: see fault.h. */
#include "fault.h"

#include "sanitized.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "os_calls.h"

#define VAIN_NS (15 * EDDY_NS_PER_S) /* turning for nothing */

enum {
    DESCRIPTORS = 256,
    /* What a scenario may take, when the fault has passed and when it stays. */
    TURNS_MAX = 20000,
    TURNS_LASTING_MAX = 200,
    WAITS_LASTING_MAX = 4,
    RUN_S = 30, /* of real time: it hangs */
};

static const char *const mode_names[FAULT_MODES] = {"once", "again and again", "with all others",
                                                    "cut short", "cut short again and again"};

/* --- Saying which run it was --- */

static struct fault under_way;
static char description[256];

static void describe(const char *name, const struct fault *fault) {
    under_way = *fault;
    snprintf(description, sizeof description, "%s on %s; call %u of %s, error %d, %s", name,
             test_backend, fault->at, os_call_infos[fault->call].name,
             os_call_infos[fault->call].errors[fault->error], mode_names[fault->mode]);
}

void fault_fail(const char *what, const char *file, int line) {
    const char *base = strrchr(file, '/');
    ck_abort_msg("%s:%d: %s; %s", base != NULL ? base + 1 : file, line, what, description);
    abort(); /* not reached: check has left */
}

/* An assertion of the library, or a run that does not end. */
static void on_end(int number) {
    const char *why = number == SIGALRM ? "it hangs: " : "it was aborted: ";
    (void)!write(STDERR_FILENO, why, strlen(why));
    (void)!write(STDERR_FILENO, description, strlen(description));
    (void)!write(STDERR_FILENO, "\n", 1);
    signal(number, SIG_DFL);
    raise(number == SIGALRM ? SIGKILL : number);
}

/* --- What a scenario does --- */

/* What is got over without anybody being told: it is only a delay, or of no consequence. A
 * connection that could not be accepted for once is still there. */
static bool is_got_over(const struct fault *fault) {
    int error = os_call_infos[fault->call].errors[fault->error];
    bool once = fault->mode == FAULT_ONCE;
    if (fault->mode == FAULT_CUT || fault->mode == FAULT_CUT_AGAIN) return true;
    if (fault->mode == FAULT_ALL) return false;
    switch ((int)fault->call) {
    case OS_CALL_read:
    case OS_CALL_write:
    case OS_CALL_close:
    case OS_CALL_set_reset_on_close:
    case OS_CALL_open_reserve:
    case OS_CALL_file_ring_open: /* the pool does it */
    case OS_CALL_file_ring_submit:
        return true;
    case OS_CALL_file_ring_next:
        return error != ENOMEM; /* which may be the file's: a sync tells */
    case OS_CALL_reopen:        /* there is another way */
        return error != EMFILE && error != ENFILE && error != ENOMEM;
    case OS_CALL_receive:
    case OS_CALL_receive_descriptors:
    case OS_CALL_receive_shared:
    case OS_CALL_send:
    case OS_CALL_send_descriptors:
    case OS_CALL_send_shared:
    case OS_CALL_write_vectors:
        return once && (error == EAGAIN || error == ENOBUFS || error == ENOMEM);
    case OS_CALL_accept:
        return once && (error == EAGAIN || error == EPERM || error == ENOBUFS || error == ENOMEM);
    case OS_CALL_backend_wait:
    case OS_CALL_ring_enter:
        return once; /* the program goes on turning */
    default:
        return false;
    }
}

bool fault_is_unhurt(void) {
    return !seam_hit() || is_got_over(&under_way);
}

bool fault_is_of(enum os_call call) {
    return seam_hit() && under_way.call == call;
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

/* What the loop does in vain, while it may and otherwise. */
struct patience {
    int64_t since_ns;
    unsigned waits, turns;
};

static struct patience patience_begin(void) {
    return (struct patience){test_now_ns(), seam_waits(), 0};
}

/* To be asked each turn. It is a failure if nothing gives a reason to be in vain. */
static bool is_in_vain(struct patience *patience, bool may_be) {
    unsigned waits = seam_waits() - patience->waits;
    patience->turns++;
    if (may_be) return patience->turns > TURNS_LASTING_MAX || waits >= WAITS_LASTING_MAX;
    fault_assert(patience->turns < TURNS_MAX);
    fault_assert(test_now_ns() - patience->since_ns < VAIN_NS);
    return false;
}

int fault_turn_until(eddy_loop *loop, const bool *done) {
    struct patience patience = patience_begin();
    while (!*done) {
        if (is_in_vain(&patience, seam_is_lasting())) return FAULT_GIVEN_UP;
        if (turn(loop) < 0) fault_assert(seam_hit());
    }
    return 0;
}

/* Without waits the loop hears of nothing, so what other threads do for it never comes home. */
static bool is_deaf(void) {
    bool waits_fail = under_way.mode == FAULT_ALL || under_way.call == OS_CALL_backend_wait ||
                      under_way.call == OS_CALL_backend_reopen ||
                      under_way.call == OS_CALL_ring_enter || under_way.call == OS_CALL_ring_make;
    return seam_is_lasting() && waits_fail;
}

static bool settle(eddy_loop *loop) {
    struct patience patience = patience_begin();
    while (eddy_loop_is_alive(loop)) {
        if (is_in_vain(&patience, is_deaf())) return false;
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

struct counts {
    bool is_open[DESCRIPTORS];
    struct fault_counts counted;
};

static void count_all(struct counts *counts) {
    for (int fd = 0; fd < DESCRIPTORS; fd++) counts->is_open[fd] = fcntl(fd, F_GETFD) >= 0;
    counts->counted = seam_counts();
}

static void compare(const struct counts *before, const struct counts *after) {
    for (int fd = 0; fd < DESCRIPTORS; fd++) {
        if (before->is_open[fd] == after->is_open[fd]) continue;
        snprintf(description + strlen(description), sizeof description - strlen(description),
                 ", descriptor %d", fd);
        fault_assert(!after->is_open[fd] && "left open");
        fault_assert(after->is_open[fd] && "closed, though it was another's");
    }
    const struct fault_counts *a = &before->counted, *b = &after->counted;
    fault_assert(a->blocks == b->blocks);
    fault_assert(a->threads == b->threads);
    fault_assert(a->mutexes == b->mutexes);
    fault_assert(a->conditions == b->conditions);
    fault_assert(a->handlers == b->handlers);
}

static void run(const char *name, void (*scenario)(void), const struct fault *fault) {
    struct counts before, after;
    describe(name, fault);
    alarm(RUN_S);
    count_all(&before);
    seam_arm(fault);
    scenario();
    seam_suspend(true);
    count_all(&after);
    compare(&before, &after);
}

/* --- The loop --- */

/* Which errors of which calls have been given. */
static unsigned long given[OS_CALL_COUNT][OS_CALL_ERRORS_MAX];

static bool is_made[OS_CALL_COUNT]; /* by the scenario, when nothing fails */

static bool is_set(const char *variable) {
    const char *value = getenv(variable);
    return value != NULL && value[0] != '\0';
}

/* The errors of the Nth call of a kind that are to be given. */
static void choose_errors(const struct fault *fault, unsigned *first, unsigned *end) {
    *first = 0;
    *end = fault->mode < FAULT_ALL ? seam_errors(fault->call) : 1; /* in all calls, one will do */
    if (!is_set("EDDY_TEST_SLOW")) return;
    *first = fault->at % *end;
    *end = *first + 1;
}

/* The Nth call of a kind, with its errors. Returns how many runs that took; 0 if there is no Nth
 * call any more. */
static unsigned long run_errors(const char *name, void (*scenario)(void), struct fault fault) {
    unsigned first, end;
    choose_errors(&fault, &first, &end);
    for (fault.error = first; fault.error < end; fault.error++) {
        fault.is_lasting = fault.mode != FAULT_ONCE && !is_got_over(&fault);
        run(name, scenario, &fault);
        if (!seam_hit()) break;
        if (fault.mode < FAULT_CUT) given[fault.call][fault.error]++;
    }
    return fault.error - first;
}

static bool can_be_cut(enum os_call call) {
    return call == OS_CALL_read || call == OS_CALL_receive || call == OS_CALL_send ||
           call == OS_CALL_receive_descriptors || call == OS_CALL_send_descriptors ||
           call == OS_CALL_file_read || call == OS_CALL_file_write || call == OS_CALL_file_send;
}

/* Under a sanitizer the backends share the calls out: what follows a failure is the same code on
 * each, mostly. Without one each call fails on every backend. */
bool fault_is_shared_out = IS_SANITIZED;

static bool is_of_another_backend(const struct fault *fault) {
    static const char *const shares[] = {"epoll", "kqueue"}; /* and all others */
    unsigned share = 0;
    while (share < 2 && strcmp(test_backend, shares[share]) != 0) share++;
#ifndef __linux__
    if (share == 1 && fault->at % 3 == 0) return false; /* of epoll, which is not there */
#endif
    return fault_is_shared_out && fault->at % 3 != share;
}

/* Every call of every kind that the scenario makes. Threads make their number differ a little:
 * twice beyond it is the end. */
static unsigned long run_mode(const char *name, void (*scenario)(void), enum fault_mode mode) {
    unsigned long runs = 0;
    for (unsigned kind = 0; kind < OS_CALL_COUNT; kind++) {
        struct fault fault = {.call = (enum os_call)kind, .mode = mode};
        if (!is_made[kind] || (mode >= FAULT_CUT && !can_be_cut(fault.call))) continue;
        for (unsigned beyond = 0; beyond < 2;) {
            fault.at++;
            if (is_of_another_backend(&fault)) continue;
            unsigned long more = run_errors(name, scenario, fault);
            beyond = more > 0 ? 0 : beyond + 1;
            runs += more;
        }
    }
    return runs;
}

static void report(const char *name, const unsigned long runs[FAULT_MODES]) {
    unsigned long all = 0;
    for (unsigned mode = 0; mode < FAULT_MODES; mode++) all += runs[mode];
    fprintf(stderr, "%s on %s: %lu runs", name, test_backend, all);
    for (unsigned mode = 0; mode < FAULT_MODES; mode++)
        fprintf(stderr, ", %lu %s", runs[mode], mode_names[mode]);
    fprintf(stderr, "\n");
    for (unsigned call = 0; call < OS_CALL_COUNT; call++) {
        if (given[call][0] == 0) continue;
        fprintf(stderr, "  %-20s", os_call_infos[call].name);
        for (unsigned i = 0; os_call_infos[call].errors[i] != 0; i++)
            fprintf(stderr, " %d: %lu", os_call_infos[call].errors[i], given[call][i]);
        fprintf(stderr, "\n");
    }
}

void fault_loop(const char *name, void (*scenario)(void)) {
    unsigned long runs[FAULT_MODES] = {0};
    /* Under valgrind: each call fails, but only once, and with one of its errors. */
    unsigned modes = is_set("EDDY_TEST_SLOW") ? FAULT_ONCE + 1 : FAULT_MODES;
    signal(SIGALRM, on_end);
    signal(SIGABRT, on_end);
    run(name, scenario, &(struct fault){.at = 0});
    for (unsigned call = 0; call < OS_CALL_COUNT; call++)
        is_made[call] = seam_calls((enum os_call)call) > 0;
    for (unsigned mode = 0; mode < modes; mode++)
        runs[mode] = run_mode(name, scenario, (enum fault_mode)mode);
    alarm(0);
    signal(SIGABRT, SIG_DFL);
    if (is_set("EDDY_TEST_VERBOSE")) report(name, runs);
}
