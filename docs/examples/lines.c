/* lines.c: a server of text lines: the commands get, set, delete, version and quit of memcached's
 * protocol, whose values come by length behind their line. `lines [PORT]` serves on the loopback
 * address until it is stopped: printf 'set a 0 0 5\r\nhello\r\nget a\r\nquit\r\n' | nc localhost
 * PORT
 *
 * It shows a reader (eddy/reader.h) that goes from lines to lengths and back, and what bounds a
 * server: lines by the buffer, values by a length that is refused and skipped, all values together,
 * connections, the time for a line and for a value, and clients that do not read their answers.
 * Expiry times are read and not kept. */
#include <eddy.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "number.h"

enum {
    LINE_MAX_BYTES = 2048, /* as memcached's */
    KEY_MAX_BYTES = 250,
    VALUE_MAX_BYTES = 1 << 20,
    STORE_MAX_BYTES = 64 << 20, /* of all items, also of those that are only being sent */
    CLIENTS_MAX = 1000,
    BUCKETS = 1 << 12,
};

#define IDLE_NS  (60 * EDDY_NS_PER_S) /* for the next line */
#define VALUE_NS (10 * EDDY_NS_PER_S) /* for a value, and for the client to take anything */

/* --- The store --- */

/* Never changed once it is stored; it lives as long as the store or an answer has it. */
struct item {
    struct item *next;
    unsigned uses, flags;
    size_t key_size, size;
    char bytes[]; /* the key, then the value with its CR LF */
};

static struct item *buckets[BUCKETS];
static size_t stored_bytes;

static size_t item_bytes(const struct item *item) {
    return sizeof *item + item->key_size + item->size + 2;
}

static struct item *item_make(const char *key, size_t key_size, unsigned flags, size_t size) {
    size_t bytes = sizeof(struct item) + key_size + size + 2;
    if (bytes > STORE_MAX_BYTES - stored_bytes) return NULL;
    struct item *item = malloc(bytes);
    if (item == NULL) return NULL;
    *item = (struct item){.uses = 1, .flags = flags, .key_size = key_size, .size = size};
    memcpy(item->bytes, key, key_size);
    stored_bytes += bytes;
    return item;
}

static void item_release(struct item *item) {
    if (item == NULL || --item->uses > 0) return;
    stored_bytes -= item_bytes(item);
    free(item);
}

/* The place where the key is, or would be. */
static struct item **store_find(const char *key, size_t size) {
    unsigned hash = 2166136261U;
    for (size_t i = 0; i < size; i++) hash = (hash ^ (unsigned char)key[i]) * 16777619U;
    struct item **at = &buckets[hash % BUCKETS];
    while (*at != NULL && ((*at)->key_size != size || memcmp((*at)->bytes, key, size) != 0))
        at = &(*at)->next;
    return at;
}

static bool store_remove(const char *key, size_t size) {
    struct item **at = store_find(key, size), *item = *at;
    if (item == NULL) return false;
    *at = item->next;
    item_release(item);
    return true;
}

static void store_put(struct item *item) {
    store_remove(item->bytes, item->key_size);
    struct item **at = store_find(item->bytes, item->key_size);
    item->next = *at;
    *at = item;
}

/* --- Clients --- */

struct client {
    eddy_reader reader;
    eddy_write last;   /* the end, behind all answers */
    struct item *item; /* whose value is on its way */
    size_t skip;       /* bytes of a value that is refused */
    bool quiet;        /* the command said noreply */
    bool waits;        /* for its answers to be taken, before it is asked for more */
    char buffer[LINE_MAX_BYTES];
};

struct answer {
    eddy_write write;
    struct item *item; /* or NULL */
    struct iovec pieces[2];
    char head[KEY_MAX_BYTES + 48];
};

static eddy_listener listener;
static unsigned clients;

static void on_line(eddy_reader *reader, int status, void *data, size_t size);

static struct client *client_of(eddy_stream *stream) {
    return eddy_container_of(stream, struct client, reader.stream);
}

static void on_closed(eddy_stream *stream) {
    struct client *client = client_of(stream);
    item_release(client->item);
    free(client);
    if (clients-- == CLIENTS_MAX) eddy_listener_resume(&listener);
}

static void client_close(struct client *client) {
    eddy_reader_close(&client->reader, on_closed); /* harmless if it is closing already */
}

static void on_sent_all(eddy_write *write, int status) {
    (void)status;
    client_close(client_of(write->stream));
}

/* Closes when all answers have been sent. */
static void client_finish(struct client *client) {
    if (eddy_stream_shutdown(&client->reader.stream, &client->last, on_sent_all) < 0)
        client_close(client);
}

static void on_sent(eddy_write *write, int status) {
    struct client *client = client_of(write->stream);
    struct answer *answer = eddy_container_of(write, struct answer, write);
    item_release(answer->item);
    free(answer);
    if (status < 0) client_close(client);
}

static void client_send(struct client *client, struct answer *answer) {
    int count = answer->item != NULL ? 2 : 1;
    int err =
        eddy_stream_writev(&client->reader.stream, &answer->write, answer->pieces, count, on_sent);
    if (err == 0) return;
    item_release(answer->item);
    free(answer);
    client_close(client);
}

static struct answer *answer_make(struct client *client) {
    struct answer *answer = malloc(sizeof *answer);
    if (answer == NULL)
        client_close(client);
    else
        answer->item = NULL;
    return answer;
}

static void client_say(struct client *client, const char *text) {
    struct answer *answer = client->quiet ? NULL : answer_make(client);
    if (answer == NULL) return;
    int size = snprintf(answer->head, sizeof answer->head, "%s\r\n", text);
    answer->pieces[0] = (struct iovec){answer->head, (size_t)size};
    client_send(client, answer);
}

/* Asks for the next line, unless the client does not take its answers: then it waits for it. */
static void client_go_on(struct client *client) {
    client->quiet = false;
    client->waits = eddy_stream_is_full(&client->reader.stream);
    if (client->waits) return;
    int err = eddy_reader_until(&client->reader, "\r\n", 2, on_line);
    if (err == 0) err = eddy_reader_set_deadline(&client->reader, IDLE_NS);
    if (err < 0) client_close(client);
}

static void on_drained(eddy_stream *stream) {
    if (client_of(stream)->waits) client_go_on(client_of(stream));
}

/* --- Commands --- */

/* The next word of the line, or an empty one. */
static char *word_of(char **line, size_t *size) {
    char *word = *line + strspn(*line, " ");
    *size = strcspn(word, " ");
    *line = word + *size;
    return word;
}

/* A decimal number of at most `most`, or -1. */
static int64_t number_of(char **line, int64_t most) {
    size_t size;
    char *word = word_of(line, &size);
    int64_t number = 0;
    if (size == 0 || size > 18 || strspn(word, "0123456789") < size) return -1;
    for (size_t i = 0; i < size; i++) number = number * 10 + (word[i] - '0');
    return number <= most ? number : -1;
}

static void say_value(struct client *client, const char *key, size_t size) {
    struct item *item = *store_find(key, size);
    struct answer *answer = item != NULL ? answer_make(client) : NULL;
    if (answer == NULL) return;
    int length = snprintf(answer->head, sizeof answer->head, "VALUE %.*s %u %zu\r\n", (int)size,
                          key, item->flags, item->size);
    item->uses++;
    answer->item = item;
    answer->pieces[0] = (struct iovec){answer->head, (size_t)length};
    answer->pieces[1] = (struct iovec){item->bytes + item->key_size, item->size + 2};
    client_send(client, answer);
}

static void do_get(struct client *client, char *line) {
    size_t size;
    for (char *key = word_of(&line, &size); size > 0; key = word_of(&line, &size))
        if (size <= KEY_MAX_BYTES) say_value(client, key, size);
    client_say(client, "END");
}

static void on_value(eddy_reader *reader, int status, void *data, size_t size) {
    struct client *client = eddy_container_of(reader, struct client, reader);
    struct item *item = client->item;
    if (status < 0) {
        client_close(client);
        return;
    }
    client->item = NULL;
    if (memcmp((char *)data + size - 2, "\r\n", 2) == 0) {
        store_put(item);
        client_say(client, "STORED");
    } else {
        item_release(item);
        client_say(client, "CLIENT_ERROR bad data chunk");
    }
    client_go_on(client);
}

/* Reads and forgets, in pieces that the buffer holds. */
static void on_skipped(eddy_reader *reader, int status, void *data, size_t size) {
    struct client *client = eddy_container_of(reader, struct client, reader);
    (void)data;
    if (status == 0 && size == client->skip) {
        client_say(client, "SERVER_ERROR out of memory storing object");
        client_go_on(client);
        return;
    }
    client->skip -= size;
    size_t next = client->skip < LINE_MAX_BYTES ? client->skip : LINE_MAX_BYTES;
    if (status == 0) status = eddy_reader_exactly(reader, next, on_skipped);
    if (status == 0) status = eddy_reader_set_deadline(reader, VALUE_NS);
    if (status < 0) client_close(client);
}

/* Returns false if nothing can be made of the line, nor of what comes behind it. */
static bool do_set(struct client *client, char *line) {
    size_t key_size, size;
    char *key = word_of(&line, &key_size);
    int64_t flags = number_of(&line, UINT32_MAX), expiry = number_of(&line, INT64_MAX),
            count = number_of(&line, INT32_MAX);
    char *word = word_of(&line, &size);
    if (key_size == 0 || key_size > KEY_MAX_BYTES || flags < 0 || expiry < 0 || count < 0)
        return false;
    client->quiet = size == 7 && memcmp(word, "noreply", 7) == 0;
    if (count <= VALUE_MAX_BYTES)
        client->item = item_make(key, key_size, (unsigned)flags, (size_t)count);
    if (client->item == NULL) {
        client->skip = (size_t)count + 2;
        on_skipped(&client->reader, 0, NULL, 0);
        return true;
    }
    int err = eddy_reader_exactly_into(&client->reader, client->item->bytes + key_size,
                                       (size_t)count + 2, on_value);
    if (err == 0) err = eddy_reader_set_deadline(&client->reader, VALUE_NS);
    if (err < 0) client_close(client);
    return true;
}

static void do_delete(struct client *client, char *line) {
    size_t size, more;
    char *key = word_of(&line, &size), *word = word_of(&line, &more);
    client->quiet = more == 7 && memcmp(word, "noreply", 7) == 0;
    client_say(client, store_remove(key, size) ? "DELETED" : "NOT_FOUND");
}

/* Returns whether the next line may be asked for. */
static bool client_obey(struct client *client, char *line) {
    size_t size;
    char *command = word_of(&line, &size);
    if (size == 3 && memcmp(command, "set", 3) == 0) {
        if (do_set(client, line)) return false;
        client_say(client, "CLIENT_ERROR bad command line format");
        client_finish(client);
        return false;
    }
    if (size == 4 && memcmp(command, "quit", 4) == 0) {
        client_finish(client);
        return false;
    }
    if (size == 3 && memcmp(command, "get", 3) == 0)
        do_get(client, line);
    else if (size == 6 && memcmp(command, "delete", 6) == 0)
        do_delete(client, line);
    else if (size == 7 && memcmp(command, "version", 7) == 0)
        client_say(client, "VERSION lines");
    else
        client_say(client, "ERROR");
    return true;
}

static void on_line(eddy_reader *reader, int status, void *data, size_t size) {
    struct client *client = eddy_container_of(reader, struct client, reader);
    char *line = data;
    if (status == -EPIPE || status == -EMSGSIZE) {
        if (status == -EMSGSIZE) client_say(client, "CLIENT_ERROR line too long");
        client_finish(client);
    } else if (status < 0) {
        client_close(client);
    } else {
        line[size - 2] = '\0'; /* a NUL before it cuts the line, and harms nothing */
        if (client_obey(client, line)) client_go_on(client);
    }
}

static void on_accept(eddy_listener *from, int fd, const struct sockaddr *peer) {
    (void)peer;
    struct client *client = fd >= 0 ? malloc(sizeof *client) : NULL;
    if (client == NULL) {
        if (fd >= 0) close(fd);
        return;
    }
    eddy_reader_init(&client->reader, eddy_handle_loop(&from->io.handle), client->buffer,
                     sizeof client->buffer);
    client->item = NULL;
    eddy_stream_set_marks(&client->reader.stream, 64 << 10, 256 << 10, on_drained);
    if (eddy_stream_attach(&client->reader.stream, fd) < 0) {
        close(fd);
        free(client);
        return;
    }
    if (++clients == CLIENTS_MAX) eddy_listener_pause(from);
    if (eddy_stream_set_write_timeout(&client->reader.stream, VALUE_NS) < 0)
        client_close(client);
    else
        client_go_on(client);
}

static int fail(const char *what, int error) {
    char text[80];
    fprintf(stderr, "lines: %s: %s\n", what, eddy_strerror(error, text, sizeof text));
    return EXIT_FAILURE;
}

int main(int argc, char **argv) {
    char text[64];
    struct sockaddr_storage storage;
    struct sockaddr *address = (struct sockaddr *)&storage;
    long port = 0;
    if (argc > 2 || (argc == 2 && !number_parse(argv[1], 0, 65535, &port))) {
        fprintf(stderr, "usage: lines [PORT]\n");
        return 2;
    }
    socklen_t length = (socklen_t)eddy_address_parse(&storage, "127.0.0.1", (unsigned)port);
    eddy_loop *loop;
    int err = eddy_loop_open(&loop, NULL);
    if (err < 0) return fail("loop", err);
    eddy_listener_init(&listener, loop);
    err = eddy_tcp_listen(&listener, address, length, 0, 0, on_accept);
    if (err < 0) return fail("listen", err);
    length = sizeof storage;
    eddy_listener_address(&listener, address, &length);
    eddy_address_format(address, text, sizeof text);
    printf("lines: listening on %s\n", text);
    fflush(stdout);
    err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    return err < 0 ? fail("run", err) : EXIT_SUCCESS;
}
