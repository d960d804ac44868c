/* survey.h: reads a directory and looks at each entry.
 *
 * Known are then the files and directories beneath the root that names or symbolic links lead to. A
 * link is followed as a request for it would follow it, so that one which leads out of the root, or
 * nowhere, stays unknown and tells nothing about what lies there; so do FIFOs, devices and sockets,
 * and what has vanished meanwhile. Names that the policy hides are not added at all.
 * Threading: the loop's. */
#ifndef EDDY_CMD_SERVE_SURVEY_H
#define EDDY_CMD_SERVE_SURVEY_H

#include "entries.h"
#include "exchange.h"

struct survey;

/* `err` is 0, or why the directory could not be read or looked through. Not called for an exchange
 * of which nobody waits any more. The survey may be freed in it. */
typedef void survey_fn(struct exchange *exchange, int err);

/* Reads the open directory exchange->opened.fd into `entries`. NULL: no memory. */
struct survey *survey_open(struct exchange *exchange, struct entries *entries, survey_fn *done);

/* Launches the first request. Errors, after which `done` does not run: as eddy_file_scan. */
int survey_begin(struct survey *survey);

/* Once nothing of the exchange's is in flight. */
void survey_free(struct survey *survey);

#endif
