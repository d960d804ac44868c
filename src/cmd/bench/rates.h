/* rates.h: requests that come at a rate, whether the server keeps up or not: which rates, when each
 * is due, and where a server falls behind. A request's time begins when it was due, so that what
 * waits behind a slow answer is not left out. Without state. */
#ifndef EDDY_CMD_BENCH_RATES_H
#define EDDY_CMD_BENCH_RATES_H

#include "bench.h"

/* When requests come. */
enum bench_arrivals {
    BENCH_CLOSED,   /* each client sends the next one when it has an answer */
    BENCH_CONSTANT, /* at a rate, whether there are answers or not: evenly */
    BENCH_POISSON,  /* and as of many clients that know nothing of each other */
};

enum { BENCH_RATES_MAX = 24, BENCH_RATE_MAX = 10000000 };

struct bench_rates {
    enum bench_arrivals arrivals;
    bool has_arrivals; /* they were said */
    bool is_sweep;
    unsigned list[BENCH_RATES_MAX]; /* of all clients, a second; where closed: a 0 */
    size_t count;
};

/* Once all options are known: fills in what was not said, the rates by those of `usual`, or, for a
 * sweep, by what follows on its first one. False: something is wrong, which has been told. */
bool bench_rates_settle(struct bench_rates *rates, const struct bench_rates *usual);

/* "poisson 8000/s, ", or nothing where it is closed. */
const char *bench_rates_text(char *text, size_t size, enum bench_arrivals arrivals, unsigned rate);

/* From one request to the next one. */
double bench_arrivals_gap_ns(enum bench_arrivals arrivals, double rate, uint64_t *random);

/* Has the timers of this process fire when they are due, and not up to 50 us later, as Linux does
 * by itself to save energy. */
void bench_be_punctual(void);

/* Whether so many of those that were due were answered. */
bool bench_keeps_up(double answered);

/* In place of bench_tell_table: a table of rates for each subject, and where it falls behind. */
void bench_tell_sweep(FILE *out, const struct bench_result *results, size_t count);

#endif
