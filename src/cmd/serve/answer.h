/* answer.h: the answer to a request: each of these ends it. Threading: the loop's. */
#ifndef EDDY_CMD_SERVE_ANSWER_H
#define EDDY_CMD_SERVE_ANSWER_H

#include "exchange.h"

/* The fields that every answer has, whatever else it has. */
void answer_add_fields(const struct context *context, eddy_http_request *request, int status);

/* A page that tells the status: the policy's or the built-in one. */
void answer_status(const struct context *context, eddy_http_request *request, int status);
/* To an OPTIONS request, where scripts of all sites may ask. `context` is a struct context. */
void answer_preflight(eddy_http_request *request, void *context);
/* The status that says why a file could not be opened or read, and its page. */
int answer_status_of(int error);
void answer_error(struct exchange *exchange, int error);
void answer_redirect(struct exchange *exchange); /* to the same directory with its slash */
/* exchange->opened.fd and exchange->opened.stat are those of a regular file. */
void answer_file(struct exchange *exchange);
/* Begins a page whose text follows in pieces. False: nobody waits for it
 * any more, and the request is ended. */
bool answer_begin_page(struct exchange *exchange);

/* Counts a file request or job as under way: `err` is what the call that makes it returned. If that
 * says that it could not be made, answers with the status for this, and is false. */
bool answer_launched(struct exchange *exchange, int err);

#endif
