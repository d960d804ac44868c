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
extern const struct sim_program sim_pass;       /* pass.c */
extern const struct sim_program sim_serve;      /* serve.c */

/* Where `operations` takes its decisions from: a seed, or the bytes of a fuzzer. */
struct sim_choices {
    unsigned (*below)(void *context, unsigned limit); /* less than `limit`, which is not 0 */
    bool (*are_over)(void *context); /* the last one was taken: what is there comes to its end */
    void *context;
    uint64_t fork_at; /* after so many steps the program forks, once; 0: it does not */
};

/* The program `operations` with other choices, within a world as sim_program.run. After the end of
 * the choices `below` is still asked, and may give 0. The weather is the world's. */
void sim_operations_run(const struct sim_choices *choices);

/* Those of this build, with NULL at the end: generated from the list in meson.build. */
extern const struct sim_program *const sim_programs[];

#endif
