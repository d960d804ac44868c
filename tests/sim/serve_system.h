/* serve_system.h: what src/cmd/serve/system.h is in the simulation: memory that is counted and can
 * fail, the simulation's descriptors, and a wall clock that goes with the simulated one. */
#ifndef EDDY_TESTS_SIM_SERVE_SYSTEM_H
#define EDDY_TESTS_SIM_SERVE_SYSTEM_H

#include <stddef.h>

/* What the server holds now. */
size_t serve_system_bytes(void);

#endif
