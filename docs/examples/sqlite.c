/* sqlite.c: SQLite beside an event loop. Its calls block, on the disk and while they compute, and a
 * connection is for one thread at a time: so each connection has a queue on the pool, and all that
 * is done with it is a job of that queue. In WAL mode readers and one writer go beside each other.
 *
 *     sqlite /tmp/example.db
 *
 * One writer, two readers. The first reader is given a query that never ends; meanwhile the writer
 * writes, the second reader counts, the loop keeps its time. Then the endless one is cancelled.
 * docs/14-adapters.md tells more. */
#include <eddy.h>

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>

enum { TRANSACTIONS = 200, ROWS = 100, STEPS_PER_LOOK = 1000 };

/* All but sqlite3_interrupt is for the queue's jobs alone. */
struct connection {
    eddy_queue queue;
    sqlite3 *db;
    sqlite3_stmt *statement; /* what it is for, prepared once */
    const char *sql;
};

/* Something to be done with a connection. The job's while it runs, else the loop's. */
struct query {
    eddy_work work;
    struct connection *connection;
    int result;        /* SQLITE_… */
    char message[128]; /* the connection's, which the next job's would replace */
    int64_t number;    /* that a SELECT gave */
    atomic_bool is_cancelled;
};

static struct program {
    eddy_loop *loop;
    const char *path;
    struct connection writer, readers[2];
    struct query open[3], endless, count, close[3];
    struct query inserts[TRANSACTIONS];
    eddy_timer tick;
    int64_t due_ns, late_ns; /* the worst */
    int opened, written;
    bool is_wrong;
} it = {.writer.sql = "INSERT INTO rows (value) VALUES (?1)",
        .readers = {{.sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
                            "SELECT count(*) FROM n"},
                    {.sql = "SELECT count(*) FROM rows"}}};

static void submit(struct query *query, struct connection *connection, eddy_work_fn *fn,
                   eddy_work_done_fn *done) {
    query->connection = connection;
    atomic_init(&query->is_cancelled, false);
    int err = eddy_queue_submit(&connection->queue, &query->work, fn, done);
    if (err == 0) return;
    fprintf(stderr, "sqlite: no thread: %s\n", eddy_strerror(err, query->message, 128));
    it.is_wrong = true;
}

/* --- On a thread of the pool --- */

/* Keeps what went wrong for the loop. */
static void finish(struct query *query, int result) {
    query->result = result;
    snprintf(query->message, sizeof query->message, "%s",
             result == SQLITE_OK ? "" : sqlite3_errmsg(query->connection->db));
}

/* NOMUTEX: the queue is the lock. */
static void run_open(eddy_work *work) {
    struct query *query = eddy_container_of(work, struct query, work);
    struct connection *connection = query->connection;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int result = sqlite3_open_v2(it.path, &connection->db, flags, NULL);
    if (result == SQLITE_OK) result = sqlite3_busy_timeout(connection->db, 5000);
    if (result == SQLITE_OK && connection == &it.writer)
        result = sqlite3_exec(connection->db,
                              "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                              "DROP TABLE IF EXISTS rows; CREATE TABLE rows (value INTEGER)",
                              NULL, NULL, NULL);
    if (result == SQLITE_OK)
        result = sqlite3_prepare_v3(connection->db, connection->sql, -1, SQLITE_PREPARE_PERSISTENT,
                                    &connection->statement, NULL);
    finish(query, result);
}

static int insert_rows(const struct connection *connection) {
    int result = sqlite3_exec(connection->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (int i = 0; i < ROWS && result == SQLITE_OK; i++) {
        sqlite3_bind_int(connection->statement, 1, i);
        (void)sqlite3_step(connection->statement);
        result = sqlite3_reset(connection->statement); /* tells the step's error again */
    }
    return result == SQLITE_OK ? sqlite3_exec(connection->db, "COMMIT", NULL, NULL, NULL) : result;
}

/* One job is one transaction: between two jobs the connection holds no lock. */
static void run_insert(eddy_work *work) {
    struct query *query = eddy_container_of(work, struct query, work);
    finish(query, insert_rows(query->connection));
    if (sqlite3_get_autocommit(query->connection->db)) return;
    sqlite3_exec(query->connection->db, "ROLLBACK", NULL, NULL, NULL);
}

static int look(void *context) {
    const struct query *query = context;
    return atomic_load(&query->is_cancelled);
}

/* sqlite3_interrupt alone is not enough: a statement that has not begun does not hear it, and the
 * next job's does if this one has just ended. So there is a flag of the query, looked at each
 * thousand steps, and a statement whose flag is not set begins again. */
static void run_select(eddy_work *work) {
    struct query *query = eddy_container_of(work, struct query, work);
    struct connection *connection = query->connection;
    int result;
    sqlite3_progress_handler(connection->db, STEPS_PER_LOOK, look, query);
    do {
        if (sqlite3_step(connection->statement) == SQLITE_ROW)
            query->number = sqlite3_column_int64(connection->statement, 0);
        result = sqlite3_reset(connection->statement);
    } while (result == SQLITE_INTERRUPT && !atomic_load(&query->is_cancelled));
    finish(query, result);
    sqlite3_progress_handler(connection->db, 0, NULL, NULL);
}

static void run_close(eddy_work *work) {
    struct query *query = eddy_container_of(work, struct query, work);
    sqlite3_finalize(query->connection->statement);
    query->result = sqlite3_close(query->connection->db);
}

/* --- On the loop --- */

static void on_closed(eddy_work *work, int status) {
    const struct query *query = eddy_container_of(work, struct query, work);
    if (status < 0 || query->result != SQLITE_OK) it.is_wrong = true;
}

/* The last job of each queue: it comes behind all that was submitted. */
static void close_all(void) {
    eddy_timer_stop(&it.tick);
    submit(&it.close[0], &it.writer, run_close, on_closed);
    for (int i = 0; i < 2; i++) submit(&it.close[1 + i], &it.readers[i], run_close, on_closed);
}

static bool is_well(const struct query *query, int status) {
    if (status == 0 && query->result == SQLITE_OK) return true;
    fprintf(stderr, "sqlite: %s\n", status < 0 ? "cancelled" : query->message);
    it.is_wrong = true;
    return false;
}

static void on_endless(eddy_work *work, int status) {
    const struct query *query = eddy_container_of(work, struct query, work);
    if (status == -ECANCELED)
        printf("the endless query: taken back before it began\n");
    else
        printf("the endless query: %s\n", query->message);
    if (status == 0 && query->result != SQLITE_INTERRUPT) it.is_wrong = true;
    printf("a timer of 10 ms was at most %.1f ms late\n", (double)it.late_ns / 1e6);
    close_all();
}

static void cancel(struct query *query) {
    if (eddy_work_cancel(&query->work) != -EBUSY) return;
    atomic_store(&query->is_cancelled, true);
    sqlite3_interrupt(query->connection->db);
}

/* Each time what is there: whole transactions, as many as have been committed. */
static void on_count(eddy_work *work, int status) {
    struct query *query = eddy_container_of(work, struct query, work);
    bool goes_on = is_well(query, status) && !it.is_wrong;
    if (goes_on && query->number % ROWS != 0) it.is_wrong = true;
    if (goes_on && query->number < (int64_t)TRANSACTIONS * ROWS) {
        submit(query, &it.readers[1], run_select, on_count);
        return;
    }
    printf("the second reader: %lld rows\n", (long long)query->number);
    cancel(&it.endless);
}

static void on_insert(eddy_work *work, int status) {
    if (!is_well(eddy_container_of(work, struct query, work), status)) return;
    if (++it.written == TRANSACTIONS) printf("the writer: %d transactions\n", it.written);
}

static void on_tick(eddy_timer *timer) {
    int64_t late_ns = eddy_loop_now_ns(it.loop) - it.due_ns;
    if (it.late_ns < late_ns) it.late_ns = late_ns;
    it.due_ns = eddy_timer_due_ns(timer);
}

static void on_open(eddy_work *work, int status) {
    const struct query *query = eddy_container_of(work, struct query, work);
    bool is_open = is_well(query, status);
    if (is_open && query == &it.open[0]) /* the table is there: the readers' turn */
        for (int i = 0; i < 2; i++) submit(&it.open[1 + i], &it.readers[i], run_open, on_open);
    if (is_open && ++it.opened < 3) return;
    if (!is_open) return; /* what is open is closed by main */
    submit(&it.endless, &it.readers[0], run_select, on_endless);
    for (int i = 0; i < TRANSACTIONS; i++)
        submit(&it.inserts[i], &it.writer, run_insert, on_insert);
    submit(&it.count, &it.readers[1], run_select, on_count);
    eddy_timer_start(&it.tick, on_tick, 10 * EDDY_NS_PER_MS, 10 * EDDY_NS_PER_MS);
    it.due_ns = eddy_timer_due_ns(&it.tick);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: sqlite FILE\n");
        return 2;
    }
    it.path = argv[1];
    if (eddy_loop_open(&it.loop, NULL) < 0) return 1;
    eddy_timer_init(&it.tick, it.loop);
    eddy_queue_init(&it.writer.queue, it.loop, EDDY_LANE_FILE);
    for (int i = 0; i < 2; i++) eddy_queue_init(&it.readers[i].queue, it.loop, EDDY_LANE_FILE);
    submit(&it.open[0], &it.writer, run_open, on_open);
    int err = eddy_loop_run(it.loop, EDDY_RUN_DEFAULT);
    if (it.opened < 3) close_all(); /* SQLite closes what it has not opened, too */
    if (it.opened < 3) err = eddy_loop_run(it.loop, EDDY_RUN_DEFAULT);
    return err < 0 || eddy_loop_close(it.loop) < 0 || it.is_wrong;
}
