/* backends.h: the command `eddy backends`. */
#ifndef EDDY_CMD_BACKENDS_H
#define EDDY_CMD_BACKENDS_H

int backends_main(int argc, char **argv);

#endif
