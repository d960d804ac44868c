/* parts.h: a file in several ranges, each with a head of its own. Threading: the loop's. */
#ifndef EDDY_CMD_SERVE_PARTS_H
#define EDDY_CMD_SERVE_PARTS_H

#include "exchange.h"

/* Answers 206 with the ranges of exchange->opened.fd, whose type is `type`. `boundary` is a number
 * that nobody can guess: who could might have a file hold it. Errors, after which it has not been
 * answered: -ENOMEM. */
int parts_answer(struct exchange *exchange, const char *type, const struct ranges *ranges,
                 uint64_t boundary);

#endif
