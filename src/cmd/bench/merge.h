/* merge.h: `eddy bench merge`. */
#ifndef EDDY_CMD_BENCH_MERGE_H
#define EDDY_CMD_BENCH_MERGE_H

/* Returns the exit status. */
int bench_merge_main(int argc, char **argv);

#endif
