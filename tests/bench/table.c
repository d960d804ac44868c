/* table.c: in what peers are compared. A workload is a line in `peers_workloads`, and a function in
 * peers.h. */
#include "peers.h"

#define MORE "\n                    " /* a further line of the help */

static bool can_watch(const struct peer *it) {
    return it->watch != NULL && !it->is_server;
}

static bool can_serve(const struct peer *it) {
    return it->serve != NULL || it->watch != NULL;
}

static bool can_receive_visits(const struct peer *it) {
    return it->receive_visits != NULL || (it->watch != NULL && it->serve == NULL);
}

static bool has_timers(const struct peer *it) {
    return it->timers_make != NULL;
}

static bool has_timers_at_once(const struct peer *it) {
    return has_timers(it) && !it->defers_timers;
}

static bool can_mix_timers(const struct peer *it) {
    return has_timers(it) && it->timer_change != NULL;
}

static bool can_be_behind(const struct peer *it) {
    return it->wake_send != NULL && it->turn != NULL;
}

static bool can_be_woken(const struct peer *it) {
    return it->wake_send != NULL;
}

static bool can_watch_beside_timer(const struct peer *it) {
    return can_watch(it) && it->tick_start != NULL;
}

static bool can_tick(const struct peer *it) {
    return it->tick_start != NULL;
}

static bool can_post(const struct peer *it) {
    return it->post != NULL;
}

static bool has_pool(const struct peer *it) {
    return it->job_submit != NULL;
}

static bool can_read(const struct peer *it) {
    return it->file_submit != NULL;
}

static bool can_spawn(const struct peer *it) {
    return it->spawn != NULL;
}

static bool can_write_pipe(const struct peer *it) {
    return it->pipe_write != NULL;
}

static bool can_pass(const struct peer *it) {
    return it->pass_send != NULL;
}

static bool is_eddy(const struct peer *it) {
    return it == &peer_eddy;
}

const struct peers_workload peers_workloads[] = {
    {"ring",
     "bytes that go round many socket pairs",
     "event",
     "%u pairs, at most 100 active",
     peers_ring_run,
     can_watch,
     {100, 1000, 9900},
     false,
     false},
    {"turn-io",
     "a turn with one ready descriptor",
     "turn",
     "%u descriptor",
     peers_turn_io_run,
     can_watch,
     {1},
     false,
     false},
    {"turn-far",
     "the same, with a timer an hour away in the loop",
     "turn",
     "%u descriptor and a far timer",
     peers_turn_far_run,
     can_watch_beside_timer,
     {1},
     false,
     false},
    {"turn-tick",
     "a turn that fires a timer and does nothing else; the timer is" MORE
     "due again at once, so that no turn waits (by delay 0, or the" MORE "shortest period)",
     "turn",
     "%u timer",
     peers_turn_tick_run,
     can_tick,
     {1},
     false,
     false},
    {"turn-post",
     "a turn that runs a call posted in the turn before: eddy, libev" MORE
     "and libevent know of it, and ask the kernel without waiting;" MORE
     "libuv, ae and the loop by hand read a descriptor of theirs",
     "turn",
     "%u call",
     peers_turn_post_run,
     can_post,
     {1},
     false,
     false},
    {"watch",
     "start a watcher",
     "start",
     "%u descriptors and a turn",
     peers_watch_run,
     can_watch,
     {100, 1000},
     false,
     false},
    {"echo",
     "messages that come back, over TCP",
     "message",
     "%u connections",
     peers_echo_run,
     can_serve,
     {1, 64, 1000},
     PEERS_SERVER_CPU,
     false},
    {"local-echo",
     "the same over pairs of local sockets, a turn for all",
     "message",
     "%u connections by local sockets",
     peers_local_echo_run,
     can_serve,
     {64},
     false,
     false},
    {"size",
     "messages of other sizes, 16 connections by local sockets, a" MORE "turn for all",
     "message",
     "%u bytes a message",
     peers_size_run,
     can_serve,
     {1, 1024, 16384},
     false,
     false},
    {"size-tcp",
     "the same over TCP, up to 1 MiB, which comes in pieces over" MORE "several turns",
     "message",
     "%u bytes a message over TCP",
     peers_size_tcp_run,
     can_serve,
     {64, 1024, 16384, 65536, 1048576},
     false,
     false},
    {"rate",
     "messages that come at a given rate over 1,000 connections," MORE
     "served in time or not; latency from when they were due",
     "message",
     "%u,000 messages a second",
     peers_rate_run,
     can_serve,
     {10, 40},
     PEERS_SERVER_CPU,
     true},
    {"rate-poisson",
     "the same, with random gaps between messages",
     "message",
     "%u,000 random messages a second",
     peers_rate_poisson_run,
     can_serve,
     {10, 40, 160},
     PEERS_SERVER_CPU,
     true},
    {"accept",
     "short connections, a byte each way",
     "connection",
     "%u at a time",
     peers_accept_run,
     can_receive_visits,
     {10, 1000},
     PEERS_SERVER_CPU,
     false},
    {"idle",
     "memory of connections, and to take them over",
     "connection",
     "%u connections",
     peers_idle_run,
     can_serve,
     {10000},
     PEERS_MEMORY,
     false},
    {"timer-start",
     "start a timer among many",
     "start",
     "%u timers",
     peers_timer_start_run,
     has_timers_at_once,
     {1000000},
     false,
     false},
    {"timer-stop",
     "stop one",
     "stop",
     "%u timers",
     peers_timer_stop_run,
     has_timers_at_once,
     {1000000},
     false,
     false},
    {"timer-fire",
     "fire all, in order",
     "call",
     "%u timers",
     peers_timer_fire_run,
     has_timers,
     {1000000},
     false,
     false},
    {"timer-push",
     "push idle timeouts away, in order, 16 in each turn; with a" MORE
     "sixteenth of the turn that follows",
     "push",
     "%u timers",
     peers_timer_push_run,
     has_timers,
     {1000, 100000},
     false,
     false},
    {"timer-push-random",
     "the same, at random",
     "push",
     "%u timers",
     peers_timer_push_random_run,
     has_timers,
     {1000, 100000},
     false,
     false},
    {"timer-mix",
     "the same in order; of 100 timers that are touched 90 are" MORE
     "pushed away, 9 stopped and started anew, and 1 fires",
     "timer",
     "%u timers",
     peers_timer_mix_run,
     can_mix_timers,
     {1000, 100000},
     false,
     false},
    {"wake-send",
     "wake a loop that is behind, from other threads",
     "send",
     "%u sending",
     peers_wake_send_run,
     can_be_behind,
     {1, 2, 4},
     false,
     false},
    {"wake-trip",
     "from thread to thread and back",
     "trip",
     "%u trip at a time",
     peers_wake_trip_run,
     can_be_woken,
     {1},
     PEERS_ELAPSED,
     false},
    {"pool",
     "empty jobs",
     "job",
     "%u at a time, 4 threads",
     peers_pool_run,
     has_pool,
     {64, 10000},
     PEERS_ELAPSED,
     false},
    {"file",
     "4 KiB reads of a cached file",
     "read",
     "%u at a time",
     peers_file_run,
     can_read,
     {1, 64},
     PEERS_ELAPSED,
     false},
    {"spawn",
     "start \"true\" and hear of its end",
     "child",
     "%u spawned at a time",
     peers_spawn_run,
     can_spawn,
     {1, 64},
     PEERS_ELAPSED,
     false},
    {"spawn-large",
     "the same, one at a time, from a process that has much memory",
     "child",
     "%u MiB in use",
     peers_spawn_large_run,
     can_spawn,
     {4096},
     PEERS_ELAPSED,
     true},
    {"pipe",
     "pieces through a pipe to a process that reads",
     "piece",
     "pieces of %u KiB",
     peers_pipe_run,
     can_write_pipe,
     {64},
     PEERS_SERVER_CPU,
     false},
    {"pass",
     "a descriptor over a pair of local sockets, and its close",
     "descriptor",
     "%u at a time",
     peers_pass_run,
     can_pass,
     {1},
     false,
     false},
    {"post",
     "posted calls, of eddy alone",
     "call",
     "%u loop",
     peers_post_run,
     is_eddy,
     {1},
     false,
     true},
    {"try-write",
     "writes without a request, of eddy alone",
     "write",
     "%u stream",
     peers_try_write_run,
     is_eddy,
     {1},
     false,
     true},
    {"mark",
     "records of a trace, of eddy alone",
     "record",
     "%u loop",
     peers_mark_run,
     is_eddy,
     {1},
     false,
     true},
    {"request",
     "heads of HTTP requests, of eddy alone",
     "request",
     "%u at a time",
     peers_request_run,
     is_eddy,
     {1},
     false,
     true},
    {"watch-shared",
     "one of many watchers of a descriptor changes twice, stops" MORE
     "and starts again, of eddy alone",
     "round",
     "%u watchers",
     peers_watch_shared_run,
     is_eddy,
     {1000},
     false,
     true},
    {"wake-stop",
     "a wake is sent and stopped behind posted calls, of eddy alone",
     "stop",
     "behind %u calls",
     peers_wake_stop_run,
     is_eddy,
     {1000},
     false,
     true},
    {"signal-stop",
     "the oldest of many watchers of a signal stops and starts" MORE "again, of eddy alone",
     "stop",
     "%u watchers",
     peers_signal_stop_run,
     is_eddy,
     {1000},
     false,
     true},
};

const size_t peers_workload_count = sizeof peers_workloads / sizeof peers_workloads[0];
