/* stalls.c: a handler that sleeps for a second holds up its loop, and is told of meanwhile: the
 * request by what the handler says of it, the place by its backtrace. */
#include "site.h"
#include "system.h"

#include <signal.h>
#include <stdatomic.h>

static struct site site;
static struct site_reply reply;
static eddy_watchdog watchdog;
static eddy_guard guard;
static atomic_int lasting, ended, in_handler;
static atomic_bool is_wrong;
static int64_t over_ns, slept_ns;

static void handler(eddy_http_request *request, void *context);

static void on_stalled(const eddy_stall *stall, void *context) {
    (void)context;
    bool is_right = stall->kind == EDDY_KIND_STREAM && stall->function != 0 &&
                    strcmp(stall->label, "GET /slow") == 0 &&
                    stall->duration_ns >= 50 * EDDY_NS_PER_MS;
    if (!is_right) atomic_store(&is_wrong, true);
    for (int i = 0; i < stall->frame_count; i++) {
        uintptr_t at = (uintptr_t)stall->frames[i], from = (uintptr_t)handler;
        if (at > from && at < from + 512) atomic_store(&in_handler, 1);
    }
    if (stall->frames_error == -ENOTSUP) atomic_store(&in_handler, 1);
    if (stall->is_over) over_ns = stall->duration_ns;
    atomic_fetch_add(stall->is_over ? &ended : &lasting, 1);
}

/* The signals for the backtraces cut sleep() short: so it is called until the second is over, and
 * until it was told of. */
static void handler(eddy_http_request *request, void *context) {
    (void)context;
    char label[64];
    snprintf(label, sizeof label, "%s %s", eddy_http_method(request), eddy_http_path(request));
    eddy_guard_label(&guard, label);
    int64_t from_ns = test_now_ns();
    while (test_now_ns() - from_ns < EDDY_NS_PER_S || atomic_load(&lasting) == 0) (void)sleep(1);
    slept_ns = test_now_ns() - from_ns;
    ck_assert_int_eq(eddy_http_respond(request, 200, "slow", 4), 0);
}

static void stall(int signal) {
    eddy_watchdog_config config = {
        .budget_ns = 50 * EDDY_NS_PER_MS, .stalled = on_stalled, .signal = signal};
    site_open(&site, (eddy_http_config){0});
    ck_assert_int_eq(eddy_http_handle(site.http, "GET", "/", handler, NULL), 0);
    ck_assert_int_eq(eddy_watchdog_start(&watchdog, &config), 0);
    ck_assert_int_eq(eddy_guard_start(&guard, &watchdog, site.loop), 0);
    int64_t before_ns = test_now_ns();
    ck_assert_int_eq(site_ask(&site, "GET /slow HTTP/1.1\r\nHost: h\r\n\r\n", &reply), 200);
    while (atomic_load(&ended) == 0) sleep_ns(EDDY_NS_PER_MS);
    ck_assert(!atomic_load(&is_wrong));
    ck_assert_int_ge(atomic_load(&lasting), 1);
    ck_assert_int_eq(atomic_load(&ended), 1);
    ck_assert_int_ge(over_ns, slept_ns);
    ck_assert_int_le(over_ns, test_now_ns() - before_ns);
    if (signal != 0) ck_assert_int_eq(atomic_load(&in_handler), 1);
    eddy_guard_stop(&guard);
    ck_assert_int_eq(eddy_watchdog_stop(&watchdog), 0);
    site_close(&site);
}

START_TEST(a_handler_that_sleeps_is_told_of_by_its_request) {
    stall(0);
}
END_TEST

START_TEST(its_backtrace_leads_to_the_handler) {
    stall(SIGURG);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("http stalls");
    ck_add(suite, "sleep", a_handler_that_sleeps_is_told_of_by_its_request,
           its_backtrace_leads_to_the_handler);
    return suite;
}
