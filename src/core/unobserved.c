/* unobserved.c: observe.h in a library where nobody can look (profile.h). Of these only
 * eddy__observe_verify is ever called: no bit and no pointer says that somebody looks. Most
 * compilers find out by themselves, and leave out the calls. */
#include "observe.h"

void eddy__observe_call(eddy_loop *loop, unsigned what, const void *object, uintptr_t fn) {
    (void)loop, (void)what, (void)object, (void)fn;
}

void eddy__observe_return(eddy_loop *loop) {
    (void)loop;
}

void eddy__observe_phase(eddy_loop *loop, int phase) {
    (void)loop, (void)phase;
}

void eddy__observe_turn(eddy_loop *loop) {
    (void)loop;
}

void eddy__observe_wait(eddy_loop *loop, int64_t timeout_ns) {
    (void)loop, (void)timeout_ns;
}

void eddy__observe_waited(eddy_loop *loop, int count, int64_t now_ns) {
    (void)loop, (void)count, (void)now_ns;
}

void eddy__observe_timer(eddy_loop *loop, int64_t due_ns) {
    (void)loop, (void)due_ns;
}

void eddy__observe_close(eddy_loop *loop) {
    (void)loop;
}

void eddy__observe_after_fork(eddy_loop *loop) {
    (void)loop;
}

const char *eddy__observe_verify(const eddy_loop *loop) {
    return loop->observers == NULL ? NULL : "nobody can look";
}

void eddy__observe_event(eddy_loop *loop, int fd, int64_t argument) {
    (void)loop, (void)fd, (void)argument;
}

void eddy__observe_note(eddy_loop *loop, unsigned packed, const void *object, int64_t argument) {
    (void)loop, (void)packed, (void)object, (void)argument;
}

void eddy__observe_send(eddy_loop *loop, eddy_trace_kind kind, eddy_kind what, const void *object,
                        int64_t argument, unsigned thread) {
    (void)loop, (void)kind, (void)what, (void)object, (void)argument, (void)thread;
}
