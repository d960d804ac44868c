/* op_child.c: children, some with a stream at each end. What is told of one must be how it has
 * ended, once, and nothing is told of those that were let go. What is written to it comes back. */
#include "operations.h"

#include <signal.h>

/* A stream to or from a child. It is freed when it is closed. */
struct op_end {
    eddy_stream stream;
    struct desk *desk;
    bool is_reading;
    uint64_t at; /* bytes that were said or heard */
};

struct op_child {
    eddy_child child;
    struct desk *desk;
    struct op_end *in, *out; /* NULL: not there */
    pid_t pid;
    bool is_running; /* as far as was told */
    bool is_lost;    /* by a fork */
};

/* --- Streams --- */

static void on_closed(eddy_stream *stream) {
    struct op_end *end = eddy_container_of(stream, struct op_end, stream);
    ledger_paid(end);
    struct desk *desk = end->desk;
    op_enter(desk, PHASE_CLOSING);
    ledger_free(end);
    op_leave(desk);
}

static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    struct op_end *end = eddy_container_of(stream, struct op_end, stream);
    ledger_look(end);
    struct desk *desk = end->desk;
    op_enter(desk, PHASE_TIMERS | PHASE_READY);
    sim_check(end->is_reading, "a child is read that was stopped");
    sim_check(size >= 0 || !ledger_is_fair(), "reading from a child gives %zd", size);
    if (size > 0) op_hear(data, &end->at, (size_t)size);
    end->is_reading = size > 0;
    op_leave(desk);
}

static struct op_end *end_new(struct desk *desk) {
    struct op_end *end = ledger_new("end of a child", sizeof *end);
    end->desk = desk;
    eddy_stream_init(&end->stream, desk->party.loop);
    return end;
}

static void end_close(struct op_end **place) {
    struct op_end *end = *place;
    if (end == NULL) return;
    *place = NULL;
    int err = CALL(&end->desk->party, eddy_stream_close(&end->stream, on_closed));
    sim_check(err == 0, "closing a child's stream gives %d", err);
    ledger_owe(end);
}

static void end_use(struct op_child *at) {
    uint8_t data[400];
    struct party *party = &at->desk->party;
    if (at->in != NULL && pick(2) == 0) {
        struct iovec piece = {data, 1 + pick(sizeof data)};
        op_speak(data, at->in->at, piece.iov_len);
        int size = CALL(party, (int)eddy_stream_try_write(&at->in->stream, &piece, 1));
        if (size > 0) at->in->at += (uint64_t)size;
    } else if (at->in != NULL && pick(4) == 0) {
        end_close(&at->in);
    } else if (at->out != NULL && !at->out->is_reading) {
        int err = CALL(party, eddy_stream_read_start(&at->out->stream, on_read));
        at->out->is_reading = err == 0;
    } else if (at->out != NULL && pick(4) == 0) {
        CALL_VOID(party, eddy_stream_read_stop(&at->out->stream));
        at->out->is_reading = false;
    }
}

/* --- Children --- */

static void on_exit_of(eddy_child *child, const eddy_exit *exit) {
    struct op_child *at = eddy_container_of(child, struct op_child, child);
    ledger_paid(at);
    struct desk *desk = at->desk;
    op_enter(desk, PHASE_INBOX);
    const eddy_exit *truth = sim_child_exit(at->pid);
    sim_check(at->is_running, "an exit is told twice, or of a child that was let go");
    sim_check(eddy_child_pid(child) == 0, "a child that has ended has a number");
    if (at->is_lost) {
        sim_check(exit->error == -ECHILD, "a parent's child ends here with %d", exit->error);
    } else {
        sim_check(truth != NULL, "the exit of a child that runs is told");
        sim_check(exit->error == 0 && exit->status == truth->status &&
                      exit->signal == truth->signal,
                  "a child has not ended as is told");
        sim_check(sim_child_is_reaped(at->pid), "a zombie stays");
    }
    at->is_running = false;
    op_leave(desk);
}

static void child_start(struct op_child *at) {
    char program[] = "program", *arguments[] = {program, NULL};
    eddy_child_fd fds[3] = {{.number = 2, .source = EDDY_CHILD_NULL}};
    eddy_child_options options = {.arguments = arguments, .fds = fds, .fd_count = 1};
    end_close(&at->in);
    end_close(&at->out);
    if (pick(2) == 0) {
        bool is_socket = pick(4) == 0;
        at->in = end_new(at->desk);
        at->out = end_new(at->desk);
        fds[1] = (eddy_child_fd){.number = 0, .source = EDDY_CHILD_READS};
        fds[2] = (eddy_child_fd){.number = 1, .source = EDDY_CHILD_WRITES};
        if (is_socket) fds[1].source = fds[2].source = EDDY_CHILD_SOCKET;
        fds[1].stream = &at->in->stream;
        fds[2].stream = &at->out->stream;
        options.fd_count = 3;
    }
    int err = CALL(&at->desk->party, eddy_child_spawn(&at->child, &options, on_exit_of));
    sim_check(err == 0 || op_is_weather(err), "eddy_child_spawn gives %d", err);
    sim_check(eddy_is_active(&at->child.handle) == (err == 0), "a child is active, or not");
    if (at->in != NULL)
        sim_check((eddy_stream_fd(&at->in->stream) >= 0) == (err == 0) &&
                      (eddy_stream_fd(&at->out->stream) >= 0) == (err == 0),
                  "some streams of a child are connected");
    if (ledger_result("eddy_child_spawn", err) < 0) return;
    ledger_owe(at);
    at->is_running = true;
    at->is_lost = false;
    at->pid = eddy_child_pid(&at->child);
    sim_check(at->pid > 0, "a child has no number");
}

static void child_stop(struct op_child *at) {
    CALL_VOID(&at->desk->party, eddy_child_stop(&at->child));
    if (at->is_running) ledger_unowe(at);
    at->is_running = false;
    sim_check(eddy_child_pid(&at->child) == 0, "a child that was let go has a number");
}

/* Where calls fail the loop may have been told of an end too early, and asks again after a while.
 */
static void child_kill(struct op_child *at) {
    int err = CALL(&at->desk->party, eddy_child_kill(&at->child, SIGTERM));
    sim_check(err == 0 || err == -ESRCH, "eddy_child_kill gives %d", err);
    sim_check(err == 0 || !at->is_running || at->is_lost || sim_child_exit(at->pid) != NULL ||
                  !ledger_is_fair(),
              "a child that runs gets no signal");
}

static void child_free(struct op_child **place) {
    struct op_child *at = *place;
    if (at == NULL) return;
    child_stop(at);
    end_close(&at->in);
    end_close(&at->out);
    ledger_free(at);
    *place = NULL;
}

void op_child(struct desk *desk) {
    struct op_child **place = &desk->children[pick(CHILDREN)];
    struct op_child *at = *place;
    if (at == NULL) {
        at = *place = ledger_new("child", sizeof *at);
        at->desk = desk;
        eddy_child_init(&at->child, desk->party.loop);
    }
    switch (pick(8)) {
    case 0:
        child_stop(at);
        break;
    case 1:
        child_free(place);
        break;
    case 2:
        child_kill(at);
        break;
    case 3:
        CALL_VOID(&desk->party, eddy_unref(&at->child.handle));
        break;
    case 4:
        CALL_VOID(&desk->party, eddy_ref(&at->child.handle));
        break;
    default:
        if (at->is_running)
            end_use(at);
        else
            child_start(at);
        break;
    }
}

void op_child_fork(struct desk *desk) {
    for (unsigned i = 0; i < CHILDREN; i++)
        if (desk->children[i] != NULL) desk->children[i]->is_lost = true;
}

void op_child_end(struct desk *desk) {
    for (unsigned i = 0; i < CHILDREN; i++) child_free(&desk->children[i]);
}
