/* cargo.c: descriptors that are passed over local sockets. As on Linux they come with the piece
 * that the first byte of their message is in, and a piece has those of one message at most.
 * Invariant: what is under way holds its descriptions, as a number does. */
#include "socket.h"

#include <errno.h>
#include <stdlib.h>

struct sim_cargo {
    struct sim_cargo *next;
    size_t before; /* bytes that are to be taken before its first one */
    unsigned count;
    struct sim_description *descriptions[];
};

static void cargo_free(struct sim_cargo *cargo) {
    for (unsigned i = 0; i < cargo->count; i++) sim_description_release(cargo->descriptions[i]);
    free(cargo);
}

void cargo_drop(struct sim_end *end) {
    for (struct sim_cargo *it; (it = end->cargo) != NULL; cargo_free(it)) end->cargo = it->next;
}

void cargo_advance(struct sim_end *end, size_t taken) {
    for (struct sim_cargo *it; (it = end->cargo) != NULL && it->before < taken; cargo_free(it))
        end->cargo = it->next;
    for (struct sim_cargo *it = end->cargo; it != NULL; it = it->next) it->before -= taken;
}

int eddy_os_duplicate(int fd) {
    int err = sim_enter(OS_CALL_duplicate);
    return err < 0 && err != -EBADF ? err : sim_descriptor_duplicate(fd);
}

/* --- Sending --- */

static struct sim_cargo *cargo_load(const struct sim_channel *to, const int *fds, unsigned count) {
    struct sim_cargo *it = malloc(sizeof *it + count * sizeof it->descriptions[0]);
    if (it == NULL) sim_fail("no memory for the simulation itself");
    *it = (struct sim_cargo){.before = to->arrived + to->under_way, .count = count};
    for (unsigned i = 0; i < count; i++) {
        it->descriptions[i] = sim_descriptor_get(fds[i]);
        sim_check(it->descriptions[i] != NULL, "%d is sent, which is not open", fds[i]);
        sim_description_hold(it->descriptions[i]);
    }
    return it;
}

static void cargo_join(struct sim_end *to, struct sim_cargo *cargo) {
    struct sim_cargo **last = &to->cargo;
    while (*last != NULL) last = &(*last)->next;
    *last = cargo;
}

/* It joins before the bytes do, which somebody may take at once. */
ssize_t eddy_os_send_descriptors(int fd, const void *data, size_t size, const int *fds,
                                 unsigned count) {
    struct sim_socket *socket;
    int err = socket_enter(OS_CALL_send_descriptors, fd, &socket);
    if (socket == NULL) return err;
    sim_check(size > 0 && count > 0 && count <= EDDY_OS_PASSED_MAX, "descriptors without a byte");
    sim_check(socket->family == AF_UNIX, "descriptors over TCP");
    if (err == -EPIPE && socket->state == SOCKET_CONNECTED) sim_end_abort(socket->end, 0);
    if (err == -EAGAIN) sim_description_changed(socket->description, SIM_BOTH);
    if (err < 0) return err;
    if (socket->state != SOCKET_CONNECTED) return -ENOTCONN;
    struct sim_end *to = socket->end->other;
    bool takes = !socket->end->is_broken && !socket->end->end_sent && channel_room(&to->in) > 0;
    if (takes) cargo_join(to, cargo_load(&to->in, fds, count));
    size_t asked = sim_shorten(size);
    ssize_t sent = socket_send(socket, data, asked);
    sim_check((sent > 0) == takes, "descriptors went without a byte");
    if (sent == (ssize_t)asked && asked < size)
        sim_description_changed(socket->description, EDDY_WRITE);
    sim_note("send %d with %u descriptors: %s", fd, count, sim_result(sent));
    return sent;
}

/* --- Receiving --- */

static void cargo_unload(struct sim_cargo *cargo, struct eddy_os_passed *passed) {
    for (unsigned i = 0; i < cargo->count && !passed->is_cut; i++) {
        int fd = sim_description_open(cargo->descriptions[i]);
        if (fd >= 0) passed->fds[passed->count++] = fd;
        if (fd < 0) passed->is_cut = true;
    }
    cargo_free(cargo);
}

/* Takes the first one out, if its first byte is in the next `*size`; these end before the second.
 */
static struct sim_cargo *cargo_take(struct sim_end *end, size_t *size) {
    struct sim_cargo *first = end->cargo;
    if (*size > end->in.arrived) *size = end->in.arrived;
    if (first == NULL || first->before >= *size) return NULL;
    if (first->next != NULL && first->next->before < *size) *size = first->next->before;
    end->cargo = first->next;
    return first;
}

ssize_t eddy_os_receive_descriptors(int fd, void *data, size_t size, bool is_record,
                                    struct eddy_os_passed *passed) {
    struct sim_socket *socket;
    struct sim_cargo *cargo = NULL;
    passed->count = 0;
    passed->is_cut = false;
    int err = socket_enter(OS_CALL_receive_descriptors, fd, &socket);
    if (socket == NULL) return err;
    sim_check(!is_record, "%d has no records", fd);
    bool is_connected = socket->state == SOCKET_CONNECTED;
    if (err == -ECONNRESET && is_connected) sim_end_abort(socket->end, 0);
    if (err < 0) sim_description_changed(socket->description, SIM_BOTH);
    if (err < 0) return err;
    size_t asked = sim_shorten(size);
    if (is_connected && socket->end->in.arrived > 0) cargo = cargo_take(socket->end, &asked);
    ssize_t count = socket_receive(socket, data, asked);
    if (cargo != NULL) cargo_unload(cargo, passed);
    if (count == (ssize_t)asked && asked < size)
        sim_description_changed(socket->description, EDDY_READ);
    sim_note("receive %d with %u descriptors: %s", fd, passed->count, sim_result(count));
    return count;
}
