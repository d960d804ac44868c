/* rates.c: see rates.h. */
#include "rates.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of those that are due. Less is no chance: a server that keeps up owes what is under way. */
static const double keeps_up_min = 0.95;

bool bench_keeps_up(double answered) {
    return answered < 0 || answered >= keeps_up_min;
}

/* --- The command line --- */

static int ascending(const void *a, const void *b) {
    unsigned first = *(const unsigned *)a, second = *(const unsigned *)b;
    return (first > second) - (first < second);
}

static void add_rate(struct bench_rates *rates, unsigned rate) {
    if (rates->count < BENCH_RATES_MAX && rate <= BENCH_RATE_MAX)
        rates->list[rates->count++] = rate;
}

/* From the first one on, two to an octave, and round: 1000, 1500, 2000, 3000, 4000 … */
static void make_sweep(struct bench_rates *rates) {
    rates->count = 0;
    for (unsigned rate = rates->list[0]; rate <= BENCH_RATE_MAX; rate *= 2) {
        add_rate(rates, rate);
        if (rate > 1) add_rate(rates, rate + rate / 2);
    }
}

bool bench_rates_settle(struct bench_rates *rates, const struct bench_rates *usual) {
    bool is_open = rates->count > 0 || rates->is_sweep;
    if (!rates->has_arrivals) rates->arrivals = is_open ? BENCH_POISSON : BENCH_CLOSED;
    if (rates->arrivals == BENCH_CLOSED) {
        if (is_open)
            fprintf(stderr, "eddy: --%s is for --arrivals constant or poisson, not closed\n",
                    rates->count > 0 ? "rate" : "sweep");
        rates->list[0] = 0;
        rates->count = 1;
        return !is_open;
    }
    if (rates->is_sweep && rates->count > 1) {
        fputs("eddy: --sweep takes one --rate, to begin with, and finds the others\n", stderr);
        return false;
    }
    if (rates->count == 0) {
        memcpy(rates->list, usual->list, sizeof rates->list);
        rates->count = usual->count;
    }
    if (rates->is_sweep) make_sweep(rates);
    qsort(rates->list, rates->count, sizeof *rates->list, ascending);
    return true;
}

const char *bench_rates_text(char *text, size_t size, enum bench_arrivals arrivals, unsigned rate) {
    text[0] = '\0';
    if (arrivals != BENCH_CLOSED)
        snprintf(text, size, "%s %u/s, ", arrivals == BENCH_CONSTANT ? "constant" : "poisson",
                 rate);
    return text;
}

/* --- Clients --- */

double bench_arrivals_gap_ns(enum bench_arrivals arrivals, double rate, uint64_t *random) {
    double mean_ns = 1e9 / rate;
    return arrivals == BENCH_POISSON ? mean_ns * bench_random_exponential(random) : mean_ns;
}

/* Where there is no such file, timers are as punctual as they are. */
void bench_be_punctual(void) {
    int fd = open("/proc/self/timerslack_ns", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    (void)!write(fd, "1", 1);
    close(fd);
}
