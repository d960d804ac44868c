/* fuzz_serve.c: a connection of `eddy serve` from bytes in to bytes out, on the simulation.
 *
 * The first byte makes the weather. The rest is what a client sends; 0xff and a letter stand for
 * what else it does, see do_step(). What must come back is worked out from the same bytes: where
 * each request ends by the server's parsers, which have targets of their own; what its path names
 * by serve_tree.c, which is written apart from the server. */
#include <errno.h>

#include "exchange.h"
#include "fuzz.h"
#include "serve_ask.h"
#include "serve_path.h"
#include "serve_stage.h"
#include "sim.h"
#include "src/http/http_server.h"

enum {
    STEPS_MAX = 300000,   /* calls of the seam that a run may need */
    LARGE_BYTES = 140000, /* more than the server gathers before it sends */
    LITTLE_BYTES = 3000,  /* of the large file, where that would take long */
    PLACES = 4,
    SENT_MAX = 1 << 13,      /* bytes whose time is remembered */
    SKIPPED_MAX = 64 * 1024, /* of a body that nobody reads */
};

#define TIMEOUT_NS (5 * EDDY_NS_PER_S)

static struct {
    struct serve_stage stage;
    sim_peer *peer;
    const uint8_t *data;
    size_t size;
    struct ask_text asked, got;
    bool is_reading, was_deaf, is_foul, has_ended, is_done;
    bool may_be_cut; /* the client or the operator did something that ends it early */
    bool was_late;   /* long enough for a 408 */
    int64_t sent_ns[SENT_MAX];
} run;

/* --- The client --- */

static void receive(void *context) {
    char bytes[16 * 1024];
    (void)context;
    while (run.peer != NULL && run.is_reading && !run.has_ended) {
        ssize_t got = sim_peer_receive(run.peer, bytes, sizeof bytes);
        if (got == -EAGAIN) return;
        run.has_ended = got <= 0;
        if (got < 0) run.may_be_cut = true;
        if (got > 0) ask_put(&run.got, bytes, (size_t)got);
    }
}

static void send_bytes(const char *bytes, size_t length) {
    while (length > 0 && run.peer != NULL) {
        ssize_t sent = sim_peer_send(run.peer, bytes, length);
        if (sent < 0 && (sent != -EAGAIN || run.has_ended)) return;
        if (sent < 0) {
            sim_sleep(EDDY_NS_PER_MS);
            if (!run.is_reading) return; /* it may never be taken */
            continue;
        }
        for (size_t i = run.asked.used; i < run.asked.used + (size_t)sent && i < SENT_MAX; i++)
            run.sent_ns[i] = sim_now_ns();
        ask_put(&run.asked, bytes, (size_t)sent);
        bytes += sent;
        length -= (size_t)sent;
    }
}

static void do_step(int letter) {
    switch (letter) {
    case 'w': /* waits a little */
        sim_sleep(10 * EDDY_NS_PER_MS);
        break;
    case 'd': /* dawdles */
        sim_sleep(EDDY_NS_PER_S);
        run.was_late = true;
        break;
    case 't': /* waits too long */
        sim_sleep(TIMEOUT_NS + EDDY_NS_PER_S);
        run.was_late = true;
        run.may_be_cut = run.may_be_cut || !run.is_reading;
        break;
    case 'n': /* stops reading, or reads again */
        run.was_deaf = true;
        run.is_reading = !run.is_reading;
        receive(NULL);
        break;
    case 'e': /* has asked its last, and still listens */
        if (run.peer != NULL) sim_peer_finish(run.peer);
        break;
    case 'r':
        if (run.peer != NULL) sim_peer_reset(run.peer);
        run.peer = NULL;
        run.may_be_cut = true;
        break;
    case 'm':
        tree_move();
        break;
    case 's':
    case 'S':
        run.may_be_cut = true;
        serve_stage_stop(&run.stage, letter == 's' ? SERVER_FINISHES : SERVER_ENDS);
        break;
    default: /* what was sent so far arrives first */
        sim_sleep(1);
    }
}

static void play(void) {
    for (size_t i = 0; i < run.size;) {
        const uint8_t *mark = memchr(run.data + i, 0xff, run.size - i);
        size_t end = mark != NULL ? (size_t)(mark - run.data) : run.size;
        send_bytes((const char *)run.data + i, end - i);
        if (mark == NULL) return;
        if (end + 1 < run.size && mark[1] == 0xff)
            send_bytes("\xff", 1);
        else
            do_step(end + 1 < run.size ? mark[1] : 0);
        i = end + 2;
    }
}

static void client(void *context) {
    (void)context;
    run.peer =
        sim_peer_connect((const struct sockaddr *)&run.stage.address, sizeof run.stage.address);
    sim_peer_on_change(run.peer, receive, NULL);
    sim_sleep(EDDY_NS_PER_MS);
    if (!sim_peer_is_connected(run.peer)) run.may_be_cut = true;
    play();
    run.may_be_cut = run.may_be_cut || !run.is_reading;
    /* The server has answered all that it can, and then finds that its client is idle. */
    for (int i = 0; i < 2 && !run.has_ended; i++) {
        sim_sleep(2 * TIMEOUT_NS);
        run.was_late = run.is_reading = true;
        receive(NULL);
    }
    if (run.peer != NULL) sim_check(run.has_ended, "the connection goes on for ever");
    serve_stage_check(&run.stage);
    serve_stage_stop(&run.stage, SERVER_FINISHES);
    run.is_done = true;
    sim_wake(&run.is_done);
}

/* --- What must have come back --- */

/* The status that the path alone decides; 0: none. `naive` is what it names below the root. */
static int read_path(const char *target, size_t length, char *naive, size_t naive_bytes,
                     bool *has_slash) {
    static char path[HTTP_HEAD_BYTES_MAX + 2];
    uint32_t path_length, query;
    int status = eddy__http_path_decode(path, &path_length, target, (uint32_t)length, &query);
    if (status == 0 && path[0] == '*') return 404;
    bool is_good = serve_path(naive, naive_bytes, target, length);
    sim_check(is_good == (status == 0), "a path is decoded in two ways");
    if (status != 0) return status;
    *has_slash = path[path_length - 1] == '/';
    if (*has_slash && path_length > 1) path[path_length - 1] = '\0';
    sim_check(strcmp(naive, path + 1) == 0, "a path is decoded to something else");
    return 0;
}

static int expect_get(struct ask *ask, const char *naive, bool has_slash, uint64_t body_bytes) {
    if (body_bytes > SKIPPED_MAX) return 413;
    if (strlen(naive) + 1 + (has_slash && naive[0] != '\0') > PATH_BYTES) return 414;
    ask_expect(ask, naive, has_slash);
    if (ask->kind == ASK_FILE) return 0;
    return ask->kind == ASK_REDIRECT ? 301 : ask->kind == ASK_LISTING ? 200 : 404;
}

static int expect_answer(struct ask *ask, const struct http_head *head, const char *bytes) {
    static char naive[HTTP_HEAD_BYTES_MAX];
    bool has_slash = false;
    if (head->name.length >= HTTP_METHOD_BYTES) return 501;
    int status = read_path(bytes + head->target.offset, head->target.length, naive, sizeof naive,
                           &has_slash);
    if (status != 0) return status;
    if (head->method == HTTP_METHOD_KNOWN) return 405;
    if (head->method == HTTP_METHOD_UNKNOWN) return 501;
    return expect_get(ask, naive, has_slash, head->body_bytes);
}

/* How long the body in chunks is; all that there is where nothing behind it can be answered: it is
 * not whole, too long to be skipped, or broken. */
static size_t chunked_bytes(const char *bytes, size_t length) {
    struct http_chunk chunk;
    size_t at = 0, skipped = 0;
    eddy__http_chunk_init(&chunk);
    while (at < length && skipped <= SKIPPED_MAX) {
        const char *data;
        size_t taken, size = 0;
        enum http_chunk_result result =
            eddy__http_chunk_take(&chunk, bytes + at, length - at, &taken, &data, &size);
        at += taken;
        if (result == HTTP_CHUNK_END) return at;
        if (result == HTTP_CHUNK_ERROR) return length;
        if (result == HTTP_CHUNK_DATA) skipped += size;
    }
    return length;
}

/* The request that `bytes` begin with. Returns how long it is; 0: it is not whole. */
static size_t read_ask(struct ask *ask, const char *bytes, size_t length) {
    static const struct http_head_limits limits = {8192, 8192, 32768, 100}; /* by default */
    struct http_head head;
    eddy__http_head_init(&head);
    int status = eddy__http_head_parse(&head, bytes, length, &limits);
    *ask = (struct ask){.kind = ASK_PAGE, .status = 408, .must_end = true};
    ask->is_head = head.method == HTTP_HEAD;
    if (status == HTTP_MORE) return 0;
    ask->status = status;
    if (status != HTTP_COMPLETE) return length;
    /* Who waits for a 100 gets the answer instead, and may then send its body or not. */
    ask->must_end = !head.keep_alive || head.expects_continue || head.body_bytes > SKIPPED_MAX;
    ask->may_go_on = !ask->must_end;
    ask->status = expect_answer(ask, &head, bytes);
    ask->end = head.head_bytes;
    if (head.is_chunked)
        return head.head_bytes + chunked_bytes(bytes + head.head_bytes, length - head.head_bytes);
    uint64_t whole = head.head_bytes + head.body_bytes;
    return whole < length ? (size_t)whole : length;
}

/* Reads the body that follows the head: as long as was told, in chunks, or up to the end. Returns
 * whether it is whole; `*used` is how long it was. */
static bool read_body(struct answer *answer, const char *bytes, size_t length, char *decoded,
                      size_t *used) {
    *used = answer->body_bytes;
    if (answer->is_chunked)
        return answer_read_chunks(answer, bytes, length, decoded, used) == ANSWER_HEAD;
    if (answer->is_to_end) *used = answer->body_bytes = length;
    return answer->is_to_end ? run.has_ended : length >= *used;
}

/* Takes one answer. False: there is no further one. */
static bool check_answer(const struct ask *ask, size_t *place, bool *is_last) {
    struct answer answer;
    size_t length = run.got.used - *place;
    if (length == 0) return false;
    const char *bytes = run.got.bytes + *place, *broken;
    sim_check(!*is_last, "there is more behind the last answer");
    enum answer_state state = answer_read(&answer, bytes, length, ask->is_head, &broken);
    if (state == ANSWER_BROKEN) sim_fail("an answer's head: %s", broken);
    /* A 408 comes whenever the time is over, and whether it has a body depends on whether the HEAD
     * was there by then; the rest of the request may have been sent all the same. */
    bool is_late = run.was_late && answer.status == 408 && answer.is_last;
    if (is_late && state == ANSWER_HEAD && ask->is_head && length > answer.head_bytes)
        answer.body_bytes = (size_t)answer.length;
    static char *decoded;
    size_t used = 0;
    decoded = realloc(decoded, length + 1);
    FUZZ_CHECK(decoded != NULL);
    const char *body = answer.is_chunked ? decoded : bytes + answer.head_bytes;
    if (state == ANSWER_MORE || !read_body(&answer, bytes + answer.head_bytes,
                                           length - answer.head_bytes, decoded, &used)) {
        bool is_moving = ask->node != NULL && ask->node->is_moving;
        sim_check(run.may_be_cut || run.is_foul || is_moving, "an answer is cut off");
        *place = run.got.used;
        return false;
    }
    broken = ask_check(ask, &answer, body, run.is_foul);
    if (broken != NULL && !is_late) sim_fail("%s: %d, not %d", broken, answer.status, ask->status);
    bool may_end = is_late || answer.is_to_end || !ask->may_go_on || run.may_be_cut || run.is_foul;
    sim_check(may_end || !answer.is_last, "the connection ends for nothing");
    *is_last = answer.is_last;
    *place += answer.head_bytes + used;
    return true;
}

/* A deadline counts from the first byte of a head, however many come later one at a time. */
static bool is_overdue(const struct ask *ask, size_t from, size_t before) {
    if (ask->end == 0 || from + ask->end > SENT_MAX || run.was_deaf || run.is_foul) return false;
    int64_t start_ns = run.sent_ns[before > 0 ? before - 1 : from];
    if (run.sent_ns[from] > start_ns) start_ns = run.sent_ns[from];
    return run.sent_ns[from + ask->end - 1] - start_ns > TIMEOUT_NS + 2 * EDDY_NS_PER_S;
}

static void check_answers(void) {
    size_t from = 0, place = 0, count = 0, before = 0;
    bool is_last = false;
    while (from < run.asked.used) {
        struct ask ask;
        size_t bytes = read_ask(&ask, run.asked.bytes + from, run.asked.used - from);
        if (bytes == 0 && !run.was_late) break;
        if (!check_answer(&ask, &place, &is_last)) {
            bool is_excused = bytes == 0 || is_last || run.may_be_cut || run.is_foul ||
                              run.was_late || run.peer == NULL;
            sim_check(is_excused, "request %zu has no answer", count);
            break;
        }
        sim_check(is_last || !is_overdue(&ask, from, before), "a slow request has its answer");
        if (bytes == 0) break;
        before = from + ask.end;
        from += bytes;
        count++;
    }
    sim_check(place == run.got.used, "there are more answers than requests");
}

/* --- The run --- */

/* With 64 there is a log as well. */
static struct sim_weather read_weather(int byte) {
    int bits = byte - '0';
    struct sim_weather weather = sim_calm;
    if (bits & 1) weather.shorts = 3000;
    if (bits & 2) weather.window_bytes = 500;
    if (bits & 4) weather.held = weather.interrupts = weather.spurious = 1000;
    if (bits & 8) weather.faults = 100;
    if (bits & 16) weather.no_memory = 300;
    if (bits & 32) weather.switches = 2000;
    if (bits & 32) weather.disk_ns = 2 * EDDY_NS_PER_MS;
    return weather;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    struct sim_weather weather = read_weather(data[0]);
    struct server_config config = {
        .connections_max = PLACES,
        .timeout_ns = TIMEOUT_NS,
        .cached_files = 2 * (unsigned)(data[0] & 1),
        .log = ((data[0] - '0') & 64) != 0,
    };
    memset(&run, 0, sizeof run);
    run.data = data + 1;
    run.size = size - 1;
    run.is_reading = true;
    run.is_foul = weather.faults > 0 || weather.no_memory > 0;
    sim_begin(data[0], &weather);
    ask_begin();
    bool is_large = weather.window_bytes > LITTLE_BYTES && memmem(data, size, "large", 5) != NULL;
    serve_stage_open(&run.stage, &config, 2, is_large ? LARGE_BYTES : LITTLE_BYTES);
    sim_thread("client", client, NULL);
    serve_stage_run(&run.stage);
    while (!run.is_done) sim_block(&run.is_done, -1);
    receive(NULL);
    if (run.peer != NULL) sim_peer_close(run.peer);
    serve_stage_close(&run.stage);
    check_answers();
    (void)serve_stage_log_lines();
    FUZZ_CHECK(sim_steps() < STEPS_MAX);
    sim_end();
    free(run.asked.bytes);
    free(run.got.bytes);
    return 0;
}
