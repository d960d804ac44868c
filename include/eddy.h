/* eddy.h: the whole library. Each header is the reference of its module.
 *
 *   loop.h    the reactor and its turn          stream.h   bytes over sockets, pipes, terminals
 *   io.h      descriptors                       tcp.h      connecting, listening, addresses
 *   timer.h   deadlines                         local.h    the same within a machine
 *   hook.h    around the wait                   pass.h     descriptors over local sockets
 *   defer.h   calls later in the turn           reader.h   lines and lengths out of a stream
 *   wake.h    from other threads                stdio.h    standard input and output
 *   signal.h  signals                           terminal.h modes, sizes, pairs
 *   pool.h    threads for what can only block   child.h    programs that are started
 *   work.h    functions on those threads        walk.h     who keeps a loop alive
 *   queue.h   one function at a time            trace.h    what a loop did, and why
 *   file.h    file operations                   trace_writer.h  that as text, or for Perfetto
 *   label.h   names for handles                 stats.h    where a loop's time goes
 *   watchdog.h  which callback holds it up      histogram.h  how often which times were seen
 *   arena.h   a loop without a heap
 *
 * `@since` names the version that brought a name: at the head of a header for all that is in it,
 * before a declaration for that one. It is also the version of its symbol in the shared library,
 * whose soname is that of the minor version until 1.0, and of the major version from then on.
 * @since 0.1 */
#ifndef EDDY_H
#define EDDY_H

#include <eddy/arena.h>
#include <eddy/base.h>
#include <eddy/child.h>
#include <eddy/defer.h>
#include <eddy/file.h>
#include <eddy/histogram.h>
#include <eddy/hook.h>
#include <eddy/io.h>
#include <eddy/label.h>
#include <eddy/local.h>
#include <eddy/loop.h>
#include <eddy/pass.h>
#include <eddy/pool.h>
#include <eddy/queue.h>
#include <eddy/reader.h>
#include <eddy/signal.h>
#include <eddy/stats.h>
#include <eddy/stdio.h>
#include <eddy/stream.h>
#include <eddy/tcp.h>
#include <eddy/terminal.h>
#include <eddy/timer.h>
#include <eddy/trace_writer.h>
#include <eddy/wake.h>
#include <eddy/walk.h>
#include <eddy/watchdog.h>
#include <eddy/work.h>

#define EDDY_VERSION_MAJOR 0
#define EDDY_VERSION_MINOR 1
#define EDDY_VERSION_PATCH 0
#define EDDY_VERSION       "0.1.0"

/* For #if, and to compare with eddy_version_number(): 1.2.3 is 10203. */
#define EDDY_VERSION_NUMBER \
    (EDDY_VERSION_MAJOR * 10000 + EDDY_VERSION_MINOR * 100 + EDDY_VERSION_PATCH)

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that the program runs with, as EDDY_VERSION and EDDY_VERSION_NUMBER
 * are those of the headers that it was compiled with. Any thread. */
EDDY_API const char *eddy_version(void);
EDDY_API int eddy_version_number(void);

#ifdef __cplusplus
}
#endif
#endif
