/* assert.c: where a broken promise ends the program. */
#include "assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void eddy__assert_failed(const char *condition, const char *file, int line) {
    fprintf(stderr, "eddy: %s:%d: this must hold: %s\n", file, line, condition);
    abort();
}
