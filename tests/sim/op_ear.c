/* op_ear.c: listeners, and the ears at the other ends of streams: descriptors that are read and
 * written directly. Both ends of a connection say the same bytes from the first one on, so each
 * knows what it must hear, whoever is at the other end. */
#include "operations.h"

enum { EARS = 8, PORT = 9000 };

struct ear {
    int fd;
    uint64_t said, heard;
    uint64_t tie; /* the same for both ends; 0: whoever was accepted */
};

static struct ear *ears[EARS];

struct op_listener {
    eddy_listener listener;
    struct desk *desk;
    bool is_closing, is_paused;
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

void op_ear_new(int fd, uint64_t tie) {
    for (unsigned i = 0; i < EARS; i++) {
        if (ears[i] != NULL) continue;
        ears[i] = ledger_new("ear", sizeof *ears[i]);
        *ears[i] = (struct ear){.fd = fd, .tie = tie};
        return;
    }
    op_break_tie(tie);
    sim_close(fd);
}

static void ear_close(struct ear **place, bool reset) {
    struct ear *ear = *place;
    op_break_tie(ear->tie);
    if (reset)
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
    switch (pick(8)) {
    case 0:
        ear_close(place, pick(2) == 0);
        break;
    case 1:
        sim_shut_down(ear->fd);
        break;
    case 2:
    case 3:
        op_speak(data, ear->said, sizeof data);
        size = sim_write(ear->fd, data, 1 + pick(sizeof data));
        if (size > 0) ear->said += (uint64_t)size;
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

static void listener_close(struct op_listener *at) {
    int err = CALL(&at->desk->party, eddy_listener_close(&at->listener, on_listener_closed));
    sim_check(err == (at->is_closing ? -EALREADY : 0), "a listener's close gives %d", err);
    if (err == 0) ledger_owe(at);
    at->is_closing = true;
}

static void on_accept(eddy_listener *listener, int fd, const struct sockaddr *peer) {
    struct op_listener *at = eddy_container_of(listener, struct op_listener, listener);
    ledger_look(at);
    struct desk *desk = at->desk;
    op_enter(desk, PHASE_READY);
    sim_check(!at->is_closing && !at->is_paused, "a paused or closed listener accepts");
    if (fd >= 0) {
        sim_check(peer != NULL && eddy_address_port(peer) >= 0, "a caller from nowhere");
        op_ear_new(fd, 0);
    } else {
        sim_check(op_is_weather(fd), "a listener fails with %d", fd);
        listener_close(at);
    }
    op_leave(desk);
}

socklen_t op_address(const struct desk *desk, struct sockaddr_storage *address) {
    int length = eddy_address_parse(address, "127.0.0.1", PORT + desk->number);
    return (socklen_t)length;
}

void op_listener(struct desk *desk) {
    struct op_listener *at = desk->listener;
    struct party *party = &desk->party;
    if (at == NULL) {
        struct sockaddr_storage address;
        socklen_t length = op_address(desk, &address);
        at = ledger_new("listener", sizeof *at);
        at->desk = desk;
        eddy_listener_init(&at->listener, party->loop);
        int backlog = (int)pick(3);
        int err = CALL(party, eddy_tcp_listen(&at->listener, (struct sockaddr *)&address, length,
                                              backlog, pick(2) * EDDY_REUSEPORT, on_accept));
        sim_check(err == 0 || op_is_weather(err), "to listen gives %d", err);
        if (err == 0)
            desk->listener = at;
        else
            ledger_free(at);
        return;
    }
    unsigned what = pick(5);
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
