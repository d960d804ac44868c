/* cplusplus_side.cpp: the public headers as a C++ program uses them. */
#include "sizes.h"

extern const size_t cplusplus_sizes[SIZES_COUNT] = {SIZES};

namespace {

struct client {
    eddy_timer timer;
    eddy_wake wake;
    int calls;
};

void on_timer(eddy_timer *timer) {
    client *it = eddy_container_of(timer, client, timer);
    it->calls++;
    eddy_wake_send(&it->wake);
}

void on_wake(eddy_wake *wake) {
    eddy_container_of(wake, client, wake)->calls++;
    eddy_wake_stop(wake);
}

} // namespace

int cplusplus_run(void) {
    eddy_loop *loop;
    client it = client();
    if (eddy_loop_open(&loop, NULL) != 0) return -1;
    eddy_timer_init(&it.timer, loop);
    eddy_wake_init(&it.wake, loop);
    if (eddy_wake_start(&it.wake, on_wake) != 0) return -2;
    if (eddy_timer_start(&it.timer, on_timer, EDDY_NS_PER_MS, 0) != 0) return -3;
    if (eddy_loop_run(loop, EDDY_RUN_DEFAULT) != 0) return -4;
    return eddy_loop_close(loop) == 0 ? it.calls : -5;
}
