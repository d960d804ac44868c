/* file_handler.h: answers requests with the files below the context's root.
 * Threading: the loop's. */
#ifndef EDDY_CMD_SERVE_FILE_HANDLER_H
#define EDDY_CMD_SERVE_FILE_HANDLER_H

#include <eddy/http.h>

/* `context` is a struct context. */
void file_handler(eddy_http_request *request, void *context);

/* The file that a request is answered with could not be read. True: as it may have become shorter
 * since it was looked at, that is done again, once. */
bool file_handler_again(eddy_http_request *request);

#endif
