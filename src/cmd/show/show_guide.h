/* show_guide.h: the guide's pages, from a directory. Threading: the serving thread's. */
#ifndef EDDY_CMD_SHOW_GUIDE_H
#define EDDY_CMD_SHOW_GUIDE_H

#include <eddy/http.h>

struct show_guide {
    eddy_loop *loop;
    int directory; /* -1: there is none */
};

/* Errors: as open(2). */
int show_guide_open(struct show_guide *guide, eddy_loop *loop, const char *directory);
void show_guide_close(struct show_guide *guide);
/* Handles what is below "/guide/"; the guide is the context. */
void show_guide_answer(eddy_http_request *request, void *context);

#endif
