/* eddy.h: the whole library. Each header is the reference of its module.
 *
 *   loop.h    the reactor and its turn          work.h    functions on those threads
 *   io.h      descriptors                       queue.h   one function at a time
 *   timer.h   deadlines                         file.h    file operations
 *   hook.h    around the wait                   stream.h  bytes over sockets
 *   defer.h   calls later in the turn           tcp.h     connecting, listening, addresses
 *   wake.h    from other threads                local.h   the same within a machine
 *   signal.h  signals                           pass.h    descriptors over local sockets
 *   pool.h    threads for what can only block   walk.h    who keeps a loop alive
 *                                               label.h   names for them */
#ifndef EDDY_H
#define EDDY_H

#include <eddy/base.h>
#include <eddy/defer.h>
#include <eddy/file.h>
#include <eddy/hook.h>
#include <eddy/io.h>
#include <eddy/label.h>
#include <eddy/local.h>
#include <eddy/loop.h>
#include <eddy/pass.h>
#include <eddy/pool.h>
#include <eddy/queue.h>
#include <eddy/signal.h>
#include <eddy/stream.h>
#include <eddy/tcp.h>
#include <eddy/timer.h>
#include <eddy/wake.h>
#include <eddy/walk.h>
#include <eddy/work.h>

#define EDDY_VERSION_MAJOR 0
#define EDDY_VERSION_MINOR 1
#define EDDY_VERSION_PATCH 0
#define EDDY_VERSION       "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that the program runs with. */
EDDY_API const char *eddy_version(void);

#ifdef __cplusplus
}
#endif
#endif
