/* http_types.h: a request and its answer, while there are any. See http_server.h.
 * Threading: the loop's. */
#ifndef EDDY_HTTP_HTTP_TYPES_H
#define EDDY_HTTP_HTTP_TYPES_H

#include <eddy/file.h>
#include <eddy/http.h>
#include <eddy/loop.h>

#include "http_chunk.h"
#include "http_head.h"

enum {
    HTTP_TEXT_INLINE = 512,
    HTTP_METHOD_BYTES = 32,
    HTTP_PATH_INLINE = 256,
};

enum http_body_state {
    HTTP_BODY_NONE,    /* there is none, or it is at its end */
    HTTP_BODY_UNREAD,  /* nobody has asked for it yet */
    HTTP_BODY_READ,    /* body_fn gets it */
    HTTP_BODY_PAUSED,  /* body_fn will */
    HTTP_BODY_SKIPPED, /* the request is over: what is left is thrown away */
};

enum http_memory_kind {
    HTTP_NO_MEMORY,
    HTTP_SMALL,
    HTTP_BIG,
    HTTP_ODD,    /* of just this size */
    HTTP_INLINE, /* fields_inline, which are not needed any more */
};

/* How a piece of a file goes. The first is read, as a file that cannot be read has another answer;
 * the kernel sends what is left. Where that is cut short, by the client or the file, the next few
 * bytes are read again: the read fails, or their write tells when there is room. */
enum http_way { HTTP_BY_BLOCK, HTTP_BY_KERNEL, HTTP_BY_FEW_BYTES };

/* What has gathered for the client: [sent, used) is not with the kernel yet. While a write is under
 * way, or a file is being read behind `used`, the bytes do not move. */
struct http_output {
    eddy_write write;
    struct iovec vectors[2];
    char *bytes;
    uint32_t size, used, sent;
    uint32_t answer_start; /* where this answer begins */
    uint32_t from_file;    /* so many of the last bytes can be read again */
    uint32_t writing;      /* what is before is being written */
    uint8_t kind;          /* enum http_memory_kind, of `bytes` */
    bool is_writing, writes_memory;
};

struct eddy_http_request {
    eddy_http *http;
    struct http_connection *connection;
    struct http_output output;
    eddy_file file;

    /* From here to `head` all is zero in a new request, and again in the connection's next. */
    const char *text; /* its first byte, once the head is complete */
    char *path;       /* in path_inline, or allocated */
    uint32_t path_length, path_room;
    const char *method; /* in method_bytes, or NULL: nobody has one that long */
    uint32_t query;     /* where it begins in the target, with its "?" */
    int64_t begun_ns;
    eddy_http_fn *done, *gone, *drained;
    void *done_context, *gone_context, *drained_context;

    bool has_fields;   /* the head was complete, and its values are ended */
    bool is_combined;  /* lines of one name are one */
    bool is_answering; /* a handler has been called */
    bool has_begun;    /* … and has begun to answer */
    bool has_head;     /* the head of the answer is in the output … */
    bool has_sent;     /* … and some of it is with the kernel: it cannot be taken back */
    bool is_ended;     /* the handler has done its part */
    bool is_refused;   /* by the server itself */
    bool is_told_gone;
    bool is_last;       /* the connection ends after it */
    bool is_cut;        /* without its end */
    bool names_upgrade; /* in Connection, as a handler has added an Upgrade field */
    bool has_body;      /* false: HEAD, 204, 304 */
    bool is_chunked;    /* the answer */
    bool wants_drained;
    bool is_reading; /* `file` is under way … */
    bool is_sending; /* … and uses the socket, which cannot be closed */
    bool is_waiting; /* in http->waiting */
    bool ends_chunk; /* behind the part of a file */

    int status, error;
    int refusal;        /* a status that is due, as the handler's answer cannot be; 0: none */
    int64_t length;     /* of the answer's body; -1: unknown */
    int64_t given;      /* of it, by the handler */
    int64_t body_bytes; /* of it, that went into the output or to the kernel */
    const char *memory; /* what is next of it … */
    size_t memory_left;
    char *copy; /* … which is ours to free */
    size_t copy_bytes;
    int fd; /* … or a part of a file */
    int64_t file_offset, file_left;
    uint8_t way;     /* enum http_way, of its next piece */
    uint32_t wanted; /* of it, that is being read */
    eddy_http_request *next_waiting;
    void *granted; /* a big block, which it has waited for */

    uint8_t body_state; /* enum http_body_state */
    bool is_continued;  /* a 100 has been sent, or need not be */
    bool is_chunked_body, is_body_whole;
    uint64_t body_left; /* of a body with a length */
    uint64_t body_limit, body_taken;
    eddy_http_body_fn *body_fn;
    void *body_context;
    struct http_chunk chunk;

    eddy_http_upgrade_fn *upgrade;
    void *upgrade_context;
    int64_t heartbeat_ns, event_ns; /* when the last event was sent */
    uint32_t fields_used;

    struct http_head head;
    eddy_timer heartbeat;
    eddy_defer later;
    char *fields; /* that the handler has added, as they will be sent; inline or allocated */
    uint32_t fields_size;

    /* Input: [at, used) has not been dealt with. */
    char *input, *kept; /* `kept` holds this request's head, where the input has moved on */
    uint32_t input_size, kept_size, at, used;
    char method_bytes[HTTP_METHOD_BYTES];
    char path_inline[HTTP_PATH_INLINE];
    char fields_inline[HTTP_TEXT_INLINE];
    char bytes[]; /* the first input; to the block's end */
};

#endif
