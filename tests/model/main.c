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

static const struct scenario *const scenarios[] = {post_scenarios,   wake_scenarios,
                                                   pool_scenarios,   signal_scenarios,
                                                   budget_scenarios, trace_scenarios};
enum { SCENARIO_LISTS = sizeof scenarios / sizeof scenarios[0] };

/* --- What is expected --- */

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

/* What a trace does has nothing to do with how its loop is woken. */
static bool is_of_trace(void) {
    return is_changed(HEAD_BEFORE_WORDS, STOP_UNAWAITED, TRACE_FENCE, TRACE_WAIT);
}

/* The scenarios that run what the variant changes: all for the inbox, else those of a file. */
static bool concerns(const struct scenario *list) {
    if (is_of_trace()) return list == trace_scenarios;
    if (list == trace_scenarios) return false;
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
        if (scenarios[i] == trace_scenarios && variant.way != LEVEL_PIPE) continue;
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
        if (variant.way != LEVEL_PIPE && i >= TRACE_FENCE) continue;
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
    if (change >= HEAD_BEFORE_WORDS) return variant.way == LEVEL_PIPE;
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
            if (scenarios[i] == trace_scenarios) machine.locations = trace_location_names;
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
    if (argc > 1) failures += check_source(argv[1]);
    printf("\n%u searches, %lu states, %u not as expected\n", runs, states, failures);
    return failures == 0 ? 0 : 1;
}
