/* interest.h: what a simulated backend has registered. backend.c keeps it and waits; watch.c looks
 * whether it is what the loop wants.
 *
 * Two backends are made of it. "sim" knows descriptions, as epoll does: a registration lives as
 * long as its description, also when its number has been closed or has become another's.
 * "sim-split" knows numbers, as poll does, tells READ and WRITE apart, as kqueue does, and changes
 * nothing before the next wait. */
#ifndef EDDY_TESTS_SIM_INTEREST_H
#define EDDY_TESTS_SIM_INTEREST_H

#include "world.h"

enum {
    INTEREST_BOTH = EDDY_READ | EDDY_WRITE,
    SET_NUMBERS = 1024,
    SET_REMOVED = 8, /* that stale records are made of */
};

struct sim_interest {
    eddy_token token;
    struct sim_description *description; /* of "sim" */
    uint64_t serial;                     /* of the description when it was last looked at */
    uint64_t order;                      /* of registration */
    uint64_t changes[2];                 /* told; READ's and WRITE's */
    uint64_t told;                       /* the last wait that told of it */
    uint64_t passed_over[2];             /* the first wait that had no room; READ's and WRITE's */
    int fd;
    int lost;        /* an error to be told with the next wait */
    unsigned events; /* asked */
    unsigned again;  /* edges to tell even if nothing has changed */
    unsigned held;   /* waits in a row that have hidden it */
    bool is_silent;  /* its one-shot is disarmed, or its loss was told */
    bool is_leaked;  /* its number is closed, or another's: out of reach */
    bool is_changed; /* the next wait has a modify to make */
};

struct sim_set {
    struct sim_set *next;
    struct sim_interest *interests;
    struct sim_candidate *candidates; /* room for two each */
    unsigned count, capacity;
    int places[SET_NUMBERS];     /* by number: 1 + the index of the interest in reach */
    bool forgotten[SET_NUMBERS]; /* the registration went with its description */
    eddy_token removed[SET_REMOVED];
    unsigned removed_count;
    uint64_t order, waits;
    bool is_split;
    bool is_inherited; /* the parent has it as well: not to be touched by a child */
};

struct sim_backend_state {
    struct sim_set *set; /* NULL: open failed */
    int fd;              /* "sim" has one, like epoll */
    struct sim_watch *watch;
};

/* --- watch.c --- */

/* Around each wait. `passed`: the wait took all the time it was given. */
void sim_watch_before(struct sim_watch *watch, const struct sim_set *set);
void sim_watch_after(struct sim_watch *watch, const struct eddy_record *records, int count,
                     bool passed);
void sim_watch_close(struct sim_watch *watch);

#endif
