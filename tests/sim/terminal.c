/* terminal.c: terminals: pairs, modes, sizes, names; and the signals that a terminal sends.
 * As on Linux: bytes that were written to the manager are lost when the terminal is closed, those
 * that were written to the terminal are read first; then the manager reads -EIO, and takes what
 * nobody reads. Without its manager a terminal is hung up.
 *
 * The modes are kept and told, but nothing follows them: every byte passes as it is, as in raw
 * mode. Nobody is in the background. A stop by SIGTSTP is over at once: see sim_on_stop().
 * Invariant: a pair lives as long as one of its ends. */
#include "channel.h"
#include "world.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MANAGER, TERMINAL };

struct end {
    struct pair *pair;
    struct sim_description *description; /* NULL: closed */
    struct sim_channel in;               /* what comes to this end */
    unsigned which;
};

struct pair {
    struct end ends[2];
    struct termios modes;
    eddy_terminal_size size;
    unsigned number;
};

static struct {
    unsigned numbers;
    struct pair *control; /* of this process; NULL: it has none */
} terminals;

void sim_terminals_begin(void) {
    memset(&terminals, 0, sizeof terminals);
}

/* --- Bytes --- */

static struct end *other_of(const struct end *end) {
    return &end->pair->ends[1 - end->which];
}

static bool is_hung_up(const struct end *end) {
    return end->which == TERMINAL && other_of(end)->description == NULL;
}

static ssize_t end_read(void *object, void *data, size_t size) {
    struct end *end = object, *other = other_of(end);
    if (is_hung_up(end)) return 0;
    if (end->in.arrived == 0) return other->description == NULL ? -EIO : -EAGAIN;
    bool was_full = channel_room(&end->in) == 0;
    size_t taken = channel_take(&end->in, data, size);
    sim_progress();
    if (was_full && taken > 0) sim_description_changed(other->description, EDDY_WRITE);
    return (ssize_t)taken;
}

static ssize_t end_write(void *object, const void *data, size_t size) {
    struct end *end = object, *other = other_of(end);
    if (is_hung_up(end)) return -EIO;
    sim_progress();
    if (other->description == NULL) return (ssize_t)size;
    size_t room = channel_room(&other->in);
    if (room == 0 && size > 0) return -EAGAIN;
    if (size > room) size = room;
    channel_put(&other->in, data, size);
    sim_description_changed(other->description, EDDY_READ);
    return (ssize_t)size;
}

static unsigned end_ready(void *object) {
    const struct end *end = object, *other = other_of(end);
    if (is_hung_up(end)) return SIM_BOTH | EDDY_HANGUP | EDDY_ERROR;
    unsigned ready = end->in.arrived > 0 ? EDDY_READ : 0;
    if (other->description == NULL) return ready | EDDY_WRITE | EDDY_HANGUP;
    return channel_room(&other->in) > 0 ? ready | EDDY_WRITE : ready;
}

static void end_close(void *object) {
    struct end *end = object, *other = other_of(end);
    struct pair *pair = end->pair;
    end->description = NULL;
    channel_close(&end->in);
    if (end->which == MANAGER && terminals.control == pair) terminals.control = NULL;
    if (other->description == NULL) {
        free(pair);
        return;
    }
    if (end->which == MANAGER) channel_close(&other->in);
    sim_description_changed(other->description, SIM_BOTH);
}

#define KIND(text)                                                                \
    {                                                                             \
        .name = (text), .read = end_read, .write = end_write, .ready = end_ready, \
        .close = end_close, .can_be_watched = true                                \
    }
static const struct sim_kind kinds[2] = {KIND("manager of a terminal"), KIND("terminal")};

/* --- Pairs --- */

static struct termios usual_modes(void) {
    struct termios modes;
    memset(&modes, 0, sizeof modes);
    modes.c_iflag = ICRNL | IXON;
    modes.c_oflag = OPOST | ONLCR;
    modes.c_cflag = CS8 | CREAD;
    modes.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | IEXTEN;
    modes.c_cc[VINTR] = 3;
    modes.c_cc[VEOF] = 4;
    modes.c_cc[VMIN] = 1;
    return modes;
}

static int add_end(struct pair *pair, unsigned which) {
    struct end *end = &pair->ends[which];
    *end = (struct end){.pair = pair, .which = which};
    end->in.window = sim_weather()->window_bytes;
    int fd = sim_descriptor_add(&kinds[which], end);
    if (fd < 0) return fd;
    end->description = sim_descriptor_get(fd);
    end->description->is_programs = true;
    return fd;
}

static int open_pair(int ends[2]) {
    struct pair *pair = calloc(1, sizeof *pair);
    if (pair == NULL) sim_fail("no memory for the simulation itself");
    pair->modes = usual_modes();
    pair->number = terminals.numbers++;
    pair->ends[TERMINAL] = (struct end){.pair = pair, .which = TERMINAL};
    ends[0] = add_end(pair, MANAGER);
    if (ends[0] < 0) {
        free(pair);
        return ends[0];
    }
    ends[1] = add_end(pair, TERMINAL);
    if (ends[1] < 0) {
        sim_descriptor_close(ends[0]);
        return ends[1];
    }
    sim_note("terminal %u: %d %d", pair->number, ends[0], ends[1]);
    return 0;
}

int eddy_os_terminal_pair(int *manager, int *terminal) {
    int ends[2], err = sim_enter(OS_CALL_terminal_pair);
    if (err < 0) return err;
    err = open_pair(ends);
    if (err < 0) return err;
    *manager = ends[0];
    *terminal = ends[1];
    return 0;
}

/* --- Which --- */

static struct end *end_of(int fd) {
    struct end *end = sim_object_get(fd, &kinds[MANAGER]);
    return end != NULL ? end : sim_object_get(fd, &kinds[TERMINAL]);
}

/* -EBADF and -ENOTTY; -EIO of what is hung up. */
static int look_up(int fd, struct pair **pair) {
    struct end *end = end_of(fd);
    if (sim_descriptor_get(fd) == NULL) return -EBADF;
    if (end == NULL) return -ENOTTY;
    *pair = end->pair;
    return is_hung_up(end) ? -EIO : 0;
}

static int enter(enum os_call call, int fd, struct pair **pair) {
    int err = sim_enter(call), found = look_up(fd, pair);
    return found < 0 ? found : err;
}

int eddy_os_terminal_device(int fd, uint64_t *device) {
    struct pair *pair;
    int err = enter(OS_CALL_terminal_device, fd, &pair);
    if (err == 0) *device = 1 + pair->number;
    return err;
}

bool eddy_os_is_pty_master(int fd) {
    return sim_object_get(fd, &kinds[MANAGER]) != NULL;
}

bool eddy_os_terminal_is_manager(int fd) {
    sim_step();
    return eddy_os_is_pty_master(fd);
}

/* None of the first three numbers: what has them is held meanwhile. */
int eddy_os_terminal_keep(int fd) {
    int low[3], count = 0, err = sim_enter(OS_CALL_terminal_keep);
    if (sim_descriptor_get(fd) == NULL) return -EBADF;
    if (err < 0) return err;
    int kept = sim_descriptor_duplicate(fd);
    while (kept >= 0 && kept < 3) {
        low[count++] = kept;
        kept = sim_descriptor_duplicate(fd);
    }
    while (count > 0) sim_descriptor_close(low[--count]);
    return kept;
}

int eddy_os_terminal_name(int fd, char *name, size_t size) {
    struct pair *pair;
    char text[32];
    int err = enter(OS_CALL_terminal_name, fd, &pair);
    if (err < 0) return err;
    size_t length = (size_t)snprintf(text, sizeof text, "/dev/pts/%u", pair->number);
    if (length >= size) return -ERANGE;
    memcpy(name, text, length + 1);
    return 0;
}

/* --- Modes and sizes --- */

int eddy_os_terminal_get(int fd, struct termios *modes) {
    struct pair *pair;
    int err = enter(OS_CALL_terminal_get, fd, &pair);
    if (err == 0) *modes = pair->modes;
    return err;
}

static void set_modes(struct pair *pair, const struct termios *modes) {
    pair->modes = *modes;
    sim_note("terminal %u: %s", pair->number,
             modes->c_lflag & ICANON  ? "lines"
             : modes->c_oflag & OPOST ? "keys"
                                      : "raw");
    sim_progress();
}

int eddy_os_terminal_set(int fd, const struct termios *modes) {
    struct pair *pair;
    int err = enter(OS_CALL_terminal_set, fd, &pair);
    if (err == 0) set_modes(pair, modes);
    return err;
}

int eddy_os_terminal_await(int fd) {
    sim_step();
    (void)fd;
    return 0;
}

int eddy_os_terminal_get_size(int fd, eddy_terminal_size *size) {
    struct pair *pair;
    int err = enter(OS_CALL_terminal_get_size, fd, &pair);
    if (err == 0) *size = pair->size;
    return err;
}

/* The signal is sent if the size is another one. */
int eddy_os_terminal_set_size(int fd, const eddy_terminal_size *size) {
    struct pair *pair;
    int err = enter(OS_CALL_terminal_set_size, fd, &pair);
    if (err < 0) return err;
    bool is_same = memcmp(&pair->size, size, sizeof *size) == 0;
    pair->size = *size;
    if (!is_same && pair == terminals.control) sim_raise(SIGWINCH);
    return 0;
}

/* A world ends without exit(). */
int eddy_os_at_exit(void (*fn)(void)) {
    (void)fn;
    return sim_enter(OS_CALL_at_exit);
}

/* --- The program's own --- */

static struct pair *need_pair(int fd) {
    struct end *end = end_of(fd);
    sim_check(end != NULL, "%d is no terminal", fd);
    return end->pair;
}

void sim_terminal_modes(int fd, struct termios *modes) {
    *modes = need_pair(fd)->modes;
}

void sim_terminal_change(int fd, const struct termios *modes) {
    set_modes(need_pair(fd), modes);
}

void sim_terminal_control(int fd) {
    terminals.control = need_pair(fd);
}
