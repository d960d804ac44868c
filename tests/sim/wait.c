/* wait.c: what a wait of the simulated backends tells, in which order, and what it keeps to itself.
 * Invariant: whoever did not fit comes before all others in the next wait, so that nobody is passed
 * over for ever; a held one is hidden three times in a row at most. */
#include "wait.h"

#include <errno.h>
#include <stdlib.h>

enum { HELD_MAX = 3, LOOK_AGAIN_NS = 10000 };

static char readiness; /* its address is what waits wait on */
static bool is_calm;   /* everything comes in the order of registration */

void sim_readiness_changed(void) {
    sim_wake(&readiness);
}

void sim_waits_begin(void) {
    const struct sim_weather *it = sim_weather();
    is_calm = it->switches + it->faults + it->no_memory + it->shorts + it->interrupts + it->held +
                  it->spurious + it->stale ==
              0;
}

/* --- What is ready --- */

/* What the interest is about, or NULL if that is no more. */
static struct sim_description *look_at(const struct sim_set *set, struct sim_interest *it) {
    struct sim_description *description =
        set->is_split ? sim_descriptor_get(it->fd) : it->description;
    if (description == NULL || description->serial == it->serial) return description;
    it->serial = description->serial;
    it->again = INTEREST_BOTH;
    return description;
}

/* Whether an edge is to be told of the filters. */
static bool is_new(const struct sim_interest *it, const struct sim_description *description,
                   unsigned filter) {
    if (!(it->events & EDDY_EDGE) || (it->again & filter)) return true;
    return (filter & EDDY_READ && it->changes[0] != description->changes[0]) ||
           (filter & EDDY_WRITE && it->changes[1] != description->changes[1]);
}

/* Marks the edges of the filters as told, or as gone by unseen. */
static void see(struct sim_interest *it, const struct sim_description *description,
                unsigned filter) {
    if (description == NULL) return;
    if (filter & EDDY_READ) it->changes[0] = description->changes[0];
    if (filter & EDDY_WRITE) it->changes[1] = description->changes[1];
    it->again &= ~filter;
}

static void add_candidate(struct sim_set *set, unsigned *count, struct sim_interest *it,
                          unsigned filter, unsigned events) {
    set->candidates[(*count)++] =
        (struct sim_candidate){(unsigned)(it - set->interests), filter, events};
}

/* A hang-up that was asked for. */
static unsigned ended(const struct sim_interest *it, unsigned ready) {
    return (it->events & EDDY_HANGUP) && (ready & SIM_ENDED) ? EDDY_HANGUP | EDDY_READ : 0;
}

/* Both filters in one record; ERROR and HANGUP stand for all that was asked for. */
static void look_whole(struct sim_set *set, unsigned *count, struct sim_interest *it,
                       const struct sim_description *description, unsigned ready) {
    unsigned asked = it->events & INTEREST_BOTH;
    unsigned bad = ready & (EDDY_ERROR | EDDY_HANGUP);
    unsigned over = ended(it, ready);
    unsigned told = bad != 0 ? bad | asked | over : (ready & asked) | over;
    unsigned filters = bad != 0 ? (unsigned)INTEREST_BOTH : asked | (over & EDDY_READ);
    if (told == 0)
        see(it, description, INTEREST_BOTH);
    else if (is_new(it, description, filters))
        add_candidate(set, count, it, INTEREST_BOTH, told);
}

/* One record a filter. */
static void look_split(struct sim_set *set, unsigned *count, struct sim_interest *it,
                       const struct sim_description *description, unsigned ready) {
    for (unsigned filter = EDDY_READ; filter <= EDDY_WRITE; filter <<= 1) {
        bool for_end = filter == EDDY_READ && (it->events & EDDY_HANGUP);
        if (!(it->events & filter) && !for_end) continue;
        unsigned bad = ready & (EDDY_ERROR | EDDY_HANGUP);
        unsigned over = for_end ? ended(it, ready) : 0;
        unsigned told = bad != 0 ? bad | INTEREST_BOTH : (ready & it->events & filter) | over;
        if (told == 0)
            see(it, description, filter);
        else if (is_new(it, description, filter))
            add_candidate(set, count, it, filter, told);
    }
}

/* Collects all that could be told. True: something was held back. */
static bool collect(struct sim_set *set, unsigned *count) {
    bool has_held = false;
    for (unsigned i = 0; i < set->count; i++) {
        struct sim_interest *it = &set->interests[i];
        if (it->is_silent) continue;
        const struct sim_description *description = look_at(set, it);
        if (description == NULL && it->lost == 0) it->lost = -EBADF;
        unsigned before = *count;
        if (it->lost != 0)
            add_candidate(set, count, it, INTEREST_BOTH, INTEREST_BOTH | EDDY_ERROR);
        else if (set->is_split)
            look_split(set, count, it, description, description->kind->ready(description->object));
        else
            look_whole(set, count, it, description, description->kind->ready(description->object));
        if (*count == before) {
            it->passed_over[0] = it->passed_over[1] = 0;
        } else if (it->held < HELD_MAX && sim_happens(sim_weather()->held)) {
            it->held++;
            has_held = true;
            *count = before;
        }
    }
    return has_held;
}

/* --- In which order --- */

static void swap(struct sim_candidate *a, struct sim_candidate *b) {
    struct sim_candidate kept = *a;
    *a = *b;
    *b = kept;
}

/* The wait that first had no room for it, or this one. */
static uint64_t ready_since(const struct sim_set *set, const struct sim_candidate *it) {
    uint64_t since = set->interests[it->place].passed_over[it->filter == EDDY_WRITE];
    return since != 0 ? since : set->waits;
}

static void sort(struct sim_set *set, unsigned count) {
    for (unsigned i = 1; i < count; i++)
        for (unsigned at = i; at > 0 && set->interests[set->candidates[at - 1].place].order >
                                            set->interests[set->candidates[at].place].order;
             at--)
            swap(&set->candidates[at - 1], &set->candidates[at]);
}

/* Who has been passed over for longest comes first; else in order, or at random. */
static void arrange(struct sim_set *set, unsigned count) {
    struct sim_candidate *all = set->candidates;
    if (is_calm)
        sort(set, count);
    else
        for (unsigned i = count; i > 1; i--) swap(&all[i - 1], &all[sim_below(i)]);
    for (unsigned i = 1; i < count; i++)
        for (unsigned at = i; at > 0 && ready_since(set, &all[at - 1]) > ready_since(set, &all[at]);
             at--)
            swap(&all[at - 1], &all[at]);
}

/* --- Telling --- */

static void tell(struct sim_set *set, const struct sim_candidate *candidate,
                 struct eddy_record *record) {
    struct sim_interest *it = &set->interests[candidate->place];
    *record = (struct eddy_record){it->token, candidate->events, it->lost};
    it->told = set->waits;
    it->held = 0;
    it->passed_over[candidate->filter == EDDY_WRITE] = 0;
    see(it, look_at(set, it), candidate->filter);
}

/* A one-shot is disarmed, and a loss told, with the first record; the other filter may go with it.
 */
static void silence(struct sim_set *set, unsigned told) {
    for (unsigned i = 0; i < told; i++) {
        struct sim_interest *it = &set->interests[set->candidates[i].place];
        if (it->lost != 0 || (it->events & EDDY_ONESHOT)) it->is_silent = true;
    }
}

static bool is_listening(const struct sim_set *set, const struct sim_interest *it) {
    return !it->is_silent && it->told != set->waits;
}

/* Of what was asked for and is not there. */
static bool tell_spurious(struct sim_set *set, struct eddy_record *record) {
    if (set->count == 0 || !sim_happens(sim_weather()->spurious)) return false;
    struct sim_interest *it = &set->interests[sim_below(set->count)];
    if (!is_listening(set, it) || look_at(set, it) == NULL) return false;
    unsigned asked = it->events & INTEREST_BOTH;
    if (asked == 0) return false;
    unsigned events = 1 + sim_below(INTEREST_BOTH);
    if (set->is_split && events == INTEREST_BOTH) events = EDDY_READ;
    if ((events & asked) == 0) events = asked;
    *record = (struct eddy_record){it->token, events & asked, 0};
    if (it->events & EDDY_ONESHOT) it->is_silent = true;
    it->told = set->waits;
    sim_note("spurious: %d", it->fd);
    return true;
}

/* Of what was removed. */
static bool tell_stale(struct sim_set *set, struct eddy_record *record) {
    if (set->removed_count == 0 || !sim_happens(sim_weather()->stale)) return false;
    unsigned chosen = sim_below(set->removed_count);
    *record = (struct eddy_record){set->removed[chosen], 1 + sim_below(INTEREST_BOTH), 0};
    set->removed[chosen] = set->removed[--set->removed_count];
    sim_note("stale: %u", (unsigned)(uint32_t)record->token);
    return true;
}

/* Puts the last record somewhere among the others. */
static void shuffle_in(struct eddy_record *records, int count) {
    int at = (int)sim_below((unsigned)count);
    struct eddy_record kept = records[at];
    records[at] = records[count - 1];
    records[count - 1] = kept;
}

static int tell_of_nothing(struct sim_set *set, struct eddy_record *records, int count,
                           int capacity) {
    if (count < capacity && tell_spurious(set, &records[count])) shuffle_in(records, ++count);
    if (count < capacity && tell_stale(set, &records[count])) shuffle_in(records, ++count);
    return count;
}

static void pass_over(struct sim_set *set, const struct sim_candidate *it) {
    set->interests[it->place].passed_over[it->filter == EDDY_WRITE] = ready_since(set, it);
}

static void note_records(const struct eddy_record *records, int count) {
    for (int i = 0; i < count; i++)
        sim_note("told: %u of %x, %s", (unsigned)(uint32_t)records[i].token, records[i].events,
                 sim_result(records[i].error));
}

static int look(struct sim_set *set, struct eddy_record *records, int capacity, bool *has_held) {
    unsigned ready = 0;
    set->waits++;
    *has_held = collect(set, &ready);
    arrange(set, ready);
    unsigned told = ready < (unsigned)capacity ? ready : (unsigned)capacity;
    for (unsigned i = 0; i < told; i++) tell(set, &set->candidates[i], &records[i]);
    for (unsigned i = told; i < ready; i++) pass_over(set, &set->candidates[i]);
    silence(set, told);
    int count = tell_of_nothing(set, records, (int)told, capacity);
    if (count > (int)told) sim_progress();
    note_records(records, count);
    return count;
}

/* --- Waiting --- */

/* Of "sim-split": what modify left to do. A change that the kernel has no memory for loses the
 * descriptor. */
static void make_changes(struct sim_set *set) {
    for (unsigned i = 0; i < set->count; i++) {
        struct sim_interest *it = &set->interests[i];
        if (!it->is_changed) continue;
        it->is_changed = false;
        if (!sim_happens(sim_weather()->faults)) continue;
        it->lost = -ENOMEM;
        sim_note("changing %d fails", it->fd);
    }
}

/* `passed`: the time is over. */
static int wait(struct sim_set *set, struct eddy_record *records, int capacity, int64_t timeout_ns,
                bool *passed) {
    int64_t now_ns = sim_now_ns();
    int64_t end_ns = timeout_ns < INT64_MAX - now_ns ? now_ns + timeout_ns : INT64_MAX;
    if (timeout_ns < 0) end_ns = -1;
    bool may_be_interrupted = true;
    for (;;) {
        bool has_held;
        int count = look(set, records, capacity, &has_held);
        if (count > 0 || timeout_ns == 0) return count;
        *passed = end_ns >= 0 && sim_now_ns() >= end_ns;
        if (*passed) return 0;
        if (may_be_interrupted && sim_happens(sim_weather()->interrupts)) {
            sim_progress();
            return 0;
        }
        may_be_interrupted = false;
        int64_t until_ns = end_ns;
        if (has_held) {
            int64_t soon_ns = sim_now_ns() + 1 + sim_below(LOOK_AGAIN_NS);
            if (until_ns < 0 || soon_ns < until_ns) until_ns = soon_ns;
        }
        sim_block(&readiness, until_ns);
        if (!sim_signals_wait()) continue;
        sim_signals_deliver();
        return 0;
    }
}

int sim_backend_wait(void *state, struct eddy_record *records, int capacity, int64_t timeout_ns) {
    struct sim_backend_state *it = state;
    if (it->set == NULL) return -EBADF;
    sim_check(!it->set->is_inherited, "a child waits in its parent's backend");
    int err = sim_enter(OS_CALL_backend_wait);
    if (it->watch != NULL) sim_watch_before(it->watch, it->set);
    if (err < 0) return err;
    if (it->set->is_split) make_changes(it->set);
    bool passed = false;
    int count = wait(it->set, records, capacity, timeout_ns, &passed);
    if (passed) sim_progress();
    if (it->watch != NULL) sim_watch_after(it->watch, records, count, passed);
    return count;
}
