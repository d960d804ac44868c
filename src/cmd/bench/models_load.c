/* models_load.c: the clients: a process with an event loop that keeps a number of connections open.
 * Each sends a request, and the next one when the answer is there; but first all of them get one,
 * as far as the model can serve them, and then they are counted and begin together. After a number
 * of requests it is reset, so that none of its kind has to linger, and another one takes its place.
 * The first lives are of different lengths, lest all end together.
 *
 * The time of a first request begins with connect(): a client that has to wait until the server
 * looks at it waits all the same.
 *
 * Where requests come at a rate, each is sent by the client that has been free for longest, and its
 * time begins when it should have been sent: if no client is free, it waits until one is. */
#include "models.h"
#include "network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    NEWCOMERS_MAX = 1000, /* on their way to a first answer at a time: the backlog holds them */
    WARM_S = 30,          /* all must have been served by then */
    LATE_S = 10,          /* beside the time to measure: for answers that are slow to come */
    ANSWERS_MIN = 2,      /* of a connection, on average, before measuring ends */
};

struct client {
    eddy_stream stream;
    struct load *load;
    struct client *next; /* that is free */
    unsigned requests_left;
    unsigned got;     /* bytes of an answer */
    uint64_t random;  /* of the waits that it asks for */
    int64_t since_ns; /* of the request under way */
    bool is_counted;  /* that request is */
    bool is_known;    /* has had an answer */
    bool is_served;   /* has had one while measuring */
};

struct load {
    struct models_job *job;
    eddy_loop *loop;
    eddy_io control;
    eddy_timer tick;
    /* Where requests come at a rate: the next one, and who may send it, the first one first. */
    eddy_timer arrival;
    double next_ns;
    int64_t due; /* so far */
    struct client *free, **free_end;
    struct sockaddr_in address;
    struct client *clients;
    unsigned opened, known, served;
    uint64_t answers; /* while measuring */
    uint64_t random;
    int64_t since_ns; /* of the phase under way */
    /* --live: as it was when it was told before. */
    int64_t told_ns;
    uint64_t told_answers;
    eddy_histogram told;
    bool is_warm, has_ended;
};

static int phase_of(const struct load *load) {
    return atomic_load(&load->job->shared->phase);
}

static void tell(struct load *load, char letter) {
    if (write(load->job->control_fd, &letter, 1) != 1) _exit(1);
}

/* From here on this process does nothing but wait for its end. */
static void fail(struct load *load, const char *what, int error) {
    if (load->has_ended) return;
    load->has_ended = true;
    models_note(load->job->shared, what, error);
    tell(load, 'x');
}

/* --- Clients --- */

static void open_client(struct client *client);

static void open_more(struct load *load) {
    while (load->opened < load->job->connections && !load->has_ended &&
           (load->is_warm || load->opened - load->known < NEWCOMERS_MAX)) {
        struct client *client = &load->clients[load->opened++];
        client->load = load;
        client->random = load->opened;
        open_client(client);
        client->requests_left =
            1 + (unsigned)(bench_random(&load->random) % load->job->settings.requests);
    }
}

static models_wait draw_wait(struct client *client) {
    const struct models_settings *settings = &client->load->job->settings;
    models_wait average_us = settings->wait_ms * 1000;
    if (settings->is_fixed) return average_us;
    return (models_wait)(bench_random(&client->random) % (2 * average_us + 1));
}

static void send_request(struct client *client) {
    char request[MODELS_MESSAGE_BYTES] = "";
    models_wait wait_us = draw_wait(client);
    memcpy(request, &wait_us, sizeof wait_us);
    struct iovec piece = {request, sizeof request};
    ssize_t sent = eddy_stream_try_write(&client->stream, &piece, 1);
    if (sent != (ssize_t)sizeof request)
        fail(client->load, "the load, write", sent < 0 ? (int)sent : -EIO);
}

static bool has_rate(const struct load *load) {
    return load->job->settings.arrivals != BENCH_CLOSED;
}

/* When the next request is due, and which one follows. */
static double take_due(struct load *load) {
    const struct models_settings *settings = &load->job->settings;
    double due_ns = load->next_ns;
    load->next_ns += bench_arrivals_gap_ns(settings->arrivals, settings->rate, &load->random);
    load->due++;
    return due_ns;
}

static struct client *take_free(struct load *load) {
    struct client *client = load->free;
    load->free = client->next;
    if (load->free == NULL) load->free_end = &load->free;
    return client;
}

static void on_arrival(eddy_timer *timer);

/* Sends what is due, as far as there are clients for it, and waits for what is not. */
static void send_due(struct load *load) {
    int64_t now_ns = bench_now_ns();
    while (load->next_ns <= (double)now_ns && load->free != NULL && !load->has_ended) {
        struct client *client = take_free(load);
        client->since_ns = (int64_t)take_due(load);
        client->is_counted = true;
        send_request(client);
    }
    if (load->next_ns <= (double)now_ns) return; /* an answer goes on */
    eddy_loop_update_now(load->loop);
    int err = eddy_timer_start(&load->arrival, on_arrival, (int64_t)load->next_ns - now_ns, 0);
    if (err < 0) fail(load, "the load, a timer", err);
}

static void on_arrival(eddy_timer *timer) {
    struct load *load = eddy_container_of(timer, struct load, arrival);
    if (phase_of(load) == MODELS_MEASURING) send_due(load);
}

static void add_free(struct client *client) {
    struct load *load = client->load;
    client->is_counted = false;
    client->next = NULL;
    *load->free_end = client;
    load->free_end = &client->next;
    if (phase_of(load) == MODELS_MEASURING) send_due(load);
}

static void on_closed(eddy_stream *stream) {
    struct client *client = eddy_container_of(stream, struct client, stream);
    if (phase_of(client->load) < MODELS_OVER && !client->load->has_ended) open_client(client);
}

static void on_answer(struct client *client) {
    struct load *load = client->load;
    int64_t now_ns = bench_now_ns();
    int phase = phase_of(load);
    if (phase == MODELS_MEASURING && client->is_counted) {
        load->answers++;
        eddy_histogram_record(&load->job->sample->latency, now_ns - client->since_ns);
        if (!client->is_served) load->served++;
        client->is_served = true;
    }
    if (!client->is_known) {
        client->is_known = true;
        load->known++;
        open_more(load);
    }
    if (phase != MODELS_MEASURING || load->has_ended) return; /* open, and silent */
    if (--client->requests_left == 0) {
        eddy_stream_reset(&client->stream, on_closed);
        return;
    }
    if (has_rate(load)) {
        add_free(client);
        return;
    }
    client->since_ns = now_ns;
    send_request(client);
}

static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    struct client *client = eddy_container_of(stream, struct client, stream);
    (void)data;
    if (size <= 0) {
        fail(client->load, "the server left a connection", size < 0 ? (int)size : -ECONNRESET);
        return;
    }
    client->got += (unsigned)size;
    if (client->got < MODELS_MESSAGE_BYTES) return;
    client->got -= MODELS_MESSAGE_BYTES;
    on_answer(client);
}

static void on_connect(eddy_stream *stream, int status) {
    struct client *client = eddy_container_of(stream, struct client, stream);
    if (status == 0) status = eddy_stream_read_start(stream, on_read);
    if (status < 0)
        fail(client->load, "the load, connect", status);
    else if (client->is_known && has_rate(client->load))
        add_free(client);
    else
        send_request(client);
}

static void open_client(struct client *client) {
    struct load *load = client->load;
    client->got = 0;
    client->requests_left = load->job->settings.requests;
    client->since_ns = bench_now_ns();
    client->is_counted = !has_rate(load);
    eddy_stream_init(&client->stream, load->loop);
    int err = eddy_tcp_connect(&client->stream, (struct sockaddr *)&load->address,
                               sizeof load->address, 0, on_connect);
    if (err < 0) fail(load, "the load, connect", err);
}

/* --- The course of a sample --- */

/* The clients that have had their first answer go on; the others wait for it already. */
static void begin_measuring(struct load *load) {
    load->since_ns = load->told_ns = bench_now_ns();
    load->next_ns = (double)load->since_ns;
    atomic_store(&load->job->shared->phase, MODELS_MEASURING);
    for (unsigned i = 0; i < load->opened; i++) {
        struct client *client = &load->clients[i];
        if (!client->is_known) continue;
        if (has_rate(load)) {
            add_free(client);
            continue;
        }
        client->since_ns = bench_now_ns();
        send_request(client);
    }
}

/* What is under way, or due and not sent, waits: at a rate it all counts. Else a client that has
 * got no answer in all this time counts as one that waits. Returns how many were due so far, -1
 * where there is no rate. */
static int64_t record_waiting(const struct load *load, int64_t now_ns, eddy_histogram *latency) {
    for (unsigned i = 0; i < load->opened; i++) {
        const struct client *client = &load->clients[i];
        if (has_rate(load) ? client->is_counted : !client->is_served)
            eddy_histogram_record(latency, now_ns - client->since_ns);
    }
    if (!has_rate(load)) return -1;
    struct load later = *load; /* the same gaps come again when they are due */
    while (later.next_ns <= (double)now_ns)
        eddy_histogram_record(latency, now_ns - (int64_t)take_due(&later));
    return later.due;
}

static void tell_live(struct load *load, int64_t now_ns) {
    struct models_live *live = &load->job->shared->live;
    eddy_histogram latency = load->job->sample->latency;
    eddy_histogram_subtract(&latency, &load->told);
    (void)record_waiting(load, now_ns, &latency);
    atomic_store(&live->after_ns, now_ns - load->since_ns);
    atomic_store(&live->time_ns, now_ns - load->told_ns);
    atomic_store(&live->answers, (int64_t)(load->answers - load->told_answers));
    atomic_store(&live->p50_ns, eddy_histogram_at_ns(&latency, 0.5));
    atomic_store(&live->p99_ns, eddy_histogram_at_ns(&latency, 0.99));
    atomic_store(&live->served, load->served);
    load->told = load->job->sample->latency;
    load->told_answers = load->answers;
    load->told_ns = now_ns;
    tell(load, 't');
}

static void end_measuring(struct load *load, int64_t now_ns) {
    struct bench_sample *sample = load->job->sample;
    atomic_store(&load->job->shared->phase, MODELS_OVER);
    sample->due = record_waiting(load, now_ns, &sample->latency);
    sample->operations = load->answers;
    sample->time_ns = now_ns - load->since_ns;
    sample->served = load->served;
    load->has_ended = true;
    tell(load, 'd');
}

static void look_whether_warm(struct load *load, int64_t now_ns) {
    if (load->known >= load->job->at_once) {
        load->is_warm = true;
        open_more(load);
        tell(load, 'w');
    } else if (now_ns - load->since_ns > WARM_S * EDDY_NS_PER_S) {
        char what[64];
        snprintf(what, sizeof what, "%u of %u connections got no answer",
                 load->job->at_once - load->known, load->job->at_once);
        fail(load, what, -ETIMEDOUT);
    }
}

static void on_tick(eddy_timer *timer) {
    struct load *load = eddy_container_of(timer, struct load, tick);
    int64_t now_ns = bench_now_ns();
    if (load->has_ended) return;
    if (atomic_load(&load->job->shared->error) != 0) {
        fail(load, "", 0);
    } else if (!load->is_warm) {
        look_whether_warm(load, now_ns);
    } else if (phase_of(load) == MODELS_MEASURING) {
        int64_t late_ns = now_ns - load->since_ns - load->job->time_ns;
        int64_t live_ns = load->job->settings.live_ms * EDDY_NS_PER_MS;
        if (live_ns > 0 && now_ns - load->told_ns >= live_ns) tell_live(load, now_ns);
        bool is_enough = has_rate(load)
                             ? load->answers > 0
                             : load->answers >= ANSWERS_MIN * (uint64_t)load->job->at_once;
        if (late_ns >= 0 && (is_enough || late_ns > LATE_S * EDDY_NS_PER_S))
            end_measuring(load, now_ns);
    }
}

static void on_control(eddy_io *io, unsigned events) {
    struct load *load = eddy_container_of(io, struct load, control);
    char letter = 0;
    (void)events;
    ssize_t got = read(eddy_io_fd(io), &letter, 1);
    if (got == 0) {
        /* Those that were never opened, or are closed already, refuse. */
        for (unsigned i = 0; i < load->opened; i++)
            eddy_stream_reset(&load->clients[i].stream, NULL);
        _exit(0);
    }
    if (letter == 'c') {
        load->since_ns = bench_now_ns();
        open_more(load);
    } else if (letter == 'm') {
        begin_measuring(load);
    }
}

static int start(struct load *load) {
    load->address = bench_network_address();
    load->address.sin_port = htons((uint16_t)load->job->shared->port);
    eddy_io_init(&load->control, load->loop);
    eddy_timer_init(&load->tick, load->loop);
    eddy_timer_init(&load->arrival, load->loop);
    int err = eddy_io_start(&load->control, on_control, load->job->control_fd, EDDY_READ);
    if (err < 0) return err;
    return eddy_timer_start(&load->tick, on_tick, EDDY_NS_PER_MS, EDDY_NS_PER_MS);
}

void models_load(struct models_job *job) {
    struct load *load = calloc(1, sizeof *load);
    if (load == NULL) _exit(1);
    load->job = job;
    load->random = 1;
    load->free_end = &load->free;
    bench_be_punctual();
    load->since_ns = bench_now_ns();
    load->clients = calloc(job->connections, sizeof *load->clients);
    int err = load->clients == NULL ? -ENOMEM : bench_network_enter();
    if (err == 0) err = eddy_loop_open(&load->loop, NULL);
    if (err == 0) err = start(load);
    if (err == 0) {
        tell(load, 'r');
        err = eddy_loop_run(load->loop, EDDY_RUN_DEFAULT);
    }
    models_note(job->shared, "the load", err);
    _exit(1);
}
