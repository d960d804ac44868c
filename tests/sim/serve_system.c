/* serve_system.c: see serve_system.h.
 * Invariant: each block is a size and then the server's bytes; `bytes_in_use` is the sum of those
 * sizes, 0 again when a server has closed.
 * Threading: one context runs at a time. */
#include "serve_system.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "../../src/cmd/serve/system.h" /* the tests have another one */
#include "world.h"

enum {
    HEADER_BYTES = 16, /* what follows stays aligned for any type */
};

/* Ahead of the clock of the files, which so have been there for a while: their tags are not young.
 */
#define WALL_START_S INT64_C(1800000010)

static size_t bytes_in_use;

size_t serve_system_bytes(void) {
    return bytes_in_use;
}

static size_t size_of(const char *block) {
    size_t size;
    memcpy(&size, block, sizeof size);
    return size;
}

void *system_resize(void *memory, size_t bytes) {
    char *old = memory != NULL ? (char *)memory - HEADER_BYTES : NULL;
    size_t old_bytes = old != NULL ? size_of(old) : 0;
    char *block =
        eddy_os_resize(NULL, old, old != NULL ? old_bytes + HEADER_BYTES : 0, bytes + HEADER_BYTES);
    if (block == NULL) return NULL;
    memcpy(block, &bytes, sizeof bytes);
    bytes_in_use = bytes_in_use - old_bytes + bytes;
    return block + HEADER_BYTES;
}

void system_free(void *memory) {
    if (memory == NULL) return;
    char *block = (char *)memory - HEADER_BYTES;
    size_t bytes = size_of(block);
    bytes_in_use -= bytes;
    eddy_os_resize(NULL, block, bytes + HEADER_BYTES, 0);
}

void *system_take_pages(size_t bytes) {
    return system_resize(NULL, bytes);
}

void system_give_pages(void *memory, size_t bytes) {
    sim_check(memory == NULL || size_of((char *)memory - HEADER_BYTES) == bytes,
              "%zu bytes are given back of others", bytes);
    system_free(memory);
}

size_t system_page_bytes(void) {
    return 4096;
}

void system_close(int fd) {
    sim_close(fd);
}

int64_t system_time_s(void) {
    return WALL_START_S + sim_now_ns() / EDDY_NS_PER_S;
}

int64_t system_time_ns(void) {
    return WALL_START_S * EDDY_NS_PER_S + sim_now_ns();
}

/* Only stdout is used here. */
int system_open_log(const char *path, bool follows_links, bool *ends_within_a_line) {
    (void)follows_links;
    (void)path;
    *ends_within_a_line = false;
    return -ENOENT;
}

bool system_random(uint64_t *number) {
    *number = sim_random();
    return true;
}

void system_say(const char *format, ...) {
    char line[200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    sim_note("eddy: %s", line);
}
