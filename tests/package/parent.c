/* parent.c: a program of another project. Where the library is a part of it, it is not to offer
 * that one's names to others, and says itself what EDDY_API is. */
#ifdef PARENT_HAS_EDDY
#define EDDY_API __attribute__((visibility("hidden")))
#endif
#include <eddy.h>

#include <string.h>

static void on_end(eddy_timer *timer) {
    eddy_timer_stop(timer);
}

int main(void) {
    eddy_loop *loop;
    eddy_timer timer;
    if (eddy_version_number() != EDDY_VERSION_NUMBER || strcmp(eddy_version(), EDDY_VERSION) != 0)
        return 1;
    if (eddy_loop_open(&loop, NULL) < 0) return 1;
    eddy_timer_init(&timer, loop);
    if (eddy_timer_start(&timer, on_end, EDDY_NS_PER_MS, 0) < 0) return 1;
    if (eddy_loop_run(loop, EDDY_RUN_DEFAULT) != 0) return 1;
    return eddy_loop_close(loop) == 0 ? 0 : 1;
}
