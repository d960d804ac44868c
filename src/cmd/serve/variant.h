/* variant.h: answers a request for a file with a compressed one that lies beside it, where the
 * policy says so, the client takes it, and there is one. Threading: the loop's. */
#ifndef EDDY_CMD_SERVE_VARIANT_H
#define EDDY_CMD_SERVE_VARIANT_H

#include "exchange.h"

/* exchange->opened.fd and exchange->opened.stat are those of the regular file that was asked for.
 * Answers now, or once it is known what there is. */
void variant_answer(struct exchange *exchange);

#endif
