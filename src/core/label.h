/* label.h: the labels of a loop, as a part of it. */
#ifndef EDDY_CORE_LABEL_H
#define EDDY_CORE_LABEL_H

#include <eddy/label.h>

#include "part.h"

struct label_part {
    struct part part;
    eddy_label **buckets; /* `count` of them, a power of two: chains, what was set last first */
    size_t count;
    size_t labels;     /* in all chains */
    eddy_label *first; /* the only bucket, until there is memory for more */
};

/* Calls `fn` for each label that is set, of two on one address for the one that is told last. */
void eddy__label_each(eddy_loop *loop,
                      void (*fn)(void *context, const void *what, const char *text), void *context);

#endif
