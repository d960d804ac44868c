/* show_visitors.h: who has the page open: an event stream each. A visitor that does not read costs
 * its place and what the server holds of its answer: what is told meanwhile is dropped, and in the
 * end it is closed. Threading: the serving thread's. */
#ifndef EDDY_CMD_SHOW_VISITORS_H
#define EDDY_CMD_SHOW_VISITORS_H

#include <eddy.h>
#include <eddy/http.h>

enum {
    VISITORS_MAX = 100,
    BATCHES = 128,
    BATCH_BYTES = 7 * 1024,
};

struct show_batch {
    unsigned records, bytes;
    char text[BATCH_BYTES];
};

struct show_visitor {
    struct show_visitors *visitors;
    eddy_http_request *request; /* NULL: the place is free */
    uint64_t batch;             /* the next one that it is to get */
    uint64_t lost;              /* records, and not told yet */
    int64_t refused_since_ns;   /* 0: it has taken the last event */
};

struct show_visitors {
    struct show_visitor all[VISITORS_MAX];
    unsigned count;
    bool has_emptied; /* the last one has gone since somebody has asked */
    uint64_t dropped; /* events */
    uint64_t next;    /* number of the next batch; the last BATCHES of them are there */
    struct show_batch *batches;
};

/* Errors: -ENOMEM. */
int show_visitors_init(struct show_visitors *visitors);
/* When the server has stopped. */
void show_visitors_end(struct show_visitors *visitors);

/* Makes the request an event stream, or answers with a 503. The first event is `hello`. */
void show_visitors_add(struct show_visitors *visitors, eddy_http_request *request,
                       const char *hello, size_t size);

/* An event for everybody, of up to 8 KiB. */
void show_visitors_tell(struct show_visitors *visitors, const char *type, const char *data,
                        size_t size);

/* The place for a further batch of records, and its end; then it is sent. */
struct show_batch *show_visitors_batch(struct show_visitors *visitors);
void show_visitors_send_batch(struct show_visitors *visitors);
/* Records that nobody gets. */
void show_visitors_lose(struct show_visitors *visitors, uint64_t records);

/* Ends all streams. */
void show_visitors_close(struct show_visitors *visitors);

#endif
