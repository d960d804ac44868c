/* reader.h: a stream, read by requests: so many bytes, or up to a delimiter. For who writes a
 * protocol of lines or of lengths. Loop thread only.
 *
 * A reader has its stream inside it, to be attached or connected, written and asked as any other
 * (`&reader->stream`); reading and closing are the reader's. It collects in a buffer of yours,
 * whose size is the longest line or frame; one of several saves system calls, as a read takes what
 * there is room for. One request at a time: when its callback has been called
 * the next may be made, in the callback or later. Without a request nothing is read: what the
 * other side sends waits in the kernel, and then with the sender.
 *
 * What came beyond a request stays in the buffer, for the next one. No callback runs inside a call:
 * a request that the buffer can answer is answered in phase 7. Requests made in a callback are
 * answered in a row, without a turn or a call inside a call for each, up to the stream's share of a
 * turn (`stream_bytes_per_turn`).
 *
 * End it with eddy_reader_close, or eddy_reader_stop before eddy_stream_close. Streams of records
 * (local.h) have no readers. How to use it: docs/07-streams.md.
 * @since 0.1 */
#ifndef EDDY_READER_H
#define EDDY_READER_H

#include <eddy/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eddy_reader eddy_reader;

/* `status` 0: the `size` bytes at `data` are what was asked for, and taken out of the buffer. They
 * may be changed, and stay there until the next request, or, if that is made in the callback, until
 * the callback returns.
 * Negative: `data` and `size` are what there is of it. It stays in the buffer: another request goes
 * on with it. -EPIPE: the other side has ended; with a size of 0 it did so between two requests.
 * -EMSGSIZE: the buffer is full, without a delimiter. -ETIMEDOUT: the deadline. Others: as
 * eddy_read_fn and eddy_stream_read_into. */
typedef void eddy_reader_fn(eddy_reader *reader, int status, void *data, size_t size);

/* All fields are private, but for `stream`. */
struct eddy_reader {
    eddy_stream stream;
    eddy_defer later; /* phase 7 looks whether the buffer has it already */
    char *buffer;
    size_t size;        /* of the buffer */
    size_t start, end;  /* of what is in it */
    eddy_reader_fn *fn; /* of the request; NULL: there is none */
    union {
        const char *delimiter;
        char *target; /* of eddy_reader_exactly_into */
    };
    size_t wanted;  /* bytes, or the delimiter's */
    size_t done;    /* bytes that are searched, or in the target */
    int64_t due_ns; /* the deadline */
    bool *is_over;  /* while callbacks run in a row: set by eddy_reader_stop */
    unsigned kind;
};

/* Makes `reader` one of `loop`, with an unconnected stream, that collects in the `size` bytes at
 * `buffer`, which stay yours and must be there until it is closed or stopped. Cannot fail. */
EDDY_API void eddy_reader_init(eddy_reader *reader, eddy_loop *loop, void *buffer, size_t size);

/* Asks for `count` bytes; 0 is answered at once (in phase 7). Errors of all requests, after which
 * `fn` never runs: -EALREADY (there is a request, or somebody else reads the stream), -EMSGSIZE
 * (more than the buffer holds), -ENOTSUP (records), or as eddy_stream_read_into. */
EDDY_API int eddy_reader_exactly(eddy_reader *reader, size_t count, eddy_reader_fn *fn);

/* Asks for `count` bytes, any number, at `data`, which stays yours but must be there until `fn` is
 * called, with `data` and `count`. What the buffer does not have goes there without being copied.
 * After an error the bytes that have come are at `data`, and no longer the reader's. */
EDDY_API int eddy_reader_exactly_into(eddy_reader *reader, void *data, size_t count,
                                      eddy_reader_fn *fn);

/* Asks for all up to the first delimiter, and with it: "\r\n", say. The `size` bytes at
 * `delimiter` must be there until `fn` is called. However small the pieces are, each byte is
 * searched once. Errors also: -EINVAL (an empty delimiter). After -EMSGSIZE the line may be skipped
 * by eddy_reader_some, which then leaves what may be the beginning of the delimiter, and the same
 * request again. */
EDDY_API int eddy_reader_until(eddy_reader *reader, const void *delimiter, size_t size,
                               eddy_reader_fn *fn);

/* Asks for what there is: all that is in the buffer, or the next that comes. What it takes another
 * request does not find: after -ETIMEDOUT of an eddy_reader_until, say, half a delimiter. */
EDDY_API int eddy_reader_some(eddy_reader *reader, eddy_reader_fn *fn);

/* If the request is not answered `delay_ns` from now it gets -ETIMEDOUT; -1: no deadline. It goes
 * with its request; bytes that arrive do not push it away, and those that came in time count. Not
 * to be mixed with eddy_stream_set_read_deadline, which is used for it. Errors: -EINVAL (there is
 * no request; other negative delays), -ENOMEM. */
EDDY_API int eddy_reader_set_deadline(eddy_reader *reader, int64_t delay_ns);

/* Takes the request back: its callback never comes, and nothing is read. What has come stays in the
 * buffer, but for what is in the memory of an eddy_reader_exactly_into. The reader is yours again,
 * also in its callback; its stream is as any other. Idempotent. */
EDDY_API void eddy_reader_stop(eddy_reader *reader);

/* Takes out what is in the buffer and was not told yet: `*data`, in the buffer until the next
 * request. Returns how many bytes. For a protocol that gives the connection to another one. Where
 * that one encrypts (STARTTLS) there must be none: what came before the handshake is anybody's, and
 * must not count as encrypted. While there is a request: 0. */
EDDY_API size_t eddy_reader_rest(eddy_reader *reader, void **data);

/* eddy_reader_stop and eddy_stream_close: `fn` (may be NULL) gets `&reader->stream`. */
EDDY_API int eddy_reader_close(eddy_reader *reader, eddy_stream_fn *fn);

#ifdef __cplusplus
}
#endif
#endif
