/* known_files.h: paths that led to a regular file a moment ago. Such a one is opened at once; any
 * other is looked at first, since to open a FIFO lets its writer go on (EDDY_FILES_ONLY), which
 * takes three system calls. A file that is asked for again and again so costs them once a second,
 * and a FIFO that took its place within that time is opened once.
 * Invariant: a place that was used holds the path noted there last. Threading: the loop's. */
#ifndef EDDY_CMD_SERVE_KNOWN_FILES_H
#define EDDY_CMD_SERVE_KNOWN_FILES_H

#include "path_key.h"

enum { KNOWN_FILES = 256 }; /* 4 KiB a loop */

struct known_files {
    struct {
        uint64_t hash;
        int64_t until_ns;
    } places[KNOWN_FILES];
};

/* Whether the path was noted as that of a regular file, less than a second ago. */
bool known_files_have(const struct known_files *files, const struct path_key *key, int64_t now_ns);
/* What the path led to was looked at. */
void known_files_note(struct known_files *files, const struct path_key *key, bool is_regular,
                      int64_t now_ns);

#endif
