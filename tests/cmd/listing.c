/* Listings of eddy serve of any size, in bounded memory, in pieces among other answers. */
#include "listing.h"
#include "sanitized.h"

enum {
    MANY = 100000,
    READERS = 20,
    READER_BYTES = 4096, /* of a slow reader's kernel */
    ENTRY_BYTES = 256,   /* what one of MANY may take: its name and 40 */
};

static bool is_slow(void) {
    return IS_SANITIZED || getenv("EDDY_TEST_SLOW") != NULL;
}

/* The log has a line for an answer once all of it is with the kernel, or its client has gone.
 * Returns the bytes of the body of the next listing. */
static long next_logged(void) {
    char line[512];
    int status;
    long bytes;
    do {
        read_text(program.out, line, sizeof line, true);
    } while (strstr(line, "GET /many/ ") == NULL);
    const char *end = strrchr(line, '"');
    ck_assert_msg(sscanf(end + 1, "%d %ld", &status, &bytes) == 2, "not a line: %s", line);
    ck_assert_int_eq(status, 200);
    return bytes;
}

/* None of them has all of its answer with the kernel yet. */
static void expect_unsent(void) {
    char line[512];
    struct pollfd ready = {program.out, POLLIN, 0};
    while (poll(&ready, 1, 0) > 0) {
        read_text(program.out, line, sizeof line, true);
        ck_assert_msg(strstr(line, "GET /many/ ") == NULL, "a reader is not slow: %s", line);
    }
}

/* A line of the program's status in KiB; -1: this system does not tell. */
static long memory_kib(const char *name) {
    char path[64], line[256];
    long kib = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)program.pid);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0) kib = strtol(line + strlen(name) + 1, NULL, 10);
    if (file != NULL) fclose(file);
    return kib;
}

static void expect_memory(const char *when, const char *name, long kib_max) {
    if (IS_SANITIZED || getenv("EDDY_WRAPPER") != NULL) return;
    int64_t end_ns = test_now_ns() + 20 * EDDY_NS_PER_S;
    while (memory_kib(name) > kib_max && test_now_ns() < end_ns) poll(NULL, 0, 10);
    ck_assert_msg(memory_kib(name) <= kib_max, "%s: %s %ld KiB of %ld", when, name,
                  memory_kib(name), kib_max);
}

/* As strstr, but does not measure the whole page first, as a sanitizer's does. */
static const char *find_near(const char *page, const char *what) {
    while (page != NULL && strncmp(page, what, strlen(what)) != 0)
        page = *page != '\0' ? strchr(page + 1, *what) : NULL;
    return page;
}

/* Each name once, in the order of its number. */
static void expect_many(const char *page, unsigned count) {
    char row[320];
    for (unsigned i = 0; i < count; i++) {
        int length = snprintf(row, sizeof row, "<a href=\"./" MANY_NAME "\">", i);
        page = find_near(page, "<tr><td class=\"n\">");
        if (page == NULL) ck_abort_msg("%u of %u names", i, count);
        page += 18;
        if (strncmp(page, row, (size_t)length) != 0) ck_abort_msg("%.60s is not %s", page, row);
    }
    ck_assert_ptr_null(strstr(page, "<tr>"));
    snprintf(row, sizeof row, "<footer>%u entries,", count);
    ck_assert_ptr_nonnull(strstr(page, row));
}

static struct client *open_reader(void) {
    struct client *client = client_open_with(program.port, READER_BYTES);
    client_send(client, "GET /many/ HTTP/1.1\r\nHost: t\r\n\r\n");
    return client;
}

/* All names are there and in order, and what slow readers of them cost is the names, not the pages,
 * which are twice as large; nothing of it stays, whether the readers finish or leave. */
static void read_slowly(unsigned count, int readers_count) {
    struct client *readers[READERS];
    struct reply *reply = malloc(sizeof *reply);
    ck_assert_ptr_nonnull(reply);
    make_many(count);
    reply_free(get("/")); /* threads have started */
    long before_kib = memory_kib("VmRSS");
    for (int i = 0; i < readers_count; i++) {
        readers[i] = open_reader();
        ck_assert(client_read_head(readers[i], reply));
        ck_assert_int_eq(reply->status, 200);
    }
    long names_kib = (long)readers_count * count * ENTRY_BYTES / 1024;
    expect_memory("slow readers", "VmRSS", before_kib + names_kib + 4096);
    expect_unsent();
    long most_bytes = 0;
    for (int i = 1; i < readers_count; i++) client_close(readers[i]);
    for (int i = 1; i < readers_count; i++) {
        long bytes = next_logged();
        if (bytes > most_bytes) most_bytes = bytes;
    }
    /* It has been slow for long enough; by 4 KiB at a time the rest would take minutes. */
    int room = 1 << 20;
    ck_assert_int_eq(
        setsockopt(readers[0]->fd, SOL_SOCKET, SO_RCVBUF, &room, (socklen_t)sizeof room), 0);
    client_read_body(readers[0], reply);
    expect_many(reply->body, count);
    /* There was something left to send to each of them. */
    ck_assert_int_eq(next_logged(), (long)reply->size);
    ck_assert_int_lt(most_bytes, (long)reply->size);
    reply_free(reply);
    client_close(readers[0]);
    expect_memory("afterwards", "VmRSS", before_kib + 4096);
}

START_TEST(a_hundred_thousand_names_take_bounded_memory) {
    read_slowly(is_slow() ? MANY / 10 : MANY, 2);
}
END_TEST

START_TEST(slow_readers_cost_the_names_only) {
    read_slowly(MANY / 10, is_slow() ? READERS / 5 : READERS);
}
END_TEST

/* A HEAD neither scans nor makes anything, and its answer ends with its head. */
START_TEST(a_head_takes_no_scan) {
    enum { HEADS = 50 };
    unsigned count = MANY / 10;
    char requests[HEADS * 64] = "";
    make_many(count);
    reply_free(get("/"));
    long before_kib = memory_kib("VmHWM");
    for (int i = 0; i < HEADS; i++)
        strcat(requests, "HEAD /many/?sort=size HTTP/1.1\r\nHost: t\r\n\r\n");
    struct client *client = client_open(program.port);
    client_send(client, requests);
    for (int i = 0; i < HEADS; i++) {
        struct reply *reply = client_read(client, true);
        ck_assert_int_eq(reply->status, 200);
        ck_assert(reply_header_is(reply, "Transfer-Encoding", "chunked"));
        ck_assert(reply_header_is(reply, "Content-Type", "text/html; charset=utf-8"));
        reply_free(reply);
    }
    /* One listing would take this much. */
    expect_memory("heads", "VmHWM", before_kib + (long)count * 240 / 1024);
    client_send(client, "GET /many/ HTTP/1.1\r\nHost: t\r\n\r\n");
    struct reply *reply = client_read(client, false);
    expect_many(reply->body, count);
    reply_free(reply);
    client_close(client);
}
END_TEST

/* Pieces of a page go out behind what was asked for before, and before what was asked for later. */
START_TEST(listings_keep_their_place_among_answers) {
    unsigned count = 1000;
    make_many(count);
    make_pattern(root, "file", 3000);
    struct client *client = client_open(program.port);
    for (int i = 0; i < 5; i++)
        client_send(client, "GET /file HTTP/1.1\r\nHost: t\r\n\r\n"
                            "GET /many/ HTTP/1.1\r\nHost: t\r\n\r\n");
    for (int i = 0; i < 5; i++) {
        struct reply *reply = client_read(client, false);
        expect_body(reply, 0, 3000);
        reply_free(reply);
        reply = client_read(client, false);
        expect_many(reply->body, count);
        reply_free(reply);
    }
    client_close(client);
}
END_TEST

/* Without chunks the page goes to the end of the connection. */
START_TEST(an_old_client_gets_the_page_to_the_end) {
    struct reply reply;
    make_many(300);
    struct client *client = client_open(program.port);
    client_send(client, "GET /many/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    ck_assert(client_read_head(client, &reply));
    ck_assert_ptr_null(reply_header(&reply, "Transfer-Encoding"));
    ck_assert(reply_header_is(&reply, "Connection", "close"));
    while (client_receive(client) > 0) {
    }
    ck_assert_uint_lt(client->used, sizeof client->buffer - 1);
    client->buffer[client->used] = '\0';
    expect_many(client->buffer + client->start, 300);
    client_close(client);
}
END_TEST

Suite *make_suite(void) {
    const TTest *const tests[] = {
        a_hundred_thousand_names_take_bounded_memory,
        slow_readers_cost_the_names_only,
        a_head_takes_no_scan,
        listings_keep_their_place_among_answers,
        an_old_client_gets_the_page_to_the_end,
    };
    return listing_suite("listing", tests, sizeof tests / sizeof tests[0]);
}
