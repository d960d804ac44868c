/* trace_writer.c: what the two forms of a written trace have in common: the buffer before the sink,
 * names and arguments as words. Without stdio, so that it may be linked where there is none.
 * Threading: whoever has the writer. */
#include "trace_writer.h"

#include "trace_objects.h"

#include <errno.h>
#include <string.h>

#include <eddy/io.h>

enum { TRACE_CALLS = 16 };

_Static_assert(TRACE_CALLS == sizeof((eddy_trace_source){0}.call_numbers) / sizeof(uint32_t),
               "as in the header");

/* --- The buffer --- */

void eddy_trace_writer_init(eddy_trace_writer *writer, const char *process,
                            eddy_trace_sink_fn *sink, void *context) {
    writer->sink = sink;
    writer->context = context;
    writer->process = process;
    writer->error = 0;
    writer->has_begun = false;
    writer->sources = 0;
    writer->tracks = 0;
    writer->start_ns = 0;
    writer->last_ns = 0;
    writer->used = 0;
    eddy__trace_objects_init(writer);
}

void eddy_trace_source_init(eddy_trace_source *source, eddy_trace_writer *writer,
                            const char *name) {
    size_t length = strnlen(name, sizeof source->name - 1);
    *source = (eddy_trace_source){.writer = writer, .index = writer->sources++};
    memcpy(source->name, name, length);
}

int eddy__trace_flush(eddy_trace_writer *writer) {
    if (writer->error == 0 && writer->used > 0)
        writer->error = writer->sink(writer->context, writer->buffer, writer->used);
    if (writer->error > 0)
        writer->error = -EINVAL; /* a count, as write(2) has it: not what is asked */
    writer->used = 0;
    return writer->error;
}

int eddy__trace_reserve(eddy_trace_writer *writer) {
    if (sizeof writer->buffer - writer->used < TRACE_ITEM_MAX) return eddy__trace_flush(writer);
    return writer->error;
}

/* --- Texts and numbers --- */

void eddy__trace_put(eddy_trace_writer *writer, const char *text) {
    for (; *text != '\0'; text++) trace_put_char(writer, *text);
}

void eddy__trace_put_number(eddy_trace_writer *writer, uint64_t number) {
    char digits[20];
    int count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0) trace_put_char(writer, digits[--count]);
}

static uint64_t trace_magnitude(int64_t number) {
    return number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
}

static void trace_put_signed(eddy_trace_writer *writer, int64_t number) {
    if (number < 0) trace_put_char(writer, '-');
    eddy__trace_put_number(writer, trace_magnitude(number));
}

void eddy__trace_put_us(eddy_trace_writer *writer, int64_t ns) {
    uint64_t magnitude = trace_magnitude(ns);
    if (ns < 0) trace_put_char(writer, '-');
    eddy__trace_put_number(writer, magnitude / 1000);
    trace_put_char(writer, '.');
    for (unsigned unit = 100; unit > 0; unit /= 10)
        trace_put_char(writer, (char)('0' + magnitude / unit % 10));
}

/* How long the character of UTF-8 is that begins there, or 0: none does, or it does not show. */
static size_t trace_character(const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    size_t length = at[0] < 0x80 ? 1 : at[0] < 0xC2 ? 0 : at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : 4;
    if (length == 0 || at[0] > 0xF4 || at[0] < 0x20 || at[0] == 0x7F) return 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xC0) != 0x80) return 0;
    if (at[0] == 0xC2 && at[1] < 0xA0) return 0; /* terminals take some of these for commands */
    if (at[0] == 0xE0 && at[1] < 0xA0) return 0; /* longer than need be */
    if (at[0] == 0xF0 && at[1] < 0x90) return 0;
    if (at[0] == 0xED && at[1] > 0x9F) return 0; /* halves of a pair of UTF-16 */
    if (at[0] == 0xF4 && at[1] > 0x8F) return 0;
    return length;
}

/* What was cut may end within a character, and holds whatever the program has put there. */
void eddy__trace_put_cut(eddy_trace_writer *writer, const char *text, size_t max) {
    size_t most = writer->used + max;
    while (*text != '\0' && writer->used < most) {
        size_t length = trace_character(text);
        if (length == 0) trace_put_char(writer, '?');
        for (size_t i = 0; i < length; i++) trace_put_char(writer, text[i]);
        text += length > 0 ? length : 1;
    }
}

/* --- Names of numbers --- */

const char *eddy__trace_phase_name(unsigned phase) {
    static const char *const names[] = {"outside", "flush",       "wait",     "clock",  "timers",
                                        "ready",   "completions", "deferred", "closing"};
    return names[phase < sizeof names / sizeof names[0] ? phase : 0];
}

/* The names that programs have for them; what is not here is told by its number. */
static const char *trace_error_name(int64_t error) {
#define NAME(error) \
    { error, #error }
    static const struct {
        int error;
        const char *name;
    } names[] = {
        NAME(EACCES),       NAME(EADDRINUSE), NAME(EADDRNOTAVAIL), NAME(EAFNOSUPPORT),
        NAME(EAGAIN),       NAME(EALREADY),   NAME(EBADF),         NAME(EBUSY),
        NAME(ECANCELED),    NAME(ECHILD),     NAME(ECONNABORTED),  NAME(ECONNREFUSED),
        NAME(ECONNRESET),   NAME(EDEADLK),    NAME(EDESTADDRREQ),  NAME(EEXIST),
        NAME(EFAULT),       NAME(EFBIG),      NAME(EHOSTUNREACH),  NAME(EINPROGRESS),
        NAME(EINTR),        NAME(EINVAL),     NAME(EIO),           NAME(EISCONN),
        NAME(EISDIR),       NAME(ELOOP),      NAME(EMFILE),        NAME(EMSGSIZE),
        NAME(ENAMETOOLONG), NAME(ENETDOWN),   NAME(ENETUNREACH),   NAME(ENFILE),
        NAME(ENOBUFS),      NAME(ENODEV),     NAME(ENOENT),        NAME(ENOMEM),
        NAME(ENOPROTOOPT),  NAME(ENOSPC),     NAME(ENOSYS),        NAME(ENOTCONN),
        NAME(ENOTDIR),      NAME(ENOTEMPTY),  NAME(ENOTSOCK),      NAME(ENOTSUP),
        NAME(ENXIO),        NAME(EOVERFLOW),  NAME(EPERM),         NAME(EPIPE),
        NAME(EPROTO),       NAME(ERANGE),     NAME(EROFS),         NAME(ESPIPE),
        NAME(ESRCH),        NAME(ETIMEDOUT),  NAME(EXDEV),
    };
#undef NAME
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (-names[i].error == error) return names[i].name;
    return NULL;
}

/* A count, or a negative errno. */
static void trace_put_result(eddy_trace_writer *writer, int64_t result) {
    const char *name = result < 0 ? trace_error_name(result) : NULL;
    if (name != NULL)
        eddy__trace_put(writer, name);
    else
        trace_put_signed(writer, result);
}

static void trace_put_events(eddy_trace_writer *writer, int64_t events) {
    static const struct {
        int bit;
        const char *name;
    } names[] = {
        {EDDY_READ, "read"}, {EDDY_WRITE, "write"}, {EDDY_ERROR, "error"}, {EDDY_HANGUP, "hangup"}};
    const char *between = "";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if ((events & names[i].bit) == 0) continue;
        eddy__trace_put(writer, between);
        eddy__trace_put(writer, names[i].name);
        between = ",";
        events &= ~(int64_t)names[i].bit;
    }
    if (events == 0 && between[0] != '\0') return;
    eddy__trace_put(writer, events == 0 ? "none" : between);
    if (events != 0) trace_put_signed(writer, events);
}

/* As eddy_lane of pool.h has them, which the core does not include. */
static void trace_put_lane(eddy_trace_writer *writer, int64_t lane) {
    static const char *const names[] = {"file", "lookup", "cpu"};
    if (lane >= 0 && lane < (int64_t)(sizeof names / sizeof names[0]))
        eddy__trace_put(writer, names[lane]);
    else
        trace_put_signed(writer, lane);
}

static void trace_put_wait(eddy_trace_writer *writer, int64_t ns) {
    if (ns < 0) {
        eddy__trace_put(writer, "without end");
        return;
    }
    eddy__trace_put_us(writer, ns);
    eddy__trace_put(writer, "us");
}

/* --- Objects --- */

static bool trace_is_of_descriptor(unsigned kind) {
    return kind == EDDY_TRACE_EVENT || kind == EDDY_TRACE_STALE || kind == EDDY_TRACE_ADD ||
           kind == EDDY_TRACE_MODIFY || kind == EDDY_TRACE_REMOVE;
}

/* A stream is told of as one where it is connecting. */
static unsigned trace_kind_of_object(const eddy_trace_record *record) {
    if (record->what == EDDY_KIND_CONNECT) return EDDY_KIND_STREAM;
    return record->what < EDDY_KINDS ? record->what : EDDY_KINDS;
}

/* What threads of the pool have done comes late; so may it of others, which cannot be told. */
static bool trace_is_late(unsigned kind) {
    return kind == EDDY_TRACE_RETURN || kind == EDDY_TRACE_BEGIN || kind == EDDY_TRACE_DONE;
}

static uint32_t trace_number_of_object(eddy_trace_source *source, const eddy_trace_record *record) {

    if (record->kind == EDDY_TRACE_RETURN && source->calls > 0 && source->calls <= TRACE_CALLS)
        return source->call_numbers[source->calls - 1];
    return eddy__trace_number_of(source->writer, trace_kind_of_object(record), record->object,
                                 trace_is_late(record->kind));
}

static void trace_put_label(eddy_trace_source *source, uint64_t object) {
    char name[TRACE_NAME_BYTES];
    if (source->label == NULL) return;
    name[0] = '\0';
    if (source->label(source->label_context, object, name, sizeof name) == 0) return;
    name[sizeof name - 1] = '\0';
    eddy__trace_put(source->writer, " '");
    eddy__trace_put_cut(source->writer, name, sizeof name);
    trace_put_char(source->writer, '\'');
}

void eddy__trace_put_object(eddy_trace_source *source, const eddy_trace_record *record) {
    eddy_trace_writer *writer = source->writer;
    if (record->what >= EDDY_KINDS && trace_is_of_descriptor(record->kind)) {
        eddy__trace_put(writer, "fd ");
        trace_put_signed(writer, (int64_t)record->object);
        return;
    }
    if (record->object == 0) return;
    unsigned kind = trace_kind_of_object(record);
    eddy__trace_put(writer, kind < EDDY_KINDS ? eddy_kind_name((eddy_kind)kind) : "object");
    trace_put_char(writer, ' ');
    eddy__trace_put_number(writer, trace_number_of_object(source, record));
    trace_put_label(source, record->object);
}

static void trace_put_function(eddy_trace_source *source, uint64_t address) {
    eddy_trace_writer *writer = source->writer;
    char name[TRACE_NAME_BYTES];
    if (address == 0) return;
    name[0] = '\0';
    if (source->function != NULL &&
        source->function(source->function_context, address, name, sizeof name) > 0) {
        name[sizeof name - 1] = '\0';
        eddy__trace_put_cut(writer, name, sizeof name);
        return;
    }
    eddy__trace_put(writer, "function ");
    eddy__trace_put_number(writer, eddy__trace_number_of(writer, TRACE_FUNCTION, address, false));
}

/* --- Arguments --- */

static bool trace_has_result(unsigned kind) {
    return kind == EDDY_TRACE_WAITED || kind == EDDY_TRACE_READ || kind == EDDY_TRACE_WRITE ||
           kind == EDDY_TRACE_ACCEPT || kind == EDDY_TRACE_CANCEL || kind == EDDY_TRACE_TURN ||
           kind == EDDY_TRACE_QUEUE || kind == EDDY_TRACE_SIGNAL || kind == EDDY_TRACE_MARK;
}

static bool trace_has_lane(unsigned kind) {
    return kind == EDDY_TRACE_SUBMIT || kind == EDDY_TRACE_BEGIN;
}

static bool trace_has_time(unsigned kind) {
    return kind == EDDY_TRACE_RETURN || kind == EDDY_TRACE_DONE;
}

static bool trace_has_events(const eddy_trace_record *record) {
    bool may_have_none = record->kind == EDDY_TRACE_REMOVE || record->kind == EDDY_TRACE_STALE;
    return trace_is_of_descriptor(record->kind) && (record->argument != 0 || !may_have_none);
}

/* Times that no clock gives do not overflow either. */
static int64_t trace_difference_ns(int64_t to_ns, int64_t from_ns) {
    return (int64_t)((uint64_t)to_ns - (uint64_t)from_ns);
}

void eddy__trace_put_argument(eddy_trace_source *source, const eddy_trace_record *record) {
    eddy_trace_writer *writer = source->writer;
    if (record->kind == EDDY_TRACE_PHASE) {
        eddy__trace_put(writer, eddy__trace_phase_name(record->phase));
    } else if (record->kind == EDDY_TRACE_WAIT) {
        trace_put_wait(writer, record->argument);
    } else if (record->kind == EDDY_TRACE_CALL) {
        trace_put_function(source, (uint64_t)record->argument);
    } else if (record->kind == EDDY_TRACE_TIMER_START) {
        eddy__trace_put(writer, "in ");
        eddy__trace_put_us(writer, trace_difference_ns(record->argument, record->time_ns));
        eddy__trace_put(writer, "us");
    } else if (trace_has_time(record->kind)) {
        eddy__trace_put_us(writer, record->argument);
        eddy__trace_put(writer, "us");
    } else if (trace_has_lane(record->kind)) {
        trace_put_lane(writer, record->argument);
    } else if (trace_has_result(record->kind)) {
        if (record->kind == EDDY_TRACE_ACCEPT && record->argument >= 0)
            eddy__trace_put(writer, "fd ");
        trace_put_result(writer, record->argument);
    } else if (trace_has_events(record)) {
        trace_put_events(writer, record->argument);
    } else if (record->argument != 0) {
        trace_put_signed(writer, record->argument);
    }
}

/* --- What goes on --- */

uint64_t eddy__trace_take_lost(eddy_trace_source *source) {
    uint64_t lost = source->lost > source->lost_told ? source->lost - source->lost_told : 0;
    source->lost_told = source->lost;
    return lost;
}

bool eddy__trace_is_outside(const eddy_trace_record *record) {
    switch (record->kind) {
    case EDDY_TRACE_POST:
    case EDDY_TRACE_WAKE:
    case EDDY_TRACE_WAKEUP:
    case EDDY_TRACE_SIGNAL:
        return false;
    default:
        return record->phase == 0;
    }
}

/* A request is its caller's again when it is called, and a handle in its last call. */
static bool trace_is_last_call(const eddy_trace_record *record) {
    switch (record->what) {
    case EDDY_KIND_WRITE:
    case EDDY_KIND_POST:
    case EDDY_KIND_WORK:
    case EDDY_KIND_FILE:
        return true;
    case EDDY_KIND_STREAM:
    case EDDY_KIND_LISTENER:
        return record->phase == 8;
    default:
        return false;
    }
}

void eddy__trace_call_begins(eddy_trace_source *source, const eddy_trace_record *record) {

    if (source->calls < TRACE_CALLS) {
        source->call_numbers[source->calls] =
            record->object != 0 ? trace_number_of_object(source, record) : 0;
        source->call_records[source->calls] = record->number;
    }
    source->calls++;
    if (trace_is_last_call(record))
        eddy__trace_object_ends(source->writer, trace_kind_of_object(record), record->object);
}

uint64_t eddy__trace_call_around(const eddy_trace_source *source) {

    return source->calls > 0 && source->calls <= TRACE_CALLS
               ? source->call_records[source->calls - 1]
               : 0;
}

void eddy__trace_call_ends(eddy_trace_source *source) {
    if (source->calls > 0) source->calls--;
}
