/* main.c: placeholder until the command line is there. */
#include "programs.h"
int main(void) {
    for (uint64_t seed = 1; seed <= 100; seed++)
        for (const struct sim_program *const *at = sim_programs; *at != NULL; at++) {
            sim_begin(seed, NULL);
            (*at)->run(2000);
            sim_end();
        }
    return 0;
}
