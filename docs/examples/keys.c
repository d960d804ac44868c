/* keys.c: says which keys are pressed, as they are, and how large the window is. In raw input no
 * key ends or stops a program by itself: here q ends it, and Ctrl-Z stops it, as every program is
 * expected to. However it ends or stops, the terminal is restored.
 *
 * An arrow key is an escape and two more bytes. Whether an escape was a key of its own only time
 * tells: if nothing follows for 50 ms, it was.
 *
 *     example_keys        in a terminal */
#include <eddy.h>

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ESCAPE = 27, CTRL_Z = 26, DELETE = 127 };

struct keys {
    eddy_io input;
    eddy_timer escape; /* runs while the bytes may be the beginning of a sequence */
    eddy_resize resize;
    char bytes[16];
    size_t count;
};

static const struct sequence {
    const char *bytes, *name;
} sequences[] = {
    {"\x1b[A", "up"},       {"\x1b[B", "down"},       {"\x1b[C", "right"},   {"\x1b[D", "left"},
    {"\x1bOA", "up"},       {"\x1bOB", "down"},       {"\x1bOC", "right"},   {"\x1bOD", "left"},
    {"\x1b[H", "home"},     {"\x1b[F", "end"},        {"\x1b[2~", "insert"}, {"\x1b[3~", "delete"},
    {"\x1b[5~", "page up"}, {"\x1b[6~", "page down"},
};
enum { SEQUENCES = sizeof sequences / sizeof sequences[0] };

static int fail(const char *what, int err) {
    char text[128];
    fprintf(stderr, "keys: %s: %s\n", what, eddy_strerror(err, text, sizeof text));
    return 1;
}

/* Nothing is active then, and the loop ends. */
static void keys_end(struct keys *it) {
    eddy_io_stop(&it->input);
    eddy_timer_stop(&it->escape);
    eddy_resize_stop(&it->resize);
}

/* The sequence that the bytes are, or NULL; `*is_begun` if they are the beginning of one. */
static const struct sequence *find_sequence(const char *bytes, size_t count, bool *is_begun) {
    *is_begun = false;
    for (size_t i = 0; i < SEQUENCES; i++) {
        size_t length = strlen(sequences[i].bytes);
        if (length <= count && memcmp(sequences[i].bytes, bytes, length) == 0) return &sequences[i];
        if (length > count && memcmp(sequences[i].bytes, bytes, count) == 0) *is_begun = true;
    }
    return NULL;
}

static void take(struct keys *it, size_t count) {
    it->count -= count;
    memmove(it->bytes, it->bytes + count, it->count);
}

static void say_byte(unsigned char byte) {
    if (byte == ESCAPE)
        printf("key: escape\n");
    else if (byte == '\r')
        printf("key: enter\n");
    else if (byte == '\t')
        printf("key: tab\n");
    else if (byte == DELETE)
        printf("key: backspace\n");
    else if (byte < ' ')
        printf("key: ctrl-%c\n", tolower(byte + '@'));
    else if (byte < DELETE)
        printf("key: %c\n", byte);
    else
        printf("key: byte 0x%02x\n", byte); /* of a letter in UTF-8 */
}

/* What the bytes begin with; false if that takes more bytes. */
static bool say_key(struct keys *it, bool is_late) {
    bool is_begun;
    const struct sequence *sequence = find_sequence(it->bytes, it->count, &is_begun);
    if (sequence != NULL) {
        printf("key: %s\n", sequence->name);
        take(it, strlen(sequence->bytes));
        return true;
    }
    if (is_begun && !is_late) return false;
    unsigned char byte = (unsigned char)it->bytes[0];
    take(it, 1);
    say_byte(byte);
    if (byte == CTRL_Z) raise(SIGTSTP); /* back to the shell, and here again with fg */
    if (byte == 'q') keys_end(it);
    return true;
}

static void on_late(eddy_timer *timer);

static void say_keys(struct keys *it, bool is_late) {
    while (it->count > 0 && eddy_is_active(&it->input.handle)) {
        if (say_key(it, is_late)) continue;
        if (eddy_timer_start(&it->escape, on_late, 50 * EDDY_NS_PER_MS, 0) == 0) break;
        is_late = true; /* no memory for a timer: then at once */
    }
    fflush(stdout);
}

static void on_late(eddy_timer *timer) {
    say_keys(eddy_container_of(timer, struct keys, escape), true);
}

/* A descriptor that is shared with the shell is left blocking: a read that is announced does not
 * wait. */
static void on_input(eddy_io *io, unsigned events) {
    struct keys *it = eddy_container_of(io, struct keys, input);
    (void)events;
    ssize_t size = read(STDIN_FILENO, it->bytes + it->count, sizeof it->bytes - it->count);
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (size <= 0) {
        keys_end(it); /* hung up */
        return;
    }
    it->count += (size_t)size;
    eddy_timer_stop(&it->escape);
    say_keys(it, false);
}

static void say_size(const eddy_terminal_size *size) {
    printf("window: %u x %u\n", size->columns, size->rows);
    fflush(stdout);
}

static void on_resize(eddy_resize *resize, const eddy_terminal_size *size) {
    (void)resize;
    say_size(size);
}

static int keys_start(struct keys *it, eddy_loop *loop) {
    eddy_terminal_size size;
    it->count = 0;
    eddy_io_init(&it->input, loop);
    eddy_timer_init(&it->escape, loop);
    eddy_resize_init(&it->resize, loop);
    int err = eddy_terminal_set_mode(STDIN_FILENO, EDDY_TERMINAL_RAW_INPUT, EDDY_RESTORE_ALWAYS);
    if (err == 0) err = eddy_resize_start(&it->resize, on_resize, STDIN_FILENO);
    if (err == 0) err = eddy_terminal_get_size(STDIN_FILENO, &size);
    if (err == 0) err = eddy_io_start(&it->input, on_input, STDIN_FILENO, EDDY_READ);
    if (err < 0) {
        keys_end(it);
        return err;
    }
    printf("press keys; q ends\n");
    say_size(&size);
    return 0;
}

int main(int argc, char **argv) {
    eddy_loop *loop;
    struct keys keys;
    (void)argv;
    if (argc != 1) {
        fprintf(stderr, "usage: keys\n");
        return 2;
    }
    int err = eddy_loop_open(&loop, NULL);
    if (err < 0) return fail("cannot open a loop", err);
    err = keys_start(&keys, loop);
    if (err == 0) err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    int closed = eddy_loop_close(loop);
    int restored = eddy_terminal_restore(STDIN_FILENO);
    if (err == 0) err = closed;
    if (err == 0 && restored != -EIO) err = restored; /* it may have been hung up */
    return err < 0 ? fail("the terminal", err) : 0;
}
