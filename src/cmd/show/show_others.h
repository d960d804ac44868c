/* show_others.h: the clients of the scenes: silent ones, one that reads slowly, one that sends
 * without end, and some that come when there are no descriptors. Threading: the load's thread. */
#ifndef EDDY_CMD_SHOW_OTHERS_H
#define EDDY_CMD_SHOW_OTHERS_H

#include <eddy.h>
#include <sys/resource.h>

#include "show_board.h"

enum { OTHERS_IDLE_MAX = 5000, OTHERS_SHED = 24 };

struct show_other {
    struct show_others *others;
    eddy_stream stream;
    bool is_open; /* until its close callback */
    bool is_shed;
};

struct show_others {
    eddy_loop *loop;
    struct show_board *board;
    const struct sockaddr *address;
    socklen_t address_length;
    eddy_timer idle_timer; /* opens them little by little */
    struct show_other *idle;
    unsigned idle_wanted, idle_opened, idle_closing;
    struct show_other slow, flood;
    eddy_timer slow_timer;
    eddy_write slow_write, flood_write;
    bool has_told_flood;
    struct show_other shed[OTHERS_SHED];
    eddy_timer shed_timer;
    bool is_short;       /* of descriptors */
    struct rlimit limit; /* as it was */
};

void show_others_init(struct show_others *others, eddy_loop *loop, struct show_board *board,
                      const struct sockaddr *address, socklen_t length);
/* `scene` is SHOW_IDLE_CLIENTS or one behind it; `count` that of the silent ones. Errors: -ENOMEM,
 * -EAGAIN (those of before are still closing), of sockets. */
int show_others_set(struct show_others *others, enum show_scene scene, bool on, unsigned count);
/* All off; the loop runs until nothing is left, and then comes show_others_end. */
void show_others_stop(struct show_others *others);
void show_others_end(struct show_others *others);

#endif
