/* op_ear.c: listeners, and the ears at the other ends of streams: descriptors that are read and
 * written directly. Both ends of a connection say the same bytes from the first one on, so each
 * knows what it must hear, whoever is at the other end. */
#include "file_tree.h"
#include "operations.h"

#include <stdio.h>
#include <string.h>

enum { EARS = 8, PORT = 9000 };

struct ear {
    int fd;
    uint64_t said, heard;
    bool reads, writes, is_socket;
    uint64_t tie; /* the same for both ends; 0: whoever was accepted */
};

static struct ear *ears[EARS];

struct op_listener {
    eddy_listener listener;
    struct desk *desk;
    bool is_closing, is_paused, is_local, has_name;
    bool owns_name, is_of_child; /* the one that listened */
};

/* --- What is said --- */

static uint8_t byte_at(uint64_t at) {
    return (uint8_t)(at * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

void op_speak(uint8_t *data, uint64_t at, size_t size) {
    for (size_t i = 0; i < size; i++) data[i] = byte_at(at + i);
}

void op_hear(const uint8_t *data, uint64_t *at, size_t size) {
    for (size_t i = 0; i < size; i++)
        sim_check(data[i] == byte_at(*at + i), "byte %llu is not what was said",
                  (unsigned long long)(*at + i));
    *at += size;
}

/* --- Ears --- */

/* Terminals are made as a program makes them, which may fail. */
bool op_ends_open(enum op_attached kind, int ends[2]) {
    if (kind == MANAGER || kind == TERMINAL) {
        int err = eddy_terminal_pair(&ends[0], &ends[1], NULL, EDDY_TERMINAL_RAW);
        if (ledger_result("eddy_terminal_pair", err) < 0) return false;
    } else if (kind == LOCAL) {
        sim_local_pair(ends);
    } else if (kind == TCP) {
        sim_tcp_pair(ends);
    } else {
        sim_pipe(ends);
    }
    if (kind != PIPE_WRITER && kind != SHARED_WRITER && kind != TERMINAL) return true;
    int other = ends[0];
    ends[0] = ends[1];
    ends[1] = other;
    return true;
}

static void ear_say(struct ear *ear) {
    uint8_t data[900];
    op_speak(data, ear->said, sizeof data);
    ssize_t size = sim_write(ear->fd, data, 1 + pick(sizeof data));
    if (size > 0) ear->said += (uint64_t)size;
}

void op_ear_new(enum op_attached kind, int fd, uint64_t tie) {
    for (unsigned i = 0; i < EARS; i++) {
        if (ears[i] != NULL) continue;
        ears[i] = ledger_new("ear", sizeof *ears[i]);
        *ears[i] = (struct ear){.fd = fd,
                                .reads = kind != PIPE_READER && kind != SHARED_READER,
                                .writes = kind != PIPE_WRITER && kind != SHARED_WRITER,
                                .is_socket = kind == LOCAL || kind == TCP,
                                .tie = tie};
        if (kind == MANAGER || kind == TERMINAL) ear_say(ears[i]);
        return;
    }
    op_break_tie(tie, 0);
    sim_close(fd);
}

static void ear_close(struct ear **place, bool reset) {
    struct ear *ear = *place;
    op_break_tie(ear->tie, ear->said);
    if (reset && ear->is_socket)
        sim_reset(ear->fd);
    else
        sim_close(ear->fd);
    ledger_free(ear);
    *place = NULL;
}

void op_ear(void) {
    struct ear **place = &ears[pick(EARS)];
    struct ear *ear = *place;
    uint8_t data[900];
    if (ear == NULL) return;
    ssize_t size;
    unsigned what = pick(8);
    bool is_pipe = !ear->reads || !ear->writes;
    if (is_pipe && what > 0) what = ear->writes ? 2 : 4; /* nothing else is left to do */
    switch (what) {
    case 0:
        ear_close(place, pick(2) == 0);
        break;
    case 1:
        if (ear->is_socket) sim_shut_down(ear->fd);
        break;
    case 2:
    case 3:
        ear_say(ear);
        break;
    default:
        size = sim_read(ear->fd, data, 1 + pick(sizeof data));
        if (size > 0) op_hear(data, &ear->heard, (size_t)size);
        break;
    }
}

void op_ears_end(void) {
    for (unsigned i = 0; i < EARS; i++)
        if (ears[i] != NULL) ear_close(&ears[i], false);
}

/* --- Listeners --- */

static void on_listener_closed(eddy_listener *listener) {
    struct op_listener *at = eddy_container_of(listener, struct op_listener, listener);
    ledger_paid(at);
    struct desk *desk = at->desk;
    op_enter(desk, PHASE_CLOSING);
    desk->listener = NULL;
    ledger_free(at);
    op_leave(desk);
}

static const char *name_of(const struct desk *desk) {
    static char name[32];
    snprintf(name, sizeof name, "socket%u", desk->number);
    return name;
}

/* Faults may have kept it, but nothing takes it away from those who do not own it. */
static void look_at_name(const struct op_listener *at) {
    struct place place;
    if (!at->has_name) return;
    bool is_there = file_tree_resolve(file_tree_root(), name_of(at->desk), 0, &place) == 0 &&
                    place.node != NULL;
    bool removes = at->owns_name && at->is_of_child == sim_is_child();
    sim_check(is_there || removes, "a name is removed that was to stay");
    sim_check(!is_there || !removes || !ledger_is_fair(), "a name is left");
}

static void listener_close(struct op_listener *at) {
    int err = CALL(&at->desk->party, eddy_listener_close(&at->listener, on_listener_closed));
    sim_check(err == (at->is_closing ? -EALREADY : 0), "a listener's close gives %d", err);
    if (err == 0) ledger_owe(at);
    if (err == 0) look_at_name(at);
    at->is_closing = true;
}

static void on_accept(eddy_listener *listener, int fd, const struct sockaddr *peer) {
    struct op_listener *at = eddy_container_of(listener, struct op_listener, listener);
    ledger_look(at);
    struct desk *desk = at->desk;
    op_enter(desk, PHASE_READY);
    sim_check(!at->is_closing && !at->is_paused, "a paused or closed listener accepts");
    if (fd >= 0) {
        int port = peer != NULL ? eddy_address_port(peer) : -EINVAL;
        sim_check(at->is_local ? port == -EAFNOSUPPORT : port >= 0, "a caller from nowhere");
        op_ear_new(TCP, fd, 0);
    } else {
        sim_check(op_is_weather(fd), "a listener fails with %d", fd);
        at->has_name = false; /* it may be gone already */
        listener_close(at);
    }
    op_leave(desk);
}

socklen_t op_address(const struct desk *desk, bool is_local, struct sockaddr_storage *address) {
    if (is_local) {
        const char *name = name_of(desk);
        return (socklen_t)eddy_address_of_name(address, name, strlen(name));
    }
    int length = eddy_address_parse(address, "127.0.0.1", PORT + desk->number);
    return (socklen_t)length;
}

/* A name that was left is in the way, unless it may be replaced. */
static int listen_somewhere(struct op_listener *at) {
    struct sockaddr_storage address;
    at->is_local = at->has_name = pick(2) == 0;
    at->is_of_child = sim_is_child();
    socklen_t length = op_address(at->desk, at->is_local, &address);
    const struct sockaddr *to = (struct sockaddr *)&address;
    struct party *party = &at->desk->party;
    int backlog = (int)pick(3);
    bool replaces = pick(3) > 0;
    at->owns_name = pick(3) > 0;
    unsigned options = pick(2) * EDDY_REUSEPORT;
    if (at->is_local)
        options = (replaces ? EDDY_REPLACE_STALE : 0U) | (at->owns_name ? 0U : EDDY_KEEP_NAME) |
                  (pick(2) == 0 ? EDDY_LOCAL_MODE(0600) : 0U);
    int err =
        at->is_local
            ? CALL(party, eddy_local_listen(&at->listener, to, length, backlog, options, on_accept))
            : CALL(party, eddy_tcp_listen(&at->listener, to, length, backlog, options, on_accept));
    bool is_taken = at->is_local && err == -EADDRINUSE && !replaces;
    sim_check(err == 0 || is_taken || op_is_weather(err), "to listen gives %d", err);
    return err;
}

void op_listener(struct desk *desk) {
    struct op_listener *at = desk->listener;
    struct party *party = &desk->party;
    if (at == NULL) {
        at = ledger_new("listener", sizeof *at);
        at->desk = desk;
        eddy_listener_init(&at->listener, party->loop);
        int err = listen_somewhere(at);
        if (err == 0)
            desk->listener = at;
        else
            ledger_free(at);
        return;
    }
    unsigned what = pick(5);
    if (at->is_local && !at->is_closing && pick(8) == 0) {
        at->owns_name = false;
        CALL_VOID(party, (void)eddy_local_own_name(&at->listener, false));
    }
    if (what == 0) listener_close(at);
    if (what == 1) CALL_VOID(party, eddy_listener_pause(&at->listener));
    if (what == 1) at->is_paused = true;
    if (what < 2) return;
    int err = CALL(party, eddy_listener_resume(&at->listener));
    sim_check(err == (at->is_closing ? -EINVAL : 0), "a listener's resume gives %d", err);
    at->is_paused = false;
}

void op_listener_end(struct desk *desk) {
    if (desk->listener != NULL && !desk->listener->is_closing) listener_close(desk->listener);
}
