/* load_clients.h: between the process that is measured (load.c) and those of its clients
 * (load_clients.c, load_rate.c, load_fan.c): what the one asks of the others, the memory that they
 * share, and what the clients have in common. */
#ifndef EDDY_CMD_BENCH_LOAD_CLIENTS_H
#define EDDY_CMD_BENCH_LOAD_CLIENTS_H

#include "rates.h"

#include <stdatomic.h>

enum { LOAD_CROWDS_MAX = 4 };

/* Over the socket pair. Each is answered with 0 or a negative errno. */
struct load_order {
    enum { LOAD_CONNECT, LOAD_ECHO, LOAD_VISIT, LOAD_RATE, LOAD_FAN_IN, LOAD_FAN_OUT } what;
    unsigned port;
    unsigned count; /* of this process: connections, or how many of them are active */
    unsigned bytes; /* of a message */
    unsigned slow;  /* LOAD_FAN_OUT: how many of them read little */
    bool is_first;  /* of the processes that have a share */
    enum bench_arrivals arrivals;
    double rate; /* of this process */
};

struct load_shared {
    _Atomic(int64_t) from_ns, to_ns; /* what counts */
    struct {
        eddy_histogram latency;
        int64_t due; /* requests at a rate, in that time */
    } crowds[LOAD_CROWDS_MAX];
};

struct load_client {
    eddy_io io;
    int fd;
    unsigned received; /* bytes of the message under way */
    int64_t since_ns;  /* of that message */
    struct load_client *next;
};

/* This process. */
struct load_crowd {
    eddy_loop *loop;
    struct load_client *clients;
    unsigned count, index, port;
    char *message;
    unsigned bytes; /* of it */
    struct load_shared *shared;
    struct bench_sample *sample;
};
extern struct load_crowd load_crowd;

/* Serves the orders that come over `control`. Does not return. */
_Noreturn void load_run_clients(struct load_shared *shared, unsigned index,
                                struct bench_sample *sample, int control);

/* Records how long something took that began at `since_ns`, if what happens at `time_ns` counts. */
void load_keep(int64_t time_ns, int64_t since_ns, int64_t now_ns);
bool load_counts(int64_t time_ns);
int load_make_message(unsigned bytes);
int load_watch(struct load_client *client, eddy_io_fn *fn);
/* Sends the message; ends the process if the server is over. */
void load_send(struct load_client *client);
/* Reads what is there of a message; whether it is complete, and the next one may come. */
bool load_receive(struct load_client *client);

int load_begin_rate(const struct load_order *order);
/* What was due and has no answer counts with the time that it has waited so far. */
void load_end_rate(void);

int load_begin_fan_in(const struct load_order *order);
int load_begin_fan_out(const struct load_order *order);

#endif
