/* connections.c: what a pool of connections is for. Eight queries go to a database that takes 50 ms
 * for each, and does one at a time on a connection, as PostgreSQL and MySQL do. One thread waits
 * for all of them; how many run at once is a matter of the connections, and of the database.
 * The database is a thread for each connection, in here. Read beside it: docs/16-questions.md. */
#include <eddy.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { QUERIES = 8, QUERY_MS = 50 };

/* --- The database --- */

struct database {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int running, limit; /* the lock's */
};

struct backend {
    struct database *database;
    pthread_t thread;
    int fd;
};

/* Until there is room: a disk that does two things at a time, a processor, a row that is locked. */
static void database_enter(struct database *it) {
    pthread_mutex_lock(&it->lock);
    while (it->running == it->limit) pthread_cond_wait(&it->changed, &it->lock);
    it->running++;
    pthread_mutex_unlock(&it->lock);
}

static void database_leave(struct database *it) {
    pthread_mutex_lock(&it->lock);
    it->running--;
    pthread_cond_signal(&it->changed);
    pthread_mutex_unlock(&it->lock);
}

/* A byte is a query, and a byte the answer. It ends with its connection. */
static void *backend_run(void *argument) {
    struct backend *it = argument;
    char query;
    while (read(it->fd, &query, 1) == 1) {
        database_enter(it->database);
        nanosleep(&(struct timespec){.tv_nsec = QUERY_MS * EDDY_NS_PER_MS}, NULL);
        database_leave(it->database);
        if (write(it->fd, &query, 1) != 1) break;
    }
    close(it->fd);
    return NULL;
}

/* --- The program --- */

struct connection {
    eddy_stream stream;
    eddy_write write;
    struct backend backend;
};

static eddy_loop *loop;
static int asked, answered, errors;
static int waiting, waiting_most; /* for an answer, at once */

static void on_asked(eddy_write *write, int status) {
    (void)write;
    errors += status < 0;
}

/* A connection that is free takes the next query. When there are none left it is closed. */
static void connection_ask(struct connection *it) {
    if (asked == QUERIES || errors > 0 ||
        eddy_stream_write(&it->stream, &it->write, "q", 1, on_asked) < 0) {
        eddy_stream_close(&it->stream, NULL);
        return;
    }
    asked++;
    if (++waiting > waiting_most) waiting_most = waiting;
}

static void on_answer(eddy_stream *stream, void *data, ssize_t size) {
    struct connection *it = eddy_container_of(stream, struct connection, stream);
    (void)data;
    if (size != 1) {
        errors++;
        eddy_stream_close(stream, NULL);
        return;
    }
    waiting--;
    answered++;
    connection_ask(it);
}

static int connection_open(struct connection *it, struct database *database) {
    int ends[2];
    it->backend.database = database;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0) return -errno;
    it->backend.fd = ends[1];
    int err = -pthread_create(&it->backend.thread, NULL, backend_run, &it->backend);
    if (err < 0) {
        close(ends[0]);
        close(ends[1]);
        return err;
    }
    eddy_stream_init(&it->stream, loop);
    err = eddy_stream_attach(&it->stream, ends[0]);
    if (err == 0) err = eddy_stream_read_start(&it->stream, on_answer);
    return err;
}

static int measure(int count, int limit) {
    static struct database database = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};
    static struct connection connections[QUERIES];
    database.limit = limit; /* it has no connection now */
    asked = answered = errors = waiting = waiting_most = 0;
    for (int i = 0; i < count; i++) {
        int err = connection_open(&connections[i], &database);
        if (err < 0) return err;
    }
    int64_t begin_ns = eddy_loop_now_ns(loop);
    for (int i = 0; i < count; i++) connection_ask(&connections[i]);
    int left = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    int64_t took_ns = eddy_loop_now_ns(loop) - begin_ns;
    for (int i = 0; i < count; i++) pthread_join(connections[i].backend.thread, NULL);
    printf("%11d %12d %14d %7d ms\n", count, limit, waiting_most, (int)(took_ns / EDDY_NS_PER_MS));
    return left == 0 && answered == QUERIES ? 0 : -EIO;
}

int main(void) {
    int err = eddy_loop_open(&loop, NULL);
    printf("%d queries of %d ms\n", QUERIES, QUERY_MS);
    puts("connections  database: at once  asked at once     take");
    for (int count = 1; err == 0 && count <= QUERIES; count *= 2) err = measure(count, QUERIES);
    if (err == 0) err = measure(QUERIES, 2); /* more connections do not help it */
    char text[80];
    if (err < 0) fprintf(stderr, "connections: %s\n", eddy_strerror(err, text, sizeof text));
    return err < 0 || eddy_loop_close(loop) < 0;
}
