/* events.c: libevent's interface on eddy. */
#include "event.h"
#include "suite.h"
#include "trace.h"

#include <stdlib.h>
#include <unistd.h>

static struct event_base *base;
static struct event first, second;
static int pair[2];

static const struct timeval at_once = {0, 0}, soon = {.tv_usec = 2000}, far = {.tv_sec = 600};

static void begin(void) {
    event_backend = test_backend;
    struct event_config *config = event_config_new();
    ck_assert_ptr_nonnull(config);
    ck_assert_int_eq(event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK), 0);
    base = event_base_new_with_config(config);
    event_config_free(config);
    ck_assert_ptr_nonnull(base);
    test_socket_pair(pair);
    trace_clear();
}

static void end(void) {
    event_base_free(base);
    close(pair[0]);
    close(pair[1]);
}

static void put_byte(void) {
    ck_assert_int_eq(write(pair[1], "x", 1), 1);
}

static void on_event(evutil_socket_t fd, short what, void *argument) {
    (void)fd, (void)argument;
    if (what & EV_TIMEOUT) note('t');
    if (what & EV_READ) note('r');
    if (what & EV_WRITE) note('w');
}

static void add(struct event *event, short what, const struct timeval *timeout) {
    int fd = what & (EV_READ | EV_WRITE) ? pair[0] : -1;
    ck_assert_int_eq(event_assign(event, base, fd, what, on_event, NULL), 0);
    ck_assert_int_eq(event_add(event, timeout), 0);
}

static void turn(void) {
    ck_assert_int_eq(event_base_loop(base, EVLOOP_NONBLOCK), 0);
}

START_TEST(an_event_comes_once_or_until_it_is_deleted) {
    begin();
    put_byte();
    add(&first, EV_READ, NULL);
    turn();
    trace_is("r");
    ck_assert_int_eq(event_pending(&first, EV_READ, NULL), 0);
    ck_assert_int_eq(event_base_loop(base, 0), 1); /* none is left */
    add(&first, EV_READ | EV_PERSIST, NULL);
    turn();
    turn();
    ck_assert_int_eq(event_pending(&first, EV_READ | EV_WRITE | EV_TIMEOUT, NULL), EV_READ);
    ck_assert_int_eq(event_del(&first), 0);
    ck_assert_int_eq(event_del(&first), 0);
    ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 1);
    trace_is("rr");
    end();
}
END_TEST

START_TEST(what_is_ready_at_the_same_time_is_one_call) {
    begin();
    put_byte();
    add(&first, EV_READ | EV_WRITE, NULL);
    ck_assert_int_eq(event_base_loop(base, 0), 1);
    trace_is("rw");
    end();
}
END_TEST

START_TEST(a_time_out_comes_when_nothing_else_does) {
    begin();
    add(&first, EV_READ, &soon);
    struct timeval when = {0, 0};
    ck_assert_int_eq(event_pending(&first, EV_TIMEOUT, &when), EV_TIMEOUT);
    ck_assert_int_gt(when.tv_sec, 0);
    ck_assert_int_eq(event_base_loop(base, 0), 1); /* of both, so that nothing is left */
    trace_is("t");
    put_byte();
    add(&first, EV_READ, &far);
    ck_assert_int_eq(event_base_loop(base, 0), 1);
    trace_is("r");
    end();
}
END_TEST

START_TEST(a_persistent_time_out_comes_again_and_is_put_off_by_events) {
    begin();
    add(&first, EV_READ | EV_PERSIST, &soon);
    for (int i = 0; i < 3; i++) ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
    trace_is("ttt");
    ck_assert_int_eq(event_add(&first, &far), 0);
    struct timeval before, after;
    event_pending(&first, EV_TIMEOUT, &before);
    put_byte();
    turn();
    trace_is("r");
    ck_assert_int_eq(event_pending(&first, EV_TIMEOUT, &after), EV_TIMEOUT);
    ck_assert(!timercmp(&after, &before, <));
    end();
}
END_TEST

static void delete_both(evutil_socket_t fd, short what, void *argument) {
    (void)fd, (void)what;
    struct event **events = argument;
    note('d');
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(event_del(events[i]), 0);
        free(events[i]);
    }
}

/* Both are ready; whichever is called frees both. */
START_TEST(a_callback_frees_itself_and_another) {
    begin();
    put_byte();
    struct event *events[2];
    for (int i = 0; i < 2; i++) {
        events[i] = calloc(1, sizeof *events[i]);
        ck_assert_ptr_nonnull(events[i]);
        ck_assert(!event_initialized(events[i]));
        event_assign(events[i], base, pair[0], EV_READ | EV_PERSIST, delete_both, events);
        ck_assert(event_initialized(events[i]));
        ck_assert_int_eq(event_add(events[i], NULL), 0);
    }
    turn();
    trace_is("d");
    end();
}
END_TEST

/* As memcached does: read, then wait to write, then read again. */
static void turn_around(evutil_socket_t fd, short what, void *argument) {
    struct event_base *own = first.ev_base;
    on_event(fd, what, argument);
    short next = what & EV_READ ? EV_WRITE : EV_READ;
    ck_assert_int_eq(event_del(&first), 0);
    event_set(&first, fd, next | EV_PERSIST, turn_around, argument);
    ck_assert_int_eq(event_base_set(own, &first), 0);
    ck_assert_int_eq(event_add(&first, NULL), 0);
}

START_TEST(an_event_is_set_anew_in_its_callback) {
    begin();
    put_byte();
    event_assign(&first, base, pair[0], EV_READ | EV_PERSIST, turn_around, NULL);
    ck_assert_int_eq(event_add(&first, NULL), 0);
    for (int i = 0; i < 4; i++) ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
    trace_is("rwrw");
    end();
}
END_TEST

START_TEST(a_loop_ends_when_it_is_told_to) {
    begin();
    add(&first, EV_READ | EV_PERSIST, &far);
    ck_assert_int_eq(event_base_loopexit(base, NULL), 0);
    ck_assert_int_eq(event_base_loop(base, 0), 0);
    trace_is("");
    add(&second, 0, &at_once);
    ck_assert_int_eq(event_base_loopexit(base, &soon), 0);
    ck_assert_int_eq(event_base_loop(base, 0), 0);
    trace_is("t");
    end();
}
END_TEST

START_TEST(a_base_lets_go_of_what_is_pending) {
    begin();
    add(&first, EV_READ | EV_PERSIST, &far);
    add(&second, EV_WRITE, NULL);
    event_base_free(base);
    ck_assert_int_eq(event_pending(&first, EV_READ | EV_TIMEOUT, NULL), 0);
    base = event_init();
    ck_assert_ptr_nonnull(base);
    event_set(&first, pair[0], EV_WRITE, on_event, NULL); /* for the base of event_init */
    ck_assert_ptr_eq(first.ev_base, base);
    ck_assert_int_eq(event_add(&first, NULL), 0);
    ck_assert_int_eq(event_base_loop(base, 0), 1);
    trace_is("w");
    end();
}
END_TEST

START_TEST(what_cannot_be_watched_is_an_error) {
    begin();
    first = (struct event){.fd = -1};
    ck_assert_int_eq(event_add(&first, NULL), -1);
    ck_assert_int_eq(event_del(&first), -1);
    FILE *regular = tmpfile();
    ck_assert_ptr_nonnull(regular);
    event_assign(&first, base, fileno(regular), EV_READ, on_event, NULL);
    errno = 0;
    ck_assert_int_eq(event_add(&first, &far), -1);
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(event_base_loop(base, 0), 1);
    fclose(regular);
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("events");
    ck_add(suite, "events", an_event_comes_once_or_until_it_is_deleted,
           what_is_ready_at_the_same_time_is_one_call, a_callback_frees_itself_and_another,
           an_event_is_set_anew_in_its_callback, what_cannot_be_watched_is_an_error);
    ck_add(suite, "time", a_time_out_comes_when_nothing_else_does,
           a_persistent_time_out_comes_again_and_is_put_off_by_events);
    ck_add(suite, "the loop", a_loop_ends_when_it_is_told_to, a_base_lets_go_of_what_is_pending);
    return suite;
}
