/* operations.c: random operations on everything public, in any order and from any callback.
 *
 * Up to three desks, each a loop, are opened, run a little in every mode, and closed again in the
 * middle of it all; a second thread sends wakes, posts and signals. Now and then nothing new is
 * done for some turns, and then everything that was due must have been told.
 * All choices come from one place, so that a fuzzer can make them. */
#include "operations.h"

#include <limits.h>
#include <string.h>

struct office office;

unsigned pick(unsigned limit) {
    return office.choices->below(office.choices->context, limit);
}

static bool is_over(void) {
    if (sim_is_child()) return sim_steps() >= office.child_ends;
    return office.choices->are_over(office.choices->context);
}

bool op_is_weather(int err) {
    return err < 0 && err != -EBUSY && err != -EALREADY && !ledger_is_fair();
}

bool is_open(const struct desk *desk) {
    return desk->party.loop != NULL && !desk->is_closing;
}

struct desk *some_desk(void) {
    unsigned first = pick(DESKS);
    for (unsigned i = 0; i < DESKS; i++) {
        struct desk *desk = &office.desks[(first + i) % DESKS];
        if (is_open(desk)) return desk;
    }
    return NULL;
}

/* --- One operation --- */

static void look_around(struct desk *desk) {
    eddy_metrics metrics;
    const char *broken = NULL;
    eddy_loop_read_metrics(desk->party.loop, &metrics, sizeof metrics);
    sim_check(metrics.waits_empty <= metrics.waits && metrics.events_stale <= metrics.events,
              "the metrics contradict each other");
    sim_check(metrics.active == 0 || eddy_loop_is_alive(desk->party.loop), "active, but not alive");
    int err = CALL(&desk->party, eddy_loop_verify(desk->party.loop, &broken));
    sim_check(err == 0, "eddy_loop_verify: %s", broken);
    op_time_walk(desk);
    bool can_nest = (eddy_loop_backend(desk->party.loop)->capabilities & EDDY_CAN_NEST) != 0;
    err = CALL(&desk->party, eddy_loop_backend_fd(desk->party.loop));
    sim_check(can_nest ? err >= 0 : err == -ENOTSUP, "the backend's descriptor is %d", err);
    int64_t timeout_ns;
    if (desk->in == 0) return;
    sim_check(eddy_loop_run(desk->party.loop, EDDY_RUN_NOWAIT) == -EBUSY, "a run inside a run");
    sim_check(eddy_loop_prepare(desk->party.loop, &timeout_ns) == -EBUSY, "a turn inside a turn");
    sim_check(eddy_loop_wait(desk->party.loop, 0) == -EBUSY, "a wait inside a turn");
    sim_check(eddy_loop_dispatch(desk->party.loop) == -EBUSY, "a dispatch inside a turn");
    sim_check(eddy_loop_close(desk->party.loop) == -EBUSY, "a loop is closed while it runs");
}

static void operate(struct desk *desk) {
    switch (pick(20)) {
    case 0:
    case 1:
    case 2:
        op_time(desk);
        break;
    case 3:
    case 4:
        op_calls(desk);
        break;
    case 5:
    case 6:
        op_work(desk);
        break;
    case 7:
    case 8:
        op_file(desk);
        break;
    case 9:
    case 10:
    case 11:
    case 12:
        op_stream(desk);
        break;
    case 16:
        op_child(desk);
        break;
    case 18:
    case 19:
        op_reader(desk);
        break;
    case 17:
        op_terminal(desk);
        break;
    case 13:
        if (pick(4) == 0) party_flip_trace(&desk->party);
        look_around(desk);
        break;
    default:
        op_watch(desk);
        break;
    }
}

/* Callbacks take time, even where calls take none: else a busy loop would stop the clock. */
static void take_time(void) {
    enum { CALLBACKS = 8, TIME_NS = 500000 };
    if (sim_weather()->tick_ns == 0 && ++office.callbacks % CALLBACKS == 0) sim_sleep(TIME_NS);
}

void op_enter(struct desk *desk, unsigned phases) {
    party_callback(&desk->party, phases);
    desk->in = phases;
    office.depth++;
}

void op_leave(struct desk *desk) {
    if (!office.is_quiet && !is_over() && is_open(desk)) {
        if (pick(20) == 0) eddy_loop_stop(desk->party.loop);
        for (unsigned left = pick(3); left > 0; left--) operate(pick(4) == 0 ? some_desk() : desk);
    }
    take_time();
    desk->in = 0;
    office.depth--;
}

/* --- Desks --- */

static void open_wrongly(void) {
    eddy_loop *loop;
    eddy_loop_config config = {.backend = "none of these"};
    sim_check(eddy_loop_open(&loop, &config) == -ENOENT, "a backend of no name is opened");
    config = (eddy_loop_config){.events_per_turn = ~0u};
    sim_check(eddy_loop_open(&loop, &config) == -EINVAL, "4 G events a turn");
    config = (eddy_loop_config){.wakeup = (eddy_wakeup_kind)2};
    sim_check(eddy_loop_open(&loop, &config) == -EINVAL, "a third kind of wake-up");
    config = (eddy_loop_config){.files = (eddy_files_kind)2};
    sim_check(eddy_loop_open(&loop, &config) == -EINVAL, "a third way to do files");
    config = (eddy_loop_config){.pool_threads = 1025};
    sim_check(eddy_loop_open(&loop, &config) == -EINVAL, "1025 threads");
}

/* A loop in a memory of its own, whose tables do not grow: with room for all that there may be, or,
 * where calls may fail for want of memory in any case, with any room. */
static eddy_allocator desk_make_room(struct desk *desk, eddy_loop_config *config) {
    enum { ROOM = 4 << 20, AMPLE = 1 << 10 };
    static _Alignas(max_align_t) char memory[DESKS][ROOM];
    bool is_ample = ledger_is_fair() || pick(2) == 0;
    config->is_fixed = true;
    config->descriptors = is_ample ? AMPLE : 1 + pick(100);
    config->timers = is_ample ? AMPLE : 1 + pick(20);
    size_t bytes = is_ample ? ROOM : eddy_loop_bytes(config) + pick(200000);
    eddy_arena_init(&desk->arena, memory[desk->number], bytes);
    return eddy_arena_allocator(&desk->arena);
}

static void desk_open(struct desk *desk) {
    eddy_backend_info info;
    unsigned backends = 0;
    while (eddy_backend_at(backends, &info) == 0) backends++;
    (void)eddy_backend_at(pick(backends), &info);
    unsigned number = (unsigned)(desk - office.desks);
    struct pool_box *pool = pick(2) == 0 ? op_pool_of_use(office.pools[pick(POOLS)]) : NULL;
    eddy_loop_config config = {
        .backend = info.name,
        .pool = op_pool_use(pool, 1),
        .pool_threads = pick(5),
        .events_per_turn = pick(3) == 0 ? 1 + pick(4) : 0,
        .waits_per_turn = pick(4),
        .timers_per_turn = pick(3),
        .completions_per_turn = pick(3) == 0 ? 4 + pick(3) : 0,
        .read_buffer_bytes = pick(2) * (1 + pick(1000)),
        .stream_bytes_per_turn = pick(2) * (1 + pick(3000)),
        .wakeup = pick(3) == 0 ? EDDY_WAKEUP_EVENTFD : EDDY_WAKEUP_PIPE,
        .files = pick(2) == 0 ? EDDY_FILES_URING : EDDY_FILES_POOL,
    };
    if (pick(8) == 0) open_wrongly();
    *desk = (struct desk){.number = number, .pool = pool};
    eddy_allocator allocator;
    if (pick(3) == 0) {
        allocator = desk_make_room(desk, &config);
        config.allocator = &allocator;
    }
    if (party_open(&desk->party, "desk", &config) < 0) {
        desk->party.loop = NULL;
        (void)op_pool_use(pool, -1);
        return;
    }
    sim_check(strcmp(eddy_loop_backend(desk->party.loop)->name, info.name) == 0, "another backend");
}

static void finish_calls(struct desk *desk) {
    do {
        party_run_out(&desk->party);
        if (desk->senders > 0) sim_sleep(1000);
    } while (desk->senders > 0 || desk->posts > 0);
}

void desk_close(struct desk *desk) {
    bool was_quiet = office.is_quiet;
    office.is_quiet = desk->is_closing = true;
    if (pick(2) == 0) (void)party_run(&desk->party, EDDY_RUN_NOWAIT);
    if (eddy_loop_is_alive(desk->party.loop))
        sim_check(eddy_loop_close(desk->party.loop) == -EBUSY, "a loop is closed that is alive");
    op_time_end(desk);
    op_calls_end(desk);
    op_watch_end(desk);
    op_work_end(desk);
    op_stream_end(desk);
    op_reader_end(desk);
    op_child_end(desk);
    op_terminal_end(desk);
    finish_calls(desk);
    op_file_end(desk);
    party_close(&desk->party);
    sim_check(eddy_arena_used(&desk->arena) == 0, "a closed loop holds memory of its arena");
    (void)op_pool_use(desk->pool, -1);
    office.is_quiet = was_quiet;
}

/* --- Running --- */

static void desk_run(struct desk *desk) {
    unsigned how = pick(7);
    bool is_guarded = op_guard_start(desk, 1 + (int64_t)pick(20000000));
    if (how == 6) eddy_loop_stop(desk->party.loop);
    if (how == 6 && pick(2) == 0) how = 0;
    if (!is_guarded) how = 2;
    switch (how) {
    case 0:
        (void)party_run(&desk->party, EDDY_RUN_DEFAULT);
        break;
    case 1:
        (void)party_run(&desk->party, EDDY_RUN_ONCE);
        break;
    case 3:
        (void)party_turn(&desk->party, true);
        break;
    case 4:
        (void)party_turn(&desk->party, false);
        break;
    default:
        (void)party_run(&desk->party, EDDY_RUN_NOWAIT);
        break;
    }
    op_guard_stop(desk);
}

static unsigned turns_of(struct desk *desk, unsigned count) {
    unsigned turns = 0;
    for (unsigned i = 0; i < count; i++) {
        uint64_t before = party_turns(&desk->party);
        (void)party_run(&desk->party, EDDY_RUN_NOWAIT);
        turns += party_turns(&desk->party) > before;
    }
    return turns;
}

/* Nothing new is done: what was due must be told. */
static void look(void) {
    enum { ROUNDS = 4 };
    unsigned turns[DESKS] = {0};
    office.is_quiet = true;
    sim_note("a look");
    sim_settle(); /* who is sending has sent */
    sim_sleep(2 * sim_weather()->latency_ns + EDDY_NS_PER_MS);
    op_watch_begin_look();
    for (unsigned i = 0; i < DESKS; i++)
        if (is_open(&office.desks[i])) {
            op_time_begin_look(&office.desks[i]);
            op_reader_begin_look(&office.desks[i]);
        }
    for (unsigned round = 0; round < 2 * ROUNDS; round++) {
        if (round == ROUNDS) sim_faults_off(); /* the weather holds nothing back for ever */
        for (unsigned i = 0; i < DESKS; i++)
            if (is_open(&office.desks[i])) turns[i] += turns_of(&office.desks[i], 2);
    }
    for (unsigned i = 0; i < DESKS; i++) {
        if (!is_open(&office.desks[i])) continue;
        op_time_look(&office.desks[i], turns[i]);
        op_calls_look(&office.desks[i]);
        op_reader_look(&office.desks[i]);
        op_terminal_look(&office.desks[i]);
    }
    op_watch_look();
    sim_faults_on();
    office.is_quiet = false;
}

static void step(void) {
    if (office.fork_at > 0 && sim_steps() >= office.fork_at) op_fork();
    struct desk *desk = &office.desks[pick(DESKS)];
    if (office.sending != NULL) desk = office.sending;
    if (!is_open(desk)) {
        desk_open(desk);
        return;
    }
    unsigned what = pick(60);
    /* The loop has to wait for the sender, who is between its push and its byte. */
    if (office.sending == desk && what < 40) what = 0;
    if (what == 0)
        desk_close(desk);
    else if (what == 1)
        look();
    else if (what < 4)
        op_pools();
    else if (what == 4)
        sim_sleep(pick(10000000));
    else if (what < 24)
        desk_run(desk);
    else
        operate(desk);
}

void send_some(void *context) {
    (void)context;
    while (!office.ends) {
        sim_sleep(1 + (int64_t)pick(3000000));
        if (!office.is_quiet && !office.ends && !is_over()) op_send();
    }
    office.sender_ended = true;
    sim_wake(&office);
}

void sim_operations_run(const struct sim_choices *choices) {
    ledger_begin();
    memset(&office, 0, sizeof office);
    office.choices = choices;
    office.fork_at = choices->fork_at;
    op_watch_begin();
    op_file_begin();
    op_terminals_begin();
    sim_thread("sender", send_some, NULL);
    while (!is_over()) step();
    if (pick(2) == 0) look();
    office.ends = true;
    for (unsigned i = 0; i < DESKS; i++)
        if (is_open(&office.desks[i])) desk_close(&office.desks[i]);
    while (!office.sender_ended) sim_block(&office, -1);
    op_pools_end();
    op_wires_end();
    op_ears_end();
    op_terminals_end();
    ledger_end();
}

/* --- The choices of a seed --- */

static unsigned below(void *context, unsigned limit) {
    (void)context;
    return sim_below(limit);
}

static bool are_over(void *context) {
    return sim_steps() >= *(const uint64_t *)context;
}

static void run(uint64_t steps) {
    enum { RUNS_PER_FORK = 32 };
    struct sim_choices choices = {below, are_over, &steps, 0};
    if (sim_below(RUNS_PER_FORK) == 0) choices.fork_at = 1 + sim_below((unsigned)steps + 1);
    sim_operations_run(&choices);
}

const struct sim_program sim_operations = {"operations", "everything public, in any order", run};
