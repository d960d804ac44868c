/* hiredis_work.c: a log-in that is refused, and a loop that goes on beside much work of hiredis. */
#include "clients.h"
#include "lag.h"

/* A log-in that is refused is a reply: the connection stays, and may try again. */
START_TEST(a_wrong_password_is_a_reply) {
    redisAsyncContext *keeper = attach(), *context = attach();
    ask(keeper, "CONFIG SET requirepass secret");
    expect_text("OK");
    ask(keeper, "AUTH secret");
    expect_text("OK");
    redisAsyncDisconnect(context); /* of before, and so logged in */
    context = attach();
    ask(context, "PING");
    expect_text("NOAUTH ");
    ask(context, "AUTH wrong");
    ck_assert_str_ne(text, "OK");
    ask(context, "PING");
    expect_text("NOAUTH ");
    ck_assert(!is_down && nothings == 0);
    ask(context, "AUTH secret");
    expect_text("OK");
    ask(context, "PING");
    expect_text("PONG");
    redisAsyncDisconnect(context);
    ck_assert_int_eq(redisAsyncCommand(keeper, on_reply, NULL, "CONFIG SET requirepass %s", ""),
                     REDIS_OK);
    redisAsyncDisconnect(keeper);
    run_to_end();
}
END_TEST

/* --- Beside it the loop goes on --- */

enum { CLIENTS = 50 };

static unsigned left[CLIENTS];

static void ask_again(redisAsyncContext *context, void *reply, void *data) {
    unsigned *it = data;
    on_reply(context, reply, NULL);
    if (--*it > 0)
        redisAsyncCommand(context, ask_again, it, "PING");
    else
        redisAsyncDisconnect(context);
}

START_TEST(many_small_commands_leave_the_loop_its_time) {
    const unsigned each = is_slow() ? 10 : 200;
    for (int i = 0; i < CLIENTS; i++) {
        left[i] = each;
        redisAsyncCommand(attach(), ask_again, &left[i], "PING");
    }
    lag_begin(loop);
    run_to_end();
    lag_end("commands of 50 clients, one after the other");
    ck_assert(replies == (int)each * CLIENTS && nothings == 0);
}
END_TEST

/* hiredis reads 16 KiB at a time, and copies the value when it is whole. */
START_TEST(large_values_leave_the_loop_its_time) {
    const size_t size = is_slow() ? 1 << 20 : 32 << 20;
    redisAsyncContext *context = attach();
    char command[64];
    snprintf(command, sizeof command, "SETRANGE large %zu x", size - 1);
    ask(context, command);
    redisAsyncCommand(context, on_reply, NULL, "GET large");
    redisAsyncCommand(context, on_reply, NULL, "DEL large");
    redisAsyncDisconnect(context);
    lag_begin(loop);
    run_to_end();
    lag_end("a large value");
    ck_assert(replies == 3 && nothings == 0);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("hiredis at work");
    TCase *password = tcase_create("password"), *beside = tcase_create("beside");
    tcase_add_checked_fixture(password, set_up, tear_down);
    tcase_add_test(password, a_wrong_password_is_a_reply);
    suite_add_tcase(suite, password);
    tcase_add_checked_fixture(beside, set_up, tear_down);
    tcase_set_timeout(beside, 60);
    tcase_add_test(beside, many_small_commands_leave_the_loop_its_time);
    tcase_add_test(beside, large_values_leave_the_loop_its_time);
    suite_add_tcase(suite, beside);
    return suite;
}
