/* serve_command.h: the command `eddy serve`. */
#ifndef EDDY_CMD_SERVE_SERVE_COMMAND_H
#define EDDY_CMD_SERVE_SERVE_COMMAND_H

int serve_main(int argc, char **argv);

#endif
