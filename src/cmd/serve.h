/* serve.h: the command `eddy serve`. */
#ifndef EDDY_CMD_SERVE_H
#define EDDY_CMD_SERVE_H

int serve_main(int argc, char **argv);

#endif
