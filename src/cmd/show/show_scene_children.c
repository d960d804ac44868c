/* show_scene_children.c: see show_scene_children.h. */
#include "show_scene_children.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { EVERY_MS = 1000 };

/* execve takes them as if it might change them. */
static char *const *arguments_of(const char *const *arguments) {
    return (char *const *)(uintptr_t)arguments;
}

/* --- Ten queries at once --- */

static void tell_no_queries(struct show_children *children) {
    char text[64];
    const char *why = "psql has failed, and did not say why";
    if (children->query_error < 0) why = eddy_strerror(children->query_error, text, sizeof text);
    if (children->failed != NULL && children->failed->why_bytes > 0) why = children->failed->why;
    show_say(children->board, "The queries cannot be had: %s.", why);
    (void)show_children_set(children, SHOW_QUERY, false);
}

static void finish_queries(struct show_children *children) {
    if (children->running > 0 || children->started < SHOW_QUERIES) return;
    children->started = 0;
    if (children->query_error < 0 || children->failed != NULL) {
        tell_no_queries(children);
    } else if (!children->has_told_queries) {
        children->has_told_queries = true;
        show_say(children->board, "%d queries of 300 ms each%s took %d ms, and no thread.",
                 SHOW_QUERIES, children->postgres != NULL ? ", to PostgreSQL," : "",
                 (int)((show_now_ns() - children->since_ns) / EDDY_NS_PER_MS));
    }
}

/* Both its exit and the end of what it writes have come. */
static void finish_query(struct show_query *query) {
    if (query->has_child || query->has_errors) return;
    query->children->running--;
    finish_queries(query->children);
}

static void on_query_exit(eddy_child *child, const eddy_exit *exit) {
    struct show_query *query = eddy_container_of(child, struct show_query, child);
    eddy_label_clear(&query->label);
    query->has_child = false;
    if (exit->error == 0 && exit->status != 0) query->children->failed = query;
    finish_query(query);
}

static void on_errors_closed(eddy_stream *stream) {
    struct show_query *query = eddy_container_of(stream, struct show_query, errors);
    query->has_errors = false;
    finish_query(query);
}

/* The first line; the rest is read and left. */
static void on_errors(eddy_stream *stream, void *data, ssize_t size) {
    struct show_query *query = eddy_container_of(stream, struct show_query, errors);
    if (size <= 0) {
        (void)eddy_stream_close(stream, on_errors_closed);
        return;
    }
    for (const char *at = data; size > 0; at++, size--)
        if (query->why_bytes + 1 < sizeof query->why) query->why[query->why_bytes++] = *at;
    query->why[query->why_bytes] = '\0';
    query->why[strcspn(query->why, "\n")] = '\0';
}

static int start_query(struct show_query *query) {
    struct show_children *children = query->children;
    const char *const sleeping[] = {"sleep", "0.3", NULL};
    const char *const asking[] = {
        "psql", "-X", "-q", "-w", "-d", children->postgres, "-c", "select pg_sleep(0.3)", NULL};
    const eddy_child_fd fds[] = {
        {.number = 0, .source = EDDY_CHILD_NULL},
        {.number = 1, .source = EDDY_CHILD_NULL},
        {.number = 2, .source = EDDY_CHILD_WRITES, .stream = &query->errors},
    };
    eddy_child_options options = {
        .arguments = arguments_of(children->postgres != NULL ? asking : sleeping),
        .fds = fds,
        .fd_count = 3,
    };
    query->why_bytes = 0;
    eddy_stream_init(&query->errors, children->loop);
    int err = eddy_child_spawn(&query->child, &options, on_query_exit);
    if (err < 0) return err;
    query->has_child = query->has_errors = true;
    children->running++;
    (void)eddy_label_set(&query->label, &query->child, query->text);
    if (eddy_stream_read_start(&query->errors, on_errors) < 0)
        (void)eddy_stream_close(&query->errors, on_errors_closed);
    return 0;
}

static void on_next_query(eddy_defer *defer) {
    struct show_children *children = eddy_container_of(defer, struct show_children, next_query);
    int err = start_query(&children->queries[children->started++]);
    if (err < 0) {
        children->query_error = err;
        children->started = SHOW_QUERIES;
        finish_queries(children);
    } else if (children->started < SHOW_QUERIES) {
        (void)eddy_defer_start(defer, on_next_query);
    }
}

static void on_queries(eddy_timer *timer) {
    struct show_children *children = eddy_container_of(timer, struct show_children, query_timer);
    if (children->running > 0 || children->started > 0) return;
    children->query_error = 0;
    children->failed = NULL;
    children->since_ns = show_now_ns();
    (void)eddy_defer_start(&children->next_query, on_next_query);
}

/* --- A child with output --- */

static void on_output_closed(eddy_stream *stream) {
    struct show_children *children = eddy_container_of(stream, struct show_children, output);
    children->has_output = false;
}

static void on_output(eddy_stream *stream, void *data, ssize_t size) {
    struct show_children *children = eddy_container_of(stream, struct show_children, output);
    if (size <= 0) {
        (void)eddy_stream_close(stream, on_output_closed);
        return;
    }
    for (const char *at = data; size > 0; at++, size--)
        if (children->text_bytes + 1 < sizeof children->text)
            children->text[children->text_bytes++] = *at == '\n' ? ' ' : *at;
    children->text[children->text_bytes] = '\0';
}

static void on_child_exit(eddy_child *child, const eddy_exit *exit) {
    struct show_children *children = eddy_container_of(child, struct show_children, child);
    children->has_child = false;
    if (children->has_told_child || exit->signal != 0) return;
    children->has_told_child = true;
    show_say(children->board, "The child wrote \"%s\" and ended with status %d.", children->text,
             exit->status);
}

static void on_child(eddy_timer *timer) {
    struct show_children *children = eddy_container_of(timer, struct show_children, child_timer);
    const char *const arguments[] = {"sh", "-c", "echo one; sleep 0.2; echo two; exit 3", NULL};
    const eddy_child_fd fds[] = {
        {.number = 0, .source = EDDY_CHILD_NULL},
        {.number = 1, .source = EDDY_CHILD_WRITES, .stream = &children->output},
    };
    eddy_child_options options = {.arguments = arguments_of(arguments), .fds = fds, .fd_count = 2};
    char text[64];
    if (children->has_child || children->has_output) return;
    children->text_bytes = 0;
    children->text[0] = '\0';
    eddy_child_init(&children->child, children->loop);
    eddy_stream_init(&children->output, children->loop);
    int err = eddy_child_spawn(&children->child, &options, on_child_exit);
    if (err < 0) {
        show_say(children->board, "No child can be started: %s.",
                 eddy_strerror(err, text, sizeof text));
        (void)show_children_set(children, SHOW_CHILD, false);
        return;
    }
    children->has_child = children->has_output = true;
    if (eddy_stream_read_start(&children->output, on_output) < 0)
        (void)eddy_stream_close(&children->output, on_output_closed);
}

/* --- Switching --- */

void show_children_init(struct show_children *children, eddy_loop *loop, struct show_board *board,
                        const char *postgres) {
    memset(children, 0, sizeof *children);
    children->loop = loop;
    children->board = board;
    children->postgres = postgres;
    eddy_timer_init(&children->query_timer, loop);
    eddy_timer_init(&children->child_timer, loop);
    eddy_defer_init(&children->next_query, loop);
    const void *const named[] = {&children->query_timer, &children->next_query,
                                 &children->child_timer, &children->child, &children->output};
    static const char *const names[] = {"queries", "start a query", "start a child", "child",
                                        "child's output"};
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        eddy_label_init(&children->labels[i], loop);
        (void)eddy_label_set(&children->labels[i], named[i], names[i]);
    }
    for (unsigned i = 0; i < SHOW_QUERIES; i++) {
        struct show_query *query = &children->queries[i];
        query->children = children;
        snprintf(query->text, sizeof query->text, "query %u", i + 1);
        eddy_label_init(&query->label, loop);
        eddy_child_init(&query->child, loop);
    }
}

int show_children_set(struct show_children *children, enum show_scene scene, bool on) {
    bool is_query = scene == SHOW_QUERY;
    eddy_timer *timer = is_query ? &children->query_timer : &children->child_timer;
    int err = 0;
    if (on) {
        *(is_query ? &children->has_told_queries : &children->has_told_child) = false;
        err =
            eddy_timer_start(timer, is_query ? on_queries : on_child, 0, EVERY_MS * EDDY_NS_PER_MS);
    } else {
        eddy_timer_stop(timer);
    }
    show_board_set(children->board, scene, on && err == 0);
    return err;
}

void show_children_stop(struct show_children *children) {
    (void)show_children_set(children, SHOW_QUERY, false);
    (void)show_children_set(children, SHOW_CHILD, false);
    eddy_defer_stop(&children->next_query);
    for (unsigned i = 0; i < SHOW_QUERIES; i++) {
        struct show_query *query = &children->queries[i];
        if (query->has_child) (void)eddy_child_kill(&query->child, SIGKILL);
        if (query->has_errors) (void)eddy_stream_close(&query->errors, on_errors_closed);
    }
    if (children->has_child) (void)eddy_child_kill(&children->child, SIGKILL);
    if (children->has_output) (void)eddy_stream_close(&children->output, on_output_closed);
}

void show_children_end(struct show_children *children) {
    for (size_t i = 0; i < sizeof children->labels / sizeof children->labels[0]; i++)
        eddy_label_clear(&children->labels[i]);
}
