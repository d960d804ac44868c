/* pin.h: which processor a thread runs on. */
#ifndef EDDY_CMD_BENCH_PIN_H
#define EDDY_CMD_BENCH_PIN_H

/* Keeps the calling thread on the n-th, from 0 on, of the processors that it may use. Returns 0,
 * -ENODEV (it may use fewer), -ENOTSUP (the system cannot), or another negative errno. */
int bench_pin(unsigned n);

#endif
