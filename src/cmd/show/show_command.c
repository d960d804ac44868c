/* show_command.c: see show_command.h. Three threads: this one serves the page, one runs the loop
 * that is shown, and one puts load on it. */
#include "show_command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "show_serving.h"

enum { LOAD_CLIENTS = 10, LOAD_RATE = 500, FDS_MAX = 20000 };

static int complain(const char *what, int error) {
    char text[64];
    fprintf(stderr, "eddy: %s: %s\n", what, eddy_strerror(error, text, sizeof text));
    return error;
}

/* --- The end --- */

static void on_signal(eddy_signal *watcher, int number) {
    (void)number;
    show_serving_stop(eddy_container_of(watcher, struct show, interrupt));
}

static void on_terminate(eddy_signal *watcher, int number) {
    (void)number;
    show_serving_stop(eddy_container_of(watcher, struct show, terminate));
}

static void on_end(eddy_timer *timer) {
    show_serving_stop(eddy_container_of(timer, struct show, end));
}

static int watch_end(struct show *show) {
    int err = eddy_signal_start(&show->interrupt, on_signal, SIGINT);
    if (err == 0) err = eddy_signal_start(&show->terminate, on_terminate, SIGTERM);
    if (err == 0 && show->options.seconds > 0)
        err = eddy_timer_start(&show->end, on_end, show->options.seconds * EDDY_NS_PER_S, 0);
    return err;
}

/* --- The browser --- */

static void on_browser_exit(eddy_child *child, const eddy_exit *exit) {
    (void)child;
    (void)exit;
}

/* Whether it opens is its own affair: the address has been printed. */
static void open_browser(struct show *show) {
    static const char *const openers[] = {"xdg-open", "open"};
    static const eddy_child_fd fds[] = {
        {.number = 0, .source = EDDY_CHILD_NULL},
        {.number = 1, .source = EDDY_CHILD_NULL},
        {.number = 2, .source = EDDY_CHILD_NULL},
    };
    char url[96];
    int err = -ENOENT;
    snprintf(url, sizeof url, "http://%s/", show->address);
    eddy_child *browser = &show->browser;
    eddy_child_init(browser, show->loop);
    for (size_t i = 0; i < sizeof openers / sizeof openers[0] && err == -ENOENT; i++) {
        char *arguments[] = {(char *)(uintptr_t)openers[i], url, NULL};
        eddy_child_options options = {.arguments = arguments, .fds = fds, .fd_count = 3};
        err = eddy_child_spawn(browser, &options, on_browser_exit);
    }
    if (err < 0) complain("no browser can be opened", err);
    eddy_unref(&browser->handle);
}

/* --- The parts --- */

/* Both ends of 1,000 connections are descriptors of this process. */
static void allow_descriptors(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
    rlim_t wanted = limit.rlim_max < FDS_MAX ? limit.rlim_max : FDS_MAX;
    if (limit.rlim_cur >= wanted) return;
    limit.rlim_cur = wanted;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* What a recording is made of. */
static int start_live(struct show *show) {
    const struct show_options *options = &show->options;
    struct json hello;
    int err =
        show_observed_start(&show->observed, &show->board, options->backend, options->postgres);
    if (err < 0) return complain("the loop cannot be opened", err);
    json_begin(&hello, show->hello, sizeof show->hello);
    show_hello_write(&hello, &show->observed, options->guide != NULL);
    show->hello_bytes = hello.used;
    err = show_load_start(&show->load, &show->board, (struct sockaddr *)&show->observed.address,
                          show->observed.address_length);
    if (err < 0) {
        show_observed_end(&show->observed);
        return complain("there can be no load", err);
    }
    struct show_load_settings load = {.clients = LOAD_CLIENTS, .rate = LOAD_RATE, .is_open = true};
    show_load_set(&show->load, &load);
    show_state_init(&show->state, &show->observed, &show->load, &show->board);
    show_records_init(&show->records, &show->observed);
    show_way_init(&show->way, &show->records, show->loop);
    show->controls = (struct show_controls){
        .observed = &show->observed,
        .load = &show->load,
        .records = &show->records,
        .measure = &show->measure,
    };
    return 0;
}

static void end_live(struct show *show) {
    show_load_end(&show->load);
    show_observed_end(&show->observed);
}

static int serve(struct show *show) {
    int err = watch_end(show);
    if (err == 0) err = show_serving_start(show);
    if (err < 0) {
        show_serving_stop(show);
        complain("the page cannot be served", err);
    } else {
        printf("http://%s/\n", show->address);
        fflush(stdout);
    }
    if (err == 0 && show->options.opens) open_browser(show);
    int alive = eddy_loop_run(show->loop, EDDY_RUN_DEFAULT);
    while (alive > 0) alive = eddy_loop_run(show->loop, EDDY_RUN_DEFAULT);
    if (alive < 0) err = complain("the loop of the page", alive);
    return err;
}

/* With the loop and the server. */
static int run_parts(struct show *show) {
    const struct show_options *options = &show->options;
    bool is_live = options->file == NULL;
    int err = show_guide_open(&show->guide, show->loop, options->guide);
    if (err < 0) return complain(options->guide, err);
    err = show_visitors_init(&show->visitors);
    if (err == 0 && is_live) err = start_live(show);
    if (err < 0) goto close_guide;
    if (is_live) {
        err = show_recording_init(&show->recording, show->loop, &show->board, options->record,
                                  show->hello, show->hello_bytes);
        if (err < 0) complain(options->record != NULL ? options->record : "no memory", err);
    }
    if (err == 0) err = serve(show);
    if (is_live) {
        int ended = show_recording_end(&show->recording);
        if (ended < 0) err = complain(options->record, ended);
        end_live(show);
    }
close_guide:
    show_visitors_end(&show->visitors);
    show_guide_close(&show->guide);
    return err;
}

static int run(struct show *show) {
    eddy_http_config config = {.end_is_gone = true, .connections = 500};
    int err = eddy_loop_open(&show->loop, NULL);
    if (err < 0) return complain("the loop of the page cannot be opened", err);
    err = eddy_http_open(&show->http, show->loop, &config);
    if (err < 0) {
        (void)eddy_loop_close(show->loop);
        return complain("the page cannot be served", err);
    }
    eddy_signal_init(&show->interrupt, show->loop);
    eddy_signal_init(&show->terminate, show->loop);
    eddy_timer_init(&show->end, show->loop);
    eddy_timer_init(&show->state_timer, show->loop);
    eddy_timer_init(&show->records_timer, show->loop);
    show_board_init(&show->board);
    show_frames_init(&show->frames, show->loop, show->options.self);
    show_measure_init(&show->measure, show->loop, show->options.self, &show->board,
                      show_serving_tell, show);
    err = run_parts(show);
    show_measure_end(&show->measure);
    show_board_end(&show->board);
    int closed = eddy_http_close(show->http);
    if (closed == 0) closed = eddy_loop_close(show->loop);
    if (closed < 0 && err == 0) err = complain("what was served cannot be closed", closed);
    return err;
}

/* Returns the exit status; 0: it has been read. */
static int read_file(struct show *show) {
    char why[128];
    int err = show_playback_read(&show->playback, show->options.file, why, sizeof why);
    if (err == 0 && show->playback.hello_bytes < sizeof show->hello) {
        memcpy(show->hello, show->playback.hello, show->playback.hello_bytes);
        show->hello_bytes = show->playback.hello_bytes;
        return 0;
    }
    fprintf(stderr, "eddy: %s: %s\n", show->options.file,
            err < 0 ? why : "line 1: \"hello\" is too long");
    return 2;
}

int show_main(int argc, char **argv) {
    char error[256];
    struct show *show = calloc(1, sizeof *show);
    if (show == NULL) {
        fputs("eddy: no memory\n", stderr);
        return 1;
    }
    int status = 0;
    if (show_options_parse(&show->options, argc, argv, error, sizeof error) < 0) {
        fprintf(stderr, "eddy: %s\n", error);
        status = 2;
    } else if (show->options.wants_help) {
        show_options_help(stdout);
    } else {
        show->options.self = argv[-2];
        if (show->options.postgres != NULL) (void)setenv("PGCONNECT_TIMEOUT", "10", 0); /* psql's */
        if (show->options.file != NULL) status = read_file(show);
        allow_descriptors();
        if (status == 0) status = run(show) < 0 ? 1 : show->status;
    }
    show_playback_free(&show->playback);
    free(show);
    return status;
}
