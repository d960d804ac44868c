/* backends_command.h: the command `eddy backends`. */
#ifndef EDDY_CMD_BACKENDS_COMMAND_H
#define EDDY_CMD_BACKENDS_COMMAND_H

int backends_main(int argc, char **argv);

#endif
