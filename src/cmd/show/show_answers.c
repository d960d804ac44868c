/* show_answers.c: see show_answers.h. */
#include "show_answers.h"

#include <eddy.h>
#include <stdlib.h>

#include "show_board.h"

enum { JOB_US = 500 };

static void on_hello(eddy_http_request *request, void *context) {
    (void)context;
    (void)eddy_http_add(request, "Content-Type", "text/plain; charset=utf-8");
    (void)eddy_http_respond(request, 200, "Hello\n", 6);
}

static void on_large(eddy_http_request *request, void *context) {
    (void)eddy_http_respond_lent(request, 200, context, ANSWERS_LARGE_BYTES);
}

static void on_body(eddy_http_request *request, const void *data, ssize_t size, void *context) {
    (void)data;
    (void)context;
    if (size == 0) (void)eddy_http_respond(request, 204, NULL, 0);
    if (size < 0) eddy_http_abort(request);
}

static void on_sink(eddy_http_request *request, void *context) {
    (void)context;
    if (eddy_http_read_body(request, UINT64_MAX, on_body, NULL) < 0) eddy_http_abort(request);
}

/* A request whose answer a job makes: it may be watched on its way (show_way.h). */
struct request_job {
    eddy_work work;
    eddy_http_request *request;
};

static void run_job(eddy_work *work) {
    (void)work;
    for (int64_t until_ns = show_now_ns() + JOB_US * EDDY_NS_PER_US; show_now_ns() < until_ns;)
        continue;
}

static void on_job_done(eddy_work *work, int status) {
    struct request_job *job = eddy_container_of(work, struct request_job, work);
    (void)status;
    (void)eddy_http_respond(job->request, 200, "Hello\n", 6);
}

static void on_request_done(eddy_http_request *request, void *context) {
    (void)request;
    free(context);
}

static void on_work(eddy_http_request *request, void *context) {
    struct request_job *job = calloc(1, sizeof *job);
    (void)context;
    if (job == NULL) {
        eddy_http_abort(request);
        return;
    }
    job->request = request;
    eddy_http_on_done(request, on_request_done, job);
    if (eddy_work_submit(eddy_http_loop(eddy_http_server(request)), &job->work, EDDY_LANE_CPU,
                         run_job, on_job_done) < 0)
        eddy_http_abort(request);
}

int show_answers_handle(eddy_http *http, char *large) {
    int err = eddy_http_handle(http, "GET", "/", on_hello, NULL);
    if (err == 0) err = eddy_http_handle(http, "GET", "/large", on_large, large);
    if (err == 0) err = eddy_http_handle(http, "GET", "/work", on_work, NULL);
    if (err == 0) err = eddy_http_handle(http, "POST", "/sink", on_sink, NULL);
    return err;
}
