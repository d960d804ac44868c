/* file_handler.h: answers requests with the files below the context's root.
 * Threading: the loop's. */
#ifndef EDDY_CMD_SERVE_FILE_HANDLER_H
#define EDDY_CMD_SERVE_FILE_HANDLER_H

#include <eddy/http.h>

/* `context` is a struct context. */
void file_handler(eddy_http_request *request, void *context);

#endif
