/* op_terminal.c: terminals whose modes are changed and restored, by the library and by others,
 * while ends of them are closed. A mode is made of the original and of nothing else; after a
 * restore, and while the process is stopped, the modes are the original's; no descriptor is kept
 * after it. Bytes go through the terminals of op_stream.c.
 *
 * EDDY_RESTORE_AT_EXIT is not asked for: the process, which has many worlds, would be asked in the
 * first one only, and a seed that is replayed would be another run. */
#include "op_terminal.h"

#include <signal.h>

enum { PAIRS = 2, NAME_BYTES = 32 };

static struct {
    struct pair pairs[PAIRS];
    bool lost_one; /* a terminal is gone that was not restored */
} table;

/* --- What must hold --- */

static bool is_there(const struct pair *pair) {
    return pair->manager >= 0 || pair->terminal >= 0 || pair->duplicate >= 0;
}

static bool is_remembered(const struct pair *pair) {
    return is_there(pair) && pair->mode != EDDY_TERMINAL_ORIGINAL;
}

static bool is_same(const struct termios *one, const struct termios *other) {
    return memcmp(one, other, sizeof *one) == 0;
}

int pair_end(const struct pair *pair) {
    const int ends[] = {pair->manager, pair->terminal, pair->duplicate};
    unsigned first = pick(3);
    for (unsigned i = 0; i < 3; i++)
        if (ends[(first + i) % 3] >= 0) return ends[(first + i) % 3];
    return -1;
}

static struct termios modes_of(const struct pair *pair) {
    struct termios modes;
    sim_terminal_modes(pair_end(pair), &modes);
    return modes;
}

static void look(void) {
    for (unsigned i = 0; i < PAIRS; i++) {
        const struct pair *pair = &table.pairs[i];
        if (!is_there(pair)) continue;
        struct termios modes = modes_of(pair);
        sim_check(is_hung_up(pair) || is_same(&modes, &pair->now), "a terminal's modes are others");
    }
}

/* As terminal.h says it. */
static struct termios with_mode(const struct termios *from, eddy_terminal_mode mode) {
    struct termios modes = *from;
    if (mode == EDDY_TERMINAL_ORIGINAL) return modes;
    modes.c_lflag &= ~(tcflag_t)(ECHO | ICANON);
    modes.c_cc[VMIN] = 1;
    modes.c_cc[VTIME] = 0;
    if (mode == EDDY_TERMINAL_CBREAK) return modes;
    modes.c_iflag &= ~(tcflag_t)(ICRNL | IXON);
    modes.c_lflag &= ~(tcflag_t)(ISIG | IEXTEN);
    if (mode == EDDY_TERMINAL_RAW) modes.c_oflag &= ~(tcflag_t)OPOST;
    if (mode == EDDY_TERMINAL_RAW_INPUT) modes.c_oflag |= OPOST | ONLCR;
    return modes;
}

static void forget(struct pair *pair) {
    pair->mode = EDDY_TERMINAL_ORIGINAL;
    pair->options = 0;
    pair->number = -1;
}

/* A call has failed half-way, which only the weather may be the reason of: all is put back. */
static void begin_anew(void) {
    sim_faults_off();
    (void)eddy_terminal_restore_all();
    (void)eddy_terminal_restore(-1); /* frees what was restored */
    sim_faults_on();
    table.lost_one = false;
    for (unsigned i = 0; i < PAIRS; i++) {
        struct pair *pair = &table.pairs[i];
        forget(pair);
        if (is_there(pair)) pair->now = modes_of(pair);
    }
}

/* --- Modes --- */

static int by_manager(struct pair *pair, eddy_terminal_mode mode, unsigned options) {
    int err = eddy_terminal_set_mode(pair->manager, mode, options);
    if (options != 0) {
        sim_check(err == -EINVAL, "a manager's options give %d", err);
        return err;
    }
    if (err == 0) pair->now = with_mode(&pair->now, mode);
    return err;
}

static int by_terminal(struct pair *pair, int fd, eddy_terminal_mode mode, unsigned options) {
    struct termios before = pair->now;
    int err = eddy_terminal_set_mode(fd, mode, options);
    if (is_hung_up(pair)) sim_check(err < 0, "the mode of what is hung up is set");
    if (err < 0) return err;
    if (!is_remembered(pair)) pair->original = before;
    for (unsigned i = 0; i < PAIRS; i++)
        if (table.pairs[i].number == fd) table.pairs[i].number = -1;
    pair->number = fd;
    pair->mode = mode;
    pair->options |= options;
    pair->now = with_mode(&pair->original, mode);
    return 0;
}

/* After an error all is as it was, also in foul weather. */
static void set_mode(struct pair *pair) {
    eddy_terminal_mode mode = EDDY_TERMINAL_CBREAK + pick(3);
    unsigned options = pick(4) * EDDY_RESTORE_ON_SIGNALS;
    int fd = pair_end(pair);
    int err = fd == pair->manager ? by_manager(pair, mode, options)
                                  : by_terminal(pair, fd, mode, options);
    bool is_refused = err == -EINVAL && fd == pair->manager && options != 0;
    sim_check(err == 0 || is_refused || op_is_weather(err) || (err == -EIO && is_hung_up(pair)),
              "eddy_terminal_set_mode gives %d", err);
}

static void is_put_back(struct pair *pair) {
    if (is_remembered(pair)) pair->now = pair->original;
    forget(pair);
}

/* What is hung up is found by its number, or not at all; what is closed too. */
static void restore(struct pair *pair, int fd, bool is_closed) {
    bool is_exact = ledger_is_fair() || pick(2) == 0;
    bool is_found = (!is_closed && !(is_hung_up(pair) && fd != pair->manager)) ||
                    (pair->number == fd && is_remembered(pair));
    if (is_exact) sim_faults_off();
    int err = pick(2) == 0 ? eddy_terminal_set_mode(fd, EDDY_TERMINAL_ORIGINAL, 0)
                           : eddy_terminal_restore(fd);
    if (is_exact) sim_faults_on();
    if (!is_exact) {
        begin_anew();
        return;
    }
    sim_check(err == 0 || (err == -EIO && is_hung_up(pair)), "eddy_terminal_restore gives %d", err);
    if (is_found) is_put_back(pair);
}

static void restore_all(void) {
    bool hung_up = table.lost_one;
    for (unsigned i = 0; i < PAIRS; i++)
        hung_up = hung_up || (is_remembered(&table.pairs[i]) && is_hung_up(&table.pairs[i]));
    int err = eddy_terminal_restore_all();
    if (!ledger_is_fair()) {
        begin_anew();
        return;
    }
    sim_check(err == (hung_up ? -EIO : 0), "eddy_terminal_restore_all gives %d", err);
    table.lost_one = false;
    for (unsigned i = 0; i < PAIRS; i++) is_put_back(&table.pairs[i]);
}

/* Another process changes it; the library knows nothing of that, and what it remembers stays. */
static void change(struct pair *pair) {
    pair->now.c_lflag ^= ECHOE;
    if (pick(2) == 0) pair->now.c_oflag ^= ONLCR;
    sim_terminal_change(pair_end(pair), &pair->now);
}

/* --- Stopping --- */

/* Who has the terminal meanwhile may leave it otherwise than it was. */
static void on_stop(void *context) {
    unsigned *stops = context;
    ++*stops;
    for (unsigned i = 0; i < PAIRS; i++) {
        struct pair *pair = &table.pairs[i];
        if (!is_remembered(pair) || is_hung_up(pair)) continue;
        if (!(pair->options & EDDY_RESTORE_ON_STOP)) continue;
        pair->now = pair->original;
        if (pick(2) == 0) change(pair);
        pair->original = pair->now;
    }
    look();
}

static void stop(void) {
    unsigned stops = 0, options = 0;
    for (unsigned i = 0; i < PAIRS; i++)
        if (is_remembered(&table.pairs[i])) options |= table.pairs[i].options;
    if (!(options & EDDY_RESTORE_ON_STOP)) return; /* nobody would handle it */
    sim_faults_off();
    sim_on_stop(on_stop, &stops);
    sim_raise(SIGTSTP);
    (void)eddy_is_terminal(-1); /* the handler runs in a call */
    sim_on_stop(NULL, NULL);
    sim_faults_on();
    sim_check(stops == 1, "a SIGTSTP has stopped the process %u times", stops);
    for (unsigned i = 0; i < PAIRS; i++) {
        struct pair *pair = &table.pairs[i];
        if (is_remembered(pair) && (pair->options & EDDY_RESTORE_ON_STOP))
            pair->now = with_mode(&pair->original, pair->mode);
    }
}

static void imitate(struct pair *to, struct pair *from) {
    if (!is_there(to) || !is_there(from) || is_hung_up(to) || is_hung_up(from)) return;
    int target = pair_end(to), origin = pair_end(from);
    int err = eddy_terminal_imitate(target, origin);
    sim_check(err == 0 || op_is_weather(err), "eddy_terminal_imitate gives %d", err);
    if (err == 0) to->now = is_remembered(from) ? from->original : from->now;
    if (err == 0) size_is(to, &from->size);
    if (err < 0) begin_anew();
}

/* --- Coming and going --- */

static void pair_open(struct pair *pair) {
    eddy_terminal_size size = {.columns = pick(3)}, now = {0};
    eddy_terminal_mode mode = pick(4);
    char names[2][NAME_BYTES];
    int manager, terminal, err = eddy_terminal_pair(&manager, &terminal, &size, mode);
    sim_check(err == 0 || op_is_weather(err), "eddy_terminal_pair gives %d", err);
    if (err < 0) return;
    *pair = (struct pair){manager, terminal, -1, .size = size, .number = -1};
    pair->now = modes_of(pair);
    struct termios modes = with_mode(&pair->now, mode);
    sim_check(is_same(&modes, &pair->now), "a pair has another mode");
    sim_faults_off();
    for (int i = 0; i < 2; i++)
        sim_check(eddy_terminal_name(i == 0 ? manager : terminal, names[i], NAME_BYTES) == 0 &&
                      eddy_is_terminal(i == 0 ? manager : terminal),
                  "an end of a pair is no terminal");
    sim_check(strcmp(names[0], names[1]) == 0, "the ends of a pair are of two");
    sim_check(eddy_terminal_get_size(terminal, &now) == 0 && is_same_size(&now, &size),
              "a pair has another size");
    sim_faults_on();
    if (pick(2) > 0) return;
    for (unsigned i = 0; i < PAIRS; i++) table.pairs[i].has_control = false;
    pair->has_control = true;
    sim_terminal_control(manager);
}

/* Its end comes as soon as nobody has the terminal open, the library included. */
static void look_at_end(const struct pair *pair) {
    char byte;
    if (pair->manager < 0 || pair->terminal >= 0 || pair->duplicate >= 0) return;
    ssize_t size = sim_read(pair->manager, &byte, 1);
    sim_check(size == (is_remembered(pair) ? -EAGAIN : -EIO), "a manager reads %zd", size);
}

static void end_close(struct pair *pair, int *end) {
    int fd = *end;
    if (fd < 0) return;
    resizes_lose(pair, fd);
    bool was_remembered = is_remembered(pair);
    sim_close(fd);
    *end = -1;
    if (end == &pair->manager) pair->has_control = false;
    if (is_there(pair)) {
        if (end == &pair->terminal && pick(2) == 0) restore(pair, fd, true);
    } else if (was_remembered) {
        table.lost_one = true;
    }
    look_at_end(pair);
}

static void end_some(struct pair *pair) {
    int *const ends[] = {&pair->manager, &pair->terminal, &pair->duplicate};
    end_close(pair, ends[pick(3)]);
}

static void duplicate(struct pair *pair) {
    if (pair->duplicate < 0 && pair->terminal >= 0) pair->duplicate = sim_duplicate(pair->terminal);
}

void op_terminal(struct desk *desk) {
    struct pair *pair = &table.pairs[pick(PAIRS)];
    unsigned what = pick(16);
    if (!is_there(pair)) {
        pair_open(pair);
        return;
    }
    if (what == 0)
        end_some(pair);
    else if (what == 1)
        duplicate(pair);
    else if (what == 2)
        change(pair);
    else if (what == 3)
        restore_all();
    else if (what == 4)
        stop();
    else if (what == 5)
        imitate(pair, &table.pairs[pick(PAIRS)]);
    else if (what < 8)
        restore(pair, pair_end(pair), false);
    else if (what < 10)
        size_set(pair);
    else if (what < 12)
        op_resize(desk, pair);
    else
        set_mode(pair);
    look();
}

/* --- Forks, the beginning and the end --- */

/* A forked child has no part in what its parent remembers. */
void op_terminal_fork(void) {
    int err = eddy_terminal_restore(-1);
    sim_check(err == 0, "eddy_terminal_restore of nothing gives %d", err);
    for (unsigned i = 0; i < PAIRS; i++) {
        forget(&table.pairs[i]);
        look_at_end(&table.pairs[i]);
    }
    table.lost_one = false;
    look();
    op_resize_fork();
}

/* The library finds itself in the state that it has in every later world of this process. */
void op_terminals_begin(void) {
    memset(&table, 0, sizeof table);
    for (unsigned i = 0; i < PAIRS; i++)
        table.pairs[i].manager = table.pairs[i].terminal = table.pairs[i].duplicate = -1;
    sim_faults_off();
    (void)eddy_terminal_restore(-1);
    sim_faults_on();
}

void op_terminals_end(void) {
    if (pick(2) == 0) restore_all();
    look();
    for (unsigned i = 0; i < PAIRS; i++) {
        end_close(&table.pairs[i], &table.pairs[i].duplicate);
        end_close(&table.pairs[i], &table.pairs[i].terminal);
        end_close(&table.pairs[i], &table.pairs[i].manager);
    }
    begin_anew();
}
