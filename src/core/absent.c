/* absent.c: stands in for parts that have not landed yet. */
#include "loop.h"

void eddy__work_open(eddy_loop *loop) {
    (void)loop;
}
void eddy__work_flush(eddy_loop *loop) {
    (void)loop;
}
int eddy__work_close(eddy_loop *loop) {
    (void)loop;
    return 0;
}
