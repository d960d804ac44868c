/* serve_path.h: a target's path, decoded apart from the server, to be compared with what it makes
 * of it: slow, short, and in another order: first all bytes, then all segments. */
#ifndef EDDY_TESTS_SIM_SERVE_PATH_H
#define EDDY_TESTS_SIM_SERVE_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* Writes what stands behind the slash: "a/b" for "/a/../%61/b". False: it is refused, or too long.
 */
bool serve_path(char *path, size_t path_bytes, const char *target, size_t length);

#endif
