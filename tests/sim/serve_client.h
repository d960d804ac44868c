/* serve_client.h: what connects to the simulated server: well-behaved clients, whose every answer
 * must be right, and others, which must not do harm. They live outside, and do all in events. */
#ifndef EDDY_TESTS_SIM_SERVE_CLIENT_H
#define EDDY_TESTS_SIM_SERVE_CLIENT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct clients_config {
    struct sockaddr_in address;
    int64_t timeout_ns; /* the server's */
    bool is_foul;       /* calls fail: not every answer comes, but none that comes is wrong */
    bool is_crowded;    /* there may be more clients than places */
};

void clients_begin(const struct clients_config *config);

/* Another one connects, unless there are too many. */
void clients_add(void);

/* From now on connections may end for no fault of the client: the server stops. */
void clients_expect_cuts(void);

/* The server has ended, and all that it sent has arrived: nobody may still wait. */
void clients_end(void);

#endif
