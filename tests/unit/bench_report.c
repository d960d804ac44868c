/* bench_report.c: what `eddy bench` keeps in files and makes of them: samples, machines, charts,
 * pages, advice. */
#include "suite.h"

#include "advise.h"
#include "chart.h"
#include "json.h"
#include "machine.h"
#include "raw.h"
#include "report_page.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct bench_case case_of(const char *workload, const char *subject, int64_t size) {
    struct bench_case it = {
        .workload = workload, .subject = subject, .operation = "deed", .size = size};
    snprintf(it.setting, sizeof it.setting, "%lld of them", (long long)size);
    return it;
}

/* --- Samples --- */

/* Two groups with their controls, three rounds; the second row of the second group fails. */
static void fill(struct bench_samples *samples, const struct bench_case cases[4]) {
    ck_assert_int_eq(bench_samples_init(samples, cases, 4, true), 0);
    for (unsigned round = 1; round <= 3; round++)
        for (size_t row = 0; row < samples->row_count; row++) {
            static struct bench_sample sample;
            sample = (struct bench_sample){.operations = 10,
                                           .time_ns = (int64_t)(1000 * (row + 1) + round),
                                           .cpu_ns = 70,
                                           .calls = -1,
                                           .counted = -1,
                                           .memory_bytes = 4096,
                                           .before_bytes = -1,
                                           .kernel_bytes = -1,
                                           .switches = -1,
                                           .served = -1};
            if (row == 4) bench_cannot(&sample, "the \"thing\"\n", -EMFILE);
            ck_assert_int_eq(bench_samples_add(samples, row, round, (unsigned)row, &sample), 0);
        }
}

static void make_cases(struct bench_case cases[4]) {
    cases[0] = case_of("work", "a", 4);
    cases[1] = case_of("work", "b<&\"\\\x01", 4);
    cases[2] = case_of("work", "a", 40);
    cases[3] = case_of("work", "\xc3\xa9t\xc3\xa9", 40);
}

static const struct raw_head head = {.command = "eddy bench backends",
                                     .eddy = "0.1",
                                     .seed = UINT64_MAX,
                                     .rounds = 3,
                                     .sample_ms = 5};

static FILE *written(const struct bench_samples *samples) {
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    raw_write_head(file, &head);
    for (size_t i = 0; i < samples->count; i++)
        raw_write_record(file, samples, &samples->records[i]);
    raw_write_failures(file, samples);
    rewind(file);
    return file;
}

START_TEST(samples_are_read_as_they_were_written) {
    struct bench_case cases[4];
    struct bench_samples samples;
    struct raw raw;
    char error[256] = "";
    make_cases(cases);
    fill(&samples, cases);
    FILE *file = written(&samples);
    ck_assert_msg(raw_read(&raw, file, error, sizeof error) == 0, "%s", error);
    fclose(file);
    ck_assert_str_eq(raw.head.command, head.command);
    ck_assert(raw.head.seed == UINT64_MAX && raw.head.rounds == 3 && raw.head.sample_ms == 5);
    ck_assert_uint_eq(raw.samples.row_count, 6);
    ck_assert_uint_eq(raw.samples.count, samples.count);
    for (size_t i = 0; i < samples.count; i++) {
        const struct bench_record *a = &samples.records[i], *b = &raw.samples.records[i];
        ck_assert(a->row == b->row && a->round == b->round && a->position == b->position);
        for (int k = 0; k < BENCH_METRICS; k++) /* nine digits */
            ck_assert_double_eq_tol(a->values[k], b->values[k], 1e-8 * (2 + a->values[k]));
    }
    for (size_t i = 0; i < samples.row_count; i++) {
        const struct bench_row *a = &samples.rows[i], *b = &raw.samples.rows[i];
        ck_assert_str_eq(a->of->subject, b->of->subject);
        ck_assert_str_eq(a->of->setting, b->of->setting);
        ck_assert(a->first == b->first && a->is_control == b->is_control);
        ck_assert_str_eq(a->why, b->why);
    }
    raw_free(&raw);
    bench_samples_free(&samples);
}
END_TEST

/* What fills a text of the program wholly is read back as well. */
START_TEST(the_longest_texts_are_read) {
    struct bench_case cases[4];
    struct bench_samples samples;
    struct raw raw;
    char error[256] = "";
    make_cases(cases);
    for (int i = 0; i < 4; i++) memset(cases[i].setting, 'a', sizeof cases[i].setting - 1);
    fill(&samples, cases);
    memset(samples.rows[0].why, 'w', sizeof samples.rows[0].why - 1);
    samples.rows[0].error = -EIO;
    FILE *file = written(&samples);
    ck_assert_msg(raw_read(&raw, file, error, sizeof error) == 0, "%s", error);
    fclose(file);
    ck_assert_str_eq(raw.samples.rows[0].of->setting, cases[0].setting);
    ck_assert_str_eq(raw.samples.rows[0].why, samples.rows[0].why);
    raw_free(&raw);
    bench_samples_free(&samples);
}
END_TEST

/* A run that was killed as it wrote: what is whole counts. */
START_TEST(a_line_without_an_end_is_left_out) {
    struct bench_case cases[4];
    struct bench_samples samples;
    struct raw raw;
    char error[256] = "", text[4096];
    make_cases(cases);
    fill(&samples, cases);
    FILE *file = written(&samples);
    size_t length = fread(text, 1, 1000, file);
    fclose(file);
    file = fmemopen(text, length, "r");
    ck_assert_msg(raw_read(&raw, file, error, sizeof error) == 0, "%s", error);
    ck_assert_uint_gt(raw.samples.count, 0);
    ck_assert_uint_lt(raw.samples.count, 5);
    fclose(file);
    raw_free(&raw);
    bench_samples_free(&samples);
}
END_TEST

#define HEAD                                                                                    \
    "{\"format\":\"eddy bench\",\"version\":1,\"eddy\":\"1\",\"command\":\"c\",\"seed\":\"1\"," \
    "\"rounds\":3,\"sample_ms\":1}\n"
#define ROW(number, first)                                                                       \
    "{\"row\":" number ",\"first\":" first ",\"kind\":\"costs\",\"workload\":\"w\",\"setting\":" \
    "\"s\",\"size\":1,\"subject\":\"x\",\"control\":false,\"operation\":\"o\""

/* No run has a time in each of them, but a file of somebody's may. */
START_TEST(all_rounds_may_have_values) {
    struct raw raw;
    struct bench_result result;
    char error[256] = "";
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    fputs(HEAD, file);
    for (int round = 1; round <= BENCH_VALUES_MAX; round++)
        fprintf(file, ROW("0", "0") ",\"round\":%d,\"position\":0,\"time\":%d}\n", round, round);
    rewind(file);
    ck_assert_msg(raw_read(&raw, file, error, sizeof error) == 0, "%s", error);
    fclose(file);
    bench_result_of(&raw.samples, 0, &result);
    ck_assert_uint_eq(result.rounds, BENCH_VALUES_MAX);
    ck_assert_double_eq(result.time_ns.median, 51);
    raw_free(&raw);
}
END_TEST

START_TEST(broken_files_are_refused_with_the_line) {
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"", "line 1: is missing"},
        {"x\n", "line 1: no object"},
        {"{}\n", "line 1: \"format\" is not"},
        {"{\"format\":\"eddy bench\",\"version\":2}\n", "line 1: the file's format is version 2"},
        {HEAD "[]\n", "line 2: no object"},
        {HEAD "{}\n", "line 2: \"row\" is not"},
        {HEAD ROW("4096", "0") "}\n", "line 2: \"row\" is not"},
        {HEAD ROW("1.5", "0") "}\n", "line 2: \"row\" is not"},
        {HEAD ROW("1e400", "0") "}\n", "line 2: \"row\" is not"},
        {HEAD ROW("1", "2") "}\n", "line 2: \"first\" is not"},
        {HEAD ROW("1", "0") "}\n", "line 2: \"round\" is not"},
        {HEAD ROW("1", "0") ",\"round\":0,\"position\":0,\"time\":1}\n",
         "line 2: \"round\" is not"},
        {HEAD ROW("1", "0") ",\"round\":102,\"position\":0,\"time\":1}\n",
         "line 2: \"round\" is not"},
        {HEAD ROW("1", "0") ",\"round\":1,\"position\":0}\n", "line 2: \"time\" is not"},
        {HEAD ROW("1", "0") ",\"round\":1,\"position\":0,\"time\":-1}\n",
         "line 2: \"time\" is not"},
        {HEAD ROW("1", "0") ",\"round\":1,\"position\":0,\"time\":1e308}\n",
         "line 2: \"time\" is not"},
        {HEAD ROW("1", "0") ",\"round\":1,\"position\":0,\"time\":1e-300}\n",
         "line 2: \"time\" is not"},
        {HEAD ROW("1", "0") ",\"round\":1,\"position\":0,\"time\":\"1\"}\n",
         "line 2: \"time\" is not"},
        {HEAD ROW("0", "0") ",\"why\":\"a\"}\n" ROW("0", "0") ",\"why\":\"\\u0000\"}\n",
         "line 3: \"why\" is not"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct raw raw;
        char error[256] = "";
        FILE *file = tmpfile();
        ck_assert_ptr_nonnull(file);
        fputs(cases[i].text, file);
        rewind(file);
        ck_assert_int_eq(raw_read(&raw, file, error, sizeof error), -EINVAL);
        ck_assert_msg(strncmp(error, cases[i].error, strlen(cases[i].error)) == 0, "%zu: %s", i,
                      error);
        raw_free(&raw);
        fclose(file);
    }
}
END_TEST

START_TEST(escapes_in_texts_are_read) {
    static const struct {
        const char *value, *text; /* text NULL: refused */
    } cases[] = {
        {"\"\"", ""},
        {"\"a\\n\\t\\\"\\\\\\/\"", "a\n\t\"\\/"},
        {"\"\\u0041\\u00e9\\u20ac\\uD83D\\ude00\"", "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\"\\u0000\"", NULL},
        {"\"\\ud83d\"", NULL},
        {"\"\\ud83dx\"", NULL},
        {"\"\\ude00\"", NULL},
        {"\"\\ud83d\\u0041\"", NULL},
        {"\"0123456789abcde\"", "0123456789abcde"},
        {"\"0123456789abcd\\u20ac\"", NULL},
        {"\"0123456789abcdef\"", NULL}, /* too long for what is there */
        {"12", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[16];
        bool is_read = json_read_text(cases[i].value, strlen(cases[i].value), text, sizeof text);
        ck_assert_msg(is_read == (cases[i].text != NULL), "%s", cases[i].value);
        if (is_read) ck_assert_str_eq(text, cases[i].text);
    }
    double number;
    ck_assert(json_read_number("-1.5e2", 6, &number) && number == -150);
    ck_assert(!json_read_number("1e999", 5, &number) && !json_read_number("null", 4, &number));
}
END_TEST

/* A setting has a directory of the user's in it. */
START_TEST(results_are_told_whatever_is_in_their_texts) {
    struct bench_case of = case_of("work", "a", 4);
    struct bench_result result = {.of = &of, .rounds = 1, .ratio = {-1, -1, -1}};
    char *text = NULL;
    const char *why = NULL;
    size_t size = 0;
    snprintf(of.setting, sizeof of.setting, "%s", "in d\n\"x,\xff\\");
    FILE *out = open_memstream(&text, &size);
    bench_tell(out, BENCH_JSON, 7, &result, 1);
    fclose(out);
    ck_assert_msg(json_check(text, size, &why), "%s: %s", why, text);
    ck_assert_msg(strstr(text, "\"in d\\u000a\\u0022x,?\\u005c\"") != NULL, "%s", text);
    free(text);
    out = open_memstream(&text, &size);
    bench_tell(out, BENCH_CSV, 7, &result, 1);
    fclose(out);
    ck_assert_msg(strstr(text, "work,\"in d\n\"\"x,\xff\\\",a,deed,") != NULL, "%s", text);
    free(text);
}
END_TEST

/* --- Machines --- */

/* Whatever /proc and /sys say, it is JSON, and names neither the machine nor its user. */
START_TEST(a_machine_is_told_without_its_names) {
    struct machine_ticks ticks = {1, 0};
    char *text = NULL, name[256] = "";
    const char *why = NULL, *value, *home = getenv("HOME");
    size_t size = 0, length;
    for (int is_over = 0; is_over < 2; is_over++) {
        FILE *out = open_memstream(&text, &size);
        ck_assert_int_eq(machine_write(out, &ticks, is_over), 0);
        fclose(out);
        ck_assert_msg(json_check(text, size, &why), "%s: %s", why, text);
        ck_assert(json_find(text, size, "kernel", &value, &length));
        ck_assert(json_find(text, size, "compiler", &value, &length));
        ck_assert(
            json_find(text, size, is_over ? "steal_percent" : "load_at_begin", &value, &length));
        gethostname(name, sizeof name - 1);
        /* A short one, as "localhost", may be in anything. */
        ck_assert(strlen(name) < 6 || strstr(text, name) == NULL);
        ck_assert(home == NULL || strlen(home) < 6 || strstr(text, home) == NULL);
        ck_assert_ptr_null(strstr(text, "root="));
        free(text);
    }
}
END_TEST

/* --- Charts --- */

START_TEST(an_axis_has_at_most_five_round_steps) {
    static const double cases[][2] = {{1, 0.2}, {1.2, 0.5}, {4, 1},     {5, 1},       {5.1, 2},
                                      {11, 5},  {0, 1},     {260, 100}, {0.03, 0.01}, {1e9, 2e8}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double step = chart_step(cases[i][0]);
        ck_assert_msg(step > cases[i][1] * 0.999 && step < cases[i][1] * 1.001, "%g: %g",
                      cases[i][0], step);
    }
}
END_TEST

static unsigned count_of(const char *text, const char *word) {
    unsigned count = 0;
    for (; (text = strstr(text, word)) != NULL; text++) count++;
    return count;
}

static char *page_of(struct report_source *sources, size_t count) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    ck_assert_int_eq(report_page_write(out, sources, count), 0);
    fclose(out);
    return text;
}

/* As report_source_read makes it, without a directory. */
static void make_source(struct report_source *source, const struct bench_samples *samples,
                        struct bench_result results[6]) {
    *source = (struct report_source){.raw.head = head, .results = results};
    for (size_t i = 0; i < 6; i++) bench_result_of(samples, i, &results[source->count++]);
}

/* One panel for both sizes of the workload, whose names are text and nothing else. */
START_TEST(a_page_has_a_panel_and_a_table_for_each_workload) {
    struct bench_case cases[4];
    struct bench_samples samples;
    struct report_source sources[2];
    struct bench_result results[6];
    make_cases(cases);
    fill(&samples, cases);
    make_source(&sources[0], &samples, results);
    char *text = page_of(sources, 1);
    ck_assert_uint_eq(count_of(text, "<svg class=\"chart\""), 1);
    ck_assert_uint_eq(count_of(text, "data-workload=\"work\""), 1);
    ck_assert_uint_eq(count_of(text, "time per deed, ratio to a, n = 3"), 2);
    ck_assert_uint_eq(count_of(text, "<tr><td>4"), 6);
    ck_assert_uint_gt(count_of(text, "b&lt;&amp;&quot;\\?"), 0);
    ck_assert_uint_eq(count_of(text, "b<"), 0);
    ck_assert_uint_eq(count_of(text, "<script"), 0);
    ck_assert_ptr_nonnull(strstr(text, "the &quot;thing&quot;"));
    ck_assert_ptr_nonnull(strstr(text, "<data value=\"100.2\">100 ns</data>"));
    free(text);

    /* Of two machines, of which one has less: one panel each, and a word. */
    sources[0].label = "one";
    sources[1] = sources[0];
    sources[1].label = "<two>";
    sources[1].count = 3;
    text = page_of(sources, 2);
    ck_assert_uint_eq(count_of(text, "<svg class=\"chart\""), 2);
    ck_assert_uint_eq(count_of(text, "<tr><td>4 of them"), 6);
    ck_assert_ptr_nonnull(strstr(text, "Left out, as not all have measured it: one: work, 40 of"));
    ck_assert_uint_gt(count_of(text, "&lt;two&gt;"), 0);
    ck_assert_uint_eq(count_of(text, "<two>"), 0);
    free(text);
    bench_samples_free(&samples);
}
END_TEST

/* Where nothing could be measured there is an empty chart, whose numbers are numbers. */
START_TEST(a_page_of_nothing_has_numbers) {
    struct bench_case it = case_of("work", "a", 4);
    struct bench_result result = {.of = &it, .error = -EIO, .why = "so"};
    struct report_source source = {.raw.head = head, .results = &result, .count = 1};
    char *text = page_of(&source, 1);
    ck_assert_uint_eq(count_of(text, "nan") + count_of(text, "inf"), 0);
    free(text);
    it.kind = BENCH_COSTS;
    text = page_of(&source, 1);
    ck_assert_uint_eq(count_of(text, "nan") + count_of(text, "inf"), 0);
    free(text);
}
END_TEST

START_TEST(a_plot_is_one_picture) {
    struct bench_case cases[4];
    struct bench_samples samples;
    struct report_source source;
    struct bench_result results[6];
    char path[] = "/tmp/eddy-test-XXXXXX", text[16384] = "";
    make_cases(cases);
    fill(&samples, cases);
    make_source(&source, &samples, results);
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bench_plot(path, results, 0), -EINVAL);
    ck_assert_int_eq(bench_plot("/nowhere/|a.svg", results, 6), -ENOENT);
    ck_assert_int_eq(bench_plot(path, results, 6), 0);
    ck_assert_int_gt(read(fd, text, sizeof text - 1), 0);
    ck_assert_uint_eq(count_of(text, "<svg"), 2);
    ck_assert_uint_eq(count_of(text, "</svg>"), 2);
    close(fd);
    unlink(path);
    bench_samples_free(&samples);
}
END_TEST

/* --- Advice --- */

enum { ADVISED = 8 };

/* A call, a wake-up, and 10 and 100 idle descriptors on two backends with their control. */
static const char *advise(double ratio_10, double ratio_100, double noise) {
    static char text[4096];
    static struct bench_case cases[ADVISED];
    struct bench_result results[ADVISED] = {{.error = 0}};
    const double ratios[ADVISED] = {1, 1, 1, ratio_10, 1, 1, ratio_100, 1};
    FILE *out = fmemopen(text, sizeof text, "w");
    for (int i = 0; i < ADVISED; i++) {
        const char *workload = i == 0 ? ADVISE_CALL : i == 1 ? ADVISE_WAKE : ADVISE_IDLE;
        cases[i] = case_of(workload, (i - 2) % 3 == 1 ? "poll" : "epoll", i < 5 ? 10 : 100);
        bool is_control = i > 1 && (i - 2) % 3 == 2;
        double wide = is_control ? noise : 0.01;
        results[i] = (struct bench_result){
            .of = &cases[i],
            .is_control = is_control,
            .time_ns = {100, 99, 101},
            .cpu_ns = {50, 49, 51},
            .ratio = {ratios[i], ratios[i] * (1 - wide), ratios[i] * (1 + wide)}};
    }
    advise_tell(out, results, ADVISED);
    fclose(out);
    for (char *at = text; (at = strchr(at, '\n')) != NULL;) *at = ' '; /* the lines' ends */
    return text;
}

#define CK_SAYS(text, words) ck_assert_msg(strstr(text, words) != NULL, "%s", text)

START_TEST(advice_names_a_backend_only_beyond_the_noise) {
    const char *text = advise(0.8, 3, 0.05);
    CK_SAYS(text, "A system call takes 50.0 ns (49.0 ns to 51.0 ns) here");
    CK_SAYS(text, "With ten busy of many, take at 10 poll; at 100 epoll: ");
    CK_SAYS(text, "poll takes 0.80 (0.79 to 0.81) at 10 and 3.00 (2.97 to 3.03) at 100 of epoll's");
    CK_SAYS(text, "epoll against itself is off by up to 5 %.");
    CK_SAYS(text, "With all descriptors busy, nothing could be measured.");
    text = advise(0.97, 1.03, 0.05);
    CK_SAYS(text, "take at 10 and 100 any of them, as they differ by less than the noise: ");
    text = advise(0.8, 1.3, 0.4);
    CK_SAYS(text, "take at 10 and 100 any of them, as they differ by less than the noise: ");
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("bench_report");
    ck_add(suite, "files", samples_are_read_as_they_were_written, the_longest_texts_are_read,
           all_rounds_may_have_values, a_line_without_an_end_is_left_out,
           broken_files_are_refused_with_the_line, escapes_in_texts_are_read,
           results_are_told_whatever_is_in_their_texts, a_machine_is_told_without_its_names);
    ck_add(suite, "pages", an_axis_has_at_most_five_round_steps,
           a_page_has_a_panel_and_a_table_for_each_workload, a_page_of_nothing_has_numbers,
           a_plot_is_one_picture, advice_names_a_backend_only_beyond_the_noise);
    return suite;
}
