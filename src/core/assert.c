/* assert.c: where a broken promise ends the program. Any thread, and signal handlers: so no stdio,
 * no memory and no lock. */
#include "assert.h"

#include "../../platform/os.h"

#include <stdlib.h>
#include <string.h>

enum { ASSERT_LINE_BYTES = 512, ASSERT_DIGITS = 10 };

struct assert_line {
    char text[ASSERT_LINE_BYTES];
    size_t length;
};

/* What does not fit is cut off; the end of the line always fits. */
static void assert_add(struct assert_line *line, const char *text) {
    size_t length = strlen(text), room = sizeof line->text - 1 - line->length;
    if (length > room) length = room;
    memcpy(line->text + line->length, text, length);
    line->length += length;
}

static void assert_add_number(struct assert_line *line, int number) {
    char digits[ASSERT_DIGITS + 1], *at = digits + ASSERT_DIGITS;
    *at = '\0';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0 && at > digits);
    assert_add(line, at);
}

static void assert_print(const char *condition, const char *file, int number) {
    struct assert_line line = {.length = 0};
    assert_add(&line, "eddy: ");
    assert_add(&line, file);
    assert_add(&line, ":");
    assert_add_number(&line, number);
    assert_add(&line, ": this must hold: ");
    assert_add(&line, condition);
    line.text[line.length++] = '\n';
    eddy_os_print(line.text, line.length);
}

_Noreturn void eddy__assert_failed(const char *condition, const char *file, int line) {
    if (IS_LINKED(eddy__assert_tell)) eddy__assert_tell(condition, file, line);
    assert_print(condition, file, line);
    abort();
}

_Noreturn RARE void eddy__assert_failed_unnamed(void) {
    if (IS_LINKED(eddy__assert_tell)) eddy__assert_tell("", "", 0);
    abort();
}
