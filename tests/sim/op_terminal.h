/* op_terminal.h: pairs of terminals: op_terminal.c has them and their modes, op_resize.c their
 * sizes.
 */
#ifndef EDDY_TESTS_SIM_OP_TERMINAL_H
#define EDDY_TESTS_SIM_OP_TERMINAL_H

#include "operations.h"

#include <string.h>
#include <termios.h>

struct pair {
    int manager, terminal, duplicate; /* -1: closed; the last one is of the terminal */
    struct termios original, now;
    eddy_terminal_mode mode; /* EDDY_TERMINAL_ORIGINAL: nothing is remembered */
    unsigned options;
    int number; /* by which the mode was last set; -1: that is another terminal's by now */
    eddy_terminal_size size;
    bool has_control;
};

static inline bool is_hung_up(const struct pair *pair) {
    return pair->manager < 0;
}

static inline bool is_same_size(const eddy_terminal_size *one, const eddy_terminal_size *other) {
    return memcmp(one, other, sizeof *one) == 0;
}

int pair_end(const struct pair *pair); /* one that is open, at random; -1: none is */

/* --- op_resize.c --- */

void size_set(struct pair *pair);
void size_is(struct pair *pair, const eddy_terminal_size *size); /* a call has set it */
void op_resize(struct desk *desk, struct pair *pair);            /* one operation */
void resizes_lose(const struct pair *pair, int fd);              /* before it is closed */
void op_resize_fork(void);

#endif
