/* random.c: connections whose requests, answers and pace are made from a seed, against a model that
 * knows what is to be answered (random_script.h). What a client got is the model's, on every
 * backend; of a client that leaves, the model's beginning. A failure names its seed;
 * EDDY_TEST_SEED=n runs that one alone. */
#include "random_script.h"

enum { SEEDS = 1000 };

static struct site site;
static size_t upgrade_got;
static int file_fd, upgraded_fd;

/* --- The server --- */

static void on_done(eddy_http_request *request, void *context) {
    struct job *it = context;
    ck_assert_msg(it->request == request, "seed %llu: done twice", seed);
    it->request = NULL;
    over++;
}

static void finish(struct job *it, int err) {
    it->is_ended = true;
    if (err == 0)
        (void)eddy_http_end(it->request);
    else
        eddy_http_abort(it->request);
}

static void give_pieces(eddy_http_request *request, void *context) {
    struct job *it = context;
    ssize_t taken = 0;
    while (it->given < it->size && taken >= 0) {
        size_t left = it->size - it->given, size = it->piece < left ? it->piece : left;
        if (it->kind == FILE_PIECES && it->given > 0) { /* the rest; its drained is for the end */
            int64_t offset = (int64_t)(it->offset + it->given);
            int err = eddy_http_write_file(request, file_fd, offset, (int64_t)left);
            if (err == 0) it->given = it->size;
            if (err < 0 && err != -EAGAIN) finish(it, err);
            return;
        }
        taken = eddy_http_write(request, pattern + it->offset + it->given, size);
        if (taken > 0) it->given += (size_t)taken;
        if (taken >= 0 && (size_t)taken < size) return;
    }
    if (taken >= 0)
        finish(it, 0);
    else if (taken != -EAGAIN)
        finish(it, (int)taken);
}

static void give_events(eddy_http_request *request, void *context) {
    struct job *it = context;
    int err = 0;
    while (it->given < it->size % 5 && err == 0) {
        err = eddy_http_event(request, "e", NULL, pattern, it->offset);
        it->given += err == 0;
    }
    if (err != -EAGAIN) finish(it, err);
}

static void on_upgraded(int fd, const void *data, size_t size, void *context) {
    (void)context;
    bool is_begin = size <= 5 && (size == 0 || memcmp(data, "HELLO", size) == 0);
    ck_assert_msg(is_begin, "seed %llu: early", seed);
    upgraded_fd = fd;
    upgrade_got = size;
}

static void answer(struct job *it) {
    eddy_http_request *request = it->request;
    char number[16];
    const char *body = pattern + it->offset;
    int64_t length = it->is_unknown ? -1 : (int64_t)it->size;
    int err = 0;
    snprintf(number, sizeof number, "%u", (unsigned)(it - jobs));
    (void)eddy_http_add(request, "Number", number);
    it->is_ended = it->kind <= A_FILE || it->kind == UPGRADE;
    if (it->kind == COPIED) (void)eddy_http_respond(request, it->status, body, it->size);
    if (it->kind == LENT) (void)eddy_http_respond_lent(request, it->status, body, it->size);
    if (it->kind == A_FILE)
        (void)eddy_http_respond_file(request, it->status, file_fd, (int64_t)it->offset, length);
    if (it->kind == UPGRADE) {
        (void)eddy_http_add(request, "Upgrade", "mine");
        (void)eddy_http_upgrade(request, on_upgraded, NULL);
    }
    if (it->is_ended) return;
    eddy_http_on_drained(request, it->kind == EVENTS ? give_events : give_pieces, it);
    err = it->kind == EVENTS ? eddy_http_start_events(request, 0)
                             : eddy_http_start(request, it->status, length);
    if (err < 0)
        finish(it, err);
    else if (it->kind == EVENTS)
        give_events(request, it);
    else
        give_pieces(request, it);
}

static void on_timer(eddy_timer *timer) {
    answer(eddy_container_of(timer, struct job, timer));
}

static void be_ready(struct job *it) {
    if (it->is_ready) return;
    it->is_ready = true;
    if (it->delay_ms > 0)
        (void)eddy_timer_start(&it->timer, on_timer, it->delay_ms * EDDY_NS_PER_MS, 0);
    else
        answer(it);
}

static void on_body(eddy_http_request *request, const void *data, ssize_t size, void *context) {
    struct job *it = context;
    (void)request;
    if (size > 0) {
        ck_assert_msg(it->body_got + (size_t)size <= it->body_size &&
                          memcmp(data, pattern + it->body_got, (size_t)size) == 0,
                      "seed %llu: another body", seed);
        it->body_got += (size_t)size;
        if (it->reads_some) be_ready(it);
    } else if (size < 0) {
        eddy_timer_stop(&it->timer);
        if (!it->is_ended) finish(it, (int)size);
    } else {
        ck_assert_msg(it->body_got == it->body_size, "seed %llu: half a body", seed);
        be_ready(it);
    }
}

static void on_gone(eddy_http_request *request, void *context) {
    struct job *it = context;
    (void)request;
    eddy_timer_stop(&it->timer);
    if (!it->is_ended) finish(it, -EPIPE);
}

static void handle(eddy_http_request *request, void *context) {
    unsigned number = (unsigned)strtoul(eddy_http_path(request) + 1, NULL, 10);
    (void)context;
    ck_assert_msg(number == begun && number < count, "seed %llu: request %u", seed, number);
    struct job *it = &jobs[begun++];
    it->request = request;
    eddy_timer_init(&it->timer, site.loop);
    eddy_http_on_done(request, on_done, it);
    eddy_http_on_gone(request, on_gone, it);
    if (!it->reads)
        be_ready(it);
    else if (eddy_http_read_body(request, 0, on_body, it) < 0)
        finish(it, -EPIPE);
}

/* Who has the connection now answers once all is there. */
static void serve_upgraded(void) {
    char bytes[8];
    if (upgraded_fd < 0) return;
    ssize_t got = recv(upgraded_fd, bytes, 5 - upgrade_got, MSG_DONTWAIT);
    if (got > 0) upgrade_got += (size_t)got;
    bool is_over = upgrade_got == 5 || got == 0 || (got < 0 && errno != EAGAIN);
    if (!is_over) return;
    (void)send(upgraded_fd, "over", 4, MSG_NOSIGNAL);
    close(upgraded_fd);
    upgraded_fd = -1;
}

/* --- The client --- */

static int client_receive(int fd) {
    size_t room = pick(3) == 0 ? 1 + pick(100) : 1 + pick(50000);
    ssize_t got = recv(fd, raw + raw_size, room, MSG_DONTWAIT);
    if (got > 0) raw_size += (size_t)got;
    if (got < 0 && errno != EAGAIN) return errno;
    return got == 0 ? -1 : 0;
}

/* Returns how the connection ended: -1, in order; 0: the client left; or an error. */
static int talk(int fd, size_t leaves_at) {
    int64_t give_up_ns = test_now_ns() + 30 * EDDY_NS_PER_S;
    bool is_slow = pick(4) == 0;
    size_t sent = 0;
    int end = 0;
    while (end == 0 && sent + raw_size < leaves_at) {
        ck_assert_msg(test_now_ns() < give_up_ns, "seed %llu: no end after %zu of %zu, %zu came",
                      seed, sent, script_size, raw_size);
        size_t left = script_size - sent, size = 1 + pick(pick(2) == 0 ? 60 : 20000);
        if (left > 0) {
            ssize_t done = send(fd, script + sent, size < left ? size : left, MSG_NOSIGNAL);
            if (done > 0) sent += (size_t)done;
            if (sent == script_size && jobs[count - 1].kind != UPGRADE) shutdown(fd, SHUT_WR);
        }
        int err = test_run(site.loop, EDDY_RUN_NOWAIT);
        if (err < 0) ck_abort_msg("seed %llu: eddy_loop_run: %d", seed, err);
        serve_upgraded();
        if (!is_slow || pick(4) == 0) end = client_receive(fd);
    }
    return end;
}

static void turn_until_over(void) {
    eddy_http_counts counts;
    int64_t give_up_ns = test_now_ns() + 30 * EDDY_NS_PER_S;
    do {
        ck_assert_int_ge(test_run(site.loop, EDDY_RUN_NOWAIT), 0);
        serve_upgraded();
        eddy_http_read_counts(site.http, &counts, sizeof counts);
        ck_assert_msg(test_now_ns() < give_up_ns, "seed %llu: %u of %u are over", seed, over,
                      begun);
    } while (counts.open > 0 || over < begun || upgraded_fd >= 0);
}

static void run_seed(void) {
    state = seed;
    make_script();
    upgraded_fd = -1;
    upgrade_got = 0;
    size_t total = script_size + expected_size;
    size_t leaves_at = pick(3) == 0 ? 1 + pick((unsigned)total) : SIZE_MAX;
    struct visit visit = visit_begin_with(&site, pick(3) == 0 ? 4096 : 0);
    int end = talk(visit.fd, leaves_at);
    visit_end(&visit);
    turn_until_over();
    has_end = end == -1;
    see_all();
    bool has_left = leaves_at != SIZE_MAX;
    ck_assert_msg(end == -1 || (has_left && end == 0), "seed %llu: %s", seed, strerror(end));
    ck_assert_msg(seen_size == expected_size || (has_left && seen_size < expected_size),
                  "seed %llu: %zu bytes of %zu", seed, seen_size, expected_size);
    size_t same = 0;
    while (same < seen_size && seen[same] == expected[same]) same++;
    ck_assert_msg(same == seen_size, "seed %llu: from byte %zu on not \"%.60s\", but \"%.60s\"",
                  seed, same, expected + same, seen + same);
}

static int64_t fixed_time_s(void) {
    return 784111777; /* DATE */
}

START_TEST(answers_are_those_of_the_model) {
    char path[] = "/tmp/eddy-test-XXXXXX";
    const char *one = getenv("EDDY_TEST_SEED");
    unsigned long long first = one != NULL ? strtoull(one, NULL, 10) : 1;
    visit_fill(pattern, sizeof pattern);
    file_fd = mkstemp(path);
    ck_assert_int_ge(file_fd, 0);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(write(file_fd, pattern, sizeof pattern), (ssize_t)sizeof pattern);
    site_open(&site, (eddy_http_config){.server = "", .time_s = fixed_time_s});
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/", handle, NULL), 0);
    for (seed = first; seed < first + (one != NULL ? 1 : SEEDS); seed++) run_seed();
    site_close(&site);
    ck_assert_int_eq(close(file_fd), 0);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("random");
    ck_add(suite, "model", answers_are_those_of_the_model);
    return suite;
}
