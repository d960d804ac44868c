/* op_reader.c: readers, asked for numbers of bytes and for lines, while what they read comes in
 * pieces, ends, or is reset. The bytes of a connection are numbered, and few are different, so that
 * delimiters are among them: the model knows from its place what each answer has to be.
 * Invariant: `taken` bytes were given out; the next of them is the first that the reader has. */
#include "operations.h"

#include <string.h>

enum { BUFFER_MAX = 60, DELIMITERS = 4, FRESH = 0xee };

static const char *const delimiters[DELIMITERS] = {"\n", "\r\n", "\r\r\n", "\n\r\n"};

enum asked { EXACTLY, INTO, UNTIL, SOME };

/* A request: what is lent to the reader for it. */
struct ask {
    enum asked kind;
    size_t wanted; /* bytes, or the delimiter's */
    int64_t due_ns;
    char lent[]; /* the delimiter, or where the bytes go */
};

struct op_reader {
    eddy_reader reader;
    struct desk *desk;
    unsigned place;
    char *buffer;
    size_t buffer_size;
    bool is_attached, is_closing;
    struct ask *ask; /* NULL: there is none */
    int other;       /* who is read; -1: gone */
    enum op_attached kind;
    uint64_t said, taken;
    bool may_lose;   /* bytes, and the connection */
    size_t kept;     /* a line was too long: so many bytes may begin its delimiter */
    bool knows_kept; /* and they stay there for the next request */
    uint64_t answers, looked;
    bool is_due; /* in a look */
};

/* --- The bytes --- */

static char byte_at(uint64_t at) {
    static const char bytes[] = "\r\nab";
    uint64_t mixed = (at + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return bytes[(mixed ^ (mixed >> 29)) * UINT64_C(0xbf58476d1ce4e5b9) >> 62];
}

static void check_bytes(const struct op_reader *at, const char *data, size_t size) {
    sim_check(at->taken + size <= at->said, "bytes come out of nowhere");
    for (size_t i = 0; i < size; i++)
        sim_check(data[i] == byte_at(at->taken + i), "byte %llu is not what was said",
                  (unsigned long long)(at->taken + i));
}

static bool delimiter_is_at(uint64_t at, const struct ask *ask) {
    for (size_t i = 0; i < ask->wanted; i++)
        if (byte_at(at + i) != ask->lent[i]) return false;
    return true;
}

/* Up to the end of the first delimiter within the next `size` bytes, or 0. */
static size_t line_size(const struct op_reader *at, size_t size) {
    const struct ask *ask = at->ask;
    for (size_t i = 0; i + ask->wanted <= size; i++)
        if (delimiter_is_at(at->taken + i, ask)) return i + ask->wanted;
    return 0;
}

/* Of `size` bytes the last that may begin the delimiter. */
static size_t begun_size(const struct op_reader *at, size_t size) {
    size_t kept = at->ask->wanted - 1;
    for (; kept > 0; kept--) {
        size_t i = 0;
        while (i < kept && byte_at(at->taken + size - kept + i) == at->ask->lent[i]) i++;
        if (i == kept) break;
    }
    return kept;
}

/* Whether `size` bytes answer what is asked, and how many of them. */
static bool is_enough(const struct op_reader *at, size_t size, size_t *answer) {
    *answer = at->ask->wanted;
    if (at->ask->kind == SOME) return size > 0;
    if (at->ask->kind != UNTIL) return size >= at->ask->wanted;
    *answer = line_size(at, size < at->buffer_size ? size : at->buffer_size);
    return *answer > 0;
}

/* --- Answers --- */

static void check_success(struct op_reader *at, const char *data, size_t size) {
    size_t expected;
    sim_check(is_enough(at, size, &expected), "%zu bytes are no answer", size);
    if (at->ask->kind == INTO)
        sim_check(data == at->ask->lent, "the bytes went elsewhere");
    else
        sim_check(size <= at->buffer_size, "more than the buffer holds");
    if (at->ask->kind == SOME && at->knows_kept) expected = at->buffer_size - at->kept;
    if (at->ask->kind != SOME || at->knows_kept)
        sim_check(size == expected, "an answer of %zu bytes, not of %zu", size, expected);
    check_bytes(at, data, size);
    at->taken += size;
}

/* A number of bytes that comes to nothing was told with all that there is of it. */
static void check_failure(struct op_reader *at, int status, const char *data, size_t size) {
    const struct ask *ask = at->ask;
    size_t answer;
    bool is_late = status == -ETIMEDOUT && ask->due_ns >= 0 &&
                   ask->due_ns <= eddy_loop_now_ns(at->desk->party.loop);
    bool is_full = status == -EMSGSIZE && ask->kind == UNTIL;
    bool is_end = status == -EPIPE && at->other < 0;
    bool is_broken = at->may_lose && at->other < 0;
    sim_check(is_late || is_full || is_end || is_broken || !ledger_is_fair(),
              "a reader's request ends with %d", status);
    sim_check(!is_enough(at, size, &answer), "%d, though the answer was there", status);
    check_bytes(at, data, size);
    if (is_full) sim_check(size == at->buffer_size, "%zu bytes fill the buffer", size);
    if (is_end && !at->may_lose && ledger_is_fair())
        sim_check(at->taken + size == at->said, "the end comes before the last byte");
    if (is_full) at->kept = begun_size(at, size);
    if (ask->kind == INTO) at->taken += size;
}

static void ask_some(struct op_reader *at);
static void reader_close(struct op_reader *at);

static struct ask *ask_end(struct op_reader *at) {
    struct ask *ask = at->ask;
    at->ask = NULL;
    at->is_due = false;
    return ask;
}

static void on_answer(eddy_reader *reader, int status, void *data, size_t size) {
    struct op_reader *at = eddy_container_of(reader, struct op_reader, reader);
    ledger_look(at);
    struct desk *desk = at->desk;
    sim_check(at->ask != NULL, "an answer that nobody has asked for");
    ledger_paid(at->ask);
    op_enter(desk, PHASE_TIMERS | PHASE_READY | PHASE_DEFERRED);
    at->answers++;
    if (status == 0)
        check_success(at, data, size);
    else
        check_failure(at, status, data, size);
    at->knows_kept = status == -EMSGSIZE;
    ledger_free(ask_end(at));
    unsigned what = pick(8);
    if (office.is_quiet) what = 7;
    if (what < 4) ask_some(at);
    if (what == 4) reader_close(at);
    op_leave(desk); /* the reader may be gone now */
}

/* --- Requests --- */

static struct ask *ask_new(enum asked kind, size_t wanted, size_t lent) {
    struct ask *ask = ledger_new("request of a reader", sizeof *ask + lent);
    *ask = (struct ask){.kind = kind, .wanted = wanted, .due_ns = -1};
    memset(ask->lent, FRESH, lent);
    return ask;
}

static int ask_for(struct op_reader *at, enum asked kind, struct ask **made) {
    eddy_reader *reader = &at->reader;
    struct party *party = &at->desk->party;
    size_t count = pick((unsigned)at->buffer_size + 2);
    if (kind == EXACTLY) {
        *made = ask_new(kind, count, 0);
        return CALL(party, eddy_reader_exactly(reader, count, on_answer));
    }
    if (kind == INTO) {
        count *= 1 + pick(3);
        *made = ask_new(kind, count, count);
        return CALL(party, eddy_reader_exactly_into(reader, (*made)->lent, count, on_answer));
    }
    if (kind == SOME) {
        *made = ask_new(kind, 1, 0);
        return CALL(party, eddy_reader_some(reader, on_answer));
    }
    const char *delimiter = delimiters[pick(DELIMITERS)];
    size_t size = pick(16) == 0 ? 0 : strlen(delimiter);
    *made = ask_new(kind, size, size);
    memcpy((*made)->lent, delimiter, size);
    return CALL(party, eddy_reader_until(reader, (*made)->lent, size, on_answer));
}

static int refusal(const struct op_reader *at) {
    if (at->is_closing) return -EINVAL;
    if (!at->is_attached) return -ENOTCONN;
    return at->ask != NULL ? -EALREADY : 0;
}

static void ask_some(struct op_reader *at) {
    struct ask *ask;
    enum asked kind = pick(4);
    int expected = refusal(at), err = ask_for(at, kind, &ask);
    bool is_in_buffer = kind == EXACTLY || kind == UNTIL;
    if (expected == 0 && kind == UNTIL && ask->wanted == 0) expected = -EINVAL;
    if (expected == 0 && is_in_buffer && ask->wanted > at->buffer_size) expected = -EMSGSIZE;
    sim_check(err == expected || (expected == 0 && op_is_weather(err)) ||
                  (expected == 0 && at->may_lose && at->other < 0),
              "a reader's request gives %d, not %d", err, expected);
    if (expected == 0 && (kind != SOME || err < 0)) at->knows_kept = false;
    if (err < 0) {
        ledger_free(ask);
        return;
    }
    ledger_owe(ask);
    at->ask = ask;
}

static void set_deadline(struct op_reader *at) {
    int64_t delay_ns = (int64_t)pick(4) * 3 * EDDY_NS_PER_MS - 2;
    if (delay_ns < 0) delay_ns = pick(2) == 0 ? -1 : -2;
    int64_t now_ns = eddy_loop_now_ns(at->desk->party.loop);
    int err = CALL(&at->desk->party, eddy_reader_set_deadline(&at->reader, delay_ns));
    int expected = at->ask == NULL || at->is_closing || delay_ns < -1 ? -EINVAL : 0;
    sim_check(err == expected || (expected == 0 && op_is_weather(err)),
              "a reader's deadline gives %d", err);
    if (err == 0) at->ask->due_ns = delay_ns < 0 ? -1 : now_ns + delay_ns;
}

/* The request is taken back. What has come into memory of the program is no longer the reader's. */
static void ask_cancel(struct op_reader *at) {
    if (at->ask == NULL) return;
    struct ask *ask = ask_end(at);
    size_t done = 0;
    if (ask->kind == INTO)
        while (done < ask->wanted && ask->lent[done] != (char)FRESH) done++;
    check_bytes(at, ask->lent, done);
    at->taken += done;
    if (ask->kind == SOME) at->knows_kept = false;
    ledger_unowe(ask);
    ledger_free(ask);
}

static void take_rest(struct op_reader *at) {
    void *data;
    size_t size = eddy_reader_rest(&at->reader, &data);
    sim_check(size <= (at->ask != NULL ? 0 : at->buffer_size), "a rest of %zu bytes", size);
    check_bytes(at, data, size);
    at->taken += size;
    if (size > 0) at->knows_kept = false;
}

/* --- Coming and going --- */

static void on_closed(eddy_stream *stream) {
    struct op_reader *at = eddy_container_of(stream, struct op_reader, reader.stream);
    ledger_paid(at);
    struct desk *desk = at->desk;
    op_enter(desk, PHASE_CLOSING);
    desk->readers[at->place] = NULL;
    if (at->other >= 0) sim_close(at->other);
    ledger_free(at->buffer);
    ledger_free(at);
    op_leave(desk);
}

static void reader_close(struct op_reader *at) {
    struct party *party = &at->desk->party;
    int err;
    if (pick(2) == 0) {
        err = CALL(party, eddy_reader_close(&at->reader, on_closed));
    } else {
        CALL_VOID(party, eddy_reader_stop(&at->reader));
        err = CALL(party, eddy_stream_close(&at->reader.stream, on_closed));
    }
    ask_cancel(at);
    sim_check(err == (at->is_closing ? -EALREADY : 0), "a reader's close gives %d", err);
    if (err == 0) ledger_owe(at);
    at->is_closing = true;
}

static void reader_stop(struct op_reader *at) {
    CALL_VOID(&at->desk->party, eddy_reader_stop(&at->reader));
    ask_cancel(at);
}

static struct op_reader *reader_new(struct desk *desk, unsigned place) {
    struct op_reader *at = ledger_new("reader", sizeof *at);
    size_t size = 1 + pick(BUFFER_MAX);
    *at = (struct op_reader){.desk = desk, .place = place, .buffer_size = size, .other = -1};
    at->buffer = ledger_new("buffer of a reader", size);
    eddy_reader_init(&at->reader, desk->party.loop, at->buffer, size);
    desk->readers[place] = at;
    return at;
}

static void attach(struct op_reader *at) {
    static const enum op_attached kinds[] = {LOCAL,         TCP,     PIPE_READER,
                                             SHARED_READER, MANAGER, TERMINAL};
    int ends[2];
    at->kind = kinds[pick(sizeof kinds / sizeof kinds[0])];
    bool is_shared = at->kind == SHARED_READER;
    struct party *party = &at->desk->party;
    eddy_stream *stream = &at->reader.stream;
    if (!op_ends_open(at->kind, ends)) return;
    int err = is_shared ? CALL(party, eddy_stdio_attach(stream, ends[0]))
                        : CALL(party, eddy_stream_attach(stream, ends[0]));
    (void)ledger_result("to attach a reader", err);
    if (err < 0 || is_shared) sim_close(ends[0]);
    if (err < 0) {
        sim_close(ends[1]);
        return;
    }
    at->is_attached = true;
    at->other = ends[1];
    at->may_lose = at->kind == TERMINAL; /* which is hung up without its manager */
}

static void other_says(struct op_reader *at) {
    char data[200];
    size_t size = 1 + pick(pick(2) == 0 ? 4 : sizeof data);
    if (at->other < 0) return;
    for (size_t i = 0; i < size; i++) data[i] = byte_at(at->said + i);
    ssize_t said = sim_write(at->other, data, size);
    if (said > 0) at->said += (uint64_t)said;
}

static void other_goes(struct op_reader *at) {
    if (at->other < 0) return;
    if ((at->kind == LOCAL || at->kind == TCP) && pick(3) == 0) {
        at->may_lose = true;
        sim_reset(at->other);
    } else {
        sim_close(at->other);
    }
    at->other = -1;
}

static void use(struct op_reader *at) {
    unsigned what = pick(20);
    if (!at->is_attached && !at->is_closing && pick(4) > 0) attach(at);
    if (what == 0)
        reader_close(at);
    else if (what == 1)
        other_goes(at);
    else if (what == 2)
        reader_stop(at);
    else if (what == 3)
        take_rest(at);
    else if (what < 6)
        set_deadline(at);
    else if (what < 13)
        other_says(at);
    else
        ask_some(at);
}

/* Several at a time: one alone would seldom have both a request and what it asks for. */
void op_reader(struct desk *desk) {
    unsigned place = pick(READERS), count = 1 + pick(8);
    struct op_reader *at = desk->readers[place];
    if (at == NULL) at = reader_new(desk, place);
    for (; count > 0; count--) use(at);
}

/* --- A look, and the end --- */

/* How far it is, whether or not it has told so. */
static uint64_t state_of(const struct op_reader *at) {
    const eddy_reader *reader = &at->reader;
    return at->answers * 1000000 + reader->end - reader->start + reader->done;
}

void op_reader_begin_look(struct desk *desk) {
    for (unsigned i = 0; i < READERS; i++) {
        struct op_reader *at = desk->readers[i];
        size_t answer;
        if (at == NULL || at->ask == NULL) continue;
        at->is_due = is_enough(at, (size_t)(at->said - at->taken), &answer);
        at->looked = state_of(at);
    }
}

/* A loop may do little in each turn, but not nothing; a pool may do that. */
void op_reader_look(struct desk *desk) {
    for (unsigned i = 0; i < READERS; i++) {
        const struct op_reader *at = desk->readers[i];
        if (at == NULL || !at->is_due || at->may_lose || !ledger_is_fair()) continue;
        if (at->kind == SHARED_READER) continue;
        sim_check(state_of(at) != at->looked, "what a reader was asked for lies there");
    }
}

void op_reader_end(struct desk *desk) {
    for (unsigned i = 0; i < READERS; i++)
        if (desk->readers[i] != NULL && !desk->readers[i]->is_closing)
            reader_close(desk->readers[i]);
}
