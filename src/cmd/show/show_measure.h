/* show_measure.h: what `eddy bench` measures for the page: the models of a server, one after the
 * other in one run, told as it goes, and what waiting costs. Threading: the serving thread's. */
#ifndef EDDY_CMD_SHOW_MEASURE_H
#define EDDY_CMD_SHOW_MEASURE_H

#include <eddy/http.h>

#include "show_board.h"
#include "show_program.h"

enum { MEASURE_WAITERS = 16 };

struct show_measure {
    const char *self; /* the program's name, to be run again */
    struct show_board *board;
    struct show_program models;
    bool is_on;
    unsigned clients;
    void (*tell)(void *context, const char *type, const char *data, size_t size);
    void *context;
    struct show_program costs;
    char *costs_text; /* once measured */
    struct show_waiter {
        struct show_measure *measure;
        eddy_http_request *request; /* NULL: the place is free */
    } waiters[MEASURE_WAITERS];
};

/* `tell` gets the events of models. */
void show_measure_init(struct show_measure *measure, eddy_loop *loop, const char *self,
                       struct show_board *board,
                       void (*tell)(void *context, const char *type, const char *data, size_t size),
                       void *context);
/* Errors: as show_program_start. */
int show_measure_models(struct show_measure *measure, bool on, unsigned clients);
/* Answers, now or when it is known. */
void show_measure_costs(struct show_measure *measure, eddy_http_request *request);
/* Ends what is under way; the loop hears of it. */
void show_measure_stop(struct show_measure *measure);
void show_measure_end(struct show_measure *measure);

#endif
