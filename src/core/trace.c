/* trace.c: the names of kinds. Without state. */
#include <eddy/trace.h>

const char *eddy_trace_kind_name(eddy_trace_kind kind) {
    static const char *const names[EDDY_TRACE_KINDS] = {
        "turn",   "phase",       "wait",       "waited", "event", "stale",  "call",
        "return", "add",         "modify",     "remove", "read",  "write",  "accept",
        "queue",  "timer-start", "timer-stop", "defer",  "close", "post",   "wake",
        "signal", "wakeup",      "submit",     "begin",  "done",  "cancel", "mark",
    };
    return (unsigned)kind < EDDY_TRACE_KINDS ? names[kind] : "unknown";
}
