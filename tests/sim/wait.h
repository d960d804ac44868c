/* wait.h: the wait of the simulated backends. */
#ifndef EDDY_TESTS_SIM_WAIT_H
#define EDDY_TESTS_SIM_WAIT_H

#include "interest.h"

/* Something that a wait may tell. */
struct sim_candidate {
    unsigned place;  /* of the interest */
    unsigned filter; /* READ, WRITE or both: what it tells of */
    unsigned events;
};

void sim_waits_begin(void);
int sim_backend_wait(void *state, struct eddy_record *records, int capacity, int64_t timeout_ns);

#endif
