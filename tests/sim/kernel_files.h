/* kernel_files.h: files in the simulation, and in life. What includes this is built twice: with the
 * system of tests/sim, and with the one of platform/ in a directory of its own. What it expects
 * must hold in both. */
#ifndef EDDY_TESTS_SIM_KERNEL_FILES_H
#define EDDY_TESTS_SIM_KERNEL_FILES_H

#include "suite.h"

#include "../../platform/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef SIMULATED
#include "world.h"

static inline void begin(void) {
    sim_begin(1, &sim_calm);
    sim_self()->is_worker = true;
}

static inline void end(void) {
    sim_end();
}

static inline void make_link(const char *path, const char *target) {
    sim_put_link(path, target);
}
#else
static char directory[] = "eddy-files-XXXXXX"; /* where the test was started */

static inline void begin(void) {
    umask(022);
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chdir(directory), 0);
}

static inline void remove_all(const char *path) {
    char buffer[4096];
    struct eddy_os_entry entry;
    int fd = eddy_os_file_open(EDDY_CWD, path, O_RDONLY | O_DIRECTORY, 0, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(chdir(path), 0);
    ssize_t size = eddy_os_file_scan(fd, buffer, sizeof buffer);
    for (ssize_t at = 0; at < size; at += entry.bytes) {
        memcpy(&entry, buffer + at, sizeof entry);
        const char *name = buffer + at + offsetof(struct eddy_os_entry, name);
        if (entry.kind == EDDY_ENTRY_DIRECTORY)
            remove_all(name);
        else
            unlink(name);
    }
    eddy_os_close(fd);
    ck_assert_int_eq(chdir(".."), 0);
    ck_assert_int_eq(rmdir(path), 0);
}

static inline void end(void) {
    ck_assert_int_eq(chdir(".."), 0);
    remove_all(directory);
    memcpy(strrchr(directory, '-') + 1, "XXXXXX", 7);
}

static inline void make_link(const char *path, const char *target) {
    ck_assert_int_eq(symlink(target, path), 0);
}
#endif

#endif
