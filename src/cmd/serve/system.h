/* system.h: what the server asks of the system beside the library. A link seam, as platform/os.h is
 * the library's: tests link other implementations of it. Any thread. */
#ifndef EDDY_CMD_SERVE_SYSTEM_H
#define EDDY_CMD_SERVE_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As realloc and free. */
void *system_resize(void *memory, size_t bytes);
void system_free(void *memory);

/* Memory that the system has back as soon as it is given back, whatever else is in use: for what is
 * large and short-lived. Only what is written to takes memory. NULL: there is none. */
void *system_take_pages(size_t bytes);
void system_give_pages(void *memory, size_t bytes); /* as many as were taken; NULL: none */
size_t system_page_bytes(void);

/* Closes a descriptor that the library has handed out. */
void system_close(int fd);

/* The wall clock, since 1970. */
int64_t system_time_s(void);
int64_t system_time_ns(void);

/* A number that nobody can guess. False: the system has none to give. Waits for nothing, but for
 * the kernel's first ones while the machine starts. */
bool system_random(uint64_t *number);

/* Opens a file to append to, and makes it (0644) if it is not there; may wait for a disk. Tells
 * whether it is a regular file that ends within a line, as far as it may be read. Returns a
 * descriptor, or -errno: -ENXIO is a pipe without a reader, -ELOOP a link that is not followed. */
int system_open_log(const char *path, bool follows_links, bool *ends_within_a_line);

/* A line on stderr, after the program's name. Nothing, if a reader of stderr has stalled: what is
 * said holds up no loop. */
void system_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
