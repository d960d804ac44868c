/* bench.c: what `eddy bench` makes of its samples: figures, results, tables. */
#include "suite.h"

#include "bench.h"
#include "bench_guard.h"
#include "figure.h"
#include "quantity.h"
#include "samples.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- Figures --- */

START_TEST(a_figure_is_the_median_between_the_quartiles) {
    double none[1] = {0}, one[] = {7}, five[] = {5, 1, 4, 2, 3}, four[] = {40, 10, 30, 20};
    struct bench_figure it = bench_figure_of(none, 0);
    ck_assert(it.median < 0 && it.low < 0 && it.high < 0);
    it = bench_figure_of(one, 1);
    ck_assert(it.median == 7 && it.low == 7 && it.high == 7);
    it = bench_figure_of(five, 5);
    ck_assert(it.median == 3 && it.low == 2 && it.high == 4);
    it = bench_figure_of(four, 4);
    ck_assert(it.median == 25 && it.low == 17.5 && it.high == 32.5);
}
END_TEST

START_TEST(one_is_singular) {
    static const struct {
        const char *of, *is;
    } texts[] = {{"1 connections", "1 connection"},
                 {"1 pairs, 1 actives", "1 pair, 1 active"},
                 {"from 1 connections to one", "from 1 connection to one"},
                 {"11 bytes, 21 s", "11 bytes, 21 s"},
                 {"1 at a time", "1 at a time"},
                 {"1 ", "1 "},
                 {"", ""}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char text[32];
        snprintf(text, sizeof text, "%s", texts[i].of);
        ck_assert_str_eq(text_of_one(text), texts[i].is);
    }
}
END_TEST

/* The ranks are those of tables of the binomial distribution. */
START_TEST(an_interval_of_the_median_is_of_two_of_the_values) {
    static const struct {
        unsigned count, low, high; /* the values are 1, 2, 3 and so on */
    } intervals[] = {{1, 1, 1}, {5, 1, 5},   {6, 1, 6},   {8, 1, 8},
                     {9, 2, 8}, {15, 4, 12}, {20, 6, 15}, {100, 40, 61}};
    for (size_t i = 0; i < sizeof intervals / sizeof intervals[0]; i++) {
        double values[100];
        unsigned count = intervals[i].count;
        for (unsigned k = 0; k < count; k++) values[k] = count - k;
        struct bench_figure it = bench_interval_of(values, count);
        ck_assert_msg(it.low == intervals[i].low && it.high == intervals[i].high, "%u: %g %g",
                      count, it.low, it.high);
        ck_assert(it.median == (1 + count) / 2.0);
    }
    ck_assert(bench_interval_of(NULL, 0).low < 0);
}
END_TEST

/* As often as e^-x above x, for three x; 1 on average. */
START_TEST(exponential_numbers_are) {
    enum { COUNT = 100000 };
    static const double shares[] = {0.36788, 0.13534, 0.04979};
    unsigned above[3] = {0};
    uint64_t random = 1;
    double sum = 0;
    for (int i = 0; i < COUNT; i++) {
        double it = bench_random_exponential(&random);
        for (int k = 0; k < 3; k++) above[k] += it > k + 1;
        sum += it;
    }
    ck_assert(sum > 0.99 * COUNT && sum < 1.01 * COUNT);
    for (int k = 0; k < 3; k++)
        ck_assert(above[k] > (shares[k] - 0.005) * COUNT && above[k] < (shares[k] + 0.005) * COUNT);
}
END_TEST

/* --- Runs --- */

static void run_well(const struct bench_case *it, struct bench_sample *sample) {
    sample->operations = 10;
    sample->time_ns = it->numbers[0];
    sample->cpu_ns = 500;
    eddy_histogram_record(&sample->latency, it->numbers[0]);
}
static void run_short_of(const struct bench_case *it, struct bench_sample *sample) {
    (void)it;
    bench_cannot(sample, "the thing", -EMFILE);
}
static void run_idly(const struct bench_case *it, struct bench_sample *sample) {
    (void)it, (void)sample;
}
static void run_away(const struct bench_case *it, struct bench_sample *sample) {
    (void)it, (void)sample;
    _exit(3);
}
static void run_dead(const struct bench_case *it, struct bench_sample *sample) {
    (void)it, (void)sample;
    raise(SIGKILL);
}
static void run_late(const struct bench_case *it, struct bench_sample *sample) {
    (void)it, (void)sample;
    raise(SIGALRM); /* as after two minutes */
}

#define CASE(subject_, run_, number)                                                            \
    {                                                                                           \
        .workload = "work", .subject = (subject_), .operation = "deed", .setting = "all of it", \
        .size = 4, .numbers = {(number)}, .run = (run_)                                         \
    }

/* A case that fails is told, and neither ends the run nor spoils the others. */
START_TEST(each_case_has_a_result) {
    static const struct bench_case cases[] = {
        CASE("first", run_well, 1000), CASE("slow", run_well, 2500), CASE("short", run_short_of, 0),
        CASE("idle", run_idly, 0),     CASE("away", run_away, 0),    CASE("dead", run_dead, 0),
        CASE("late", run_late, 0),
    };
    static const char *const reasons[] = {
        "the thing: ", "nothing was done: ", "gave up: ", "died of signal 9", "took too long: "};
    enum { COUNT = sizeof cases / sizeof cases[0] };
    struct bench_result results[COUNT + 1];
    struct bench_samples samples;
    struct bench_plan plan = {.rounds = 3, .time_ns = 1, .show_progress = true};
    ck_assert_int_eq(bench_samples_init(&samples, cases, COUNT, true), 0);
    ck_assert_uint_eq(samples.row_count, COUNT + 1);
    ck_assert_int_eq(bench_run(&samples, &plan), 0);
    for (size_t i = 0; i <= COUNT; i++) bench_result_of(&samples, i, &results[i]);
    for (int i = 0; i < COUNT; i++) ck_assert_ptr_eq(results[i].of, &cases[i]);
    ck_assert(results[COUNT].of == &cases[0] && results[COUNT].is_control);
    ck_assert(results[COUNT].ratio.median == 1 && results[COUNT].rounds == 3);
    ck_assert_int_eq(results[0].error, 0);
    ck_assert(results[0].time_ns.median == 100 && results[0].cpu_ns.median == 50);
    ck_assert(results[0].ratio.median == 1 && results[1].ratio.median == 2.5);
    ck_assert(results[0].calls.median < 0 && results[0].switches.median < 0);
    ck_assert(!results[0].is_wide);
    for (int i = 2; i < COUNT; i++) {
        ck_assert_int_ne(results[i].error, 0);
        ck_assert_msg(strncmp(results[i].why, reasons[i - 2], strlen(reasons[i - 2])) == 0, "%s",
                      results[i].why);
    }
    plan.rounds = 0;
    ck_assert_int_eq(bench_run(&samples, &plan), -EINVAL);
    plan.rounds = 101;
    ck_assert_int_eq(bench_run(&samples, &plan), -EINVAL);
    bench_samples_free(&samples);
}
END_TEST

static void count_records(void *context, const struct bench_samples *samples,
                          const struct bench_record *record) {
    ck_assert_ptr_eq(record, &samples->records[samples->count - 1]);
    ++*(unsigned *)context;
}

/* The order of each round is another one, the same for the same seed, and each row comes once. */
START_TEST(every_sample_is_kept_with_its_place) {
    static const struct bench_case cases[] = {CASE("a", run_well, 1000), CASE("b", run_well, 2000),
                                              CASE("c", run_well, 3000)};
    enum { ROWS = 4, ROUNDS = 6 };
    struct bench_samples samples, same;
    struct bench_plan plan = {.rounds = ROUNDS, .time_ns = 1, .seed = 7};
    unsigned kept = 0, moved = 0;
    ck_assert_int_eq(bench_samples_init(&samples, cases, 3, true), 0);
    samples.keep = count_records;
    samples.context = &kept;
    ck_assert_int_eq(bench_run(&samples, &plan), 0);
    ck_assert_int_eq(bench_samples_init(&same, cases, 3, true), 0);
    ck_assert_int_eq(bench_run(&same, &plan), 0);
    ck_assert_uint_eq(kept, ROWS * ROUNDS);
    ck_assert_uint_eq(samples.count, ROWS * ROUNDS);
    unsigned seen[ROWS][ROUNDS + 1] = {{0}};
    for (size_t i = 0; i < samples.count; i++) {
        const struct bench_record *it = &samples.records[i];
        ck_assert_uint_eq(it->row, same.records[i].row);
        ck_assert_uint_eq(it->position, i % ROWS);
        ck_assert_uint_eq(it->round, 1 + i / ROWS);
        ck_assert(it->values[BENCH_TIME] == (double)samples.rows[it->row].of->numbers[0] / 10);
        ck_assert(it->values[BENCH_CALLS] < 0 && it->values[BENCH_P99] < 0);
        seen[it->row][it->round]++;
        moved += it->row != it->position;
    }
    for (size_t i = 0; i < ROWS; i++)
        for (size_t k = 1; k <= ROUNDS; k++) ck_assert_uint_eq(seen[i][k], 1);
    ck_assert_uint_gt(moved, 0);
    bench_samples_free(&samples);
    bench_samples_free(&same);
}
END_TEST

enum { CALLS = 500 };

static void *call_more(void *context) {
    for (int i = 0; i < CALLS; i++) getppid();
    return context;
}

/* Twice as many calls as operations, half of them in another thread; those outside do not count. */
static void run_calls(const struct bench_case *it, struct bench_sample *sample) {
    struct bench_meter meter;
    pthread_t thread;
    call_more(NULL);
    ck_assert_int_eq(pthread_create(&thread, NULL, call_more, NULL), 0);
    pthread_join(thread, NULL);
    bench_start(&meter);
    ck_assert_int_eq(pthread_create(&thread, NULL, call_more, NULL), 0);
    call_more(NULL);
    pthread_join(thread, NULL);
    bench_stop(&meter, sample);
    sample->operations = CALLS;
    eddy_histogram_record(&sample->latency, it->numbers[0]);
}

/* In a round of its own, whose times count for nothing. */
START_TEST(calls_are_counted_from_outside) {
    static const struct bench_case cases[] = {CASE("calls", run_calls, 1000)};
    struct bench_samples samples;
    struct bench_result result;
    struct bench_plan plan = {.rounds = 2, .time_ns = 1, .counts_calls = true};
    ck_assert_int_eq(bench_samples_init(&samples, cases, 1, false), 0);
    ck_assert_int_eq(bench_run(&samples, &plan), 0);
    ck_assert_int_eq(samples.rows[0].error, 0);
    bench_result_of(&samples, 0, &result);
    ck_assert_uint_eq(result.rounds, 2);
    ck_assert_uint_eq(result.timed, 2);
    /* Some more for the thread itself. Where a sandbox forbids it, nothing is known. */
    if (samples.count == 3)
        ck_assert_msg(result.counted.median >= 2 && result.counted.median < 2.2, "%g",
                      result.counted.median);
    else
        ck_assert(result.counted.median < 0);
    bench_samples_free(&samples);
}
END_TEST

/* Interrupts the run when its sample is one that counts. */
static void run_to_an_end(const struct bench_case *it, struct bench_sample *sample) {
    if (it->time_ns == (int64_t)it->numbers[1]) {
        kill(it->runner, SIGINT);
        for (;;) pause();
    }
    run_well(it, sample);
}

/* What was measured before an interruption stays, and what it ended is none. The next run is over
 * at once. The seed puts the case that interrupts behind the others. */
START_TEST(an_interrupted_run_keeps_what_it_has) {
    static const struct bench_case cases[] = {CASE("a", run_well, 1000),
                                              CASE("b", run_well, 2000),
                                              {.workload = "work",
                                               .subject = "end",
                                               .operation = "deed",
                                               .setting = "all of it",
                                               .numbers = {1000, 4000},
                                               .run = run_to_an_end}};
    struct bench_samples samples;
    struct bench_plan plan = {.rounds = 3, .time_ns = 4000, .seed = 4};
    ck_assert_int_eq(bench_samples_init(&samples, cases, 3, true), 0);
    ck_assert_int_eq(bench_run(&samples, &plan), 0);
    ck_assert_int_eq(bench_interrupted(), SIGINT);
    ck_assert_uint_gt(samples.count, 0);
    ck_assert_uint_lt(samples.count, 4);
    for (size_t i = 0; i < samples.row_count; i++) ck_assert_int_eq(samples.rows[i].error, 0);
    ck_assert(waitpid(-1, NULL, 0) < 0 && errno == ECHILD);
    size_t count = samples.count;
    ck_assert_int_eq(bench_run(&samples, &plan), 0);
    ck_assert_uint_eq(samples.count, count);
    bench_samples_free(&samples);
}
END_TEST

/* Leaves a process behind that never ends by itself. */
static void run_and_leave(const struct bench_case *it, struct bench_sample *sample) {
    if (fork() == 0)
        for (;;) pause();
    run_well(it, sample);
}

/* Whoever is left holds the pipe open. */
START_TEST(nothing_outlives_a_run) {
    static const struct bench_case cases[] = {CASE("a", run_and_leave, 1000)};
    struct bench_samples samples;
    struct bench_plan plan = {.rounds = 2, .time_ns = 1};
    int ends[2];
    char byte;
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(bench_samples_init(&samples, cases, 1, true), 0);
    ck_assert_int_eq(bench_run(&samples, &plan), 0);
    ck_assert_uint_eq(samples.count, 4);
    close(ends[1]);
    ck_assert_int_eq(read(ends[0], &byte, 1), 0);
    close(ends[0]);
    bench_samples_free(&samples);
}
END_TEST

/* What would be told of a few is told by chance. */
START_TEST(a_quantile_wants_ten_beyond_it) {
    eddy_histogram latency = {.count = 0};
    ck_assert(bench_quantile(&latency, 0.5) < 0);
    for (int i = 0; i < 999; i++) eddy_histogram_record(&latency, 100);
    ck_assert(bench_quantile(&latency, 0.5) > 0 && bench_quantile(&latency, 0.99) < 0);
    eddy_histogram_record(&latency, 100);
    ck_assert(bench_quantile(&latency, 0.99) > 0 && bench_quantile(&latency, 0.999) < 0);
}
END_TEST

/* --- Reports --- */

static const struct bench_case told[] = {CASE("a\"b", run_well, 0), CASE("other", run_well, 0)};

static struct bench_result result_of(double time_ns) {
    struct bench_figure time = {time_ns, time_ns * 0.9, time_ns * 1.2}, none = {-1, -1, -1};
    return (struct bench_result){.of = &told[0],
                                 .time_ns = time,
                                 .ratio = {1, 1, 1},
                                 .cpu_ns = none,
                                 .calls = none,
                                 .switches = none,
                                 .events = none,
                                 .counted = none,
                                 .counters = {none, none, none},
                                 .busy = none,
                                 .memory_bytes = -1,
                                 .before_bytes = -1,
                                 .kernel_bytes = -1,
                                 .served = -1,
                                 .spread = -1,
                                 .answered = -1,
                                 .is_wide = true};
}

static char *tell(enum bench_format format, const struct bench_result *results, size_t count) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    ck_assert_ptr_nonnull(out);
    bench_tell(out, format, 7, results, count);
    fclose(out);
    return text;
}

/* Three digits that count, in the unit that makes them short. */
START_TEST(numbers_are_told_in_their_units) {
    static const struct {
        double ns;
        const char *text;
    } times[] = {{1.234, "1.23 ns"}, {12.34, "12.3 ns"},    {123.4, "123 ns"}, {1234, "1.23 us"},
                 {12345, "12.3 us"}, {12345678, "12.3 ms"}, {2.5e9, "2.50 s"}};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        struct bench_result result = result_of(times[i].ns);
        char *text = tell(BENCH_TABLE, &result, 1);
        ck_assert_msg(strstr(text, times[i].text) != NULL, "%s in %s", times[i].text, text);
        ck_assert_ptr_nonnull(strstr(text, "too little to conclude"));
        free(text);
    }
    static const struct {
        double bytes;
        const char *text;
    } sizes[] = {{100, "100 B"}, {20 * 1024, "20 KiB"}, {30 << 20, "30 MiB"}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct bench_result result = result_of(1e6);
        result.memory_bytes = sizes[i].bytes;
        result.calls.median = 2.5;
        result.p50_ns = 7;
        char *text = tell(BENCH_TABLE, &result, 1);
        ck_assert_ptr_nonnull(strstr(text, sizes[i].text));
        ck_assert_ptr_nonnull(strstr(text, "2.50"));
        ck_assert_ptr_nonnull(strstr(text, "7.00 ns"));
        free(text);
    }
}
END_TEST

/* For machines: nothing that is not known is a number, and quotes do not end a text. */
START_TEST(results_are_told_to_machines) {
    struct bench_result results[2] = {result_of(10), {.of = &told[1], .error = -EIO, .why = "so"}};
    char *json = tell(BENCH_JSON, results, 2), *csv = tell(BENCH_CSV, results, 2);
    ck_assert_ptr_nonnull(strstr(json, "\"subject\": \"a\\u0022b\""));
    ck_assert_ptr_nonnull(strstr(json, "\"time_ns\": {\"median\": 10, \"low\": 9, \"high\": 12}"));
    ck_assert_ptr_nonnull(strstr(json, "\"calls\": null"));
    ck_assert_ptr_nonnull(strstr(json, "\"p50_ns\": null"));
    ck_assert_ptr_nonnull(strstr(json, "\"error\": -5, \"why\": \"so\""));
    ck_assert_ptr_nonnull(strstr(json, "\"machine\": {\"processor\": \""));
    ck_assert_ptr_nonnull(strstr(json, ", \"seed\": 7,"));
    ck_assert_ptr_nonnull(strstr(
        csv,
        "work,\"all of it\",\"a\"\"b\",deed,4,10,9,12,1,1,1,,,,,,,,,,0,,,,,,,,,,,0,true,false,\n"));
    ck_assert_ptr_nonnull(
        strstr(csv, "work,\"all of it\",other,deed,4,,,,,,,,,,,,,,,,,,,,,,,,,,,,false,false,so\n"));
    free(json);
    free(csv);
    results[0].p50_ns = results[0].p99_ns = results[0].p999_ns = 8;
    json = tell(BENCH_JSON, results, 1), csv = tell(BENCH_CSV, results, 1);
    ck_assert_ptr_nonnull(strstr(json, "\"p50_ns\": 8, \"p99_ns\": 8"));
    ck_assert_ptr_nonnull(strstr(csv, ",8,8,8,,,,,,,,0,true,false,\n"));
    free(json);
    free(csv);
    results[0] = results[1];
    char *table = tell(BENCH_TABLE, results, 1);
    ck_assert_ptr_nonnull(strstr(table, "other          so\n"));
    free(table);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("bench");
    ck_add(suite, "figures", a_figure_is_the_median_between_the_quartiles, one_is_singular,
           an_interval_of_the_median_is_of_two_of_the_values, a_quantile_wants_ten_beyond_it,
           exponential_numbers_are);
    ck_add(suite, "results", each_case_has_a_result, every_sample_is_kept_with_its_place,
           an_interrupted_run_keeps_what_it_has, nothing_outlives_a_run,
           calls_are_counted_from_outside, numbers_are_told_in_their_units,
           results_are_told_to_machines);
    return suite;
}
