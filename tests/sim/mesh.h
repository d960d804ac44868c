/* mesh.h: what the files of the mesh share.
 *
 *   mesh.c        the houses (a loop, its listener, its beat), and the end of it all
 *   mesh_line.c   lines: what goes to and fro between a caller and an echo, and who may break it
 *   mesh_conn.c   an end of a line that is a stream: reading, writing, closing, moving
 *   mesh_whim.c   what comes to a stream's owner's mind in a callback
 *   mesh_peer.c   an end that is outside */
#ifndef EDDY_TESTS_SIM_MESH_H
#define EDDY_TESTS_SIM_MESH_H

#include "ledger.h"

#include <errno.h>

enum { HOUSES_MAX = 4, LINES_MAX = 12, CONNS_MAX = 64 };

/* --- Lines --- */

/* The caller sends `length` bytes and then the end; the echo sends all of it back. Each byte tells
 * its line and its place. */
struct line {
    unsigned id; /* the first two bytes */
    unsigned ends;
    uint64_t length;
    uint64_t sent, seen, heard; /* by the caller, by the echo, back at the caller */
    struct house *target;       /* whose listener is called; NULL: none */
    bool is_excused;            /* somebody broke it, or ran out of time */
};

struct line *line_new(uint64_t length, struct house *target);
struct line *line_get(unsigned id);
void line_leave(struct line *line); /* an end of it is gone */
void line_fill(const struct line *line, uint64_t at, uint8_t *data, size_t size);
/* Compares what has arrived with what was sent, and moves `*at` on. */
void line_check(const struct line *line, uint64_t *at, const uint8_t *data, size_t size);
/* No excuse, no error. `line` NULL: an end that does not know yet whom it speaks to. */
void line_fails(struct line *line, const char *what, int error);
void line_excuse(struct line *line);
/* An end was told that no more comes. */
void line_ended_at_echo(struct line *line);
void line_ended_at_caller(struct line *line);

/* --- Houses --- */

struct house {
    struct party party;
    unsigned number;
    eddy_listener *listener; /* NULL: none just now */
    bool listener_closing, listener_paused;
    struct sockaddr_storage address;
    socklen_t address_length;
    bool is_rude; /* has closed a listener, or dropped or shed a caller: any caller may be hit */
    eddy_timer *beat;
    int64_t beat_ns; /* when the last one was */
    eddy_wake *finish;
    struct conn *conns[CONNS_MAX];
    uint64_t accept_turn;
    unsigned accepts_of_turn;
    uint64_t closed, completions; /* as eddy_metrics has to count them */
    size_t stream_bytes_per_turn;
    unsigned waits_per_turn;
    bool has_ended;
};

extern struct mesh {
    struct house houses[HOUSES_MAX];
    unsigned houses_count;
    struct line *lines[LINES_MAX];
    unsigned lines_open, conns_open, peers_open;
    unsigned excused;
    unsigned id;
    unsigned whims; /* chance of one in a callback, of 10,000 */
    uint64_t steps;
    bool ends;        /* no new lines, no whims: what is there comes to its end */
    bool is_finished; /* all houses were told */
    bool on_threads;
    bool is_short; /* of descriptors */
} mesh;

bool mesh_whim(void);
void mesh_maybe_finish(void);
struct house *some_house(void);

/* --- Streams --- */

struct conn {
    eddy_stream stream;
    eddy_post post;
    struct house *first_house, *house;
    struct house *next_house; /* while it moves */
    unsigned place;           /* in house->conns */
    struct line *line;        /* NULL: not told yet */
    bool is_caller;
    uint8_t id;        /* the first byte of the line's, */
    unsigned id_bytes; /* while it is the only one */
    int fd;            /* while it moves */

    uint8_t *into; /* NULL: reads into what the loop lends */
    size_t into_size;
    bool is_connecting, is_connected, is_reading, is_closing;
    bool was_told_end; /* of reading: the end or an error */
    bool has_finished; /* as it should: closing breaks nothing */
    bool waits_for_drain;
    int64_t read_due_ns; /* -1: none */
    uint64_t read_turn;
    size_t read_bytes;   /* in that turn, */
    unsigned reads_anew; /* since a share was used up */

    bool is_shut, has_failed;
    bool has_moved;  /* to a stream that knows nothing of what went before */
    unsigned writes; /* under way */
    uint64_t write_next, write_done;
    size_t write_bytes; /* of those under way */
    int64_t write_timeout_ns, write_since_ns;
    int64_t stall_ns; /* since when the queue is `stall_bytes` long, */
    size_t stall_bytes;
    uint64_t stall_write; /* up to this write */
    size_t low, high;
};

struct conn *conn_new(struct house *house, struct line *line, bool is_caller);
int conn_attach(struct conn *conn, int fd);
int conn_connect(struct conn *conn, const struct house *target);
void conn_close(struct conn *conn, bool reset); /* nothing happens if it is closing */
void conn_read(struct conn *conn);              /* starts reading, if it should and does not */
/* Returns 0, or an error after which the stream is closing. */
int conn_send(struct conn *conn, const uint8_t *data, size_t size);
void conn_shut_down(struct conn *conn);
int conn_set_marks(struct conn *conn, size_t low, size_t high);
void conn_push(struct conn *conn); /* what a caller still has to say */
void conn_move(struct conn *conn, struct house *to);
void conn_beat(struct conn *conn);
void conn_whim(struct conn *conn); /* may close it */

static inline struct conn *conn_of(eddy_stream *stream) {
    struct conn *conn = eddy_container_of(stream, struct conn, stream);
    ledger_look(conn);
    return conn;
}
static inline int64_t conn_now_ns(const struct conn *conn) {
    return eddy_loop_now_ns(conn->house->party.loop);
}

/* --- Outside --- */

void peer_call(struct line *line);
void peer_pass_by(const struct house *target); /* who knocks, and has nothing to say */
int peer_echo(struct line *line);              /* the descriptor of the other end */

#endif
