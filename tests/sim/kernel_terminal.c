/* kernel_terminal.c: terminals are in the simulation what they are in life. All in raw mode: the
 * simulation does nothing to the bytes of the others. */
#include "suite.h"

#include "../../platform/backend.h"
#include "../../platform/os.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifdef SIMULATED
#include "world.h"
static void begin(void) {
    sim_begin(1, &sim_calm);
}
static void end(void) {
    sim_end();
}
#else
static void begin(void) {}
static void end(void) {}
#endif

static int manager, terminal;

static void open_pair(void) {
    struct termios modes;
    begin();
    ck_assert_int_eq(eddy_os_terminal_pair(&manager, &terminal), 0);
    ck_assert_int_eq(eddy_os_prepare_descriptor(terminal), 0);
    ck_assert_int_eq(eddy_os_terminal_get(terminal, &modes), 0);
    modes.c_iflag = 0;
    modes.c_oflag &= ~(tcflag_t)OPOST;
    modes.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG | IEXTEN);
    ck_assert_int_eq(eddy_os_terminal_set(manager, &modes), 0);
}

static void close_end(int *fd) {
    if (*fd >= 0) eddy_os_close(*fd);
    *fd = -1;
}

static void close_pair(void) {
    close_end(&manager);
    close_end(&terminal);
    end();
}

static void put(int fd, const char *text) {
    ck_assert_int_eq((int)eddy_os_write(fd, text, strlen(text)), (int)strlen(text));
}

/* What comes, byte by byte: a real terminal takes a moment. Then `last`. */
static void expect(int fd, const char *text, int last) {
    char byte;
    ssize_t size;
    for (; *text != '\0'; text++) {
        unsigned rounds = 0;
        do {
            eddy_os_back_off(&rounds);
            size = eddy_os_read(fd, &byte, 1);
        } while (size == -EAGAIN);
        ck_assert_int_eq((int)size, 1);
        ck_assert_int_eq(byte, *text);
    }
    ck_assert_int_eq((int)eddy_os_read(fd, &byte, 1), last);
}

static void *resize(void *context, void *memory, size_t old_bytes, size_t new_bytes) {
    (void)context, (void)old_bytes;
    if (new_bytes > 0) return realloc(memory, new_bytes);
    free(memory);
    return NULL;
}

/* What the first backend tells of it. */
static unsigned events_of(int fd) {
    static const eddy_allocator memory = {resize, NULL};
    const struct eddy_backend *backend = eddy_backend_table[0];
    struct eddy_record record;
    void *state = calloc(1, backend->state_bytes);
    ck_assert_ptr_nonnull(state);
    ck_assert_int_eq(backend->open(state, &memory, 16), 0);
    ck_assert_int_eq(backend->add(state, fd, EDDY_READ | EDDY_WRITE, 1), 0);
    int count = backend->wait(state, &record, 1, 0);
    ck_assert_int_ge(count, 0);
    backend->remove(state, fd, EDDY_READ | EDDY_WRITE);
    backend->close(state);
    free(state);
    return count > 0 ? record.events : 0;
}

START_TEST(bytes_pass_in_both_directions) {
    open_pair();
    ck_assert_uint_eq(events_of(manager), EDDY_WRITE);
    ck_assert_uint_eq(events_of(terminal), EDDY_WRITE);
    put(manager, "typed");
    put(terminal, "written");
    expect(terminal, "typed", -EAGAIN);
    expect(manager, "written", -EAGAIN);
    close_pair();
}
END_TEST

START_TEST(without_a_terminal_the_manager_gives_what_was_written_and_then_eio) {
    struct termios modes;
    eddy_terminal_size size;
    open_pair();
    int kept = eddy_os_terminal_keep(terminal);
    ck_assert_int_gt(kept, 2);
    put(terminal, "last");
    close_end(&terminal);
    ck_assert_uint_eq(events_of(manager) & EDDY_HANGUP, 0);
    eddy_os_close(kept);
    ck_assert_uint_eq(events_of(manager) & (EDDY_HANGUP | EDDY_WRITE), EDDY_HANGUP | EDDY_WRITE);
    expect(manager, "last", -EIO);
    ck_assert_uint_eq(events_of(manager) & EDDY_HANGUP, EDDY_HANGUP);
    put(manager, "lost");
    ck_assert(eddy_os_is_pty_master(manager));
    ck_assert_int_eq(eddy_os_terminal_get(manager, &modes), 0);
    ck_assert_int_eq(eddy_os_terminal_get_size(manager, &size), 0);
    close_pair();
}
END_TEST

START_TEST(without_a_manager_the_terminal_is_hung_up) {
    struct termios modes;
    eddy_terminal_size size;
    uint64_t device;
    char name[64];
    open_pair();
    put(manager, "lost");
    close_end(&manager);
    expect(terminal, "", 0);
    ck_assert_int_eq((int)eddy_os_write(terminal, "x", 1), -EIO);
    ck_assert_uint_eq(events_of(terminal), EDDY_READ | EDDY_WRITE | EDDY_HANGUP | EDDY_ERROR);
    ck_assert_int_eq(eddy_os_terminal_get(terminal, &modes), -EIO);
    ck_assert_int_eq(eddy_os_terminal_get_size(terminal, &size), -EIO);
    ck_assert_int_eq(eddy_os_terminal_device(terminal, &device), -EIO);
    ck_assert_int_eq(eddy_os_terminal_name(terminal, name, sizeof name), -EIO);
    close_pair();
}
END_TEST

/* Full, and not writable, until something is read. */
START_TEST(a_terminal_has_room_for_so_much) {
    static char bytes[4096];
    ssize_t size, count = 0, taken = 0;
    open_pair();
    while ((size = eddy_os_write(terminal, bytes, sizeof bytes)) > 0) count += size;
    ck_assert_int_eq((int)size, -EAGAIN);
    unsigned rounds = 0;
    while (taken < count) {
        size = eddy_os_read(manager, bytes, sizeof bytes);
        ck_assert(size > 0 || size == -EAGAIN);
        if (size > 0) taken += size;
        eddy_os_back_off(&rounds);
    }
    ck_assert_int_eq((int)eddy_os_read(manager, bytes, 1), -EAGAIN);
    ck_assert_uint_eq(events_of(terminal), EDDY_WRITE);
    close_pair();
}
END_TEST

START_TEST(both_ends_are_the_same_terminal) {
    eddy_terminal_size size = {.columns = 80, .rows = 25, .width = 1, .height = 2}, now;
    char names[2][64];
    uint64_t devices[2];
    struct termios modes, other;
    open_pair();
    ck_assert_int_eq(eddy_os_terminal_get_size(manager, &now), 0);
    ck_assert_uint_eq(now.columns + now.rows + now.width + now.height, 0);
    for (int i = 0; i < 2; i++) {
        int fd = i == 0 ? manager : terminal;
        size.columns++;
        ck_assert_int_eq(eddy_os_terminal_set_size(fd, &size), 0);
        ck_assert_int_eq(eddy_os_terminal_get_size(i == 0 ? terminal : manager, &now), 0);
        ck_assert_int_eq(memcmp(&now, &size, sizeof now), 0);
        ck_assert_int_eq(eddy_os_terminal_device(fd, &devices[i]), 0);
        ck_assert_int_eq(eddy_os_terminal_name(fd, names[i], sizeof names[i]), 0);
        ck_assert_int_eq(eddy_os_terminal_name(fd, names[i], 4), -ERANGE);
        ck_assert_int_eq(eddy_os_terminal_name(fd, names[i], sizeof names[i]), 0);
    }
    ck_assert(devices[0] == devices[1]);
    ck_assert_str_eq(names[0], names[1]);
    ck_assert_int_eq(strncmp(names[0], "/dev/", 5), 0);
    ck_assert(eddy_os_terminal_is_manager(manager) && !eddy_os_terminal_is_manager(terminal));
    ck_assert_int_eq(eddy_os_terminal_get(manager, &modes), 0);
    modes.c_lflag ^= ECHO;
    ck_assert_int_eq(eddy_os_terminal_set(manager, &modes), 0);
    ck_assert_int_eq(eddy_os_terminal_get(terminal, &other), 0);
    ck_assert_uint_eq(modes.c_lflag, other.c_lflag);
    close_pair();
}
END_TEST

START_TEST(what_is_no_terminal_says_so) {
    int ends[2];
    struct termios modes;
    uint64_t device;
    open_pair();
    ck_assert_int_eq(eddy_os_pipe(ends), 0);
    ck_assert_int_eq(eddy_os_terminal_get(ends[0], &modes), -ENOTTY);
    ck_assert_int_eq(eddy_os_terminal_device(ends[0], &device), -ENOTTY);
    ck_assert_int_eq(eddy_os_terminal_get(900, &modes), -EBADF);
    ck_assert_int_eq(eddy_os_terminal_keep(900), -EBADF);
    ck_assert(!eddy_os_is_pty_master(ends[0]) && !eddy_os_terminal_is_manager(ends[0]));
    for (int i = 0; i < 2; i++) eddy_os_close(ends[i]);
    close_pair();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("kernel_terminal");
    ck_add(suite, "terminal", bytes_pass_in_both_directions,
           without_a_terminal_the_manager_gives_what_was_written_and_then_eio,
           without_a_manager_the_terminal_is_hung_up, a_terminal_has_room_for_so_much,
           both_ends_are_the_same_terminal, what_is_no_terminal_says_so);
    return suite;
}
