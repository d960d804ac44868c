/* file_handler.h: answers requests with the files below the context's root.
 * Threading: the loop's. */
#ifndef EDDY_CMD_SERVE_FILE_HANDLER_H
#define EDDY_CMD_SERVE_FILE_HANDLER_H

#include "exchange.h"

/* Answers the request in exchange->request, which is complete. */
void file_handler_begin(struct exchange *exchange);

#endif
