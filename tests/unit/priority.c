/* priority.c: a lock that lends priority: who holds it runs with that of who waits for it, so that
 * nobody in between keeps both of them waiting. */
#include "os.h"
#include "suite.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

static eddy_os_mutex lock;

static void *wait_for_lock(void *context) {
    eddy_os_lock(&lock);
    eddy_os_unlock(&lock);
    return context;
}

/* A thread of a priority that no plain one has; false where this process may have none. */
static bool start_urgent(pthread_t *thread) {
    pthread_attr_t attributes;
    struct sched_param priority = {.sched_priority = 10};
    pthread_attr_init(&attributes);
    pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
    pthread_attr_setschedpolicy(&attributes, SCHED_FIFO);
    pthread_attr_setschedparam(&attributes, &priority);
    int err = pthread_create(thread, &attributes, wait_for_lock, NULL);
    pthread_attr_destroy(&attributes);
    return err == 0;
}

/* That the kernel runs this thread with: 0 and more for plain ones, less for urgent ones. INT_MAX:
 * it does not say. */
static int priority_now(void) {
    char text[512] = "";
    FILE *file = fopen("/proc/thread-self/stat", "re");
    if (file == NULL) return INT_MAX;
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = '\0';
    const char *at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < 18; field++) at = strchr(at + 1, ' ');
    int priority = INT_MAX;
    return at != NULL && sscanf(at, "%d", &priority) == 1 ? priority : INT_MAX;
}

START_TEST(the_holder_runs_as_urgently_as_who_waits) {
    pthread_t thread;
    int err = eddy_os_mutex_open(&lock, true);
    if (err == -ENOTSUP || priority_now() == INT_MAX) return;
    ck_assert_int_eq(err, 0);
    ck_assert_int_ge(priority_now(), 0);
    eddy_os_lock(&lock);
    bool is_started = start_urgent(&thread);
    while (is_started && priority_now() >= 0)
        sched_yield(); /* until it waits, or the time is over */
    if (is_started) ck_assert_int_eq(priority_now(), -11);
    eddy_os_unlock(&lock);
    ck_assert_int_ge(priority_now(), 0);
    if (is_started) pthread_join(thread, NULL);
    eddy_os_mutex_close(&lock);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("priority");
    ck_add(suite, "lock", the_holder_runs_as_urgently_as_who_waits);
    return suite;
}
