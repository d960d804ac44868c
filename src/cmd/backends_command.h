/* backends_command.h: the command `eddy backends`. */
#ifndef EDDY_CMD_BACKENDS_COMMAND_H
#define EDDY_CMD_BACKENDS_COMMAND_H

int backends_main(int argc, char **argv);

/* Why a loop on a backend that was named cannot be opened, in words; NULL: `error` is of something
 * else than the backend. */
const char *backends_refusal(int error);

#endif
