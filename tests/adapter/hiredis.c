/* What adapter/hiredis.h does for hiredis: events, contexts that are freed in callbacks, servers
 * that go away, time-outs. */
#include "clients.h"

START_TEST(commands_are_answered_in_order) {
    redisAsyncContext *context = attach();
    ck_assert_int_eq(eddy_redis_attach(context, loop), -EALREADY);
    for (int i = 0; i < 5000; i++) redisAsyncCommand(context, on_reply, NULL, "ECHO %d", i);
    ck_assert_int_eq(eddy_loop_close(loop), -EBUSY);
    redisAsyncDisconnect(context); /* after the replies */
    run_to_end();
    ck_assert(replies == 5000 && nothings == 0 && connects == 1);
    ck_assert(is_down && status_of_loss == REDIS_OK);
    ck_assert_str_eq(text, "4999");
}
END_TEST

START_TEST(a_large_value_in_both_directions) {
    enum { BYTES = 4 << 20 };
    char *value = malloc(BYTES);
    redisAsyncContext *context = attach();
    memset(value, 'x', BYTES);
    redisAsyncCommand(context, on_reply, NULL, "SET big %b", value, (size_t)BYTES);
    for (int i = 0; i < 4; i++) redisAsyncCommand(context, on_reply, NULL, "GET big");
    redisAsyncCommand(context, on_reply, NULL, "DEL big");
    redisAsyncDisconnect(context);
    run_to_end();
    ck_assert(replies == 6 && nothings == 0);
    free(value);
}
END_TEST

/* Reading ends in the context being freed, with writing asked for as well: it is not touched then.
 */
static void on_reply_free(redisAsyncContext *context, void *reply, void *data) {
    on_reply(context, reply, data);
    if (reply == NULL) return;
    redisAsyncCommand(context, on_reply, NULL, "PING");
    redisAsyncFree(context);
}

START_TEST(is_freed_in_a_reply) {
    redisAsyncContext *context = attach();
    redisAsyncCommand(context, on_reply_free, NULL, "PING");
    redisAsyncCommand(context, on_reply, NULL, "PING");
    run_to_end();
    ck_assert(replies == 1 && nothings >= 1 && is_down);
}
END_TEST

/* hiredis before 1.1 has it that a callback of connecting must not free. */
static void on_connect_disconnect(const redisAsyncContext *context, int status) {
    on_connect(context, status);
    redisAsyncDisconnect((redisAsyncContext *)(uintptr_t)context);
}

START_TEST(is_disconnected_in_a_callback) {
    redisAsyncContext *context = redisAsyncConnect("127.0.0.1", 1);
    redisAsyncFree(context); /* never attached */
    context = attach();
    context->onConnect = on_connect_disconnect;
    redisAsyncCommand(context, on_reply, NULL, "PING");
    run_to_end();
    ck_assert(replies + nothings == 1 && is_down);
}
END_TEST

/* After so many turns, connecting or with replies due. */
START_TEST(is_freed_at_any_time) {
    for (int turns = 0; turns < 8; turns++) {
        redisAsyncContext *context = attach();
        for (int i = 0; i < 100; i++) redisAsyncCommand(context, on_reply, NULL, "PING");
        for (int i = 0; i < turns; i++) test_run(loop, EDDY_RUN_NOWAIT);
        redisAsyncFree(context);
        ck_assert_int_eq(replies + nothings, 100);
        run_to_end();
    }
}
END_TEST

START_TEST(a_refused_connection_is_told) {
    redisAsyncContext *context = attach_at(1);
    redisAsyncCommand(context, on_reply, NULL, "PING");
    run_to_end();
    ck_assert(status_of_connect == REDIS_ERR && connects == 1 && nothings == 1 && replies == 0);
}
END_TEST

/* What has failed at once is refused, and can be freed. */
START_TEST(a_failed_context_is_not_attached) {
    redisAsyncContext *context = redisAsyncConnectUnix("/nowhere/at/all");
    ck_assert_int_ne(context->err, 0);
    ck_assert_int_eq(eddy_redis_attach(context, loop), -EINVAL);
    ck_assert_ptr_null(eddy_redis_handle(context));
    redisAsyncFree(context);
    context = redisAsyncConnect("127.0.0.1", 1);
    close(context->c.fd); /* so does a descriptor that cannot be watched */
    ck_assert_int_eq(eddy_redis_attach(context, loop), -EBADF);
    ck_assert(context->ev.cleanup == NULL);
    redisAsyncFree(context);
}
END_TEST

/* Each command is told once; a new context connects when the server is back. */
START_TEST(a_server_that_goes_away_and_comes_back) {
    redisAsyncContext *context = attach();
    test_turn_until(loop, &is_up);
    redisAsyncCommand(context, on_reply, NULL, "BLPOP nothing 0");
    redisAsyncCommand(context, on_reply, NULL, "PING");
    test_turn_for(loop, 20 * EDDY_NS_PER_MS);
    eddy_metrics before, after;
    eddy_loop_read_metrics(loop, &before, sizeof before);
    control_server(_i == 0 ? "stop" : "crash");
    test_turn_until(loop, &is_down);
    ck_assert(nothings == 2 && replies == 0 && status_of_loss == REDIS_ERR);
    for (int i = 0; i < 3; i++) {
        (void)attach();
        test_turn_until(loop, &is_done);
        ck_assert_int_eq(status_of_connect, REDIS_ERR);
    }
    control_server("start");
    context = attach();
    test_turn_until(loop, &is_up);
    redisAsyncDisconnect(context);
    run_to_end();
    eddy_loop_read_metrics(loop, &after, sizeof after);
    ck_assert_uint_eq(after.events_stale, before.events_stale);
}
END_TEST

/* Somebody has closed the descriptor: hiredis hears of it, as it would from read(). */
START_TEST(a_lost_descriptor_is_told) {
    redisAsyncContext *context = attach();
    test_turn_until(loop, &is_up);
    test_turn_for(loop, EDDY_NS_PER_MS);
    close(context->c.fd);
    redisAsyncCommand(context, on_reply, NULL, "PING");
    test_turn_until(loop, &is_down);
    ck_assert(nothings == 1 && status_of_loss == REDIS_ERR);
}
END_TEST

/* --- Subscriptions --- */

static int messages;
static bool is_subscribed, has_three;

static void on_message(redisAsyncContext *context, void *reply, void *data) {
    const redisReply *it = reply;
    (void)context;
    (void)data;
    if (it == NULL || it->type != REDIS_REPLY_ARRAY) return;
    if (strcmp(it->element[0]->str, "subscribe") == 0) is_subscribed = true;
    if (strcmp(it->element[0]->str, "message") == 0) has_three = ++messages == 3;
}

START_TEST(messages_come_while_nothing_is_asked) {
    redisAsyncContext *listener = attach(), *sender;
    messages = 0;
    is_subscribed = has_three = false;
    redisAsyncCommand(listener, on_message, NULL, "SUBSCRIBE news");
    test_turn_until(loop, &is_subscribed);
    sender = attach();
    for (int i = 0; i < 3; i++) redisAsyncCommand(sender, on_reply, NULL, "PUBLISH news %d", i);
    test_turn_until(loop, &has_three);
    redisAsyncDisconnect(sender);
    /* One that only listens may let the loop end. */
    eddy_unref(eddy_redis_handle(listener));
    run_to_end();
    ck_assert_int_eq(messages, 3);
    redisAsyncFree(listener);
}
END_TEST

START_TEST(a_slow_command_holds_up_no_other_connection) {
    redisAsyncContext *slow = attach(), *fast;
    bool is_answered = false, is_slow_done = false;
    redisAsyncCommand(slow, on_reply, &is_slow_done, "BLPOP nothing 0");
    fast = attach();
    for (int i = 0; i < 20; i++) {
        is_answered = false;
        redisAsyncCommand(fast, on_reply, &is_answered, "PING");
        test_turn_until(loop, &is_answered);
    }
    ck_assert(!is_slow_done);
    redisAsyncCommand(fast, on_reply, NULL, "RPUSH nothing x");
    test_turn_until(loop, &is_slow_done);
    redisAsyncDisconnect(slow);
    redisAsyncDisconnect(fast);
    run_to_end();
}
END_TEST

#if HIREDIS_MAJOR >= 1
/* A listener that accepts nothing, a server that does not answer. */
START_TEST(time_outs) {
    redisOptions options = {0};
    const struct timeval time = {0, 50000};
    const char *port = getenv("EDDY_TEST_REDIS_PORT");
    REDIS_OPTIONS_SET_TCP(&options, "127.0.0.1", atoi(port));
    options.connect_timeout = options.command_timeout = &time;
    redisAsyncContext *context = redisAsyncConnectWithOptions(&options);
    is_up = is_down = false;
    replies = nothings = 0;
    ck_assert_int_eq(eddy_redis_attach(context, loop), 0);
    redisAsyncSetConnectCallback(context, on_connect);
    redisAsyncSetDisconnectCallback(context, on_loss);
    test_turn_until(loop, &is_up);
    bool is_answered = false;
    redisAsyncCommand(context, on_reply, &is_answered, "PING");
    test_turn_until(loop, &is_answered);
    test_turn_for(loop, 100 * EDDY_NS_PER_MS); /* idle: no time-out */
    ck_assert(!is_down);
    /* It has been answered by the time that the loop comes to it: that is in time. */
    is_answered = false;
    redisAsyncCommand(context, on_reply, &is_answered, "PING");
    test_run(loop, EDDY_RUN_NOWAIT);
    usleep(100000);
    test_turn_until(loop, &is_answered);
    ck_assert(!is_down && nothings == 0 && replies == 2);
    redisAsyncCommand(context, on_reply, NULL, "BLPOP nothing 0");
    test_turn_until(loop, &is_down);
    ck_assert(nothings == 1 && status_of_loss == REDIS_ERR);
    context = redisAsyncConnectWithOptions(&options);
    ck_assert_int_eq(eddy_redis_attach(context, loop), 0);
    redisAsyncCommand(context, on_reply, NULL, "PING");
    redisAsyncFree(context);
    test_turn_for(loop, 100 * EDDY_NS_PER_MS); /* its timer has gone with it */
    run_to_end();
}
END_TEST
#endif

Suite *make_suite(void) {
    Suite *suite = suite_create("hiredis");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_set_timeout(all, 60);
    tcase_add_test(all, commands_are_answered_in_order);
    tcase_add_test(all, a_large_value_in_both_directions);
    tcase_add_test(all, is_freed_in_a_reply);
    tcase_add_test(all, is_disconnected_in_a_callback);
    tcase_add_test(all, is_freed_at_any_time);
    tcase_add_test(all, a_refused_connection_is_told);
    tcase_add_test(all, a_failed_context_is_not_attached);
    tcase_add_loop_test(all, a_server_that_goes_away_and_comes_back, 0, 2);
    tcase_add_test(all, a_lost_descriptor_is_told);
    tcase_add_test(all, messages_come_while_nothing_is_asked);
    tcase_add_test(all, a_slow_command_holds_up_no_other_connection);
#if HIREDIS_MAJOR >= 1
    tcase_add_test(all, time_outs);
#endif
    suite_add_tcase(suite, all);
    return suite;
}
