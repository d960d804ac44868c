/* answer.h: the answer to a request: each of these ends it. Threading: the loop's. */
#ifndef EDDY_CMD_SERVE_ANSWER_H
#define EDDY_CMD_SERVE_ANSWER_H

#include "exchange.h"

/* A page that tells the status. */
void answer_status(eddy_http_request *request, int status);
/* The same, for what the HTTP server refuses by itself. */
void answer_refusal(eddy_http_request *request, int status, void *context);
/* The status that says why a file could not be opened or read. */
void answer_error(struct exchange *exchange, int error);
void answer_redirect(struct exchange *exchange); /* to the same directory with its slash */
/* exchange->fd and exchange->stat are those of a regular file. */
void answer_file(struct exchange *exchange);
/* Begins a page whose text follows in pieces. False: nobody waits for it
 * any more, and the request is ended. */
bool answer_begin_page(struct exchange *exchange);

/* Counts a file request or job as under way: `err` is what the call that makes it returned. If that
 * says that it could not be made, answers with the status for this, and is false. */
bool answer_launched(struct exchange *exchange, int err);

#endif
