/* show_answers.h: what the observed server answers: a small text, a large one, one that a job
 * makes, and a body that it reads to its end. Threading: the observed thread's. */
#ifndef EDDY_CMD_SHOW_ANSWERS_H
#define EDDY_CMD_SHOW_ANSWERS_H

#include <eddy/http.h>

enum { ANSWERS_LARGE_BYTES = 4 << 20 };

/* `large` has so many bytes and must stay. Errors: -ENOMEM. */
int show_answers_handle(eddy_http *http, char *large);

#endif
