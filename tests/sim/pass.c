/* pass.c: descriptors passed over pairs, in any weather. Each that is sent is the reading end of a
 * pipe of its own with a number in it, and that number says with which byte it was sent: it comes
 * in the piece of that byte, once or never, in order, and never if its write failed. Bytes are
 * numbered by their place. The world's end finds what is left open.
 * Threading: one. */
#include "ledger.h"
#include "programs.h"

#include <errno.h>
#include <string.h>

enum { LINES = 3, BYTES_MAX = 600, FDS_MAX = 7 };

/* A pair, over which one end sends to the other. */
struct line {
    eddy_stream ends[2];
    unsigned open; /* ends that are not closed */
    bool is_closing[2];
    uint64_t said, heard; /* bytes */
    uint64_t last;        /* the byte that the latest descriptor came with */
    unsigned writes, holes;
    bool receives, reads;
};

struct request {
    eddy_pass pass;
    eddy_write plain;
    struct line *line;
    uint64_t at;
    size_t size;
    uint8_t data[];
};

static struct {
    struct party party;
    struct line *lines[LINES];
    bool ends;
    uint64_t passed, taken, cut;
} yard;

static void line_free(struct line *line) {
    for (int i = 0; i < LINES; i++)
        if (yard.lines[i] == line) yard.lines[i] = NULL;
    ledger_free(line);
}

static struct line *line_of(eddy_stream *stream) {
    for (int i = 0; i < LINES; i++)
        if (yard.lines[i] != NULL &&
            (stream == &yard.lines[i]->ends[0] || stream == &yard.lines[i]->ends[1]))
            return yard.lines[i];
    sim_fail("a callback of a line that is gone");
}

static void on_closed(eddy_stream *stream) {
    party_callback(&yard.party, PHASE_CLOSING);
    struct line *line = line_of(stream);
    if (--line->open > 0) return;
    sim_check(line->writes == 0, "a line is closed before its writes");
    line_free(line);
}

static void close_end(struct line *line, int end) {
    if (line->is_closing[end]) return;
    line->is_closing[end] = true;
    int err = CALL(&yard.party, eddy_stream_close(&line->ends[end], on_closed));
    sim_check(err == 0, "a close gives %d", err);
}

/* --- Receiving --- */

/* The byte that it was sent with is among those of this piece; where a write has failed alone those
 * behind it have other places. */
static void check_taken(struct line *line, int fd, size_t size) {
    uint64_t at;
    sim_check(sim_read(fd, &at, sizeof at) == sizeof at, "a descriptor came twice, or is another");
    sim_check(at >= line->last, "descriptors come out of order");
    line->last = at;
    bool is_there = at >= line->heard && at < line->heard + size;
    sim_check(is_there || line->holes > 0, "a descriptor comes with other bytes");
    yard.taken++;
    sim_close(fd);
}

static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    party_callback(&yard.party, PHASE_READY | PHASE_TIMERS);
    struct line *line = line_of(stream);
    (void)data;
    unsigned room = sim_below(2 * FDS_MAX);
    int fd = -EAGAIN;
    while (room-- > 0 && (fd = CALL(&yard.party, eddy_pass_take(stream))) >= 0) {
        sim_check(size > 0 && line->receives, "descriptors without bytes");
        check_taken(line, fd, (size_t)size);
    }
    if (fd == -EMFILE) yard.cut++;
    sim_check(fd >= 0 || fd == -EAGAIN || !ledger_is_fair(), "to take gives %d", fd);
    if (size > 0) line->heard += (size_t)size;
    if (size <= 0) line->reads = false;
    if (size <= 0) close_end(line, 1);
}

static void read_or_pause(struct line *line) {
    if (line->is_closing[1]) return;
    eddy_stream *stream = &line->ends[1];
    bool on = sim_below(4) != 0;
    if (sim_below(3) == 0 && CALL(&yard.party, eddy_pass_receive(stream, on)) == 0)
        line->receives = on;
    if (line->reads) {
        CALL_VOID(&yard.party, eddy_stream_read_stop(stream));
        line->reads = false;
    } else {
        line->reads = CALL(&yard.party, eddy_stream_read_start(stream, on_read)) == 0;
    }
}

/* --- Sending --- */

static void written(struct request *request, int status) {
    party_callback(&yard.party, PHASE_READY | PHASE_TIMERS | PHASE_DEFERRED | PHASE_CLOSING);
    struct line *line = request->line;
    ledger_paid(request);
    bool is_gone = line->is_closing[0] || line->is_closing[1];
    sim_check(status == 0 || is_gone || !ledger_is_fair(), "a write gives %d", status);
    line->writes--;
    ledger_free(request);
}

static void on_passed(eddy_write *write, int status) {
    struct request *request = eddy_container_of(write, struct request, pass.write);
    if (status == -ETOOMANYREFS || status == -EOPNOTSUPP) request->line->holes++;
    written(request, status);
}

static void on_written(eddy_write *write, int status) {
    written(eddy_container_of(write, struct request, plain), status);
}

/* Its descriptors are the program's no longer than the call. */
static int send_with(struct request *request, unsigned count) {
    int fds[FDS_MAX];
    for (unsigned i = 0; i < count; i++) {
        int ends[2];
        sim_pipe(ends);
        sim_check(sim_write(ends[1], &request->at, sizeof request->at) == sizeof request->at,
                  "a pipe takes no number");
        sim_close(ends[1]);
        fds[i] = ends[0];
    }
    int err =
        CALL(&yard.party, eddy_pass_write(&request->line->ends[0], &request->pass, request->data,
                                          request->size, fds, count, on_passed));
    for (unsigned i = 0; i < count; i++) sim_close(fds[i]);
    if (err == 0) yard.passed += count;
    return err;
}

static void send_some(struct line *line) {
    if (line->is_closing[0]) return;
    unsigned count = sim_below(FDS_MAX + 1);
    size_t size = 1 + sim_below(sim_below(2) == 0 ? 3 : BYTES_MAX);
    struct request *request = ledger_new("request", sizeof *request + size);
    request->line = line;
    request->at = line->said;
    request->size = size;
    eddy_stream *stream = &line->ends[0];
    int err = count > 0 ? send_with(request, count)
                        : CALL(&yard.party, eddy_stream_write(stream, &request->plain,
                                                              request->data, size, on_written));
    if (err < 0) {
        bool is_gone = line->is_closing[1];
        sim_check(is_gone || !ledger_is_fair(), "to write gives %d", err);
        ledger_free(request);
        return;
    }
    ledger_owe(request);
    line->writes++;
    line->said += size;
}

/* --- The whole --- */

static void line_new(unsigned place) {
    struct line *line = ledger_new("line", sizeof *line);
    for (int i = 0; i < 2; i++) eddy_stream_init(&line->ends[i], yard.party.loop);
    yard.lines[place] = line;
    int err = CALL(&yard.party, eddy_local_pair(&line->ends[0], &line->ends[1], 0));
    sim_check(err == 0 || !ledger_is_fair(), "a pair gives %d", err);
    if (err < 0) {
        line_free(line);
        return;
    }
    line->open = 2;
    line->receives = CALL(&yard.party, eddy_pass_receive(&line->ends[1], true)) == 0;
    read_or_pause(line);
}

static void change_some(void) {
    unsigned place = sim_below(LINES);
    struct line *line = yard.lines[place];
    if (line == NULL) {
        line_new(place);
        return;
    }
    unsigned how = sim_below(40);
    if (how == 0)
        close_end(line, (int)sim_below(2));
    else if (how < 5)
        read_or_pause(line);
    else if (how < 6)
        (void)CALL(&yard.party, eddy_stream_set_read_deadline(
                                    &line->ends[1], (int64_t)sim_below(20) * EDDY_NS_PER_MS));
    else
        send_some(line);
}

static void run(uint64_t steps) {
    ledger_begin();
    memset(&yard, 0, sizeof yard);
    party_open_surely(&yard.party, "yard", NULL);
    while (sim_steps() < steps) {
        for (unsigned i = sim_below(6); i > 0; i--) change_some();
        (void)party_run(&yard.party, EDDY_RUN_NOWAIT);
    }
    for (int i = 0; i < LINES; i++)
        for (int end = 0; end < 2; end++)
            if (yard.lines[i] != NULL) close_end(yard.lines[i], end);
    party_run_out(&yard.party);
    party_close(&yard.party);
    sim_check(yard.taken <= yard.passed, "more was taken than passed");
    ledger_end();
}

const struct sim_program sim_pass = {"pass", "descriptors passed over pairs", run};
