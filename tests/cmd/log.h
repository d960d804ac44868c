/* log.h: what the tests of the log share: a program with its log somewhere, the log being read, and
 * many requests at once. */
#ifndef EDDY_TESTS_LOG_H
#define EDDY_TESTS_LOG_H

#include "client.h"

#include <pthread.h>

static char root[128];

static inline void log_setup(void) {
    make_tree(root);
    make_pattern(root, "file.txt", 1000);
}

static inline void log_teardown(void) {
    program_stdout = -1;
    remove_tree(root);
}

/* As serve_start, but what it says on stderr can be read. */
static inline struct program serve_aloud(const char *const *options) {
    const char *arguments[ARGUMENTS_MAX] = {"serve", "--port", "0"};
    int count = 3;
    if (test_backend != NULL) {
        arguments[count++] = "--backend";
        arguments[count++] = test_backend;
    }
    for (int i = 0; options[i] != NULL; i++) arguments[count++] = options[i];
    arguments[count++] = root;
    struct program program = program_start(arguments);
    char banner[512];
    read_text(program.err, banner, sizeof banner, true);
    const char *end = strstr(banner, "/ (");
    ck_assert_msg(end != NULL, "no address in \"%s\"", banner);
    while (end[-1] != ':') end--;
    program.port = (unsigned)strtoul(end, NULL, 10);
    return program;
}

/* The next line that it says. */
static inline void expect_said(const struct program *program, const char *wanted) {
    char text[512];
    read_text(program->err, text, sizeof text, true);
    ck_assert_str_eq(text, wanted);
}

/* Ends it, and it has nothing more to say but `wanted`. */
static inline void end_saying(struct program *program, const char *wanted) {
    char text[512];
    ck_assert_int_eq(kill(program->pid, SIGTERM), 0);
    read_text(program->err, text, sizeof text, false);
    ck_assert_str_eq(text, wanted);
    ck_assert_int_eq(program_wait(program), 0);
}

/* How many lines `said` tells to be lost. */
static inline uint64_t count_lost(const char *said) {
    uint64_t lost = 0;
    while ((said = strpbrk(said, "0123456789")) != NULL) {
        char *end;
        lost += strtoull(said, &end, 10);
        said = end;
    }
    return lost;
}

/* --- Reading --- */

/* A pipe that is read to its end by a thread. */
struct log_reader {
    pthread_t thread;
    int fd;
    char *bytes; /* ended */
    size_t used, size;
};

static inline void *log_read(void *argument) {
    struct log_reader *reader = argument;
    for (;;) {
        if (reader->size - reader->used < 65536) {
            reader->size = reader->size * 2 + 131072;
            reader->bytes = realloc(reader->bytes, reader->size);
        }
        ssize_t got =
            read(reader->fd, reader->bytes + reader->used, reader->size - reader->used - 1);
        if (got <= 0) break;
        reader->used += (size_t)got;
    }
    reader->bytes[reader->used] = '\0';
    return NULL;
}

/* Reads a copy of `fd`, which may be closed meanwhile. No process is to be forked before its end: a
 * lock of the allocator might be held. */
static inline void log_reader_start(struct log_reader *reader, int fd) {
    *reader = (struct log_reader){.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)};
    ck_assert_int_ge(reader->fd, 0);
    ck_assert_int_eq(pthread_create(&reader->thread, NULL, log_read, reader), 0);
}

/* All that came, to be freed. */
static inline char *log_reader_end(struct log_reader *reader) {
    ck_assert_int_eq(pthread_join(reader->thread, NULL), 0);
    close(reader->fd);
    return reader->bytes;
}

/* All of a file that there is now, ended, to be freed; NULL if it is not there. */
static inline char *file_text(const char *path) {
    struct log_reader reader = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (reader.fd < 0) return NULL;
    log_read(&reader);
    close(reader.fd);
    return reader.bytes;
}

static inline unsigned count_lines(const char *text) {
    unsigned lines = 0;
    for (; (text = strchr(text, '\n')) != NULL; text++) lines++;
    return lines;
}

static inline unsigned file_lines(const char *path) {
    char *text = file_text(path);
    unsigned lines = text != NULL ? count_lines(text) : 0;
    free(text);
    return lines;
}

/* Waits until the file has so many lines. */
static inline void expect_file_lines(const char *path, unsigned wanted) {
    unsigned lines = 0;
    for (int i = 0; i < 2000 && lines != wanted; i++) {
        if (i > 0) poll(NULL, 0, 10);
        lines = file_lines(path);
    }
    ck_assert_uint_eq(lines, wanted);
}

/* --- Asking --- */

enum { LOG_PATH_BYTES = 600 };

/* Requests "HEAD /CLIENT-NUMBER-xxx…" for what is not there, from `first` to before `count`, in
 * one go, and reads the answers. */
static inline void ask_numbered(struct client *client, unsigned number, unsigned first,
                                unsigned count) {
    static char requests[1 << 20];
    char path[LOG_PATH_BYTES + 1];
    size_t used = 0;
    for (unsigned i = first; i < count; i++) {
        memset(path, 'x', LOG_PATH_BYTES);
        path[LOG_PATH_BYTES] = '\0';
        int length = snprintf(path, sizeof path, "/%u-%u-", number, i);
        path[length] = 'x';
        used += (size_t)snprintf(requests + used, sizeof requests - used,
                                 "HEAD %s HTTP/1.1\r\nHost: t\r\n\r\n", path);
        ck_assert_uint_lt(used, sizeof requests);
    }
    client_send_bytes(client, requests, used);
    for (unsigned i = first; i < count; i++) {
        struct reply *reply = client_read(client, true);
        ck_assert_int_eq(reply->status, 404);
        reply_free(reply);
    }
}

/* Counts the lines of ask_numbered into `seen` (of `clients` times `count`), and that each line of
 * `text` is a whole one. */
static inline void count_numbered(const char *text, unsigned char *seen, unsigned clients,
                                  unsigned count) {
    while (text != NULL && *text != '\0') {
        unsigned client, number;
        int start = 0;
        const char *end = strchr(text, '\n');
        ck_assert_ptr_nonnull(end);
        int got = sscanf(text, "127.0.0.1 - - [%*[^]]] \"HEAD /%u-%u-%n", &client, &number, &start);
        if (got != 2 || start == 0 || client >= clients || number >= count)
            ck_abort_msg("not a line: %.200s", text);
        const char *path = strstr(text, "HEAD /") + 5;
        size_t length = strcspn(path, " ");
        if (length != LOG_PATH_BYTES || strncmp(path + length, " HTTP/1.1\" 404 -\n", 17) != 0 ||
            path + length + 16 != end)
            ck_abort_msg("not a whole line: %.900s", text);
        seen[client * count + number]++;
        text = end + 1;
    }
}

#endif
