/* programs.h: what runs in the simulation. Each is written once, checks itself as it goes with
 * sim_check(), and stands for a use of the library; the world around it checks the rest. */
#ifndef EDDY_TESTS_SIM_PROGRAMS_H
#define EDDY_TESTS_SIM_PROGRAMS_H

#include "sim.h"

struct sim_program {
    const char *name;
    const char *what; /* a line for the list of programs */
    /* Runs between sim_begin() and sim_end(), and gives back all that it took. It winds down once
     * sim_steps() has reached `steps`; how long that takes is up to what is under way. */
    void (*run)(uint64_t steps);
};

extern const struct sim_program sim_mesh;       /* mesh.c */
extern const struct sim_program sim_timers;     /* timers.c */
extern const struct sim_program sim_operations; /* operations.c */
extern const struct sim_program sim_serve;      /* serve.c */

/* Those of this build, with NULL at the end: generated from the list in meson.build. */
extern const struct sim_program *const sim_programs[];

#endif
