/* bench_command.h: the command `eddy bench`. */
#ifndef EDDY_CMD_BENCH_COMMAND_H
#define EDDY_CMD_BENCH_COMMAND_H

int bench_main(int argc, char **argv); /* the exit status */

#endif
