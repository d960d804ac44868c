/* answer.h: the answer of an exchange, head and body, into its output.
 *
 * Each of these begins an answer, and does at once what needs no waiting. When it returns, the
 * exchange has been answered (is_answering is false), or a file request or a write is under way, or
 * it has failed. Threading: the loop's. */
#ifndef EDDY_CMD_SERVE_ANSWER_H
#define EDDY_CMD_SERVE_ANSWER_H

#include "exchange.h"

/* An answer without a file: a page that tells the status. */
void answer_status(struct exchange *exchange, int status);
void answer_redirect(struct exchange *exchange); /* to the same directory with its slash */
/* The status that says why a file could not be opened or read. */
void answer_error(struct exchange *exchange, int error);
/* exchange->fd and exchange->stat are those of a regular file. */
void answer_file(struct exchange *exchange);
/* exchange->page is complete, and is HTML. */
void answer_page(struct exchange *exchange);

/* Goes on with the body when the output is empty again. */
void answer_continue(struct exchange *exchange);

/* Counts a file request as under way: `err` is what the call that makes it returned. If that says
 * that it could not be made, answers with the status for this. */
void answer_launched(struct exchange *exchange, int err);

#endif
