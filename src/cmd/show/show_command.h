/* show_command.h: `eddy show`. */
#ifndef EDDY_CMD_SHOW_COMMAND_H
#define EDDY_CMD_SHOW_COMMAND_H

/* Returns the exit status. `argv` is that of main from its third argument on. */
int show_main(int argc, char **argv);

#endif
