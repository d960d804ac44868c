/* mesh.c: houses that call each other, and are called from outside.
 *
 * A house is a loop with a listener and a beat. Callers say something of their own on a line and
 * an echo says it back; every byte and its place is checked on both sides. In between everybody has
 * whims (mesh_whim.c), which excuse the line that they hit, and no other. In the end no new lines
 * begin, what is there comes to its end by itself, and no beat helps it. */
#include "mesh.h"
#include "programs.h"

#include <limits.h>

struct mesh mesh;

enum { PORT = 7000 };

struct house *some_house(void) {
    return &mesh.houses[sim_below(mesh.houses_count)];
}

/* --- Lines begin --- */

static void call_by_stream(struct house *house, struct line *line) {
    struct conn *conn = conn_new(house, line, true);
    (void)conn_connect(conn, line->target);
}

/* Both ends are attached, maybe in the same house. */
static void attach(struct house *house, struct line *line, int fd, bool is_caller) {
    struct conn *conn = conn_new(house, line, is_caller);
    if (conn_attach(conn, fd) < 0) {
        sim_close(fd);
        conn_close(conn, false);
        return;
    }
    conn_read(conn);
    conn_push(conn);
}

static void call_by_pair(struct house *house, struct line *line) {
    int ends[2];
    if (sim_below(2) == 0)
        sim_local_pair(ends);
    else
        sim_tcp_pair(ends);
    line->ends++;
    attach(house, line, ends[0], true);
    attach(house, line, ends[1], false);
}

static void begin_line(struct house *house) {
    unsigned most = (unsigned)sim_weather()->window_bytes * 4;
    unsigned length = sim_below(3) == 0 ? sim_below(12) : sim_below(most < 12000 ? most : 12000);
    unsigned how = sim_below(6);
    struct line *line = line_new(length, how < 4 ? some_house() : NULL);
    if (how < 2)
        call_by_stream(house, line);
    else if (how < 4)
        peer_call(line);
    else if (how == 4)
        call_by_pair(house, line);
    else
        attach(house, line, peer_echo(line), true);
}

/* --- Listeners --- */

static void on_listener_closed(eddy_listener *listener) {
    struct house *house = mesh.houses;
    while (house->listener != listener) house++;
    party_callback(&house->party, PHASE_CLOSING);
    ledger_paid(listener);
    ledger_free(listener);
    house->listener = NULL;
    house->listener_closing = false;
    house->closed++;
}

static void close_listener(struct house *house) {
    house->is_rude = true;
    if (house->listener == NULL || house->listener_closing) return;
    int err = CALL(&house->party, eddy_listener_close(house->listener, on_listener_closed));
    sim_check(err == 0, "eddy_listener_close gives %d", err);
    ledger_owe(house->listener);
    house->listener_closing = true;
    err = CALL(&house->party, eddy_listener_close(house->listener, on_listener_closed));
    sim_check(err == -EALREADY, "a second eddy_listener_close gives %d", err);
}

static void listener_whim(struct house *house) {
    unsigned what = sim_below(4);
    if (what == 0) {
        close_listener(house);
    } else if (what == 1) {
        CALL_VOID(&house->party, eddy_listener_pause(house->listener));
        house->listener_paused = true;
    }
}

static struct house *house_of(const eddy_listener *listener) {
    ledger_look(listener);
    struct house *house = mesh.houses;
    while (house->listener != listener) house++;
    return house;
}

static void check_accept(struct house *house) {
    enum { ACCEPTS_MAX = 64 };
    party_callback(&house->party, PHASE_READY);
    sim_check(!house->listener_paused && !house->listener_closing,
              "a listener accepts though it is paused or closed");
    uint64_t turn = party_turns(&house->party);
    if (turn != house->accept_turn) house->accepts_of_turn = 0;
    house->accept_turn = turn;
    /* Stale and spurious records call it a second time. */
    bool is_true = sim_weather()->spurious == 0 && sim_weather()->stale == 0;
    unsigned most = ACCEPTS_MAX * house->waits_per_turn;
    sim_check(++house->accepts_of_turn <= most || !is_true, "too many callers in a turn");
}

static bool has_room(const struct house *house) {
    enum { MARGIN = 20 };
    unsigned free_places = 0;
    for (unsigned i = 0; i < CONNS_MAX; i++) free_places += house->conns[i] == NULL;
    return free_places > MARGIN;
}

static void on_accept(eddy_listener *listener, int fd, const struct sockaddr *peer) {
    struct house *house = house_of(listener);
    check_accept(house);
    if (fd < 0) {
        sim_check(!ledger_is_fair(), "a listener fails with %d", fd);
        close_listener(house);
        return;
    }
    sim_check(peer != NULL && peer->sa_family == house->address.ss_family, "a caller from nowhere");
    bool is_welcome = has_room(house) && (!mesh_whim() || sim_below(2) == 0);
    if (mesh_whim()) listener_whim(house);
    if (is_welcome) {
        attach(house, NULL, fd, false);
    } else {
        house->is_rude = true;
        sim_close(fd);
    }
}

static void open_listener(struct house *house) {
    eddy_listener *listener = ledger_new("listener", sizeof *listener);
    eddy_listener_init(listener, house->party.loop);
    bool was_short = mesh.is_short; /* there may be enough again when the call returns */
    int err =
        CALL(&house->party, eddy_tcp_listen(listener, (const struct sockaddr *)&house->address,
                                            house->address_length, 0, 0, on_accept));
    bool is_short = err == -EMFILE && (was_short || mesh.is_short);
    if (!is_short && ledger_result("eddy_tcp_listen", err) == 0) {
        house->listener = listener;
        house->listener_paused = false;
        return;
    }
    house->is_rude = true;
    ledger_free(listener); /* it was never started, so it is ours */
}

static void look_after_listener(struct house *house) {
    if (house->listener == NULL && !mesh.ends) open_listener(house);
    if (house->listener == NULL || house->listener_closing) return;
    eddy_metrics metrics;
    eddy_loop_read_metrics(house->party.loop, &metrics, sizeof metrics);
    if (metrics.accepts_shed > 0) house->is_rude = true;
    if (house->listener_paused && (mesh.ends || sim_below(2) == 0)) {
        int err = CALL(&house->party, eddy_listener_resume(house->listener));
        sim_check(err == 0, "eddy_listener_resume gives %d", err);
        house->listener_paused = false;
    } else if (mesh_whim()) {
        listener_whim(house);
    }
}

/* --- Beats --- */

static void end_lines(void) {
    mesh.ends = true;
    sim_note("no new lines");
    for (unsigned i = 0; i < LINES_MAX; i++) {
        struct line *line = mesh.lines[i];
        if (line != NULL) line->length = line->sent < 2 ? 2 : line->sent;
    }
}

static void on_storm_over(void *context) {
    (void)context;
    sim_note("descriptors are enough again");
    sim_limit_descriptors(UINT_MAX);
    mesh.is_short = false;
}

/* For a while there are hardly any descriptors left: callers wait or are turned away, and then all
 * goes on as before. */
static void storm(void) {
    if (mesh.is_short) return;
    mesh.is_short = true;
    for (unsigned i = 0; i < mesh.houses_count; i++) mesh.houses[i].is_rude = true;
    sim_note("descriptors run short");
    sim_limit_descriptors(sim_descriptors() + sim_below(3));
    sim_after(sim_below(300000000), on_storm_over, NULL);
}

/* More than are let in in a turn. */
static void crowd(struct house *house) {
    enum { CROWD = 90 };
    house->is_rude = true;
    line_excuse(NULL);
    sim_note("a crowd comes to house %u", house->number);
    for (unsigned i = 0; i < CROWD; i++) peer_pass_by(house);
}

static void on_beat(eddy_timer *beat) {
    struct house *house = mesh.houses;
    while (house->beat != beat) house++;
    party_callback(&house->party, PHASE_TIMERS);
    if (!mesh.ends && sim_steps() >= mesh.steps) end_lines();
    bool is_last = mesh.ends; /* not if it has ended in the middle of this */
    look_after_listener(house);
    for (unsigned i = 0; i < CONNS_MAX; i++)
        if (house->conns[i] != NULL) conn_beat(house->conns[i]);
    if (!mesh.ends && mesh.lines_open < LINES_MAX && has_room(house) && sim_below(3) > 0)
        begin_line(house);
    if (mesh_whim() && sim_below(2) == 0) storm();
    if (mesh_whim() && sim_below(8) == 0) crowd(some_house());
    house->beat_ns = eddy_loop_now_ns(house->party.loop);
    mesh_maybe_finish();
    /* From here on nothing but the lines themselves keeps them going. */
    if (is_last && mesh.on_threads) CALL_VOID(&house->party, eddy_timer_stop(beat));
}

static void on_finish(eddy_wake *finish) {
    struct house *house = mesh.houses;
    while (house->finish != finish) house++;
    party_callback(&house->party, PHASE_INBOX);
    house->completions++;
    CALL_VOID(&house->party, eddy_wake_stop(finish));
    CALL_VOID(&house->party, eddy_timer_stop(house->beat));
    close_listener(house);
}

/* Called whenever something has ended. */
void mesh_maybe_finish(void) {
    if (!mesh.ends || mesh.is_finished) return;
    if (mesh.lines_open > 0 || mesh.conns_open > 0 || mesh.peers_open > 0) return;
    mesh.is_finished = true;
    for (unsigned i = 0; i < mesh.houses_count; i++) eddy_wake_send(mesh.houses[i].finish);
}

/* --- Houses --- */

static void set_address(struct house *house) {
    const char *host = house->number % 2 == 0 ? "127.0.0.1" : "::1";
    int length = eddy_address_parse(&house->address, host, PORT + house->number);
    sim_check(length > 0, "eddy_address_parse gives %d", length);
    house->address_length = (socklen_t)length;
}

static void open_house(struct house *house, unsigned number) {
    const size_t shares[] = {0, 0, 1, 300, 5000};
    eddy_loop_config config = {
        .events_per_turn = sim_below(3) == 0 ? 1 + sim_below(4) : 0,
        .waits_per_turn = sim_below(4),
        .timers_per_turn = sim_below(3),
        .completions_per_turn = sim_below(3) == 0 ? 1 + sim_below(3) : 0,
        .read_buffer_bytes = sim_below(2) == 0 ? 0 : 1 + sim_below(2000),
        .stream_bytes_per_turn = shares[sim_below(5)],
        .wakeup = sim_below(3) == 0 ? EDDY_WAKEUP_EVENTFD : EDDY_WAKEUP_PIPE,
    };
    *house =
        (struct house){.number = number,
                       .stream_bytes_per_turn = config.stream_bytes_per_turn,
                       .waits_per_turn = config.waits_per_turn > 0 ? config.waits_per_turn : 1};
    party_open_surely(&house->party, "house", &config);
    set_address(house);
    house->finish = ledger_new("finish", sizeof *house->finish);
    eddy_wake_init(house->finish, house->party.loop);
    int err = eddy_wake_start(house->finish, on_finish); /* the loop waits for it */
    sim_check(err == 0, "eddy_wake_start gives %d", err);
    house->beat = ledger_new("beat", sizeof *house->beat);
    eddy_timer_init(house->beat, house->party.loop);
    open_listener(house);
    int64_t period_ns = 1 + (int64_t)sim_below(5000000);
    while (eddy_timer_start(house->beat, on_beat, 0, period_ns) < 0)
        sim_check(!ledger_is_fair(), "a beat cannot be started");
}

static void close_house(struct house *house) {
    eddy_metrics metrics;
    eddy_loop_read_metrics(house->party.loop, &metrics, sizeof metrics);
    sim_check(metrics.closed == house->closed, "%llu closed, not %llu",
              (unsigned long long)metrics.closed, (unsigned long long)house->closed);
    sim_check(metrics.completions == house->completions, "%llu completions, not %llu",
              (unsigned long long)metrics.completions, (unsigned long long)house->completions);
    sim_check(metrics.active == 0 && metrics.timers_active == 0, "something is left active");
    sim_check(metrics.waits_empty <= metrics.waits && metrics.events_stale <= metrics.events,
              "the metrics contradict each other");
    ledger_free(house->beat);
    ledger_free(house->finish);
    party_close(&house->party);
}

static void live(void *context) {
    struct house *house = context;
    party_run_out(&house->party);
    house->has_ended = true;
    sim_wake(house);
}

/* All houses on the thread that began the world: each in turn, up to its next beat at least. */
static void live_together(void) {
    for (bool any = true; any;) {
        any = false;
        for (unsigned i = 0; i < mesh.houses_count; i++)
            if (eddy_loop_is_alive(mesh.houses[i].party.loop) &&
                party_run(&mesh.houses[i].party, EDDY_RUN_ONCE) >= 0)
                any = true;
    }
}

static void run(uint64_t steps) {
    const unsigned whims[] = {0, 20, 200, 1500};
    ledger_begin();
    mesh = (struct mesh){.steps = steps, .whims = whims[sim_below(4)]};
    mesh.houses_count = 1 + sim_below(HOUSES_MAX);
    mesh.on_threads = mesh.houses_count == 1 || sim_below(4) > 0;
    for (unsigned i = 0; i < mesh.houses_count; i++) open_house(&mesh.houses[i], i);
    if (!mesh.on_threads) live_together();
    for (unsigned i = 1; i < mesh.houses_count && mesh.on_threads; i++)
        sim_thread("house", live, &mesh.houses[i]);
    if (mesh.on_threads) live(&mesh.houses[0]);
    for (unsigned i = 0; i < mesh.houses_count && mesh.on_threads; i++)
        while (!mesh.houses[i].has_ended) sim_block(&mesh.houses[i], -1);
    for (unsigned i = 0; i < mesh.houses_count; i++) close_house(&mesh.houses[i]);
    ledger_end();
}

const struct sim_program sim_mesh = {"mesh", "loops that call each other, and echo", run};
