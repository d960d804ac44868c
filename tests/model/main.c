/* main.c: the model's test. It checks the machine, explores every scenario with the code as it is,
 * and looks for what is broken with each order weakened and each change made: what is not found is
 * a failure, since a model that finds nothing proves nothing.
 *
 *   model [SOURCE_ROOT]              everything; with the root, also that the code is as modelled
 *   model show SCENARIO [CHANGE]     an interleaving that breaks it: `model show wake load-first`
 *   model show SCENARIO SITE ORDER   the same with an order: `model show wake send acquire`
 *   model WAY show …                 the same, woken another way: 1 and 2 edges of a pipe, 3 an
 * eventfd
 */
#include "programs.h"

#include <stdio.h>
#include <string.h>

struct variant variant;

static const struct scenario *const scenarios[] = {post_scenarios, wake_scenarios, pool_scenarios,
                                                   signal_scenarios, budget_scenarios};
enum { SCENARIO_LISTS = sizeof scenarios / sizeof scenarios[0] };

/* --- What is expected --- */

static const struct site_of_code {
    const char *name;
    enum order order; /* in the code */
    enum order need;  /* the weakest that is enough, nothing weaker of the same direction being */
    const char *file, *code;
} sites[SITES] = {
    [PIPE_LOCK] = {"pipe", ACQ_REL, ACQ_REL, NULL, NULL},
    [PUSH_LOAD] = {"push-load", RELAXED, RELAXED, "src/core/inbox.c",
                   "head = atomic_load_explicit(&inbox->head, memory_order_relaxed);\n    do"},
    [PUSH_SWAP] = {"push-swap", RELEASE, RELEASE, "src/core/inbox.c", "memory_order_release,"},
    [LOOK] = {"look", RELAXED, RELAXED, "src/core/inbox.c",
              "atomic_load_explicit(&inbox->head, memory_order_relaxed);\n    if (head == NULL"},
    [TAKE] = {"take", ACQUIRE, ACQUIRE, "src/core/inbox.c",
              "atomic_exchange_explicit(&inbox->head, NULL, memory_order_acquire)"},
    [SET_WAITING] = {"set-waiting", RELAXED, RELAXED, "src/core/inbox.h",
                     "memory_order_relaxed, memory_order_relaxed) ||"},
    [SET_AWAKE] = {"set-awake", RELAXED, RELAXED, "src/core/inbox.h",
                   "&head, NULL, memory_order_relaxed,"},
    [REFUSE] = {"refuse", RELEASE, RELEASE, "src/core/wakeup.c",
                "atomic_fetch_add_explicit(&wakeup->refused, 1, memory_order_release)"},
    [REFUSED_LOOK] = {"refused", ACQUIRE, ACQUIRE, "src/core/wakeup.c",
                      "atomic_load_explicit(&wakeup->refused, memory_order_acquire)"},
    [SEND] = {"send", ACQ_REL, ACQ_REL, "src/core/wake.c",
              "atomic_exchange_explicit(&wake->pending, 1, memory_order_acq_rel) == 0"},
    [WAKE_RUN] = {"run", ACQ_REL, ACQ_REL, "src/core/wake.c",
                  "atomic_exchange_explicit(&wake->pending, 0, memory_order_acq_rel)"},
    [WAKE_START] = {"start", RELEASE, RELEASE, "src/core/wake.c",
                    "atomic_store_explicit(&wake->pending, 0, memory_order_release)"},
    [WAKE_STOP] = {"stop", RELAXED, RELAXED, "src/core/wake.c",
                   "atomic_exchange_explicit(&wake->pending, 1, memory_order_relaxed) == 1"},
    [HANDLER_COUNT] = {"count", SEQ_CST, SEQ_CST, "src/core/signal.c",
                       "atomic_fetch_add(&signal_handlers_running, 1)"},
    [HANDLER_FIRST] = {"handler-first", SEQ_CST, SEQ_CST, "src/core/signal.c",
                       "*watcher = atomic_load(&signal_watched[number].first)"},
    [HANDLER_NEXT] = {"handler-next", SEQ_CST, SEQ_CST, "src/core/signal.c",
                      "*next = atomic_load(&watcher->next)"},
    [HANDLER_PENDING] = {"handler-pending", SEQ_CST, ACQUIRE, "src/core/signal.c",
                         "atomic_exchange(&watcher->pending, SIGNAL_SENT) != SIGNAL_SENT"},
    [HANDLER_UNCOUNT] = {"uncount", SEQ_CST, RELAXED, "src/core/signal.c",
                         "atomic_fetch_sub(&signal_handlers_running, 1)"},
    [SIGNAL_RUN] = {"signal-run", SEQ_CST, RELEASE, "src/core/signal.c",
                    "    atomic_exchange(&watcher->pending, SIGNAL_IDLE);"},
    [SIGNAL_LINK] = {"link", SEQ_CST, RELEASE, "src/core/signal.c",
                     "atomic_store(&signal_watched[number].first, watcher)"},
    [SIGNAL_UNLINK] = {"unlink", SEQ_CST, SEQ_CST, "src/core/signal.c", "atomic_store(at, next)"},
    [SIGNAL_WAIT] = {"wait", SEQ_CST, SEQ_CST, "src/core/signal.c",
                     "while (atomic_load(&signal_handlers_running) > 0)"},
    [SIGNAL_STOP] = {"signal-stop", SEQ_CST, RELAXED, "src/core/signal.c",
                     "atomic_exchange(&watcher->pending, SIGNAL_IDLE) == SIGNAL_SENT"},
};

/* How many atomic operations a file has: a new one belongs into the model. Counted and not modelled
 * are those of a forked child, in which one thread is: the ends of wake.c and wakeup.c, and in
 * signal.c what stands between the handler and eddy_signal_init; and those of eddy_loop_walk, which
 * hand nothing over: the look at the inbox, an acquire as the take's is, and the flag of a worker
 * that has a push to make, set under the lock under which it is awaited (worker.c, pool.c). */
static const struct {
    const char *file;
    unsigned operations;
} files[] = {{"src/core/inbox.c", 5}, {"src/core/inbox.h", 5},   {"src/core/wakeup.c", 5},
             {"src/core/wake.c", 9},  {"src/core/signal.c", 25}, {"src/work/pool.c", 1},
             {"src/work/work.c", 0},  {"src/work/worker.c", 2}};

static const char *const change_names[CHANGES] = {
    [NONE] = "none",
    [WAKE_ALWAYS] = "wake-always",
    [WAKE_NEVER_FIRST] = "wake-never-first",
    [WAKE_BEFORE_PUSH] = "wake-before-push",
    [SLEEP_WITHOUT_MARKER] = "sleep-without-marker",
    [SLEEP_WITHOUT_LOOK] = "sleep-without-look",
    [MARKER_BY_STORE] = "marker-by-store",
    [MARKER_DOWN_BY_STORE] = "marker-down-by-store",
    [MARKER_DOWN_BY_EXCHANGE] = "marker-down-by-exchange",
    [SINGLE_FROM_MARKER] = "single-from-marker",
    [SINGLE_PAST_QUEUE] = "single-past-queue",
    [LINK_AFTER_PUSH] = "link-after-push",
    [CLOSE_WITHOUT_COUNT] = "close-without-count",
    [CLOSE_WHEN_EMPTY] = "close-when-empty",
    [READ_WHEN_TAKEN] = "read-when-taken",
    [READ_TOO_RARELY] = "read-too-rarely",
    [SMALLER_PIPE] = "smaller-pipe",
    [MARKER_STAYS] = "marker-stays",
    [READ_AFTER_LOOK] = "read-after-look",
    [CLEAR_AFTER_CALL] = "clear-after-call",
    [CLEAR_BY_STORE] = "clear-by-store",
    [STOP_WITHOUT_WITHDRAW] = "stop-without-withdraw",
    [STOP_BY_STORE] = "stop-by-store",
    [SEND_BY_STORE] = "send-by-store",
    [LOAD_FIRST] = "load-first",
    [LOAD_FIRST_CONSISTENT] = "load-first-consistent",
    [FENCE_AND_LOAD_FIRST] = "fence-and-load-first",
    [FENCES_AND_LOAD_FIRST] = "fences-and-load-first",
    [STOP_WITHOUT_WAIT] = "stop-without-wait",
    [WAIT_BEFORE_UNLINK] = "wait-before-unlink",
    [COUNT_AFTER_FIRST] = "count-after-first",
    [UNCOUNT_BEFORE_PUSH] = "uncount-before-push",
    [UNLINK_WITHOUT_LOCK] = "unlink-without-lock",
    [STATE_AFTER_UNLOCK] = "state-after-unlock",
    [STATE_AFTER_PUSH] = "state-after-push",
    [PUSH_BEFORE_STATE] = "push-before-state",
    [CANCEL_WITHOUT_LOCK] = "cancel-without-lock",
    [CANCEL_THE_RUNNING] = "cancel-the-running",
    [QUEUE_PUSH_AFTER_UNLOCK] = "queue-push-after-unlock",
    [QUEUE_PUSH_BEFORE_RELEASE] = "queue-push-before-release",
    [QUEUE_STAYS_WHILE_RUNNING] = "queue-stays-while-running",
    [QUEUE_WAKE_LEFT_OUT] = "queue-wake-left-out",
    [QUEUE_LOOP_AFTER_PUSH] = "queue-loop-after-push",
};

/* Looking before the exchange: when the data itself is handed over in a way that orders it. */
static const char *const data_names[] = {"stored", "stored seq_cst", "exchanged", "locked"};
static const bool load_is_right[][4] = {
    /* stored, stored seq_cst, exchanged, locked */
    [LOAD_FIRST - LOAD_FIRST] = {false, false, true, true},
    [LOAD_FIRST_CONSISTENT - LOAD_FIRST] = {false, true, true, true},
    [FENCE_AND_LOAD_FIRST - LOAD_FIRST] = {false, false, true, true},
    [FENCES_AND_LOAD_FIRST - LOAD_FIRST] = {true, true, true, true},
};

/* --- The runs --- */

static const struct {
    const char *says;
    enum way way;
    unsigned unread_max;
} ways[] = {
    {"a pipe that is read each time", LEVEL_PIPE, 0},
    {"edges of a pipe that is read each time", EDGE_PIPE, 1},
    {"edges of a pipe that is read rarely", EDGE_PIPE, 2},
    {"edges of an eventfd", EDGE_EVENTFD, 0},
};
enum { WAYS_TRIED = sizeof ways / sizeof ways[0] };
static const char *way_name;
static unsigned failures, runs;
static unsigned long states;

static void reset(void) {
    variant.change = NONE;
    variant.data = DATA_STORED;
    for (unsigned i = 0; i < SITES; i++) variant.orders[i] = sites[i].order;
}

static bool is_changed(unsigned first_change, unsigned last_change, unsigned first, unsigned last) {
    if (variant.change >= first_change && variant.change <= last_change) return true;
    for (unsigned i = first; i <= last; i++)
        if (variant.orders[i] != sites[i].order) return true;
    return false;
}

/* The scenarios that run what the variant changes: all for the inbox, else those of a file. */
static bool concerns(const struct scenario *list) {
    if (is_changed(CLEAR_AFTER_CALL, FENCES_AND_LOAD_FIRST, SEND, WAKE_STOP))
        return list == wake_scenarios;
    if (is_changed(STOP_WITHOUT_WAIT, UNLINK_WITHOUT_LOCK, HANDLER_COUNT, SIGNAL_STOP))
        return list == signal_scenarios;
    return variant.change < STATE_AFTER_UNLOCK || list == pool_scenarios;
}

/* The first scenario that is broken by the variant, or NULL. */
static const struct scenario *find_broken(const char **broken) {
    for (int i = 0; i < SCENARIO_LISTS; i++) {
        if (!concerns(scenarios[i])) continue;
        for (const struct scenario *it = scenarios[i]; it->name != NULL; it++) {
            struct verdict verdict = explore(it);
            runs++;
            states += verdict.states;
            *broken = verdict.broken;
            if (verdict.broken != NULL) return it;
        }
    }
    return NULL;
}

/* What a mistake hurts: nothing, only how many system calls it takes, or what was promised. */
enum harm { NO_HARM, HURTS_BUDGET, BREAKS };

static void expect(enum harm expected, const char *name, const char *detail) {
    const char *broken = NULL;
    const struct scenario *scenario = find_broken(&broken);
    enum harm harm = BREAKS;
    if (scenario == NULL) harm = NO_HARM;
    if (scenario == budget_scenarios) harm = HURTS_BUDGET;
    bool as_expected = harm == expected;
    printf("%-8s %-23s %-15s ", as_expected ? "ok" : "NOT OK", name, detail);
    if (scenario != NULL)
        printf("%s: %s\n", scenario->name, broken);
    else
        printf("holds\n");
    if (!as_expected) failures++;
}

static void check_code(void) {
    reset();
    printf("\nThe code as it is, with %s:\n", way_name);
    for (int i = 0; i < SCENARIO_LISTS; i++) {
        for (const struct scenario *it = scenarios[i]; it->name != NULL; it++) {
            struct verdict verdict = explore(it);
            runs++;
            states += verdict.states;
            printf("%-8s %-27s %6lu states: %s\n", verdict.broken == NULL ? "ok" : "NOT OK",
                   it->name, verdict.states, verdict.broken == NULL ? it->says : verdict.broken);
            if (verdict.broken != NULL) failures++;
        }
    }
}

/* Whether `order` promises all that `need` does. */
static bool is_enough(enum order order, enum order need) {
    if (need == RELAXED || order == need) return true;
    return order > need && !(order == RELEASE && need == ACQUIRE);
}

/* Edges of a pipe that is read rarely stand for those of the other two, but for what is read when.
 */
static bool is_like_another_way(void) {
    return variant.way == EDGE_EVENTFD || variant.unread_max == 1;
}

static void check_orders(void) {
    if (is_like_another_way()) return;
    printf("\nEach order, weakened, with %s:\n", way_name);
    for (unsigned i = 0; i < SITES; i++) {
        if (variant.way != LEVEL_PIPE && (i == REFUSE || i == REFUSED_LOOK)) continue; /* none */
        for (unsigned order = 0; order < sites[i].order; order++) {
            reset();
            variant.orders[i] = (enum order)order;
            expect(is_enough((enum order)order, sites[i].need) ? NO_HARM : BREAKS, sites[i].name,
                   order_name((enum order)order));
        }
    }
}

static enum harm harm_of(enum change change) {
    if (change == MARKER_STAYS) return HURTS_BUDGET;
    return change == READ_AFTER_LOOK ? NO_HARM : BREAKS;
}

/* Not every way reads its pipe; and two senders do not come to a limit of 2 while a loop is not
 * run. */
static bool is_of_this_way(enum change change) {
    if (change == READ_AFTER_LOOK) return variant.way == LEVEL_PIPE;
    if (change == READ_WHEN_TAKEN) return variant.unread_max == 1;
    return (change != READ_TOO_RARELY && change != SMALLER_PIPE) || variant.way == EDGE_PIPE;
}

static void check_changes(void) {
    printf("\nEach change, with %s:\n", way_name);
    for (unsigned i = NONE + 1; i < CHANGES; i++) {
        if (i >= LOAD_FIRST && i <= FENCES_AND_LOAD_FIRST) continue;
        if (!is_of_this_way((enum change)i)) continue;
        reset();
        variant.change = (enum change)i;
        expect(harm_of((enum change)i), change_names[i], "");
    }
    if (is_like_another_way()) return;
    printf("\nA look at the flag before the exchange, with data that is\n");
    for (unsigned i = LOAD_FIRST; i <= FENCES_AND_LOAD_FIRST; i++) {
        for (unsigned data = 0; data < 4; data++) {
            reset();
            variant.change = (enum change)i;
            variant.data = (enum data)data;
            expect(load_is_right[i - LOAD_FIRST][data] ? NO_HARM : BREAKS, change_names[i],
                   data_names[data]);
        }
    }
}

/* --- The code is as modelled --- */

static const char *read_source(const char *root, const char *file) {
    static char text[1 << 16];
    char path[4096];
    text[0] = '\0';
    (void)snprintf(path, sizeof path, "%s/%s", root, file);
    FILE *stream = fopen(path, "r");
    if (stream == NULL) return text;
    text[fread(text, 1, sizeof text - 1, stream)] = '\0';
    (void)fclose(stream);
    return text;
}

static void check_source(const char *root) {
    static const char *const operations[] = {"atomic_load",    "atomic_store", "atomic_exchange",
                                             "atomic_compare", "atomic_fetch", "atomic_thread"};
    for (unsigned i = 0; i < SITES; i++) {
        if (sites[i].file == NULL) continue;
        if (strstr(read_source(root, sites[i].file), sites[i].code) != NULL) continue;
        printf("NOT OK   %s has no \"%s\" any more\n", sites[i].file, sites[i].code);
        failures++;
    }
    for (unsigned i = 0; i < sizeof files / sizeof files[0]; i++) {
        const char *text = read_source(root, files[i].file);
        unsigned found = 0;
        for (unsigned j = 0; j < sizeof operations / sizeof operations[0]; j++)
            for (const char *at = text; (at = strstr(at, operations[j])) != NULL; at++) found++;
        if (found == files[i].operations && text[0] != '\0') continue;
        printf("NOT OK   %s has %u atomic operations, the model knows %u\n", files[i].file, found,
               files[i].operations);
        failures++;
    }
}

/* --- Showing one --- */

static bool set_variant(const char *name, const char *order) {
    for (unsigned i = 0; i < CHANGES && order == NULL; i++) {
        if (strcmp(change_names[i], name) != 0) continue;
        variant.change = (enum change)i;
        return true;
    }
    for (unsigned i = 0; i < SITES && order != NULL; i++) {
        for (unsigned j = 0; j <= SEQ_CST; j++) {
            if (strcmp(sites[i].name, name) != 0 || strcmp(order_name((enum order)j), order) != 0)
                continue;
            variant.orders[i] = (enum order)j;
            return true;
        }
    }
    return false;
}

/* Scenarios whose names begin with `prefix`, up to the first one that is broken. */
static int show(const char *prefix, const char *name, const char *order) {
    reset();
    if (name != NULL && !set_variant(name, order)) {
        fprintf(stderr, "model: no such change, site or order\n");
        return 2;
    }
    for (int i = 0; i < SCENARIO_LISTS; i++) {
        for (const struct scenario *it = scenarios[i]; it->name != NULL; it++) {
            if (strncmp(it->name, prefix, strlen(prefix)) != 0) continue;
            printf("%s: %s\n", it->name, it->says);
            struct verdict verdict = explore_and_tell(it);
            if (verdict.broken != NULL) {
                printf("  %s\n", verdict.broken);
                return 0;
            }
            printf("  holds in %lu states\n", verdict.states);
        }
    }
    return 0;
}

static void set_way(unsigned number) {
    variant.way = ways[number].way;
    variant.unread_max = ways[number].unread_max;
    way_name = ways[number].says;
}

int main(int argc, char **argv) {
    machine.locations = location_names;
    machine.plains = plain_names;
    if (argc > 1 && argv[1][0] >= '0' && argv[1][0] < '0' + WAYS_TRIED) {
        set_way((unsigned)(argv[1][0] - '0'));
        argc--;
        argv++;
    }
    if (argc > 2 && strcmp(argv[1], "show") == 0)
        return show(argv[2], argc > 3 ? argv[3] : NULL, argc > 4 ? argv[4] : NULL);
    failures += check_litmus();
    for (unsigned i = 0; i < WAYS_TRIED; i++) {
        set_way(i);
        check_code();
        check_orders();
        check_changes();
    }
    if (argc > 1) check_source(argv[1]);
    printf("\n%u searches, %lu states, %u not as expected\n", runs, states, failures);
    return failures == 0 ? 0 : 1;
}
