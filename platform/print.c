/* print.c: the last words of a program. */
#include "os.h"

#include <errno.h>
#include <unistd.h>

void eddy_os_print(const char *text, size_t size) {
    while (size > 0) {
        ssize_t count = write(STDERR_FILENO, text, size);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return;
        text += count;
        size -= (size_t)count;
    }
}
