/* show_way.h: the way of one request through the observed loop: what is recorded of it, with the
 * system calls and the lines of source that made them. The request is one of ours, whose answer a
 * job of the pool makes; if it is not answered soon, because the loop is blocked or held, the last
 * one that was recorded is told of. Threading: the serving thread's. */
#ifndef EDDY_CMD_SHOW_WAY_H
#define EDDY_CMD_SHOW_WAY_H

#include "show_records.h"

enum { WAY_WAITERS = 16 };

struct show_way {
    struct show_records *records;
    eddy_loop *loop;
    eddy_stream stream;
    eddy_write write;
    eddy_timer timer; /* until then there must be an answer */
    bool is_busy;
    int64_t since_ns;
    struct show_way_waiter {
        eddy_http_request *request; /* NULL: the place is free */
    } waiters[WAY_WAITERS];
};

void show_way_init(struct show_way *way, struct show_records *records, eddy_loop *loop);
/* Answers with JSON, when it is known: without records if there is no request to tell of. */
void show_way_answer(struct show_way *way, eddy_http_request *request);
/* Answers who waits, and ends; the loop hears of it. */
void show_way_stop(struct show_way *way);

#endif
